"""Readers who wait for an entry: told by the writer's commit, not by asking again and again."""

import asyncio
import time
from contextlib import suppress

import asyncpg

from services.kit.changes import Changes
from services.kit.database import Database
from services.kit.http import Problem
from services.promises.ledger import queries

CHANNEL = "kept_ledger_grown"
_SECONDS = 2.0
_NEAR = 1_000
"""So many entries may well be written while somebody waits."""
_LOOK_SECONDS = 0.5
"""A look without a call, should the connection that listens have ended."""


class Arrivals:
    """All who wait share one connection that listens, and that is let go when nobody waits."""

    def __init__(self, database: Database) -> None:
        self._database, self._grown = database, Changes()
        self._waiting = 0
        self._listening: asyncio.Task[None] | None = None

    async def until(self, position: int) -> None:
        """Return once the ledger reaches this position. Raises Problem (404) saying how far it reaches, after 2 s or where it is far away."""
        if not position:
            return
        ends, reached = time.monotonic() + _SECONDS, await self._reached()
        self._waiting += 1
        try:
            while reached < position <= reached + _NEAR and (left := ends - time.monotonic()) > 0:
                self._listen()
                seen = self._grown.count
                reached = await self._reached()
                if reached < position:
                    await self._grown.after(seen, min(left, _LOOK_SECONDS))
        finally:
            self._waiting -= 1
            if not self._waiting and self._listening is not None:
                self._listening.cancel()
                self._listening = None
        if reached < position:
            sentence = "The ledger does not reach that position yet: ask again shortly, or without min_position."
            raise Problem(404, "behind", sentence, headers={"retry-after": "1"}, extra={"position": reached})

    async def _reached(self) -> int:
        async with self._database.pool.acquire() as sql:
            size, _ = await queries.head(sql)
            return size

    def _listen(self) -> None:
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._hear())

    async def _hear(self) -> None:
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):  # who waits looks by itself
            async with self._database.pool.acquire() as sql:
                await sql.add_listener(CHANNEL, self._told)
                try:
                    self._grown.happened()
                    await asyncio.Event().wait()
                finally:
                    await sql.remove_listener(CHANNEL, self._told)

    def _told(self, *_: object) -> None:
        self._grown.happened()
