"""One suite on the journal in memory and the one in SQL: what the consume loop may rely on."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from services.kit.clock import SystemClock
from services.kit.consume import ConsumeLoop
from services.kit.database import Database, Transaction, service_url
from services.kit.envelope import Reader
from services.kit.inbox import SqlJournal
from services.kit.journal import Journal, Outcome, Span
from services.kit.ports import Message
from services.kit.values import Heard, NewId
from tests.support.journal import MemoryJournal
from tests.support.messages import FakeMessage, message
from tests.support.toys import SERVICE, toy_database

COUNTED = "toy.Counted.v1"


@dataclass(frozen=True, slots=True)
class Counted:
    n: int


@dataclass
class Stand:
    """A journal with a loop before it, and what can be seen of it from outside."""

    journal: Journal
    broken: set[int]
    database: Database | None = None
    naps: list[float] = field(default_factory=list)

    async def take(self, messages: Sequence[Message]) -> Counter[Outcome]:
        """As a process does it that just started."""

        async def nap(seconds: float) -> None:
            self.naps.append(seconds)

        loop = ConsumeLoop(Reader({COUNTED: Counted}), self.journal, service=SERVICE, sleep=nap)
        return await loop.take(loop.read(messages))

    async def applied(self) -> list[int]:
        if isinstance(self.journal, MemoryJournal):
            return self.journal.applied
        return [row[0] for row in await self._rows("select n from counted order by ctid")]

    async def letters(self) -> list[tuple[str, int]]:
        if isinstance(self.journal, MemoryJournal):
            return sorted((outcome.value, offset) for outcome, offset in self.journal.letters)
        return sorted((row[0], row[1]) for row in await self._rows('select kind, "offset" from dead_letters'))

    async def _rows(self, query: str) -> Sequence[tuple[Any, ...]]:
        assert self.database is not None
        return [tuple(row) for row in await self.database.pool.fetch(query)]


@pytest.fixture(params=["memory", "postgres"])
async def stand(request: pytest.FixtureRequest) -> AsyncIterator[Stand]:
    broken: set[int] = set()
    if request.param == "memory":
        yield Stand(MemoryJournal(broken=broken.__contains__), broken)
        return
    with toy_database(request.getfixturevalue("servers")[1]) as url:
        database = await Database.connect(service_url(url, SERVICE), SERVICE, SystemClock())
        yield Stand(SqlJournal(database, _counting(broken)), broken, database)
        await database.close()


def _counting(broken: set[int]) -> Callable[[Transaction, Sequence[Heard[Any]]], Awaitable[None]]:
    async def handle(work: Transaction, batch: Sequence[Heard[Counted]]) -> None:
        if any(heard.data.n in broken for heard in batch):
            raise RuntimeError("broken")
        columns = [heard.id for heard in batch], [heard.data.n for heard in batch]
        await work.connection.execute("insert into counted select * from unnest($1::uuid[], $2::int[])", *columns)

    return handle


def _event(id: UUID, n: int, *, key: str | None = "k", offset: int | None = None) -> FakeMessage:
    return message(id, COUNTED, {"n": n}, offset=n if offset is None else offset, key=key)


async def test_what_was_begun_and_not_finished_is_told_to_the_next(stand: Stand) -> None:
    spans = (Span("t.v1", 0, 3, 9), Span("t.v1", 1, 0, 0))
    assert (await stand.journal.begin(spans)).unfinished == ()
    again = await stand.journal.begin(spans)
    assert sorted(again.unfinished, key=lambda s: s.partition) == [Span("t.v1", 0, 3, 9, 1), Span("t.v1", 1, 0, 0, 1)]


async def test_a_finished_batch_leaves_no_count(stand: Stand, new_id: NewId) -> None:
    events: list[Message] = [_event(new_id(), n) for n in range(3)]
    await stand.take(events)
    assert (await stand.journal.begin((Span("t.v1", 0, 0, 2),))).unfinished == ()


async def test_events_are_applied_once_whoever_delivers_them_again(stand: Stand, new_id: NewId) -> None:
    events: list[Message] = [_event(new_id(), n) for n in range(5)]
    assert await stand.take([*events, events[2]]) == Counter({Outcome.APPLIED: 5, Outcome.DUPLICATE: 1})
    assert await stand.take(events) == Counter({Outcome.DUPLICATE: 5})
    assert await stand.applied() == list(range(5))


async def test_unreadable_messages_are_kept_once_beside_what_applies(stand: Stand, new_id: NewId) -> None:
    batch: list[Message] = [_event(new_id(), 0), message(new_id(), COUNTED, b"{", offset=1), _event(new_id(), 2)]
    await stand.take(batch)
    assert (await stand.applied(), await stand.letters()) == ([0, 2], [("unreadable", 1)])


async def test_a_culprit_leaves_and_its_key_queues_for_every_later_process(stand: Stand, new_id: NewId) -> None:
    stand.broken.add(2)
    events: list[Message] = [*(_event(new_id(), n) for n in range(4)), _event(new_id(), 4, key="free")]
    await stand.take(events)
    assert (await stand.applied(), await stand.letters()) == ([0, 1, 4], [("behind", 3), ("failed", 2)])
    stand.broken.clear()
    assert await stand.take([_event(new_id(), 5)]) == Counter({Outcome.BEHIND: 1})
    assert await stand.take(events) == Counter({Outcome.DUPLICATE: 5})


async def test_an_event_without_a_key_holds_nothing_back(stand: Stand, new_id: NewId) -> None:
    stand.broken.add(0)
    await stand.take([_event(new_id(), 0, key=None)])
    assert await stand.take([_event(new_id(), 1, key=None)]) == Counter({Outcome.APPLIED: 1})


async def test_a_process_that_died_makes_the_next_go_event_by_event(stand: Stand, new_id: NewId) -> None:
    await stand.journal.begin((Span("t.v1", 0, 0, 2),))
    for _ in range(3):
        await stand.journal.begin((Span("t.v1", 0, 1, 1),))
    done = await stand.take([_event(new_id(), n, key=f"k{n}") for n in range(3)])
    assert done == Counter({Outcome.APPLIED: 2, Outcome.FAILED: 1})
    assert (await stand.applied(), await stand.letters()) == ([0, 2], [("failed", 1)])
    assert (await stand.journal.begin((Span("t.v1", 0, 0, 2),))).unfinished == ()


async def test_an_event_that_was_applied_is_no_failure_however_often_processes_died_over_it(stand: Stand, new_id: NewId) -> None:
    events: list[Message] = [_event(new_id(), n) for n in range(3)]
    await stand.take(events)
    await stand.journal.begin((Span("t.v1", 0, 0, 2),))
    for _ in range(3):
        await stand.journal.begin((Span("t.v1", 0, 1, 1),))
    assert await stand.take([*events, _event(new_id(), 3)]) == Counter({Outcome.DUPLICATE: 3, Outcome.APPLIED: 1})
    assert (await stand.applied(), await stand.letters()) == ([0, 1, 2, 3], [])
