"""Moves business time for a whole stack: does what is due, in order, and lets time go on only when everything said has been heard.

So the figures of a run do not depend on how fast the machine is.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import count

from demo.quiet import Quiet
from services.kit.clock import FileClockDriver

Action = Callable[[], Awaitable[None]]


class Driver:
    """An agenda in business time. Things due at the same instant happen in the order in which they were put down."""

    def __init__(self, clock: FileClockDriver, quiet: Quiet, progress: Callable[[datetime], None] = lambda _: None) -> None:
        self._clock, self._quiet, self._progress = clock, quiet, progress
        self._agenda: list[tuple[datetime, int, Action]] = []
        self._order = count()

    @property
    def now(self) -> datetime:
        return self._clock.instant

    def at(self, instant: datetime, action: Action) -> None:
        """Put something down for then; the past means now."""
        heapq.heappush(self._agenda, (max(instant.astimezone(UTC), self.now), next(self._order), action))

    async def settle(self) -> None:
        """Return once nothing is on its way. Raises TimeoutError, naming what is, after 60 seconds."""
        await self._quiet.wait(self.now, deadline_seconds=60)

    async def run(self, until: datetime | None = None) -> None:
        """Until the agenda is empty, or it is then and all that was due has happened."""
        while self._agenda and (until is None or self._agenda[0][0] <= until):
            await self._move(self._agenda[0][0])
            while self._agenda and self._agenda[0][0] <= self.now:
                await heapq.heappop(self._agenda)[2]()
            await asyncio.sleep(0)
        await self._move(until or self.now)
        await self.settle()

    async def _move(self, instant: datetime) -> None:
        if instant > self.now:
            await self.settle()
            self._clock.advance_to(instant)
            await self.settle()
            self._progress(instant)
