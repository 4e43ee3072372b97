"""What falls due in business time is fired: every quarter of a second, and at once when a driver moved the clock's file."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime

import structlog

from services.kit import metrics
from services.kit.changes import Changes
from services.kit.clock import Clock, FileClock
from services.kit.database import Database
from services.kit.failpoints import ARMED, hit
from services.kit.stage import Timer
from services.kit.transient import MAY_PASS, end_if_told, is_transient, pause_seconds

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.25
_FILE_CLOCK_SECONDS = 0.01


class TimerLoop:
    """Fires a service's timers, on its leader. A bug in one crashes the worker."""

    def __init__(self, timers: Sequence[Timer], database: Database, clock: Clock, changes: Changes) -> None:
        self._timers, self._database, self._clock, self._changes = timers, database, clock, changes
        self._fired: datetime | None = None
        self._seen = -1

    @property
    def at(self) -> datetime | None:
        """The business instant up to which everything due has fired; None while something was committed that was not looked at yet."""
        return self._fired if self._seen == self._changes.count else None

    async def run(self) -> None:
        self._fired = None
        tries = 0
        while True:
            end_if_told()
            seen, instant = self._changes.count, self._clock.now()
            try:
                fired = await self._fire_all()
            except MAY_PASS as error:
                if not is_transient(error):
                    raise
                log.warning("timers are tried again", error=type(error).__name__, attempt=tries)
                self._changes.happened()  # one of them may have fired before that
                await asyncio.sleep(pause_seconds(tries))
                tries += 1
                continue
            tries = 0
            if fired:
                self._changes.happened()
                continue
            self._seen, self._fired = seen, instant
            await self._wait(seen, instant)

    async def _fire_all(self) -> int:
        total = 0
        for timer in self._timers:
            async with self._database.transaction() as work:
                fired = await timer.fire(work)
                if ARMED and fired:
                    hit("timer.fired")
            if fired:
                if ARMED:
                    hit("timer.committed")
                metrics.TIMER_FIRED.labels(self._database.service, timer.name).inc(fired)
            total += fired
        return total

    async def _wait(self, seen: int, instant: datetime) -> None:
        """Until the next look. Where a driver moves the clock it waits for each step: the file is read often, and a commit looked at once."""
        if not isinstance(self._clock, FileClock):
            return await asyncio.sleep(POLL_SECONDS)
        until = time.monotonic() + POLL_SECONDS
        while time.monotonic() < until and self._changes.count == seen and self._clock.now() == instant:  # noqa: ASYNC110  # a clock in a file tells nobody
            await asyncio.sleep(_FILE_CLOCK_SECONDS)
        return None
