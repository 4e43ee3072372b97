"""Whether anything is still on its way in a stack: read from the operations ports of its workers and from the broker's end offsets."""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.kit.topics import register


class Quiet:
    """Watches one stack, described as in `var/stack.json`."""

    def __init__(self, stack: Mapping[str, Any]) -> None:
        self._urls = {name: service["worker"]["health"].replace("/readyz", "/progress") for name, service in stack["services"].items()}
        self._consumer = AIOKafkaConsumer(bootstrap_servers=stack["kafka"])
        self._http = httpx.AsyncClient(timeout=10)
        self._partitions = [TopicPartition(topic.name, n) for topic in register() for n in range(topic.partitions)]

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._consumer.stop()
        await self._http.aclose()

    async def wait(self, now: datetime, *, deadline_seconds: float) -> None:
        """Return once every outbox is empty, every consumer has read to the end, every timer due by `now` has fired, and no errand waits.

        Raises TimeoutError that names what is still on its way.
        """
        deadline = time.monotonic() + deadline_seconds
        while reason := await self._busy(now):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the stack has not settled at {now.isoformat()}: {reason}")
            await asyncio.sleep(0.002)

    async def _busy(self, now: datetime) -> str | None:
        """What is on its way, or None. The ends are read before and after, so that nothing slips between two workers."""
        before = await self._consumer.end_offsets(self._partitions)
        answers = await asyncio.gather(*(self._http.get(url) for url in self._urls.values()))
        for name, answer in zip(self._urls, answers, strict=True):
            if reason := _why_busy(answer.json(), before, now):
                return f"{name}: {reason}"
        after = await self._consumer.end_offsets(self._partitions)
        return None if after == before else "events were said meanwhile"


def _why_busy(progress: dict[str, Any], ends: Mapping[TopicPartition, int], now: datetime) -> str | None:
    if progress["outbox"]:
        return f"{progress['outbox']} events wait in the outbox"
    if not progress["errands_idle"]:
        return "an errand waits"
    if progress["timers_at"] is None or datetime.fromisoformat(progress["timers_at"]) < now:
        return f"timers have fired up to {progress['timers_at']} only"
    for topic, positions in progress["positions"].items():
        for partition, position in positions.items():
            if position < (end := ends[TopicPartition(topic, int(partition))]):
                return f"{topic}[{partition}] is read to {position} of {end}"
    return None
