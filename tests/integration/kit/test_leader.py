"""One of two workers leads, on a real PostgreSQL, and the other takes over when the first one's connection goes."""

import asyncio

import asyncpg
import pytest

from services.kit import leader as leader_module
from services.kit.leader import Leader
from tests.support.polling import poll_until

SERVICE = "toy"


class Candidate:
    """A leader whose only duty is to stand there until its connection goes."""

    def __init__(self, url: str, service: str = SERVICE) -> None:
        self._url = url
        self.terms = 0
        self.pid = 0
        self.leader = Leader(service, self._connect, [self._stand])

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(self._url)
        return connection

    async def _stand(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.terms += 1
        self.pid = connection.get_server_pid()
        while True:
            await connection.fetchval("select 1")
            await asyncio.sleep(0.05)


async def test_of_two_one_leads_and_the_other_takes_over_when_its_connection_goes(database_url: str) -> None:
    url = database_url
    first, second = Candidate(url), Candidate(url)
    running = [asyncio.create_task(each.leader.run()) for each in (first, second)]
    try:
        await poll_until(lambda: _true(first.leader.leading or second.leader.leading), 10)
        leads, waits = (first, second) if first.leader.leading else (second, first)
        await poll_until(lambda: _stands_by(url), 10)
        assert (leads.terms, waits.terms) == (1, 0)
        await _terminate(url, leads.pid)
        await poll_until(lambda: _true(waits.terms + leads.terms == 2), 10)
        assert not (first.leader.leading and second.leader.leading)
    finally:
        await _end(running)


async def test_duties_end_with_the_connection_though_none_uses_it(database_url: str) -> None:
    """One that waits for somebody else would go on without the lock, beside the next leader."""
    standing = 0

    async def waits(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        nonlocal standing
        candidate.pid, standing = connection.get_server_pid(), standing + 1
        try:
            await asyncio.Event().wait()
        finally:
            standing -= 1

    candidate = Candidate(database_url)
    candidate.leader = Leader(SERVICE, candidate._connect, [waits])
    running = asyncio.create_task(candidate.leader.run())
    try:
        await poll_until(lambda: standing == 1)
        first = candidate.pid
        await _terminate(database_url, first)
        await poll_until(lambda: candidate.pid != first)
        assert standing == 1
    finally:
        await _end([running])


async def test_a_duty_that_does_not_hear_that_it_is_to_end_is_told_again(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leader_module, "_TOLD_AGAIN_SECONDS", 0.1)
    told = 0

    async def deaf(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        nonlocal told
        candidate.pid, candidate.terms = connection.get_server_pid(), candidate.terms + 1
        while told < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told += 1
        await asyncio.Event().wait()

    candidate = Candidate(database_url)
    candidate.leader = Leader(SERVICE, candidate._connect, [deaf])
    running = asyncio.create_task(candidate.leader.run())
    try:
        await poll_until(lambda: candidate.terms == 1)
        await _terminate(database_url, candidate.pid)
        await poll_until(lambda: candidate.terms == 2)
        assert told == 3
    finally:
        await _end([running])


async def test_each_service_has_a_leader_of_its_own(database_url: str) -> None:
    one, other = Candidate(database_url), Candidate(database_url, "another")
    running = [asyncio.create_task(each.leader.run()) for each in (one, other)]
    try:
        await poll_until(lambda: _true(one.leader.leading and other.leader.leading), 10)
    finally:
        await _end(running)


async def test_a_bug_in_a_duty_ends_the_leader(database_url: str) -> None:
    async def stumbles(_: "asyncpg.Connection[asyncpg.Record]") -> None:
        raise LookupError("a bug")

    leader = Leader(SERVICE, Candidate(database_url)._connect, [stumbles])
    with pytest.raises(ExceptionGroup) as raised:
        await asyncio.wait_for(leader.run(), 10)
    assert raised.group_contains(LookupError, match="a bug")


async def _true(value: bool) -> bool:
    return value


async def _stands_by(url: str) -> bool:
    """Whether somebody asked for the lock in vain: of two connections both have asked, and one holds it. Other tests' databases do not count."""
    connection = await asyncpg.connect(url)
    try:
        asked = await connection.fetchval(
            "select count(*) from pg_stat_activity where datname = current_database() and query like 'select pg_try_advisory_lock(hashtext(%'"
        )
        held = await connection.fetchval(
            "select count(*) from pg_locks join pg_database on pg_database.oid = pg_locks.database"
            " where datname = current_database() and locktype = 'advisory' and granted"
        )
        return bool(asked >= 1 and held == 1)
    finally:
        await connection.close()


async def _terminate(url: str, pid: int) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.fetchval("select pg_terminate_backend($1)", pid)
    finally:
        await connection.close()


async def _end(running: list["asyncio.Task[None]"]) -> None:
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)
