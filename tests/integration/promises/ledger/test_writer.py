"""The writer on a real PostgreSQL: one request once, positions without gaps, one verdict however many ask."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from services.kit.clock import FixedClock
from services.kit.ids import uuid7
from services.kit.merkle import Frontier, leaf_hash
from services.kit.promise.line import digest_of, read_line
from services.promises.ledger.batch import Answer
from services.promises.ledger.messages import Refused
from services.promises.ledger.store import LedgerStore
from services.promises.ledger.verification import verify
from services.promises.ledger.writer import ClockBehind, NotWriting, Writer
from tests.integration.promises.ledger.conftest import Ledger, writing
from tests.unit.promises.ledger.asking import (
    AFTER_DUE,
    DUE_AT,
    NOW,
    acknowledged,
    at_risk,
    broken,
    erasure,
    handed_over,
    make,
    released,
    told,
    voided,
)

ID = UUID("019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a77")
SECOND = timedelta(seconds=1)


def _slug(answer: Answer) -> str:
    assert answer.refused is not None
    return answer.refused.slug


async def test_fifty_of_the_same_at_once_are_one_entry_and_one_receipt(ledger: Ledger) -> None:
    answers = await ledger.ask(*[make(ID, "k1")] * 50)
    assert Counter(answer.replayed for answer in answers) == {False: 1, True: 49}
    assert len({answer.receipt for answer in answers}) == 1
    assert await ledger.count() == 1
    (again,) = await ledger.ask(make(ID, "k1"))
    assert (again.replayed, again.receipt) == (True, answers[0].receipt)


async def test_a_key_stands_for_one_command_and_another_writes_nothing(ledger: Ledger) -> None:
    (first,) = await ledger.ask(make(ID, "k1"))
    (other,) = await ledger.ask(make(ID, "k1", quantity=2))
    assert (other.reused, other.receipt) == (True, first.receipt)
    assert await ledger.count() == 1


async def test_a_refusal_is_remembered_though_the_state_has_moved_on(ledger: Ledger) -> None:
    await ledger.ask(make(ID))
    early = handed_over(ID, at=NOW + timedelta(hours=1), key="b1")
    (refused,) = await ledger.ask(early)
    ledger.clock.advance(timedelta(hours=2))
    (again,) = await ledger.ask(early)
    assert (_slug(refused), refused.replayed) == ("evidence-from-the-future", False)
    assert (again.refused, again.replayed) == (refused.refused, True)
    (anew,) = await ledger.ask(handed_over(ID, at=NOW + timedelta(hours=1)))
    assert anew.receipt


async def test_what_is_not_there_is_not_remembered(ledger: Ledger) -> None:
    late = handed_over(ID, key="e1")
    assert await ledger.ask(late) == [Answer()]
    await ledger.ask(make(ID))
    (answer,) = await ledger.ask(late)
    assert answer.receipt and answer.receipt.seq == 2


async def test_a_thousand_who_resolve_one_promise_get_one_verdict_and_one_explanation(ledger: Ledger) -> None:
    await ledger.ask(make(ID))
    ledger.clock.instant = AFTER_DUE
    ways = (lambda: released(ID), lambda: voided(ID), lambda: released(ID, if_match=1), lambda: replace(broken(ID), key=str(uuid7())))
    answers = await ledger.ask(*(ways[number % 4]() for number in range(1000)))
    assert Counter(answer.receipt is not None for answer in answers) == {True: 1, False: 999}
    told_why = [answer.refused for answer in answers if answer.refused]
    assert len(told_why) == 999
    assert all(each == told_why[0] for each in told_why)
    assert _slug(Answer(refused=told_why[0])) == "already-settled"


async def test_the_same_thing_again_within_a_quarter_of_an_hour_looks_like_a_double(ledger: Ledger) -> None:
    await ledger.ask(make(ID))
    (double,) = await ledger.ask(make())
    assert double.refused == Refused("looks-like-duplicate", 409, double.refused.sentence if double.refused else "", {"promise_id": str(ID)})
    (meant,) = await ledger.ask(make(distinct_from=ID))
    assert meant.receipt
    ledger.clock.instant = NOW + timedelta(minutes=16)
    (later,) = await ledger.ask(make())
    assert later.receipt


async def test_two_of_the_same_thing_in_one_batch_are_one(ledger: Ledger) -> None:
    answers = await ledger.ask(make(), make(), make(quantity=2))
    assert [answer.receipt is not None for answer in answers] == [True, False, True]


async def test_positions_have_no_gap_and_time_rises(ledger: Ledger) -> None:
    ids = [uuid7() for _ in range(300)]
    await ledger.ask(*(make(id, customer_id=uuid7()) for id in ids), *(make(id) for id in ids[:100]))
    await ledger.ask(*(acknowledged(id) for id in ids), *(acknowledged(id) for id in ids))
    rows = await ledger.rows("select position, recorded_at, seq from ledger_entries order by position")
    assert [position for position, _, _ in rows] == list(range(1, 601))
    assert sorted({at for _, at, _ in rows}) == [at for _, at, _ in rows]


async def test_what_is_kept_is_what_the_lines_say(ledger: Ledger) -> None:
    """Every column repeats its line; the tree and the state are those of the lines."""
    await ledger.ask(make(ID), told(ID), at_risk(ID), acknowledged(ID), acknowledged(ID, seen=True))
    ledger.clock.instant = DUE_AT
    await ledger.ask(handed_over(ID, DUE_AT))
    columns = "position, promise_id, seq, recorded_at, scope, key, fingerprint, state_digest, leaf_hash, line"
    rows = await ledger.connection.fetch(f"select {columns} from ledger_entries order by position")
    lines = [read_line(row["line"]) for row in rows]
    for row, line in zip(rows, lines, strict=True):
        assert [row[name] for name in columns.split(", ")[:8]] == [getattr(line, name) for name in columns.split(", ")[:8]]
        assert row["leaf_hash"] == leaf_hash(row["line"].encode())
    head = await LedgerStore(ledger.connection).head()
    assert head.frontier == Frontier().grown(row["leaf_hash"] for row in rows)[0]
    look = await LedgerStore(ledger.connection).look([make(ID)], NOW)
    assert digest_of(look.promises[ID]) == lines[-1].state_digest
    assert [line.kind for line in lines] == ["made", "told", "at_risk", "acknowledged", "acknowledged", "evidenced"]
    assert await ledger.rows("select seq, position, verdict, state_digest from ledger_promises") == [(6, 6, "kept", lines[-1].state_digest)]


async def test_two_writers_by_accident_lose_nothing_and_double_nothing(ledger: Ledger) -> None:
    async with writing(ledger.url, ledger.clock) as second:
        ids = [uuid7() for _ in range(40)]
        asked = [make(id, f"k-{id}", customer_id=uuid7()) for id in ids]
        answers = await asyncio.gather(*(writer.ask(each) for each in asked for writer in (ledger.writer, second)))
        turns = [await writer.ask(make(customer_id=uuid7())) for writer in (second, ledger.writer, second)]
    assert [answer.receipt and answer.receipt.position for answer in turns] == [41, 42, 43]
    assert await ledger.count() == 43
    receipts = {answer.receipt for answer in answers}
    assert len(receipts) == 40 and None not in receipts
    assert Counter(answer.replayed for answer in answers) == {False: 40, True: 40}


async def test_what_another_writer_wrote_is_not_overlooked_by_one_that_has_the_promise_at_hand(ledger: Ledger) -> None:
    await ledger.ask(make(ID))
    async with writing(ledger.url, ledger.clock) as second:
        await second.ask(at_risk(ID))
    (cleared,) = await ledger.ask(at_risk(ID, raised=False))
    assert cleared.receipt and cleared.receipt.seq == 3


async def test_a_no_of_a_writer_that_was_overtaken_leaves_the_head_where_the_other_has_moved_it(ledger: Ledger) -> None:
    await ledger.ask(make(ID))
    async with writing(ledger.url, ledger.clock) as second:
        await second.ask(at_risk(ID))
    (refused,) = await ledger.ask(make(ID, key="another"))
    assert refused.refused
    assert (await LedgerStore(ledger.connection).head()).frontier.size == await ledger.count() == 2
    (cleared,) = await ledger.ask(at_risk(ID, raised=False))
    assert cleared.receipt and cleared.receipt.position == 3


async def test_one_bad_command_does_not_fail_its_neighbours(ledger: Ledger) -> None:
    bad = replace(make(), words=(b"salt", "PostgreSQL takes no \x00"))
    asked = [*(make(customer_id=uuid7()) for _ in range(5)), bad, *(make(customer_id=uuid7()) for _ in range(5))]
    at_once = await asyncio.gather(*map(ledger.writer.ask, asked), return_exceptions=True)
    together = await ledger.writer.ask_all(asked)
    assert (
        [isinstance(each, Exception) for each in at_once] == [isinstance(each, Exception) for each in together] == [False] * 5 + [True] + [False] * 5
    )
    assert await ledger.count() == 10


async def test_what_is_written_while_the_rest_is_decided_is_one_commit(ledger: Ledger) -> None:
    """Promised, told, settled and erased in one commit that is written in several pieces."""
    ids, customers = [uuid7() for _ in range(150)], [uuid7() for _ in range(150)]
    made = [make(id, customer_id=customer) for id, customer in zip(ids, customers, strict=True)]
    asked = [*made, *(told(id) for id in ids), *(released(id) for id in ids), *(erasure(customer) for customer in customers[:50])]
    answers = await ledger.writer.ask_all(asked)
    assert all(isinstance(answer, Answer) and (answer.receipt or answer.erasure) for answer in answers)
    assert len(await ledger.rows("select distinct xmin::text from ledger_entries")) == 1
    rows = await ledger.connection.fetch("select line, leaf_hash from ledger_entries order by position")
    found = verify([row["line"].encode() for row in rows], leaf_hashes=[row["leaf_hash"] for row in rows])
    head = await LedgerStore(ledger.connection).head()
    assert (found.size, found.root, found.fault) == (500, head.frontier.root(), None)
    last = "select state_digest from ledger_entries e where e.promise_id = p.promise_id and e.seq = p.seq and e.position = p.position"
    agreeing = await ledger.rows(f"select seq, count(*) from ledger_promises p where state_digest = ({last}) group by seq order by seq")
    assert agreeing == [(3, 100), (4, 50)]
    assert (await ledger.count("ledger_words"), await ledger.count("ledger_customers")) == (200, 100)


async def test_what_fails_behind_what_was_written_takes_all_of_its_commit_back(ledger: Ledger) -> None:
    bad = replace(make(), words=(b"salt", "PostgreSQL takes no \x00"))
    asked = [*(make(customer_id=uuid7()) for _ in range(400)), bad, *(make(customer_id=uuid7()) for _ in range(50))]
    answers = await ledger.writer.ask_all(asked)
    assert [at for at, answer in enumerate(answers) if isinstance(answer, Exception)] == [400]
    positions = [answer.receipt.position for answer in answers if isinstance(answer, Answer) and answer.receipt]
    assert positions == [position for (position,) in await ledger.rows("select position from ledger_entries order by position")] == [*range(1, 451)]


async def test_a_clock_behind_the_ledger_writes_nothing(ledger: Ledger) -> None:
    await ledger.ask(make())
    ledger.clock.instant = NOW - 6 * SECOND
    with pytest.raises(ClockBehind):
        await ledger.ask(make(customer_id=uuid7()))
    ledger.clock.instant = NOW - 4 * SECOND
    (answer,) = await ledger.ask(make(customer_id=uuid7()))
    assert answer.receipt and answer.receipt.recorded_at > NOW


async def test_who_does_not_lead_says_so(clock: FixedClock) -> None:
    with pytest.raises(NotWriting):
        await Writer(clock).ask(make())
