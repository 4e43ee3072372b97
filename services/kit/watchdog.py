"""A worker that stands still although its servers answer ends itself with 70, so that its supervisor starts it again.

A dead consumer or a blocked event loop looks healthy from outside: only progress tells.
"""

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

log = structlog.get_logger(__name__)

STOOD_STILL = 70
_LOOK_SECONDS = 10.0
_ANSWER_SECONDS = 5.0


class Watchdog:
    """`seen` tells how far each part of the work is (a partition's offset); `waits` for which of them work waits although the servers answer.

    Each part is judged alone: one that stands still beside others that move is as dead as all of them.
    """

    def __init__(
        self,
        seen: Callable[[], Mapping[Hashable, object]],
        waits: Callable[[], Awaitable[Collection[Hashable]]],
        *,
        limit_seconds: float = 60.0,
        tick_seconds: float = 1.0,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self._seen, self._waits, self._end = seen, waits, end
        self._limit, self._tick = limit_seconds, tick_seconds
        self._missed = 0
        self._over = threading.Event()
        self._last: dict[Hashable, tuple[object, float]] = {}
        """How far each part was when it last moved, and when that was."""
        self.still_since: float | None = None
        """Monotonic instant since when work waits and nothing moves."""

    async def run(self) -> None:
        """Watch until cancelled."""
        threading.Thread(target=self._watch_the_loop, name="watchdog", daemon=True).start()
        looked = 0.0
        try:
            while True:
                self._missed = 0
                now = time.monotonic()
                still = self._still(now)
                if still and now - looked > min(_LOOK_SECONDS, self._limit / 6):
                    looked = now
                    waiting = still & set(await self._waiting())
                    self._last |= {part: (self._last[part][0], now) for part in still - waiting}
                    self.still_since = min((self._last[part][1] for part in waiting), default=None)
                elif not still:
                    self.still_since = None
                if self.still_since is not None and now - self.still_since > self._limit:
                    self._give_up("work waits and nothing moves")
                await asyncio.sleep(self._tick)
        finally:
            self._over.set()

    def _still(self, now: float) -> set[Hashable]:
        """The parts that have not moved for a third of the limit. A part that is new has moved."""
        seen = self._seen()
        self._last = {part: self._last[part] if self._last.get(part, (None,))[0] == value else (value, now) for part, value in seen.items()}
        return {part for part, (_, since) in self._last.items() if now - since > self._limit / 3}

    async def _waiting(self) -> Collection[Hashable]:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await self._waits()
        except TimeoutError:
            return ()

    def _watch_the_loop(self) -> None:
        """Counts its own ticks, not the clock's: a process that was stopped as a whole has not blocked its loop."""
        while not self._over.wait(self._tick):
            self._missed += 1
            if self._missed * self._tick > self._limit:
                self._give_up("the event loop is blocked")

    def _give_up(self, reason: str) -> None:
        log.error("stood still and ends itself", reason=reason, seconds=self._limit)
        self._end(STOOD_STILL)


async def behind(bootstrap: str, positions: Mapping[tuple[str, int], int]) -> set[tuple[str, int]]:
    """The partitions (topic, number) of which the broker holds messages past these positions. None of them when it does not answer."""
    return {place for place, count in (await lag(bootstrap, positions) or {}).items() if count}


async def lag(bootstrap: str, positions: Mapping[tuple[str, int], int]) -> dict[tuple[str, int], int] | None:
    """How many messages the broker holds past these positions, by partition (topic, number). None when it does not answer."""
    places = {TopicPartition(*place): offset for place, offset in positions.items()}
    if not places:
        return {}
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    try:
        await consumer.start()
        ends = await consumer.end_offsets(list(places))
        return {(place.topic, place.partition): max(0, ends[place] - offset) for place, offset in places.items()}
    except (KafkaError, OSError):
        return None
    finally:
        await consumer.stop()
