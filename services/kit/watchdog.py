"""A worker that stands still although its servers answer ends itself with 70, so that its supervisor starts it again.

A dead consumer or a blocked event loop looks healthy from outside: only progress tells.
"""

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

log = structlog.get_logger(__name__)

STOOD_STILL = 70
_LOOK_SECONDS = 10.0
_ANSWER_SECONDS = 5.0


class Watchdog:
    """`seen` tells a value that changes with every progress; `waits` whether work waits although the servers answer."""

    def __init__(
        self,
        seen: Callable[[], object],
        waits: Callable[[], Awaitable[bool]],
        *,
        limit_seconds: float = 60.0,
        tick_seconds: float = 1.0,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self._seen, self._waits, self._end = seen, waits, end
        self._limit, self._tick = limit_seconds, tick_seconds
        self._missed = 0
        self._over = threading.Event()
        self.still_since: float | None = None
        """Monotonic instant since when work waits and nothing moves."""

    async def run(self) -> None:
        """Watch until cancelled."""
        threading.Thread(target=self._watch_the_loop, name="watchdog", daemon=True).start()
        last, since, looked = self._seen(), time.monotonic(), 0.0
        try:
            while True:
                self._missed = 0
                now, value = time.monotonic(), self._seen()
                if value != last:
                    last, since, self.still_since = value, now, None
                elif now - since > self._limit / 3 and now - looked > min(_LOOK_SECONDS, self._limit / 6):
                    looked, self.still_since = now, since if await self._stands_still() else None
                    since = since if self.still_since else now
                if self.still_since is not None and now - self.still_since > self._limit:
                    self._give_up("work waits and nothing moves")
                await asyncio.sleep(self._tick)
        finally:
            self._over.set()

    async def _stands_still(self) -> bool:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await self._waits()
        except TimeoutError:
            return False

    def _watch_the_loop(self) -> None:
        """Counts its own ticks, not the clock's: a process that was stopped as a whole has not blocked its loop."""
        while not self._over.wait(self._tick):
            self._missed += 1
            if self._missed * self._tick > self._limit:
                self._give_up("the event loop is blocked")

    def _give_up(self, reason: str) -> None:
        log.error("stood still and ends itself", reason=reason, seconds=self._limit)
        self._end(STOOD_STILL)


async def is_behind(bootstrap: str, positions: Mapping[str, Mapping[int, int]]) -> bool:
    """Whether the broker holds messages past these positions. False when it does not answer."""
    places = {TopicPartition(topic, partition): offset for topic, partitions in positions.items() for partition, offset in partitions.items()}
    if not places:
        return False
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    try:
        await consumer.start()
        ends = await consumer.end_offsets(list(places))
        return any(ends[place] > offset for place, offset in places.items())
    except (KafkaError, OSError):
        return False
    finally:
        await consumer.stop()
