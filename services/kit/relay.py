"""The outbox on its way to Kafka: rows by id, every one acknowledged by all replicas before it is deleted; the whole batch again on any doubt.

It runs on one worker of a service at a time, on the connection that holds the service's lock. Rows are deleted, never marked or skipped past: a
row that commits late is still seen.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

import asyncpg
import structlog

from services.kit import metrics
from services.kit.changes import Changes
from services.kit.clock import record_now
from services.kit.database import decode_headers, said_channel
from services.kit.failpoints import ARMED, hit
from services.kit.ports import Log, LogUnavailable, Outgoing
from services.kit.transient import end_if_told, pause_seconds

log = structlog.get_logger(__name__)

_TAKE = "select id, topic, key, payload, headers, created_at from outbox order by id limit $1"
_DELETE = "delete from outbox where id = any($1::bigint[])"
_AT_ONCE = 2000
_POLL_SECONDS = 1.0
"""A look without a call, should one have been lost."""


class Relay:
    """Sends what lies in the outbox, as soon as something was `said`. `foreign` is called when that was by another process: its commit may have
    left more to do than to send."""

    def __init__(self, service: str, prefix: str, sink: Log, said: Changes, foreign: Callable[[], None] = lambda: None) -> None:
        self._service, self._prefix, self._log, self._said, self._foreign = service, prefix, sink, said, foreign
        self._rows = metrics.OUTBOX_ROWS.labels(service)
        self._oldest: datetime | None = None
        metrics.OUTBOX_AGE_SECONDS.labels(service).set_function(self._age_seconds)

    async def run(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Relay until cancelled. Raises what the connection raises: the leader connects again."""
        try:
            await self._relay(connection)
        finally:
            self._oldest = None

    async def _relay(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        take = await connection.prepare(_TAKE)
        delete = await connection.prepare(_DELETE)
        await connection.add_listener(said_channel(self._service), self._on_told)
        while True:
            seen = self._said.count
            rows = await take.fetch(_AT_ONCE)
            self._rows.set(len(rows))
            self._oldest = rows[0]["created_at"] if rows else None
            if rows:
                if ARMED:
                    hit("relay.taken")
                await self._send([_outgoing(row, self._prefix) for row in rows])
                if ARMED:
                    hit("relay.sent")
                await delete.fetch([row["id"] for row in rows])
                if ARMED:
                    hit("relay.deleted")
                metrics.RELAYED.labels(self._service).inc(len(rows))
            if len(rows) < _AT_ONCE:
                await self._said.after(seen, _POLL_SECONDS)

    def _age_seconds(self) -> float:
        """Grows while the log does not acknowledge."""
        return max(0.0, (record_now() - self._oldest).total_seconds()) if self._oldest else 0.0

    def _on_told(self, *_: object) -> None:
        self._said.happened()
        self._foreign()

    async def _send(self, messages: list[Outgoing]) -> None:
        """All of them acknowledged, however often it takes."""
        tries = 0
        while True:
            try:
                return await self._log.send(messages)
            except LogUnavailable as error:
                metrics.RELAY_FAILURES.labels(self._service, type(error.__cause__ or error).__name__).inc()
                log.warning("the log did not acknowledge; the whole batch is sent again", reason=str(error), attempt=tries, count=len(messages))
            end_if_told()
            await asyncio.sleep(pause_seconds(tries))
            tries += 1


def _outgoing(row: asyncpg.Record, prefix: str) -> Outgoing:
    return Outgoing(prefix + row["topic"], row["key"], row["payload"], decode_headers(row["headers"]))
