"""A command by HTTP is done once per key, on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.responses import Response

from services.kit.clock import SystemClock
from services.kit.database import Database, Transaction, service_url
from services.kit.http import Problem, answer, once
from services.kit.stored_answers import forget_answers
from services.kit.values import Refusal
from tests.support.databases import migrated_services

BODY, OTHER = b"\x01" * 32, b"\x02" * 32


@pytest.fixture
def services() -> tuple[str, ...]:
    return migrated_services()[:1]


@pytest.fixture
async def database(database_url: str, services: tuple[str, ...]) -> AsyncIterator[Database]:
    database = await Database.connect(service_url(database_url, services[0]), services[0], SystemClock(), size=20)
    async with database.transaction() as work:
        await work.connection.execute("create table effects (name text not null)")
    yield database
    await database.close()


async def _effects(database: Database) -> int:
    return int(await database.pool.fetchval("select count(*) from effects"))


class _Command:
    """Writes one row, counts its runs, and waits for the others when told to."""

    def __init__(self, wait_for: asyncio.Event | None = None) -> None:
        self.runs, self._wait_for = 0, wait_for

    async def do(self, work: Transaction) -> Response:
        self.runs += 1
        await work.connection.execute("insert into effects values ('done')")
        if self._wait_for is not None:
            await self._wait_for.wait()
        return answer({"run": self.runs}, 201, location="/v1/things/1")


async def test_a_repeated_key_gets_the_same_bytes_and_no_second_effect(database: Database) -> None:
    command = _Command()
    first, second = [await once(database, scope="shop", key="k", fingerprint=BODY, do=command.do) for _ in range(2)]
    assert (second.body, second.status_code, second.headers["location"]) == (first.body, 201, "/v1/things/1")
    assert second.headers["content-type"] == "application/json"
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert (command.runs, await _effects(database)) == (1, 1)


async def test_the_same_key_of_another_caller_is_another_key(database: Database) -> None:
    command = _Command()
    for scope in ("shop", "desk"):
        await once(database, scope=scope, key="k", fingerprint=BODY, do=command.do)
    assert await _effects(database) == 2


async def test_a_key_that_stands_for_another_body_is_refused(database: Database) -> None:
    command = _Command()
    await once(database, scope="shop", key="k", fingerprint=BODY, do=command.do)
    with pytest.raises(Problem) as refused:
        await once(database, scope="shop", key="k", fingerprint=OTHER, do=command.do)
    assert (refused.value.status, refused.value.slug) == (422, "key-reused")
    assert await _effects(database) == 1


async def test_fifty_at_once_have_one_effect(database: Database) -> None:
    everybody_has_asked = asyncio.Event()
    command = _Command(everybody_has_asked)

    async def ask() -> int | str:
        try:
            return (await once(database, scope="shop", key="k", fingerprint=BODY, do=command.do)).status_code
        except Problem as problem:
            assert problem.headers == {"retry-after": "1"}
            return problem.slug

    asked = [asyncio.create_task(ask()) for _ in range(50)]
    done: set[asyncio.Task[int | str]] = set()
    async with asyncio.timeout(10):
        while len(done) < 49:
            done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    everybody_has_asked.set()
    results = await asyncio.gather(*asked)
    assert sorted(map(str, results)) == ["201"] + ["in-progress"] * 49
    assert (command.runs, await _effects(database)) == (1, 1)
    assert (await once(database, scope="shop", key="k", fingerprint=BODY, do=command.do)).headers["idempotency-replayed"] == "true"


async def test_a_refusal_leaves_no_trace_and_frees_the_key(database: Database) -> None:
    async def refuse(work: Transaction) -> Response:
        await work.connection.execute("insert into effects values ('half')")
        raise Refusal("Not now: come back tomorrow.")

    with pytest.raises(Refusal):
        await once(database, scope="shop", key="k", fingerprint=BODY, do=refuse)
    assert await _effects(database) == 0
    assert (await once(database, scope="shop", key="k", fingerprint=OTHER, do=_Command().do)).status_code == 201


async def test_old_answers_are_forgotten_and_young_ones_kept(database: Database) -> None:
    command = _Command()
    for key in ("old", "young"):
        await once(database, scope="shop", key=key, fingerprint=BODY, do=command.do)
    async with database.transaction() as work:
        await work.connection.execute("update idempotency_keys set created_at = clock_timestamp() - interval '8 days' where key = 'old'")
    assert await forget_answers(database) == 1
    assert await database.pool.fetchval("select key from idempotency_keys") == "young"
