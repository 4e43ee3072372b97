"""Whatever is done to a ledger's lines is found, and the first entry that is wrong is named."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from services.kit.ids import uuid7
from services.kit.merkle import Frontier, leaf_hash
from services.kit.notes import Checkpoint
from services.promises.ledger.batch import Head, Look, settle
from services.promises.ledger.verification import Fault, verify
from tests.unit.promises.ledger.asking import AFTER_DUE, DUE_AT, NOW, acknowledged, at_risk, broken, handed_over, make, released, told

_ORIGIN = "kept.test/ledger"


def _written() -> tuple[list[bytes], list[Checkpoint]]:
    """Some three hundred lines of promises that go every way, and what a witness saw on the way."""
    look, head = Look({}, {}, {}, {}, {}), Head(datetime(1970, 1, 1, tzinfo=UTC), Frontier())
    lines, seen = list[bytes](), list[Checkpoint]()
    ids = [uuid7() for _ in range(60)]
    rounds = (
        (NOW, [make(id, customer_id=uuid7()) for id in ids]),
        (NOW, [told(id) for id in ids]),
        (NOW, [acknowledged(id) for id in ids] + [at_risk(id) for id in ids[:20]]),
        (DUE_AT, [handed_over(id, DUE_AT) for id in ids[20:40]] + [released(id) for id in ids[40:50]]),
        (AFTER_DUE, [broken(id) for id in ids] + [handed_over(ids[50], DUE_AT), handed_over(ids[51], AFTER_DUE)]),
    )
    for now, asked in rounds:
        batch = settle(asked, look, head, now)
        head = batch.head
        lines += [entry.line for entry in batch.entries]
        seen.append(Checkpoint(_ORIGIN, head.frontier.size, head.frontier.root(), now))
    return lines, seen


LINES, SEEN = _written()
HASHES = [leaf_hash(line) for line in LINES]


def test_an_untouched_ledger_is_whole() -> None:
    found = verify(LINES, leaf_hashes=HASHES, witnessed=SEEN)
    assert (found.size, found.root, found.fault) == (len(LINES), SEEN[-1].root, None)
    assert len(LINES) > 200


@pytest.mark.parametrize("seed", range(200))
def test_any_byte_that_was_flipped_is_found_in_its_entry(seed: int) -> None:
    chosen = random.Random(seed)
    at = chosen.randrange(len(LINES))
    spoilt = bytearray(LINES[at])
    spoilt[chosen.randrange(len(spoilt))] ^= 1 << chosen.randrange(8)
    found = verify([*LINES[:at], bytes(spoilt), *LINES[at + 1 :]], leaf_hashes=HASHES, witnessed=SEEN)
    assert found.fault is not None
    assert found.fault.position == at + 1


def _without_a_list(lines: Sequence[bytes]) -> int:
    """The position that is named when nobody kept the leaf hashes, only witnesses saw roots."""
    found = verify(lines, witnessed=SEEN)
    assert found.fault is not None
    return found.fault.position


def test_a_changed_quantity_is_named_by_the_state_alone() -> None:
    changed = [LINES[0].replace(b'"quantity":1', b'"quantity":2'), *LINES[1:]]
    assert changed[0] != LINES[0]
    assert verify(changed).fault == Fault(1, "The state that its promise then has is not the one it was written with.")


def test_a_byte_outside_the_state_is_found_by_the_next_root_that_a_witness_saw() -> None:
    changed = [*LINES[:10], LINES[10].replace(b'"channel":"phone"', b'"channel":"email"'), *LINES[11:]]
    assert verify(changed).fault is None
    assert _without_a_list(changed) == SEEN[0].size


def test_a_tail_that_was_cut_off_or_an_old_backup_is_shorter_than_what_was_seen() -> None:
    assert verify(LINES[:-5]).fault is None
    assert _without_a_list(LINES[:-5]) == len(LINES) - 4
    assert verify(LINES[:-5], leaf_hashes=HASHES).fault == Fault(
        len(LINES) - 4, "The list of leaf hashes goes on where the ledger ends: entries are missing."
    )
    assert _without_a_list(LINES[: SEEN[1].size]) == SEEN[1].size + 1


def test_entries_that_were_swapped_are_named() -> None:
    assert verify([*LINES[:30], LINES[31], LINES[30], *LINES[32:]]).fault == Fault(31, "It has the position 32.")
    renumbered = [LINES[31].replace(b'"position":32', b'"position":31'), LINES[30].replace(b'"position":31', b'"position":32')]
    assert _without_a_list([*LINES[:30], *renumbered, *LINES[32:]]) == 32  # recorded no later than the one before it


def test_an_entry_that_was_put_in_or_left_out_is_named() -> None:
    assert verify([*LINES[:50], LINES[49], *LINES[50:]]).fault == Fault(51, "It has the position 50.")
    assert verify([*LINES[:50], *LINES[51:]]).fault == Fault(51, "It has the position 52.")


def test_a_key_that_stands_twice_is_named() -> None:
    first, second = LINES[0], LINES[1]
    key = first.partition(b'"key":"')[2].partition(b'"')[0]
    other = second.partition(b'"key":"')[2].partition(b'"')[0]
    assert verify([first, second.replace(other, key)]).fault == Fault(2, "An entry before it has its key.")


@pytest.mark.parametrize("rubbish", [b"", b"{}", b"null", b"\xff", b"[" * 100_000, LINES[0][:-1], LINES[1].replace(b'"made"', b'"other"')])
def test_what_is_no_line_is_named(rubbish: bytes) -> None:
    assert verify([LINES[0], rubbish]).fault == Fault(2, "It is not the line of an entry.")


def test_another_ledger_of_the_same_length_is_not_the_one_that_was_seen() -> None:
    other, _ = _written()
    assert verify(other).fault is None
    assert _without_a_list(other) == SEEN[0].size


def test_an_empty_ledger_is_whole_until_somebody_saw_more() -> None:
    assert verify([]).fault is None
    assert verify([], witnessed=[Checkpoint(_ORIGIN, 0, verify([]).root, NOW)]).fault is None
    assert verify([], witnessed=SEEN[:1]).fault == Fault(1, f"The ledger ends here, and a witness saw {SEEN[0].size} entries of it.")


def test_time_that_does_not_rise_is_named() -> None:
    at = LINES[1].partition(b'"recorded_at":"')[2].partition(b'"')[0]
    earlier = (NOW - timedelta(days=1)).isoformat().replace("+00:00", "Z").encode()
    assert verify([LINES[0], LINES[1].replace(at, earlier)]).fault == Fault(2, "It was recorded no later than the one before it.")
