"""Plain aiokafka and asyncpg in batches: the least that can be done, and the measure for everything else."""

import time

import uvloop
from aiokafka import AIOKafkaConsumer

from bench.work import BATCH, BOOTSTRAP, FETCH_BYTES, GROUP, STATEMENT, TOPIC, Meter, columns, connect


async def main() -> None:
    settings = {"enable_auto_commit": False, "auto_offset_reset": "earliest", "max_partition_fetch_bytes": FETCH_BYTES}
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=BOOTSTRAP, group_id=GROUP, **settings)
    connection = await connect()
    statement = await connection.prepare(STATEMENT)
    await consumer.start()
    meter, committed = Meter(), time.monotonic()
    done = False
    while not done:
        messages = [message for batch in (await consumer.getmany(timeout_ms=500, max_records=BATCH)).values() for message in batch]
        if not messages:
            continue
        meter.start()
        rows = columns(messages)
        async with connection.transaction():
            await statement.fetch(*rows)
        if time.monotonic() - committed > 1:
            await consumer.commit()
            committed = time.monotonic()
        done = meter.add(len(messages))
    await consumer.commit()
    meter.report()
    await consumer.stop()


uvloop.run(main())
