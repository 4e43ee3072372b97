"""Several statements in one round trip, on a real PostgreSQL."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.kit.clock import SystemClock
from services.kit.database import Database, Transaction, service_url
from services.kit.ids import uuid7
from services.kit.values import Cause
from tests.support.databases import migrated_services

CAUSE = Cause(uuid7(), uuid7(), "00-" + "a" * 32 + "-" + "b" * 16 + "-01")
PUT = "insert into things select * from unnest($1::int[], $2::text[]) on conflict (number) do update set name = excluded.name"
NAME = "insert into names values ($1, $2)"
THINGS = "select number, name from things where number = any($1) order by number"


@pytest.fixture
def services() -> tuple[str, ...]:
    return migrated_services()[:1]


@pytest.fixture
async def database(database_url: str, services: tuple[str, ...]) -> AsyncIterator[Database]:
    database = await Database.connect(service_url(database_url, services[0]), services[0], SystemClock())
    await database.pool.execute("create table things (number int primary key, name text)")
    await database.pool.execute("create table names (number int references things, tag text unique)")
    yield database
    await database.close()


def _say(work: Transaction, count: int) -> None:
    for number in range(count):
        work.say("orders.order.v1", "orders.Counted.v1", {"n": number}, key="k", cause=CAUSE, version=number + 1)


async def test_rows_come_back_by_query_and_column(database: Database) -> None:
    await database.pool.execute(PUT, [1, 2, 3], ["a", "b", None])
    async with database.transaction() as work:
        things, none, one = await work.read((THINGS, ([3, 1],)), (THINGS, ([],)), ("select count(*) as n from things where number > $1", (1,)))
    assert things == [{"number": 1, "name": "a"}, {"number": 3, "name": None}]
    assert none == []
    assert one == [{"n": 2}]


@pytest.mark.parametrize("column", ["'{1}'::int[]", "'{2026-11-24}'::date[]", "'{}'::jsonb"])
async def test_a_column_that_some_connections_could_not_read_is_refused_by_all(database: Database, column: str) -> None:
    async with database.transaction() as work:
        with pytest.raises(AssertionError, match="names"):
            await work.read((f"select '{{a}}'::text[] as words, {column} as names", ()))


async def test_rows_are_locked_by_the_query_that_says_so(database: Database) -> None:
    await database.pool.execute(PUT, [1], ["a"])
    async with database.transaction() as work:
        await work.read((THINGS + " for update", ([1],)))
        with pytest.raises(asyncpg.LockNotAvailableError):
            await database.pool.fetch("select from things for update nowait")


@pytest.mark.parametrize("says", [0, 3, 200], ids=["nothing said", "a few said", "many said"])
async def test_what_is_queued_and_said_commits_together(database: Database, says: int) -> None:
    async with database.transaction() as work:
        work.write(PUT, [1], ["a"])
        work.write(NAME, 1, "x")  # refers to what goes with it
        _say(work, says)
        assert await work.connection.fetchval("select count(*) from things") == 0
    assert await database.pool.fetchval("select count(*) from things t join names n using (number) where n.tag = 'x'") == 1
    said = await database.pool.fetch("select convert_from(payload, 'UTF8') as payload from outbox order by id")
    assert [row["payload"] for row in said] == [f'{{"n":{number}}}' for number in range(says)]


async def test_a_statement_may_build_on_what_was_queued_before_it(database: Database) -> None:
    async with database.transaction() as work:
        work.write(PUT, [1], ["a"])
        await work.write_now()
        assert await work.connection.fetchval("select name from things") == "a"
        work.write(PUT, [1], ["b"])
    assert await database.pool.fetchval("select name from things") == "b"


async def test_where_one_write_fails_none_of_them_stands(database: Database) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with database.transaction() as work:
            work.write(PUT, [1], ["a"])
            work.write(NAME, 2, "x")
            _say(work, 1)
    assert [await database.pool.fetchval(f"select count(*) from {table}") for table in ("things", "outbox")] == [0, 0]
