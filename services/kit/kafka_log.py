"""The relay's way to a real broker: per-partition batches, acknowledged by all replicas, a new producer after any failure.

A producer whose sequence number is wedged never heals by itself, and telling that from what heals is not worth a line: every failure rebuilds it.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from services.kit.clock import record_now
from services.kit.failpoints import ARMED, hit
from services.kit.fetching import mend_connections
from services.kit.partitioner import partition_of
from services.kit.ports import LogUnavailable, Outgoing

_BATCH_BYTES = 1_048_576
_REQUEST_MILLISECONDS = 15_000
_GIVE_UP_SECONDS = 60.0
"""For one batch. A client that lost its connections in an unlucky moment may wait for an answer that nobody owes it."""
_STOP_SECONDS = 5.0


class KafkaLog:
    """Opens its producer when there is first something to send. A batch that is not acknowledged after `give_up_seconds` counts as failed."""

    def __init__(self, bootstrap: str, client_id: str, give_up_seconds: float = _GIVE_UP_SECONDS) -> None:
        mend_connections()
        self._bootstrap, self._client_id, self._give_up_seconds = bootstrap, client_id, give_up_seconds
        self._producer: Any = None

    async def send(self, messages: Sequence[Outgoing]) -> None:
        try:
            async with asyncio.timeout(self._give_up_seconds):
                producer = await self._open()
                if ARMED:
                    hit("relay.before_send", skew=partial(_skew, producer))
                futures = await self._hand_over(producer, messages)
                await asyncio.gather(*futures)
        except (KafkaError, OSError) as error:
            await self.close()
            raise LogUnavailable(f"{type(error).__name__} from {self._bootstrap}") from error

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stop(producer)

    async def _open(self) -> Any:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                client_id=self._client_id,
                acks="all",
                enable_idempotence=True,
                max_batch_size=_BATCH_BYTES,
                request_timeout_ms=_REQUEST_MILLISECONDS,
            )
            try:
                await producer.start()
            except BaseException:
                await _stop(producer)
                raise
            self._producer = producer
        return self._producer

    async def _hand_over(self, producer: Any, messages: Sequence[Outgoing]) -> list["asyncio.Future[Any]"]:
        batches: dict[tuple[str, int], Any] = {}
        futures: list[asyncio.Future[Any]] = []
        partitions = {topic: len(await producer.partitions_for(topic)) for topic in {message.topic for message in messages}}
        now = int(record_now().timestamp() * 1000)
        for message in messages:
            place = message.topic, partition_of(message.key, partitions[message.topic])
            batch = batches.get(place)
            if batch is None:
                batch = batches[place] = producer.create_batch()
            if not _append(batch, message, now):
                futures.append(await producer.send_batch(batch, place[0], partition=place[1]))
                batch = batches[place] = producer.create_batch()
                if not _append(batch, message, now):
                    raise LogUnavailable(f"a message of {message.topic} is larger than a batch of {_BATCH_BYTES} bytes")
        futures += [await producer.send_batch(batch, topic, partition=partition) for (topic, partition), batch in batches.items()]
        return futures


async def _stop(producer: Any) -> None:
    """It is given up anyway: nothing is counted as sent that was not acknowledged."""
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await producer.stop()
    except (KafkaError, OSError):
        return


def _skew(producer: Any) -> None:
    """What a fault run spoils: every sequence number that the broker knows is no longer the next one."""
    numbers = producer._txn_manager._sequence_numbers
    for place in numbers:
        numbers[place] += 100


def _append(batch: Any, message: Outgoing, now: int) -> bool:
    return batch.append(key=message.key, value=message.value, timestamp=now, headers=message.headers) is not None
