"""Wrong tries at a secret are counted once for all processes, on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from services.kit import migrations
from services.kit.clock import SystemClock
from services.kit.database import Database, service_url
from services.kit.http import Guesses, Problem
from tests.support.databases import migrated_services

PIN = Guesses("pin", 3, 60, "Ask your shift lead.")


@pytest.fixture
def services() -> tuple[str, ...]:
    return migrated_services()[:1]


@pytest.fixture
async def processes(database_url: str, services: tuple[str, ...]) -> AsyncIterator[list[Database]]:
    """Two processes of one service."""
    opened = [await Database.connect(service_url(database_url, services[0]), services[0], SystemClock(), size=10) for _ in range(2)]
    yield opened
    for database in opened:
        await database.close()


async def _try(database: Database, key: str, guesses: Guesses = PIN) -> int:
    try:
        await guesses.count(database, key)
    except Problem as problem:
        return problem.status
    return 200


async def test_of_many_at_once_over_two_processes_the_limit_gets_through(processes: list[Database]) -> None:
    met = await asyncio.gather(*(_try(processes[number % 2], "badge 7") for number in range(40)))
    assert sorted(met) == [200] * 3 + [429] * 37
    assert await _try(processes[0], "badge 8") == 200
    assert await _try(processes[0], "badge 7", Guesses("link", 3, 60)) == 200


async def test_who_is_refused_is_told_why_and_for_how_long(processes: list[Database]) -> None:
    assert [await _try(processes[0], "k") for _ in range(3)] == [200] * 3
    with pytest.raises(Problem) as refused:
        await PIN.count(processes[1], "k")
    assert refused.value.detail == "Ask your shift lead."
    assert 0 < int(refused.value.headers["retry-after"]) <= 60


async def test_a_window_that_is_over_begins_anew_and_takes_the_others_that_are_over_with_it(processes: list[Database]) -> None:
    for key in ("a", "b", "c"):
        await asyncio.gather(*(_try(processes[0], key) for _ in range(5)))
    await processes[0].pool.execute("update guesses set ends_at = now() - interval '1 s'")
    assert await _try(processes[1], "a") == 200
    assert await processes[0].pool.fetchval("select count(*) from guesses") == 1


async def test_a_right_answer_makes_the_wrong_ones_forgotten(processes: list[Database]) -> None:
    assert [await _try(processes[0], "k") for _ in range(4)] == [200, 200, 200, 429]
    await PIN.forget(processes[1], "k")
    assert await _try(processes[0], "k") == 200


async def test_a_key_may_be_of_any_length(processes: list[Database]) -> None:
    assert await _try(processes[0], "k" * 100_000) == 200


async def test_without_the_database_nobody_tries(processes: list[Database]) -> None:
    await processes[0].close()
    with pytest.raises(Problem) as refused:
        await PIN.count(processes[0], "k")
    assert (refused.value.status, refused.value.headers["retry-after"]) == (503, "1")


async def test_a_table_that_stands_locked_refuses_too(processes: list[Database]) -> None:
    async with processes[1].pool.acquire() as connection, connection.transaction():
        await connection.execute("lock table guesses")
        assert await _try(processes[0], "k") == 503


def test_an_older_database_gets_the_table_when_it_is_migrated(database_url: str, services: tuple[str, ...]) -> None:
    with psycopg.connect(service_url(database_url, services[0]), options=f"-c search_path={services[0]}", autocommit=True) as connection:
        connection.execute("drop table guesses")
        migrations.migrate(database_url, services)
        assert connection.execute("select relpersistence from pg_class where oid = 'guesses'::regclass").fetchone() == ("u",)
