"""A service's whole worker in process, on real Kafka and PostgreSQL, and events put on its topics."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from services.kit.kafka_log import KafkaLog
from services.kit.ports import Outgoing
from services.kit.worker import Process, Worker
from tests.support.messages import event_headers
from tests.support.polling import poll_until

_SCHEMAS = Path(__file__).parents[2] / "schemas"


@asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[Process]:
    """A worker that is ready, and has stopped cleanly when the block ends."""
    process, stop = Process(worker), asyncio.Event()
    running = asyncio.ensure_future(process.run(stop))

    async def up() -> bool:
        return running.done() or await process.ready() is None

    await poll_until(up, 30)
    try:
        yield process
    finally:
        stop.set()
        assert await running == 0


def example(type: str, **changes: Any) -> dict[str, Any]:
    """The golden example of an event type, with changes."""
    owner, name, version = type.split(".")
    return dict(json.loads((_SCHEMAS / owner / f"{name}.{version}.example.json").read_text()) | changes)


def on_topic(topic: str, id: UUID, type: str, data: dict[str, Any] | bytes | None, *, key: str, version: int = 1) -> Outgoing:
    """An event in binary mode; bytes go out as they are, None is a tombstone."""
    value = json.dumps(data).encode() if isinstance(data, dict) else data
    return Outgoing(topic, key.encode(), value, event_headers(id, type, key, version))


async def produce(kafka: str, messages: Sequence[Outgoing]) -> None:
    log = KafkaLog(kafka, "tests")
    try:
        await log.send(messages)
    finally:
        await log.close()
