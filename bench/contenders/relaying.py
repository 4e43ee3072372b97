"""What the relay bench runs: `kept` takes BENCH_EVENTS rows out of the outbox and sends them; `batches` and `send` are a raw aiokafka producer that
reads nothing and sends the same messages over and over, by batches per partition and one by one."""

import asyncio
import os
import sys
import time

import asyncpg
import uvloop
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from bench.relay import PARTITIONS, headers_of_one, payload
from services.kit.changes import Changes
from services.kit.database import session_settings
from services.kit.ids import uuid7
from services.kit.interpreter import tune_python
from services.kit.kafka_log import KafkaLog
from services.kit.relay import Relay

BOOTSTRAP, DSN, TOPIC, EVENTS = os.environ["BENCH_KAFKA"], os.environ["BENCH_DATABASE"], os.environ["BENCH_TOPIC"], int(os.environ["BENCH_EVENTS"])
HEADERS = headers_of_one() if os.environ["BENCH_HEADERS"] == "1" else []
AT_ONCE = 1000


class _Drained(Exception):
    """The relay has nothing left to send."""


class _UntilEmpty(Changes):
    async def after(self, seen: int, longest_seconds: float) -> None:
        raise _Drained


async def kept() -> None:
    settings = {**session_settings("bench", "leader"), "synchronous_commit": "off"}
    connection = await asyncpg.connect(DSN, server_settings=settings)
    tune_python()
    sink = KafkaLog(BOOTSTRAP, "bench-relay")
    try:
        await Relay("bench", "", sink, _UntilEmpty()).run(connection)
    except _Drained:
        return
    finally:
        await sink.close()


async def batches(producer: AIOKafkaProducer) -> None:
    for first in range(0, EVENTS, AT_ONCE):
        building = {partition: producer.create_batch() for partition in range(PARTITIONS)}
        for number in range(first, first + AT_ONCE):
            key = str(uuid7()).encode()
            place = (murmur2(key) & 0x7FFFFFFF) % PARTITIONS
            building[place].append(key=key, value=payload(number), timestamp=None, headers=HEADERS)
        await asyncio.gather(*[await producer.send_batch(batch, TOPIC, partition=partition) for partition, batch in building.items()])


async def send(producer: AIOKafkaProducer) -> None:
    for first in range(0, EVENTS, AT_ONCE):
        sent = [await producer.send(TOPIC, payload(n), key=str(uuid7()).encode(), headers=HEADERS) for n in range(first, first + AT_ONCE)]
        await asyncio.gather(*sent)


async def main(kind: str) -> None:
    began = (time.perf_counter(), time.process_time())
    if kind == "kept":
        await kept()
    else:
        producer = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, acks="all", enable_idempotence=True, max_batch_size=1 << 20, linger_ms=1)
        await producer.start()
        began = (time.perf_counter(), time.process_time())
        await {"batches": batches, "send": send}[kind](producer)
        await producer.stop()
    seconds, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    sys.stdout.write(f'{{"per_second": {EVENTS / seconds:.0f}, "cpu_us_per_event": {cpu / EVENTS * 1e6:.2f}}}\n')


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
