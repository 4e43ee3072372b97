"""A connection's way to its server: messages that take time and get lost, a process that dies under it; and, where calls are serialised, turns.

Serialised, a transaction is one call: it waits for its turn, and inside it nothing is lost and no time passes. So the same seed has the same steps
whatever stands at the other end, and the fake PostgreSQL can be compared with the real one, table by table.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg

from simulation.host import Host

T = TypeVar("T")
_IDLE_SECONDS = 30.0


class Turn:
    """One at a time, in the order in which they asked."""

    def __init__(self) -> None:
        self._holder: Wire | None = None
        self._waiting: deque[tuple[Wire, asyncio.Future[None]]] = deque()

    async def take(self, who: "Wire") -> None:
        if self._holder is None:
            self._holder = who
            return
        called = asyncio.get_running_loop().create_future()
        self._waiting.append((who, called))
        try:
            await called
        except asyncio.CancelledError:
            self.release(who)  # it may have been called in this very moment
            raise

    def release(self, who: "Wire") -> None:
        """Whoever does not hold it releases nothing: a connection that vanished has done so already."""
        if self._holder is not who:
            return
        self._holder = None
        while self._waiting and self._holder is None:
            following, called = self._waiting.popleft()
            if not following.closed and not called.done():
                self._holder = following
                called.set_result(None)


class Wire(ABC):
    """What every connection has; a subclass does what is asked, and `_end` ends what is open at the other end."""

    def __init__(self, host: Host, turn: Turn | None) -> None:
        self._host, self._turn = host, turn
        self.closed = False
        self._in_transaction = False
        self._ends: asyncio.TimerHandle | None = None
        self._told_of_its_end: list[Callable[[object], None]] = []
        host.on_death(self._vanish)

    async def _ask(self, name: str, do: Callable[[], Awaitable[T]]) -> T:
        """There, done, and back. The connection may break on the way, before or after it was done."""
        if self._turn is not None and self._in_transaction:
            return await do()
        async with self._its_turn():
            await self._trip(name)
            answer = await do()
            if self._in_transaction:
                self._watch()
            await self._trip(f"{name} answered")
            return answer

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        async with self._its_turn():
            if self._turn is not None:
                await self._trip("begin")
            await self._begin()
            self._in_transaction = True
            try:
                yield
            except BaseException:
                await self._end(commit=False)
                raise
            else:
                await self._trip("commit")
                await self._end(commit=True)
                await self._trip("commit answered")
            finally:
                self._in_transaction = False
                if self._ends is not None:
                    self._ends.cancel()

    @abstractmethod
    async def _begin(self) -> None: ...

    @abstractmethod
    async def _end(self, *, commit: bool) -> None: ...

    @abstractmethod
    def _drop(self) -> None:
        """The server lets go of all that this connection had."""

    @asynccontextmanager
    async def _its_turn(self) -> AsyncIterator[None]:
        if self._turn is not None:
            await self._host.alive()
            await self._turn.take(self)
        try:
            yield
        finally:
            if self._turn is not None and not self._host.dead:
                self._turn.release(self)

    async def _trip(self, what: str) -> None:
        """Raises what asyncpg raises when the connection breaks; never returns in a process that is dead."""
        if self.closed:
            raise asyncpg.InterfaceError("connection is closed")
        if await self._host.trip(f"postgres {what}"):
            self._vanish()
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    def _watch(self) -> None:
        """The server ends a transaction that hears nothing for half a minute, and its connection."""
        if self._ends is not None:
            self._ends.cancel()
        self._ends = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._vanish)

    def _vanish(self) -> None:
        if not self.closed:
            self.closed = True
            self._drop()
            if self._turn is not None:
                self._turn.release(self)
            if not self._host.dead:
                for tell in self._told_of_its_end:
                    tell(self)

    def add_termination_listener(self, tell: Callable[[object], None]) -> None:
        self._told_of_its_end.append(tell)

    def terminate(self) -> None:
        self._vanish()

    async def close(self, timeout: float | None = None) -> None:
        await self._host.trip("postgres close")
        self._vanish()
