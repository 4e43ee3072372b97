"""A worker that stands still ends itself; one that is idle, or whose servers are away, does not."""

import asyncio
import time
from collections.abc import Callable, Collection, Hashable

from services.kit.watchdog import STOOD_STILL, Watchdog
from tests.support.polling import poll_until

LIMIT = 0.3


async def _watched(seen: Callable[[], dict[Hashable, object]], waits: bool, seconds: float) -> list[int]:
    ends: list[int] = []

    async def answer() -> Collection[Hashable]:
        return list(seen()) if waits else ()

    dog = Watchdog(seen, answer, limit_seconds=LIMIT, tick_seconds=0.02, end=ends.append)
    running = asyncio.ensure_future(dog.run())
    last = time.monotonic() + seconds
    await poll_until(lambda: ends or time.monotonic() > last)
    running.cancel()
    return ends


async def test_work_that_waits_while_nothing_moves_ends_the_process() -> None:
    assert STOOD_STILL in await _watched(lambda: {"one": 0}, waits=True, seconds=5)


async def test_an_idle_worker_lives() -> None:
    assert await _watched(lambda: {"one": 0}, waits=False, seconds=3 * LIMIT) == []


async def test_a_worker_that_moves_lives() -> None:
    assert await _watched(lambda: {"one": time.monotonic()}, waits=True, seconds=3 * LIMIT) == []


async def test_a_part_that_stands_still_beside_one_that_moves_ends_the_process() -> None:
    assert STOOD_STILL in await _watched(lambda: {"one": 0, "other": time.monotonic()}, waits=True, seconds=5)


async def test_a_part_that_waits_only_now_and_then_lives() -> None:
    began, ends = time.monotonic(), list[int]()

    async def now_and_then() -> Collection[Hashable]:
        return ["one"] if int((time.monotonic() - began) / (LIMIT / 2)) % 2 else ()

    dog = Watchdog(lambda: {"one": 0}, now_and_then, limit_seconds=LIMIT, tick_seconds=0.02, end=ends.append)
    running = asyncio.ensure_future(dog.run())
    await asyncio.sleep(4 * LIMIT)
    running.cancel()
    assert ends == []


async def test_a_blocked_event_loop_ends_the_process() -> None:
    ends: list[int] = []

    async def nothing() -> Collection[Hashable]:
        return ()

    running = asyncio.ensure_future(Watchdog(dict, nothing, limit_seconds=LIMIT, tick_seconds=0.02, end=ends.append).run())
    await asyncio.sleep(0)
    last = time.monotonic() + 5
    while not ends and time.monotonic() < last:
        time.sleep(0.01)  # noqa: ASYNC251  # blocking the loop is the point
    running.cancel()
    assert ends[0] == STOOD_STILL
