"""What stands where asyncpg stands: a pool and its connections to the fake PostgreSQL, over a network that delays, and loses requests and replies."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from services.kit.together import Query
from simulation.host import Host
from simulation.postgres import Server, Session
from simulation.statements import STATEMENTS, Row, Statement, say_rows


class Connection:
    """One connection. A statement outside a transaction is one of its own."""

    def __init__(self, server: Server, host: Host) -> None:
        self._host, self._server = host, server
        self.session = Session(server, host.name)
        self.closed = False
        self._open = False
        host.on_death(self._vanish)

    async def run(self, statement: Statement, *arguments: Any) -> list[Row]:
        """There, done, and back. The connection may break on the way, before or after the statement was done."""
        await self._trip(statement.__name__)
        try:
            rows = await statement(self.session, *arguments)
        except asyncpg.PostgresError:
            self.session.rollback()
            raise
        if not self._open:
            self.session.commit()
        await self._trip(f"{statement.__name__} answered")
        return rows

    async def fetch(self, sql: str, *arguments: Any) -> list[Row]:
        return await self.run(STATEMENTS[sql], *arguments)

    async def fetchrow(self, sql: str, *arguments: Any) -> Row | None:
        return next(iter(await self.fetch(sql, *arguments)), None)

    async def fetchval(self, sql: str, *arguments: Any) -> Any:
        row = await self.fetchrow(sql, *arguments)
        return None if row is None else row[0]

    async def execute(self, sql: str, *arguments: Any) -> None:
        await self.fetch(sql, *arguments)

    async def copy_records_to_table(self, table: str, *, records: Sequence[Any], columns: Sequence[str]) -> None:
        assert (table, columns[0]) == ("outbox", "event_id")
        await self.run(say_rows, records)

    async def prepare(self, sql: str) -> "Prepared":
        return Prepared(self, sql)

    async def add_listener(self, channel: str, told: Callable[..., None]) -> None:
        self._server.listeners[self.session] = lambda: None if self._host.dead else told()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        self._open = True
        try:
            yield
        except BaseException:
            self.session.rollback()
            raise
        else:
            await self._commit()
        finally:
            self._open = False

    async def _commit(self) -> None:
        await self._trip("commit")
        self.session.commit()
        await self._trip("commit answered")

    async def _trip(self, what: str) -> None:
        """Raises what asyncpg raises when the connection breaks; never returns in a process that is dead."""
        if self.closed:
            raise asyncpg.InterfaceError("connection is closed")
        if await self._host.trip(f"postgres {what}"):
            self._vanish()
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    def _vanish(self) -> None:
        if not self.closed:
            self.closed = True
            self._server.close(self.session)

    def terminate(self) -> None:
        self._vanish()

    async def close(self, timeout: float | None = None) -> None:
        await self._host.trip("postgres close")
        self._vanish()


class Prepared:
    """A statement that was prepared on a connection."""

    def __init__(self, connection: Connection, sql: str) -> None:
        self._connection, self._sql = connection, sql

    async def fetch(self, *arguments: Any) -> list[Row]:
        return await self._connection.fetch(self._sql, *arguments)


class Pool:
    """As many connections as are asked for; one that broke is never given out again."""

    def __init__(self, server: Server, host: Host) -> None:
        self._server, self._host = server, host
        self._free: list[Connection] = []

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        self._free = [each for each in self._free if not each.closed]
        connection = self._free.pop() if self._free else Connection(self._server, self._host)
        try:
            yield connection
        finally:
            self._free.append(connection)

    async def fetch(self, sql: str, *arguments: Any) -> list[Row]:
        async with self.acquire() as connection:
            return await connection.fetch(sql, *arguments)

    async def fetchval(self, sql: str, *arguments: Any) -> Any:
        async with self.acquire() as connection:
            return await connection.fetchval(sql, *arguments)


async def execute_together(connection: Connection, queries: Sequence[Query]) -> None:
    """`services.kit.together.execute_together` on a fake connection: one trip."""

    async def together(to: Session) -> list[Row]:
        for sql, arguments in queries:
            await STATEMENTS[sql](to, *arguments)
        return []

    if queries:
        await connection.run(together)


async def fetch_together(connection: Connection, *queries: Query) -> list[list[Row]]:
    """`services.kit.together.fetch_together` on a fake connection: one trip."""
    answers: list[list[Row]] = []

    async def together(to: Session) -> list[Row]:
        for sql, arguments in queries:
            answers.append(await STATEMENTS[sql](to, *arguments))
        return []

    await connection.run(together)
    return answers
