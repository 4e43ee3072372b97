"""Canonical JSON, against another implementation of RFC 8785."""

import random
import sys
from typing import Any

import pytest
import rfc8785

from services.kit.canonical import GREATEST, NotCanonical, canonical, insist_on_profile

_VALUES = 100_000
_CHARACTERS = [*map(chr, range(0x20)), *'"\\/\x7f\x80', *"aZ09 äß€", "\u2028", "\u2029", "\ufeff", "\uffff", "\U0001f600", "\U0010ffff"]


def _value(random: random.Random, depth: int = 0) -> Any:
    kind = random.randrange(5 if depth > 3 else 7)
    if kind == 5:
        return [_value(random, depth + 1) for _ in range(random.randrange(4))]
    if kind == 6:
        return {
            "".join(random.choices("".join(map(chr, range(0x80))), k=random.randrange(6))): _value(random, depth + 1)
            for _ in range(random.randrange(5))
        }
    return (
        None,
        random.random() < 0.5,
        random.randint(-GREATEST, GREATEST),
        random.randrange(100),
        "".join(random.choices(_CHARACTERS, k=random.randrange(9))),
    )[kind]


def test_it_writes_what_rfc_8785_says() -> None:
    chosen = random.Random(8785)  # the same values in every run
    for _ in range(_VALUES):
        value = _value(chosen)
        insist_on_profile(value)
        assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (1.0, "the value is of the type float"),
        ({"a": [1, {"b": 0.5}]}, r"the value\.a\[1\]\.b is of the type float"),
        (GREATEST + 1, "an integer beyond"),
        (-GREATEST - 1, "an integer beyond"),
        ({"größe": 1}, "a name in the value is not ASCII"),
        ({1: 1}, "a name in the value is not ASCII"),
        ("\ud83d", "half of a surrogate pair"),
        (b"", "of the type bytes"),
        (float("nan"), "of the type float"),
    ],
)
def test_what_another_might_write_otherwise_is_refused_by_its_place(value: object, where: str) -> None:
    with pytest.raises(NotCanonical, match=where):
        insist_on_profile(value)


def test_a_boolean_is_no_integer_and_the_largest_is_written_whole() -> None:
    assert canonical([True, GREATEST, -GREATEST]) == b"[true,9007199254740991,-9007199254740991]"
    assert sys.maxsize > GREATEST
