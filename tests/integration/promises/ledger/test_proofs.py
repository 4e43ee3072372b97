"""Proofs out of the database, against the tree over all leaf hashes; and the checkpoint that an operator signs and gives away."""

import random
from pathlib import Path

import pytest

from services.kit import cli
from services.kit.ids import uuid7
from services.kit.merkle import Frontier, is_consistent, is_included
from services.kit.notes import Checkpoint, Verifier, open_note
from services.promises.ledger import proofs
from tests.integration.promises.ledger.conftest import Ledger
from tests.unit.promises.ledger.asking import make

_SIZE = 1100


@pytest.fixture
async def leaves(ledger: Ledger) -> list[bytes]:
    """Those of a ledger with four whole nodes of the eighth level, and a rest."""
    for _ in range(_SIZE // 100):
        await ledger.ask(*(make(customer_id=uuid7()) for _ in range(100)))
    assert await ledger.count("ledger_nodes") == _SIZE // 256
    return [leaf for (leaf,) in await ledger.rows("select leaf_hash from ledger_entries order by position")]


async def test_an_entry_is_shown_to_be_in_the_ledger_of_any_later_size(ledger: Ledger, leaves: list[bytes]) -> None:
    chosen = random.Random(6962)
    for _ in range(60):
        size = chosen.randint(1, _SIZE)
        position = chosen.randint(1, size)
        root = Frontier().grown(leaves[:size])[0].root()
        assert await proofs.root(ledger.connection, size) == root
        assert is_included(leaves[position - 1], position - 1, size, await proofs.included(ledger.connection, position, size), root)


async def test_a_ledger_is_shown_to_begin_with_every_shorter_one(ledger: Ledger, leaves: list[bytes]) -> None:
    chosen = random.Random(9162)
    pairs = [(0, 5), (256, 512), (512, 1024), (1024, 1100), (1, 1100), (1100, 1100)]
    pairs += [tuple(sorted((chosen.randint(1, _SIZE), chosen.randint(1, _SIZE)))) for _ in range(60)]  # type: ignore[misc]  # two of them
    for old, size in pairs:
        old_root, root = (Frontier().grown(leaves[:each])[0].root() for each in (old, size))
        assert is_consistent(old, size, old_root, root, await proofs.continued(ledger.connection, old, size))


async def test_what_is_not_there_has_no_proof(ledger: Ledger) -> None:
    with pytest.raises(IndexError):
        await proofs.included(ledger.connection, 1, 0)
    with pytest.raises(IndexError):
        await proofs.continued(ledger.connection, 2, 1)


async def test_a_checkpoint_is_signed_with_the_ledgers_key_and_a_later_ledger_begins_with_it(
    ledger: Ledger, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KEPT_VAR", str(tmp_path))
    await ledger.ask(make())
    assert cli.run(["ledger", "checkpoint"]) == 0
    printed = capsys.readouterr()
    key = printed.err.strip().rpartition(" ")[2]
    text, _ = open_note(printed.out, [Verifier.read(key)])
    head = Frontier().grown(leaf for (leaf,) in await ledger.rows("select leaf_hash from ledger_entries order by position"))[0]
    checkpoint = Checkpoint.read(text)
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == ("kept.local/ledger", 1, head.root())
    (tmp_path / "witness").write_text(printed.out)
    await ledger.ask(make(customer_id=uuid7()))
    assert cli.run(["ledger", "verify", "--witness", str(tmp_path / "witness"), "--key", key]) == 0
