"""The consume loop over a journal in memory."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest

from services.kit.consume import DEATHS_BEFORE_SET_ASIDE, FAILURES_BEFORE_HALT, ConsumeLoop, TooManyFailures
from services.kit.envelope import Reader, Reads
from services.kit.journal import Hold, Outcome
from services.kit.ports import Message
from services.kit.values import NewId
from tests.support.journal import MemoryJournal
from tests.support.messages import message

COUNTED = "toy.Counted.v1"
PASSING = (ConnectionResetError(), asyncpg.DeadlockDetectedError(), asyncpg.SerializationError(), asyncpg.LockNotAvailableError())


@dataclass(frozen=True, slots=True)
class Counted:
    n: int


@dataclass
class Fixture:
    journal: MemoryJournal
    naps: list[float]
    loop: ConsumeLoop
    new_id: NewId
    nap: Callable[[float], Awaitable[None]]

    async def take(self, messages: Sequence[Message]) -> Counter[Outcome]:
        return await self.loop.take(self.loop.read(messages))

    def event(self, n: int, *, id: UUID | None = None, key: str = "k", type: str = COUNTED, offset: int | None = None) -> Message:
        return message(id or self.new_id(), type, {"n": n}, offset=n if offset is None else offset, key=key)

    def unreadable(self, offset: int) -> Message:
        return message(self.new_id(), COUNTED, b'{"n": "broken', offset=offset)


@pytest.fixture
def it(new_id: NewId) -> Fixture:
    journal, naps = MemoryJournal(), list[float]()

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    return Fixture(journal, naps, ConsumeLoop(Reader({COUNTED: Counted}), journal, service="toy", sleep=nap), new_id, nap)


async def test_a_batch_is_applied_in_order_in_one_transaction(it: Fixture) -> None:
    done = await it.take([it.event(n) for n in range(5)])
    assert done == Counter({Outcome.APPLIED: 5})
    assert (it.journal.applied, it.journal.commits) == ([0, 1, 2, 3, 4], 1)


async def test_a_bug_in_a_service_s_reader_sets_aside_that_event_alone(it: Fixture) -> None:
    def to_domain(counted: Counted) -> Counted:
        return {1: counted, 3: counted}[counted.n]

    it.loop = ConsumeLoop(Reader({COUNTED: Reads(Counted, to_domain)}), it.journal, service="toy", sleep=it.nap)
    done = await it.take([it.event(n, key=f"k{n}") for n in (1, 2, 3)])
    assert done == Counter({Outcome.APPLIED: 2, Outcome.FAILED: 1})
    assert (it.journal.applied, it.journal.letters) == ([1, 3], [(Outcome.FAILED, 2)])


async def test_an_event_that_the_batch_holds_twice_is_applied_once(it: Fixture) -> None:
    id = it.new_id()
    done = await it.take([it.event(1, id=id), it.event(1, id=id, offset=2)])
    assert done == Counter({Outcome.APPLIED: 1, Outcome.DUPLICATE: 1})
    assert it.journal.applied == [1]


async def test_an_event_applied_before_is_a_duplicate(it: Fixture) -> None:
    again = it.event(1)
    await it.take([again])
    assert await it.take([again]) == Counter({Outcome.DUPLICATE: 1})


async def test_a_batch_with_nothing_heard_opens_no_transaction(it: Fixture) -> None:
    done = await it.take([it.event(n, type="toy.Other.v1") for n in range(3)])
    assert done == Counter({Outcome.NOT_HEARD: 3})
    assert (it.journal.commits, it.journal.begun) == (0, {})


async def test_unreadable_messages_are_set_aside_and_the_rest_applies(it: Fixture) -> None:
    done = await it.take([it.event(0), it.unreadable(1), it.event(2)])
    assert done == Counter({Outcome.APPLIED: 2, Outcome.UNREADABLE: 1})
    assert (it.journal.letters, it.journal.commits) == ([(Outcome.UNREADABLE, 1)], 1)


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
async def test_a_passing_failure_repeats_the_whole_batch(it: Fixture, error: Exception) -> None:
    it.journal.failures = [error] * 4
    assert await it.take([it.event(0), it.event(1)]) == Counter({Outcome.APPLIED: 2})
    assert (it.journal.applied, it.journal.letters) == ([0, 1], [])
    assert len(it.naps) == 4
    assert it.naps[3] > it.naps[0]


async def test_the_pause_after_passing_failures_is_capped(it: Fixture) -> None:
    it.journal.failures = [ConnectionResetError()] * 40
    await it.take([it.event(0)])
    assert max(it.naps) <= 5.0


async def test_the_culprit_is_found_and_set_aside_and_the_rest_applies_in_order(it: Fixture) -> None:
    it.journal.broken = lambda n: n == 77
    done = await it.take([it.event(n, key=f"k{n}") for n in range(200)])
    assert done == Counter({Outcome.APPLIED: 199, Outcome.FAILED: 1})
    assert it.journal.applied == [n for n in range(200) if n != 77]
    assert it.journal.letters == [(Outcome.FAILED, 77)]
    assert sum(it.naps) <= 1.0


async def test_a_culprit_that_mends_within_three_tries_is_applied(it: Fixture) -> None:
    it.journal.failures = [RuntimeError("once"), RuntimeError("twice")]
    assert await it.take([it.event(1)]) == Counter({Outcome.APPLIED: 1})


async def test_what_follows_a_failed_event_under_its_key_queues_behind_it(it: Fixture) -> None:
    it.journal.broken = lambda n: n == 1
    done = await it.take([it.event(0), it.event(1), it.event(2), it.event(3, key="other")])
    assert done == Counter({Outcome.APPLIED: 2, Outcome.FAILED: 1, Outcome.BEHIND: 1})
    assert it.journal.applied == [0, 3]
    assert await it.take([it.event(4)]) == Counter({Outcome.BEHIND: 1})


async def test_a_failed_event_that_is_delivered_again_is_known(it: Fixture) -> None:
    it.journal.broken = lambda n: n == 1
    poison = it.event(1)
    await it.take([poison])
    assert await it.take([poison]) == Counter({Outcome.DUPLICATE: 1})
    assert it.journal.letters == [(Outcome.FAILED, 1)]


async def test_retried_events_pass_in_order_and_then_the_key_is_free(it: Fixture) -> None:
    first, second = it.new_id(), it.new_id()
    it.journal.holds = {("t.v1", b"k"): Hold(returning={first, second})}
    done = await it.take([it.event(1), it.event(2, id=first), it.event(3, id=second), it.event(4, key="free")])
    assert done == Counter({Outcome.APPLIED: 3, Outcome.BEHIND: 1})
    assert (it.journal.applied, it.journal.returned) == ([2, 3, 4], [first, second])


async def test_a_retried_event_that_fails_again_keeps_holding_its_key(it: Fixture) -> None:
    first, second = it.new_id(), it.new_id()
    it.journal.holds = {("t.v1", b"k"): Hold(returning={first, second})}
    it.journal.broken = lambda n: n == 1
    assert await it.take([it.event(1, id=first), it.event(2, id=second)]) == Counter({Outcome.FAILED: 1, Outcome.BEHIND: 1})
    assert it.journal.holds == {("t.v1", b"k"): Hold(waiting={first, second}, failed=True)}
    assert it.journal.returned == [first, second]


async def test_unreadable_bytes_hold_nothing_back(it: Fixture) -> None:
    await it.take([it.unreadable(0)])
    assert await it.take([it.event(1)]) == Counter({Outcome.APPLIED: 1})


async def test_twenty_failures_in_a_row_halt_the_worker(it: Fixture) -> None:
    it.journal.broken = lambda n: True
    with pytest.raises(TooManyFailures):
        await it.take([it.event(n, key=f"k{n}") for n in range(50)])
    assert len(it.journal.letters) == FAILURES_BEFORE_HALT


async def test_failures_that_are_not_in_a_row_do_not_halt(it: Fixture) -> None:
    it.journal.broken = lambda n: n % 2 == 1
    done = await it.take([it.event(n, key=f"k{n}") for n in range(100)])
    assert done == Counter({Outcome.APPLIED: 50, Outcome.FAILED: 50})


async def test_unreadable_messages_never_halt(it: Fixture) -> None:
    done = await it.take([it.unreadable(n) for n in range(100)])
    assert done == Counter({Outcome.UNREADABLE: 100})


async def test_after_a_death_the_batch_goes_event_by_event(it: Fixture) -> None:
    it.journal.begun = {("t.v1", 0, 0, 9): 1}
    await it.take([it.event(n) for n in range(10)])
    assert (it.journal.commits, it.journal.applied, it.journal.begun) == (10, list(range(10)), {})


async def test_an_event_that_killed_the_process_again_and_again_is_set_aside(it: Fixture) -> None:
    it.journal.begun = {("t.v1", 0, 0, 2): 1, ("t.v1", 0, 1, 1): DEATHS_BEFORE_SET_ASIDE}
    done = await it.take([it.event(n, key=f"k{n}") for n in range(3)])
    assert done == Counter({Outcome.APPLIED: 2, Outcome.FAILED: 1})
    assert (it.journal.applied, it.journal.letters) == ([0, 2], [(Outcome.FAILED, 1)])


async def test_one_death_counts_once_for_a_batch_of_one(it: Fixture) -> None:
    it.journal.begun = {("t.v1", 0, 1, 1): DEATHS_BEFORE_SET_ASIDE - 1}
    assert await it.take([it.event(1)]) == Counter({Outcome.APPLIED: 1})


async def test_what_stopped_in_the_middle_is_left_counted(it: Fixture) -> None:
    it.journal.failures = [asyncio.CancelledError()]  # type: ignore[list-item]  # as SIGTERM at the end of the grace period
    with pytest.raises(asyncio.CancelledError):
        await it.take([it.event(1)])
    assert it.journal.begun == {("t.v1", 0, 1, 1): 1}
