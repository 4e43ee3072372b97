"""FastStream with batches and raw bytes: its fastest form."""

from typing import Any

import uvloop
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage

from bench.work import BATCH, BOOTSTRAP, FETCH_BYTES, GROUP, STATEMENT, TOPIC, Meter, columns, connect

broker = KafkaBroker(BOOTSTRAP, logger=None)
app = FastStream(broker, logger=None)
meter = Meter()


async def raw(message: KafkaMessage) -> object:
    return message.body


@broker.subscriber(
    TOPIC, group_id=GROUP, batch=True, max_records=BATCH, auto_offset_reset="earliest", ack_policy=AckPolicy.ACK, decoder=raw,
    max_partition_fetch_bytes=FETCH_BYTES,
)  # fmt: skip
async def consume(message: KafkaMessage) -> None:
    meter.start()
    messages = message.raw_message
    async with state["connection"].transaction():
        await state["statement"].fetch(*columns(messages))
    if meter.add(len(messages)):
        meter.report()
        app.exit()


state: dict[str, Any] = {}


async def main() -> None:
    state["connection"] = await connect()
    state["statement"] = await state["connection"].prepare(STATEMENT)
    await app.run()


uvloop.run(main())
