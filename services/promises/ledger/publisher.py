"""Tells of entries on the feed's topic, in their order, each acknowledged by all replicas before the next ones are taken.

There is no outbox: one writer gives out the positions in the order of its commits, so that behind a position nothing can come in late.
"""

import asyncio

import asyncpg
import structlog

from services.kit.changes import Changes
from services.kit.clock import record_now
from services.kit.database import Database
from services.kit.envelope import encode_data, headers_of
from services.kit.ids import uuid7
from services.kit.ports import Log, LogUnavailable, Outgoing
from services.kit.promise.feed import ENTRY_RECORDED, TOPIC, EntryRecorded
from services.kit.trace import child_of
from services.kit.transient import end_if_told, pause_seconds
from services.kit.values import Cause
from services.promises.ledger import queries

log = structlog.get_logger(__name__)

_AT_ONCE = 500
_LOOK_SECONDS = 1.0
_GATHER_SECONDS = 0.05
"""So long a writer that is busy is left alone: what it writes meanwhile is told together."""

_PUBLISHED = "select position from ledger_published"
_MOVE = "update ledger_published set position = $1"


class Publisher:
    """A duty of the process that writes; what was told twice after a crash is dropped by whoever hears it, by its position."""

    def __init__(self, database: Database, sink: Log, prefix: str, written: Changes) -> None:
        self._database, self._sink, self._topic, self._written = database, sink, prefix + TOPIC, written

    async def run(self, _: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Until cancelled. Raises what the database raises."""
        while True:
            seen = self._written.count
            if await self.publish() < _AT_ONCE:
                await asyncio.sleep(_GATHER_SECONDS)
                await self._written.after(seen, _LOOK_SECONDS)

    async def publish(self) -> int:
        """Tell of what is behind the last that was told, 500 at most. Returns how many."""
        async with self._database.pool.acquire() as sql:
            entries = await queries.feed(sql, await sql.fetchval(_PUBLISHED), _AT_ONCE)
            customers = await queries.customers_of(sql, {id for id, _ in entries}) if entries else {}
        if entries:
            await self._send([self._outgoing(str(customers[id]), entry) for id, entry in entries])
            await self._database.pool.execute(_MOVE, entries[-1][1].position)
        return len(entries)

    async def _send(self, messages: list[Outgoing]) -> None:
        tries = 0
        while True:
            try:
                return await self._sink.send(messages)
            except LogUnavailable as error:
                log.warning("the log did not acknowledge; the same entries are sent again", reason=str(error), attempt=tries)
            end_if_told()
            await asyncio.sleep(pause_seconds(tries))
            tries += 1

    def _outgoing(self, customer_id: str, entry: EntryRecorded) -> Outgoing:
        id, trace = uuid7(), child_of(None)
        headers = headers_of(
            id=id, type=ENTRY_RECORDED, source="/kept/promises", subject=customer_id, time=record_now(), version=entry.position,
            cause=Cause(id, id, trace), traceparent=trace,
        )  # fmt: skip
        return Outgoing(self._topic, customer_id.encode(), encode_data(entry), headers)
