"""How long a worker leaves Kafka alone after a batch."""

import asyncio
import time
from itertools import pairwise
from types import SimpleNamespace

import pytest

from services.kit.pace import MANY, pace, rest_after


@pytest.mark.parametrize(("events", "took", "rest"), [(1, 0.004, 0.012), (20, 0.1, 0.025), (0, 0.0, 0.0), (MANY - 1, 0.1, 0.025), (MANY, 0.1, 0.0)])
def test_a_loop_rests_three_times_as_long_as_it_worked_but_never_long_and_not_while_much_waits(events: int, took: float, rest: float) -> None:
    assert rest_after(events, took) == pytest.approx(rest)


async def test_only_a_fetch_that_brought_something_delays_the_next() -> None:
    asked: list[float] = []
    brings = iter([False, False, True, True])

    async def fetch(*_: object) -> bool:
        asked.append(time.monotonic())
        return next(brings)

    consumer = SimpleNamespace(_fetcher=SimpleNamespace(_proc_fetch_request=fetch))
    pace(consumer, lambda: 0.2)
    for _ in range(4):
        await consumer._fetcher._proc_fetch_request("assignment", 0, "request")
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert max(gaps[:2]) < 0.2 <= gaps[2]


async def test_a_rest_that_is_cancelled_brought_nothing() -> None:
    async def fetch(*_: object) -> bool:
        return True

    consumer = SimpleNamespace(_fetcher=SimpleNamespace(_proc_fetch_request=fetch))
    pace(consumer, lambda: 60.0)
    await consumer._fetcher._proc_fetch_request()
    resting = asyncio.ensure_future(consumer._fetcher._proc_fetch_request())
    await asyncio.sleep(0)
    resting.cancel()
    assert await resting is False
