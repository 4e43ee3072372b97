"""Whether anything is still on its way in a stack: read from the operations ports of its workers and from the broker's end offsets."""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

_NAP_SECONDS = 0.003


class Quiet:
    """Watches one stack, described as in `var/stack.json`."""

    def __init__(self, stack: Mapping[str, Any]) -> None:
        self._urls = {name: service["worker"]["health"].replace("/readyz", "/progress") for name, service in stack["services"].items()}
        self._consumer = AIOKafkaConsumer(bootstrap_servers=stack["kafka"])
        self._http = httpx.AsyncClient(timeout=10)
        self._last_busy = ""

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
            await asyncio.sleep(_NAP_SECONDS)

    async def _busy(self, now: datetime) -> str | None:
        """What is on its way, or None. The ends are read after the positions: what was said meanwhile shows as unread."""
        read: dict[TopicPartition, int] = {}
        for service in sorted(self._urls, key=lambda name: name != self._last_busy):
            progress = (await self._http.get(self._urls[service])).json()
            if reason := _why_busy(progress, now):
                self._last_busy = service
                return f"{service}: {reason}"
            for topic, positions in progress["positions"].items():
                for partition, position in positions.items():
                    tp = TopicPartition(topic, int(partition))
                    read[tp] = min(position, read.get(tp, position))
        ends = await self._consumer.end_offsets(list(read))
        return next((f"{tp.topic}[{tp.partition}] is read to {read[tp]} of {end}" for tp, end in ends.items() if read[tp] < end), None)


def _why_busy(progress: dict[str, Any], now: datetime) -> str | None:
    if not progress["positions"]:
        return "it has no partition, so nobody can tell what it has read"
    if progress["outbox"]:
        return f"{progress['outbox']} events wait in the outbox"
    if not progress["errands_idle"]:
        return "an errand waits"
    if progress["timers_at"] is None or datetime.fromisoformat(progress["timers_at"]) < now:
        return f"timers have fired up to {progress['timers_at']} only"
    return None
