"""What the fuzzer of the envelope starts from is alive, and what it looks for would be seen."""

from dataclasses import dataclass

import pytest

from services.kit.envelope import Reader, Reads
from tests.fuzz import envelope


@dataclass(frozen=True)
class _Anything:
    n: int = 0


def test_every_golden_example_is_read_in_both_modes() -> None:
    made = list(envelope.seeds())
    assert len(made) >= 2 * 20
    assert [type for type, seed in made if not envelope.read(seed)] == []


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff" * 9, b"\x01abc\xff\xff\xff\xff\xff\xff\xff{", b"\x02" + b"[" * 100_000])
def test_what_is_no_event_is_bad_data(data: bytes) -> None:
    assert envelope.read(data) is False


def test_a_reader_that_raises_anything_else_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: _Anything) -> object:
        raise KeyError("n")

    type = next(type for type, _ in envelope.seeds())
    monkeypatch.setattr(envelope, "_CHOICES", [(Reader({type: Reads(_Anything, broken)}), type)])
    with pytest.raises(KeyError):
        envelope.read(next(seed for _, seed in envelope.seeds()))
