"""Gives the verdict on promises that fell due: each broken once, at its due instant, with what makes good for it in the same commit. Warns of those
that a department has not said it has within a minute, and at the last moment at which one can still be kept."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import structlog

from services.kit.canonical import canonical
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.promise.state import Risk
from services.kit.transient import end_if_told, is_transient
from services.kit.values import Refusal
from services.promises.ledger import queries
from services.promises.ledger.batch import Answer, Asked
from services.promises.ledger.compensating import LEDGER, compensations
from services.promises.ledger.domain.commands import Break, PutAtRisk
from services.promises.ledger.domain.tariff import Tariff
from services.promises.ledger.writer import Writer

log = structlog.get_logger(__name__)

_SCOPE = "ledger due"
_AT_ONCE = 250
_EVERY_SECONDS = 0.1


class DueWatch:
    """A duty of the process that writes; it reads over the pool, since the writer's connection is the writer's."""

    def __init__(self, writer: Writer, database: Database, clock: Clock, tariffs: Sequence[Tariff]) -> None:
        self._writer, self._database, self._clock, self._tariffs = writer, database, clock, tariffs

    async def run(self, _: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Until cancelled. Raises what the database raises and the ledger refuses, unless it passes by itself."""
        while True:
            try:
                count = await self.look()
            except (Refusal, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                if not (isinstance(error, Refusal | OSError) or is_transient(error)):
                    raise
                count = 0
            end_if_told()
            if count < _AT_ONCE:
                await asyncio.sleep(_EVERY_SECONDS)

    async def look(self) -> int:
        """Give the verdict on those that are due by now, warn of those that nobody took and of those that can only just be kept, 250 of each at most.
        Returns how many there were."""
        async with self._database.pool.acquire() as sql:
            asked = [*await self._breaks(sql), *await self._warnings(sql)]
        if not asked:
            return 0
        answers = await self._writer.ask_all(asked)
        failed = [each for each in answers if not isinstance(each, Answer)]
        if failed:
            raise failed[0]
        log.info("due", count=len(asked))
        return len(asked)

    async def _breaks(self, sql: "asyncpg.Connection[asyncpg.Record]") -> list[Asked]:
        now = self._clock.now()
        ids = await queries.due(sql, now, _AT_ONCE)
        owed = await compensations(sql, ids, self._tariffs, now)
        return [Asked(_SCOPE, f"due|{id}", id, Break(), LEDGER, now, _told("due", id), then=then) for id, then in owed.items()]

    async def _warnings(self, sql: "asyncpg.Connection[asyncpg.Record]") -> list[Asked]:
        now = self._clock.now()
        found = {Risk.UNACKNOWLEDGED: await queries.unacknowledged(sql, _AT_ONCE), Risk.LATE: await queries.late(sql, now, _AT_ONCE)}
        return [_warning(risk, id, now) for risk, ids in found.items() for id in ids]


def _warning(risk: Risk, id: UUID, now: datetime) -> Asked:
    return Asked(_SCOPE, f"{risk}|{id}", id, PutAtRisk(risk, raised=True), LEDGER, now, _told(risk, id))


def _told(what: str, promise_id: UUID) -> bytes:
    return canonical([what, str(promise_id)])
