"""What stands where asyncpg stands: a pool and its connections to the fake PostgreSQL, over a network that delays, and loses requests and replies."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg

from services.kit.together import Query
from simulation.host import Host
from simulation.postgres import Server, Session
from simulation.statements import STATEMENTS, Row, say_rows
from simulation.wire import Wire

T = TypeVar("T")


class Connection(Wire):
    """One connection. A statement outside a transaction is one of its own."""

    def __init__(self, server: Server, host: Host) -> None:
        super().__init__(host, server.turn)
        self._server, self.session = server, Session(server, host.name)

    async def run(self, statement: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """The answer of a statement that is not SQL, but a function of the session."""

        async def do() -> T:
            try:
                answer = await statement(self.session, *arguments)
            except asyncpg.PostgresError:
                self.session.rollback()
                raise
            if not self._in_transaction:
                self.session.commit()
            return answer

        return await self._ask(statement.__name__, do)

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

    async def _begin(self) -> None:
        """A transaction begins with its first statement."""

    async def _end(self, *, commit: bool) -> None:
        self.session.commit() if commit else self.session.rollback()

    def _drop(self) -> None:
        self._server.close(self.session)


class Prepared:
    """A statement that was prepared on a connection."""

    def __init__(self, connection: Connection, sql: str) -> None:
        self._connection, self._sql = connection, sql

    async def fetch(self, *arguments: Any) -> list[Row]:
        return await self._connection.fetch(self._sql, *arguments)


class Pool:
    """As many connections as are asked for; one that broke is never given out again."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._free: list[Any] = []

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        self._free = [each for each in self._free if not each.closed]
        connection = self._free.pop() if self._free else self._connect()
        try:
            yield connection
        finally:
            self._free.append(connection)

    async def fetch(self, sql: str, *arguments: Any) -> list[Row]:
        async with self.acquire() as connection:
            rows: list[Row] = await connection.fetch(sql, *arguments)
            return rows

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
