"""From topic to topic: each event changes a state and has one thing said of it. `faust` and `raw` are our kit by either driver, with inbox, outbox
and relay; `aiokafka` and `faststream` do the same without guarantees: state committed, then sent, then the offsets."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage

from bench.contenders.kept import DRIVERS, handle
from bench.work import BATCH, BOOTSTRAP, DSN, FETCH_BYTES, GROUP, STATES, TOPIC, Meter, Placed, connect, states_and_said
from services.kit.changes import Changes
from services.kit.clock import SystemClock
from services.kit.consume import ConsumeLoop
from services.kit.database import Database, session_settings
from services.kit.envelope import Reader
from services.kit.group import Group
from services.kit.inbox import SqlJournal
from services.kit.interpreter import tune_python
from services.kit.kafka_log import KafkaLog
from services.kit.ports import Message, Outgoing
from services.kit.relay import Relay

SAID = "bench.said.v1"


class _Counted(KafkaLog):
    """Notes what was acknowledged, and when all was."""

    def __init__(self, meter: Meter, done: asyncio.Event) -> None:
        super().__init__(BOOTSTRAP, "bench-relay")
        self._meter, self._done = meter, done

    async def send(self, messages: Sequence[Outgoing]) -> None:
        await super().send(messages)
        if self._meter.add(len(messages)):
            self._done.set()


async def kept(kind: str) -> None:
    meter, done, said = Meter(), asyncio.Event(), Changes()

    def woken() -> bool:
        said.happened()
        return True

    database = await Database.connect(DSN, "bench", SystemClock(), wake_relay=woken)
    loop = ConsumeLoop(Reader({"bench.Placed.v1": Placed}), SqlJournal(database, handle), service="bench")
    read = loop.read

    def started(messages: Sequence[Message]) -> Any:
        meter.start()
        return read(messages)

    loop.read = started  # type: ignore[method-assign]  # noted from outside, like the others
    driver = DRIVERS[kind](loop, Group(BOOTSTRAP, GROUP, "0", (TOPIC,)))
    connection = await asyncpg.connect(DSN, server_settings={**session_settings("bench", "leader"), "synchronous_commit": "off"})
    tune_python()
    relaying = asyncio.create_task(Relay("bench", "", _Counted(meter, done), said).run(connection))
    await driver.start()
    await done.wait()
    meter.report()
    relaying.cancel()
    await driver.stop(5)


async def aiokafka(_: str) -> None:
    settings = {"enable_auto_commit": False, "auto_offset_reset": "earliest", "max_partition_fetch_bytes": FETCH_BYTES}
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=BOOTSTRAP, group_id=GROUP, **settings)
    producer = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, acks="all", linger_ms=1, max_batch_size=1 << 18)
    connection, meter, done = await connect(), Meter(), False
    statement = await connection.prepare(STATES)
    await producer.start()
    await consumer.start()
    while not done:
        messages = [each for batch in (await consumer.getmany(timeout_ms=500, max_records=BATCH)).values() for each in batch]
        if not messages:
            continue
        meter.start()
        rows, said = states_and_said(messages)
        await statement.fetch(*rows)
        await asyncio.gather(*[await producer.send(SAID, value, key=key, headers=headers) for key, value, headers in said])
        await consumer.commit()
        done = meter.add(len(messages))
    meter.report()
    await consumer.stop()
    await producer.stop()


async def faststream(_: str) -> None:
    broker = KafkaBroker(BOOTSTRAP, logger=None, acks="all", linger_ms=1, max_batch_size=1 << 18)
    app, meter, connection = FastStream(broker, logger=None), Meter(), await connect()
    statement = await connection.prepare(STATES)

    async def undecoded(message: KafkaMessage) -> object:
        return message.body

    @broker.subscriber(
        TOPIC, group_id=GROUP, batch=True, max_records=BATCH, auto_offset_reset="earliest", ack_policy=AckPolicy.ACK, decoder=undecoded,
        max_partition_fetch_bytes=FETCH_BYTES,
    )  # fmt: skip
    async def consume(message: KafkaMessage) -> None:
        meter.start()
        rows, said = states_and_said(message.raw_message)
        await statement.fetch(*rows)
        sent = [
            await broker.publish(value, SAID, key=key, headers={name: text.decode() for name, text in headers}, no_confirm=True)
            for key, value, headers in said
        ]
        await asyncio.gather(*sent)
        if meter.add(len(said)):
            meter.report()
            app.exit()

    await app.run()


if __name__ == "__main__":
    kind = sys.argv[1]
    uvloop.run({"aiokafka": aiokafka, "faststream": faststream}.get(kind, kept)(kind))
