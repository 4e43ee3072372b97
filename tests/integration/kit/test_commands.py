"""Commands that wait in one process go in one transaction, and each still has its own key, answer and refusal; on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

import pytest
from starlette.responses import Response

from services.kit.clock import SystemClock
from services.kit.database import Database, Transaction, service_url
from services.kit.http import Command, Commands, Problem, answer
from services.kit.values import Refusal
from tests.support.databases import migrated_services
from tests.support.polling import poll_until

BODY, OTHER = b"\x01" * 32, b"\x02" * 32
_LOCK = "select pg_advisory_xact_lock(7)"


@pytest.fixture
def services() -> tuple[str, ...]:
    return migrated_services()[:1]


@pytest.fixture
async def database(database_url: str, services: tuple[str, ...]) -> AsyncIterator[Database]:
    database = await Database.connect(service_url(database_url, services[0]), services[0], SystemClock(), size=5)
    async with database.transaction() as work:
        await work.connection.execute("create table effects (name text primary key)")
    yield database
    await database.close()


class _Shop:
    """Writes one row per command. `no` is refused, `bug` breaks, `taken` breaks once it is written, `locked` waits for a lock. The first batch waits
    for `may`, so that what is asked meanwhile stands together in the second."""

    def __init__(self, database: Database) -> None:
        self.database, self.batches, self.may = database, list[list[str]](), asyncio.Event()
        self.commands = Commands(database, self._do)

    async def _do(self, work: Transaction, wanted: Sequence[str]) -> list[Response | Refusal]:
        self.batches.append(list(wanted))
        await self.may.wait()
        if "bug" in wanted:
            raise RuntimeError("a bug")
        if "locked" in wanted:
            await work.connection.execute(_LOCK)
        rows = [name for name in wanted if name != "no"]
        work.write("insert into effects select * from unnest($1::text[])", rows)
        return [Refusal("Not today.") if name == "no" else answer({"name": name}, 201, location=f"/{name}") for name in wanted]

    def ask(self, name: str, key: str = "", fingerprint: bytes = BODY) -> Coroutine[Any, Any, Response]:
        return self.commands.once(Command("shop", key or name, fingerprint, name))

    async def together(self, *asked: Coroutine[Any, Any, Response]) -> list[Any]:
        """What each is answered (a status, or what was raised) when all of them wait while another command commits."""
        first = asyncio.create_task(self.ask("first"))
        await poll_until(lambda: self.batches)
        others = [asyncio.create_task(one) for one in asked]
        await _turns()
        self.may.set()
        await first
        return [one.status_code if isinstance(one, Response) else one for one in await asyncio.gather(*others, return_exceptions=True)]

    async def effects(self) -> set[str]:
        return {row[0] for row in await self.database.pool.fetch("select name from effects")}


@pytest.fixture
def shop(database: Database) -> _Shop:
    return _Shop(database)


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_while_another_commits_shares_one_transaction(shop: _Shop) -> None:
    assert await shop.together(*map(shop.ask, "abc")) == [201] * 3
    assert shop.batches == [["first"], ["a", "b", "c"]]
    ids = await shop.database.pool.fetch("select xmin::text, array_agg(name order by name) from effects group by 1 order by 2")
    assert [row[1] for row in ids] == [["a", "b", "c"], ["first"]]


async def test_nobody_waits_for_company(shop: _Shop) -> None:
    shop.may.set()
    assert [(await shop.ask(name)).status_code for name in "ab"] == [201, 201]
    assert shop.batches == [["a"], ["b"]]


async def test_each_has_its_own_answer_under_its_own_key(shop: _Shop) -> None:
    await shop.together(shop.ask("a"), shop.ask("b"))
    for name in "ab":
        again = await shop.ask(name)
        assert (again.body, again.headers["location"]) == (answer({"name": name}).body, f"/{name}")
        assert again.headers["idempotency-replayed"] == "true"
    assert shop.batches == [["first"], ["a", "b"]]


async def test_a_refusal_is_its_own_and_leaves_its_key_free(shop: _Shop) -> None:
    answers = await shop.together(shop.ask("a"), shop.ask("no", "k"), shop.ask("b"))
    assert [isinstance(one, Refusal) for one in answers] == [False, True, False]
    assert await shop.effects() == {"first", "a", "b"}
    assert (await shop.ask("c", "k", OTHER)).status_code == 201


@pytest.mark.parametrize("culprit", ["bug", "first"])
async def test_an_error_is_the_answer_of_its_culprit_alone(shop: _Shop, culprit: str) -> None:
    answers = await shop.together(shop.ask("a"), shop.ask(culprit, "k"), shop.ask("b"))
    assert (answers[0], answers[2]) == (201, 201)
    assert isinstance(answers[1], Exception)
    assert await shop.effects() == {"first", "a", "b"}
    assert shop.batches[1] == ["a", culprit, "b"]
    assert sorted(shop.batches[2:]) == sorted([["a"], [culprit], ["b"]])


async def test_an_error_of_one_that_stood_alone_is_not_tried_again(shop: _Shop) -> None:
    shop.may.set()
    with pytest.raises(RuntimeError):
        await shop.ask("bug")
    assert shop.batches == [["bug"]]


async def test_a_lock_that_one_cannot_get_keeps_nobody_else_waiting(shop: _Shop) -> None:
    """Once the statement of all of them has timed out, the others are answered while the one still waits."""
    async with shop.database.transaction() as holder:
        await holder.connection.execute(_LOCK)
        answered = list[str]()

        async def ask(name: str) -> Response:
            given = await shop.ask(name)
            answered.append(name)
            return given

        waits = asyncio.create_task(shop.together(ask("a"), ask("locked"), ask("b")))
        await poll_until(lambda: len(answered) == 2)
        assert set(answered) == {"a", "b"}
    assert await waits == [201] * 3


async def test_the_same_key_twice_in_one_transaction_is_done_once(shop: _Shop) -> None:
    answers = await shop.together(shop.ask("a", "k"), shop.ask("a", "k"), shop.ask("a", "k", OTHER))
    assert answers[0] == 201
    assert [(one.status, one.slug) for one in answers[1:] if isinstance(one, Problem)] == [(409, "in-progress")] * 2
    assert shop.batches == [["first"], ["a"]]


async def test_the_same_key_while_its_first_command_commits_gets_the_stored_answer(shop: _Shop) -> None:
    assert await shop.together(shop.ask("first")) == [201]
    assert shop.batches == [["first"]]


async def test_another_body_under_a_known_key_is_refused_and_the_rest_is_done(shop: _Shop) -> None:
    shop.may.set()
    await shop.ask("a", "k")
    refused, done = await asyncio.gather(shop.ask("b", "k", OTHER), shop.ask("c"), return_exceptions=True)
    assert isinstance(refused, Problem)
    assert (refused.status, refused.slug) == (422, "key-reused")
    assert isinstance(done, Response)
    assert await shop.effects() == {"a", "c"}


async def test_a_key_that_another_process_has_in_hand_is_in_progress(shop: _Shop) -> None:
    other = _Shop(shop.database)
    theirs = asyncio.create_task(other.ask("a", "k"))
    await poll_until(lambda: other.batches)
    shop.may.set()
    asked = await asyncio.gather(shop.ask("a", "k"), shop.ask("b"), return_exceptions=True)
    assert [getattr(one, "slug", None) for one in asked] == ["in-progress", None]
    other.may.set()
    assert (await theirs).status_code == 201


@pytest.mark.parametrize("gone", [lambda first, second: first, lambda first, second: second])
async def test_who_hangs_up_changes_nothing(shop: _Shop, gone: Callable[[Any, Any], "asyncio.Task[Response]"]) -> None:
    first = asyncio.create_task(shop.ask("first"))
    await poll_until(lambda: shop.batches)
    tasks = [asyncio.create_task(shop.ask(name)) for name in "ab"]
    await _turns()
    gone(first, tasks[0]).cancel()
    await _turns()
    shop.may.set()
    await asyncio.gather(first, *tasks, return_exceptions=True)
    await poll_until(lambda: shop.batches == [["first"], ["a", "b"]])
    assert tasks[1].result().status_code == 201
    assert await shop.effects() == {"first", "a", "b"}


async def test_no_more_than_a_hundred_go_together(shop: _Shop) -> None:
    assert await shop.together(*(shop.ask(str(number)) for number in range(260))) == [201] * 260
    assert [len(batch) for batch in shop.batches] == [1, 100, 100, 60]
