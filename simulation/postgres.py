"""A fake PostgreSQL: committed rows, and over them what each open transaction wrote. Read committed, row locks, keys that wait for each other.

A statement sees what is committed when it begins, and its own transaction's writes. Who writes or locks a row that another open transaction wrote,
locked or inserted waits for that one's end: 3 s at most, and not at all in a circle. Numbers of a sequence are drawn when rows are inserted, so
they commit in any order.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from simulation.wire import Turn

Key = Any
Place = tuple[str, Key]
_LOCK_SECONDS = 3.0
_GONE: Any = object()


@dataclass(eq=False)
class Session:
    """One connection's open transaction, if any."""

    server: "Server"
    name: str
    writes: dict[Place, Any] = field(default_factory=dict)
    locks: set[Place] = field(default_factory=set)
    _new: set[Place] = field(default_factory=set)
    """Keys whose row, if any, is not the one that was there before."""
    waits_for: "Session | None" = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def get(self, table: str, key: Key) -> Any:
        """The row, or None."""
        row = self.writes.get((table, key), None) if (table, key) in self.writes else self.server.table(table).get(key)
        return None if row is _GONE else row

    def scan(self, table: str) -> Iterator[tuple[Key, Any]]:
        """All rows with their keys, in the order of keys' first commit, own new ones last."""
        committed = self.server.table(table)
        for key, row in committed.items():
            own = self.writes.get((table, key), row)
            if own is not _GONE:
                yield key, own
        for (name, key), row in list(self.writes.items()):
            if name == table and key not in committed and row is not _GONE:
                yield key, row

    async def lock(self, table: str, keys: Iterable[Key]) -> None:
        """One after the other, as given, whether there is such a row or not: advisory locks, keys of an upsert. Raises what PostgreSQL would: a lock
        timeout, a deadlock."""
        for key in keys:
            place = table, key
            while (holder := self.server.locks.get(place, self)) is not self:
                await self._wait(holder)
            self.server.locks[place] = self
            self.locks.add(place)

    async def _wait(self, holder: "Session") -> None:
        other: Session | None = holder
        while other is not None:
            if other is self:
                raise asyncpg.DeadlockDetectedError("deadlock detected")
            other = other.waits_for
        self.waits_for = holder
        try:
            async with asyncio.timeout(_LOCK_SECONDS):
                await holder.ended.wait()
        except TimeoutError:
            raise asyncpg.LockNotAvailableError("canceling statement due to lock timeout") from None
        finally:
            self.waits_for = None

    async def select_for_update(self, table: str, key: Key) -> Any:
        """The row, locked; None where none is visible, which then locks nothing. One that was deleted while this waited is gone, even if another
        stands in its place."""
        if self.get(table, key) is None:
            return None
        born = self.server.born[table, key]
        await self.lock(table, [key])
        return self.get(table, key) if self.server.born[table, key] == born else None

    async def put(self, table: str, key: Key, row: Any) -> None:
        """An upsert."""
        await self.lock(table, [key])
        self.writes[table, key] = row

    async def insert(self, table: str, key: Key, row: Any) -> bool:
        """False where the key is taken: on conflict do nothing. Waits for who writes that row, and not for who has only locked it."""
        while (holder := self.server.locks.get((table, key), self)) is not self and (table, key) in holder.writes:
            await self._wait(holder)
        if self.get(table, key) is not None:
            return False
        await self.lock(table, [key])
        if self.get(table, key) is not None:
            return False
        self.writes[table, key] = row
        self._new.add((table, key))
        return True

    async def delete(self, table: str, key: Key) -> bool:
        """False where no such row is visible, when the statement begins or after it waited."""
        if await self.select_for_update(table, key) is None:
            return False
        self.writes[table, key] = _GONE
        self._new.add((table, key))
        return True

    def commit(self) -> None:
        for (table, key), row in self.writes.items():
            if row is not _GONE and ((table, key) in self._new or key not in self.server.table(table)):
                self.server.born[table, key] += 1
            if row is _GONE:
                self.server.table(table).pop(key, None)
            else:
                self.server.table(table)[key] = row
        self.rollback()

    def rollback(self) -> None:
        """The transaction is over; whoever waits goes on."""
        self.writes.clear()
        self._new.clear()
        for place in self.locks:
            del self.server.locks[place]
        self.locks.clear()
        self.ended.set()
        self.ended = asyncio.Event()


@dataclass
class Server:
    """One service's schema."""

    tables: dict[str, dict[Key, Any]] = field(default_factory=dict)
    locks: dict[Place, Session] = field(default_factory=dict)
    advisory: dict[str, Session] = field(default_factory=dict)
    listeners: dict[Session, Any] = field(default_factory=dict)
    born: Counter[Place] = field(default_factory=Counter)
    """How many rows there have been under a key, one after the other."""
    drawn: int = 0
    turn: Turn | None = None
    """Set where calls are serialised."""

    def table(self, name: str) -> dict[Key, Any]:
        return self.tables.setdefault(name, {})

    def rows(self, name: str) -> list[Any]:
        """What is committed."""
        return list(self.table(name).values())

    def draw(self) -> int:
        """The sequence's next number, whatever becomes of the transaction."""
        self.drawn += 1
        return self.drawn

    def close(self, session: Session) -> None:
        """The connection is gone, and all that it held."""
        session.rollback()
        self.advisory = {name: holder for name, holder in self.advisory.items() if holder is not session}
        self.listeners.pop(session, None)
