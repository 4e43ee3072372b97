"""A real PostgreSQL under the simulated world: calls are serialised, and each is waited for while the virtual clock stands still.

asyncpg needs a loop that waits for sockets, which the virtual one does not: it runs in a thread of its own.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

import asyncpg

from services.kit import leader
from services.kit.database import _NOTIFY, _teach_json, service_url, session_settings
from simulation.host import Host
from simulation.statements import STATEMENTS
from simulation.wire import Turn, Wire

T = TypeVar("T")


class RealDatabases:
    """The schemas of one migrated database; `url` is its administrator's. Closed by `close`."""

    replaced: Sequence[tuple[Any, str, Any]] = ()

    def __init__(self, url: str, services: Iterable[str]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.servers = {service: RealServer(self, service_url(url, service), service) for service in services}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for it, here and now."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def connect(self, service: str, host: Host) -> "RealConnection":
        return RealConnection(self.servers[service], host)

    def to_send(self, service: str) -> int:
        return int(self.servers[service].ask("select count(*) from outbox")[0][0])

    def close(self) -> None:
        for server in self.servers.values():
            for connection in server.opened:
                self.run(connection.close(timeout=5))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class RealServer:
    """One service's schema."""

    def __init__(self, owner: RealDatabases, url: str, service: str) -> None:
        self._owner, self._url, self.service = owner, url, service
        self.run, self.turn = owner.run, Turn()
        self.opened: list[Any] = []
        self.idle: list[Any] = []
        self.leader: Wire | None = None
        self.listeners: dict[Wire, Callable[[], object]] = {}

    def ask(self, query: str) -> list[Any]:
        """The rows of a query, at once."""
        connection = self.open()
        rows: list[Any] = self.run(connection.fetch(query))
        self.idle.append(connection)
        return rows

    def open(self) -> Any:
        """A connection that nobody uses."""
        return self.idle.pop() if self.idle else self.run(self._connect())

    async def _connect(self) -> Any:
        connection = await asyncpg.connect(self._url, server_settings=session_settings(self.service, "api"))
        await _teach_json(connection)
        self.opened.append(connection)
        return connection


class RealConnection(Wire):
    """What the kit and the stores use of asyncpg, on a real connection."""

    def __init__(self, server: RealServer, host: Host) -> None:
        super().__init__(host, server.turn)
        self._server, self._real = server, server.open()
        self._transaction: Any = None

    async def fetch(self, sql: str, *arguments: Any) -> Any:
        return await self._statement("fetch", sql, *arguments)

    async def fetchrow(self, sql: str, *arguments: Any) -> Any:
        return await self._statement("fetchrow", sql, *arguments)

    async def fetchval(self, sql: str, *arguments: Any) -> Any:
        return await self._statement("fetchval", sql, *arguments)

    async def execute(self, sql: str, *arguments: Any) -> Any:
        return await self._statement("execute", sql, *arguments)

    async def copy_records_to_table(self, table: str, **told: Any) -> None:
        async def do() -> None:
            self._server.run(self._real.copy_records_to_table(table, **told))

        await self._ask("say_rows", do)

    async def prepare(self, sql: str) -> "RealPrepared":
        return RealPrepared(self, sql)

    def attributes(self, sql: str) -> Any:
        """The columns of a statement's rows."""
        return self._server.run(self._real.prepare(sql)).get_attributes()

    async def add_listener(self, channel: str, told: Callable[..., None]) -> None:
        self._server.listeners[self] = lambda: None if self._host.dead else told()

    async def _statement(self, method: str, sql: str, *arguments: Any) -> Any:
        async def do() -> Any:
            if sql == leader._TRY:
                self._server.leader = self._server.leader or self
                return self._server.leader is self
            if sql == _NOTIFY:
                for told in list(self._server.listeners.values()):
                    told()
                return None
            return self._server.run(getattr(self._real, method)(sql, *arguments))

        return await self._ask(STATEMENTS[sql].__name__ if sql in STATEMENTS else "statement", do)

    async def _begin(self) -> None:
        self._transaction = self._real.transaction()
        self._server.run(self._transaction.start())

    async def _end(self, *, commit: bool) -> None:
        if self._transaction is not None and not self.closed:
            self._server.run(self._transaction.commit() if commit else self._transaction.rollback())
        self._transaction = None

    def _drop(self) -> None:
        if self._transaction is not None:
            self._server.run(self._transaction.rollback())
            self._transaction = None
        if self._server.leader is self:
            self._server.leader = None
        self._server.listeners.pop(self, None)
        self._server.idle.append(self._real)


class RealPrepared:
    """A statement that was prepared on a connection."""

    def __init__(self, connection: RealConnection, sql: str) -> None:
        self._connection, self._sql = connection, sql

    async def fetch(self, *arguments: Any) -> Any:
        return await self._connection.fetch(self._sql, *arguments)

    def get_attributes(self) -> Any:
        return self._connection.attributes(self._sql)
