"""How a worker stands in its consumer group: the measured settings that both drivers share."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

BATCH = 500
"""Most messages in one transaction."""


@dataclass(frozen=True, slots=True)
class Group:
    """`instance` is fixed per process slot: a killed worker is back in its partitions without a rebalance of the others."""

    bootstrap: str
    name: str
    instance: str
    topics: tuple[str, ...]
    session_seconds: float = 30.0
    heartbeat_seconds: float = 3.0
    fetch_wait_milliseconds: int = 500
    commit_seconds: float = 1.0
    gather_seconds: float = 0.0

    @property
    def client_id(self) -> str:
        return f"{self.name}-{self.instance}"


class Pace:
    """Keeps batches so many seconds apart. Who comes later than that does not wait at all."""

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._seconds, self._now, self._sleep, self._next = seconds, now, sleep, -math.inf

    async def wait(self) -> None:
        """Until the next batch may begin."""
        if self._seconds:
            await self._sleep(max(0.0, self._next - self._now()))
            self._next = self._now() + self._seconds
