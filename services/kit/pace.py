"""How often a worker asks Kafka for more.

A batch of one costs nearly what a batch of fifty does. A stage that asks again at once therefore fills a busy machine with small batches, and every
stage waits for every other. So it rests after a small one three times as long as that took, 25 ms at most: a lone event after a quiet moment finds it
waiting, and what comes while it rests is the next batch.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

MANY = 100
"""A batch of so many events was worth its cost: there is no rest after it."""

_TIMES, _MOST_SECONDS = 3, 0.025


def rest_after(events: int, seconds: float) -> float:
    """Seconds to leave Kafka alone after a batch of so many events that took so long."""
    return 0.0 if events >= MANY else min(_TIMES * seconds, _MOST_SECONDS)


def pace(consumer: Any, rest_seconds: Callable[[], float]) -> None:
    """Let a started AIOKafkaConsumer send a fetch no sooner than `rest_seconds` after the last one that brought something.

    It wraps a private method of aiokafka's fetcher: nothing public comes between two fetches, and a fetch whose answer is merely left lying would
    hold what came before the rest, not after it.
    """
    fetcher = consumer._fetcher
    fetch, brought_at = fetcher._proc_fetch_request, 0.0

    async def fetch_rested(*request: Any) -> bool:
        nonlocal brought_at
        try:
            await asyncio.sleep(max(0.0, brought_at + rest_seconds() - time.monotonic()))
        except asyncio.CancelledError:
            return False  # as aiokafka's own does: whoever closes the consumer waits for this one
        brought: bool = await fetch(*request)
        if brought:
            brought_at = time.monotonic()
        return brought

    fetcher._proc_fetch_request = fetch_rested
