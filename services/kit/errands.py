"""Side effects that no transaction can hold: run by one worker, at once after a commit, with backoff while the world outside is away."""

import asyncio
from collections.abc import Sequence

import structlog

from services.kit import metrics
from services.kit.changes import Changes
from services.kit.clock import FileClock
from services.kit.database import Database
from services.kit.failpoints import ARMED, hit
from services.kit.stage import Errand
from services.kit.transient import MAY_PASS, end_if_told, is_transient, pause_seconds

log = structlog.get_logger(__name__)
_POLL_SECONDS = 1.0
"""A look without a commit that called for one: what is tried again becomes due by the clock."""
_FILE_CLOCK_GATHER_SECONDS = 0.02
"""Whoever moves the clock waits for the errands at each step, however long they may gather elsewhere."""


class ErrandLoop:
    """Runs a service's errands, each at its own pace, on its leader. A bug in one crashes the worker; an errand names what it expects."""

    def __init__(self, errands: Sequence[Errand], database: Database, changes: Changes) -> None:
        self._errands, self._database, self._changes = errands, database, changes
        self._stepped = isinstance(database.clock, FileClock)
        self._seen: dict[str, int] = {}

    @property
    def idle(self) -> bool:
        """Whether every errand found nothing to do when it last looked, and nothing was committed since."""
        return all(self._seen.get(errand.name) == self._changes.count for errand in self._errands)

    async def run(self) -> None:
        self._seen.clear()
        async with asyncio.TaskGroup() as group:
            for errand in self._errands:
                group.create_task(self._repeat(errand))

    async def _repeat(self, errand: Errand) -> None:
        tries = 0
        while True:
            end_if_told()
            seen = self._changes.count
            done = await self._once(errand, tries)
            tries = tries + 1 if done is None else 0
            if done is None:
                self._changes.happened()  # it may have committed something before that
                await asyncio.sleep(pause_seconds(tries))
            elif done:
                metrics.ERRANDS_DONE.labels(self._database.service, errand.name).inc(done)
                self._changes.happened()
            else:
                self._seen[errand.name] = seen
                await self._changes.after(seen, _POLL_SECONDS)
                await asyncio.sleep(_FILE_CLOCK_GATHER_SECONDS if self._stepped else errand.gather_seconds)

    async def _once(self, errand: Errand, tries: int) -> int | None:
        """How many were done; None when the world outside stood in the way."""
        if ARMED:
            hit("errand.begun", errand.name)
        try:
            done = await errand.run(self._database)
            if ARMED and done:
                hit("errand.done", errand.name)
            return done
        except errand.expects as error:
            failure: BaseException = error
        except MAY_PASS as error:
            if not is_transient(error):
                raise
            failure = error
        metrics.ERRAND_FAILURES.labels(self._database.service, errand.name).inc()
        log.warning("errand failed and is tried again", name=errand.name, error=type(failure).__name__, attempt=tries)
        return None
