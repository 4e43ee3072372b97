"""Stock Faust with `take`, as its documentation has it, with the same statement."""

import os

import faust
import mode.loop

mode.loop.use("uvloop")

from bench.work import BATCH, BOOTSTRAP, GROUP, STATEMENT, TOPIC, Meter, columns, connect  # noqa: E402  # the loop comes first

app = faust.App(
    GROUP, broker=f"kafka://{BOOTSTRAP}", store="memory://", topic_disable_leader=True, topic_allow_declare=False, stream_buffer_maxsize=16384,
    consumer_auto_offset_reset="earliest", broker_commit_interval=1.0, web_enabled=False,
)  # fmt: skip
topic = app.topic(TOPIC, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
meter = Meter()


@app.agent(topic)
async def consume(stream):  # type: ignore[no-untyped-def]  # Faust's own style
    connection = await connect()
    statement = await connection.prepare(STATEMENT)
    async for events in stream.take_events(BATCH, within=0.02):
        meter.start()
        rows = columns([event.message for event in events])
        async with connection.transaction():
            await statement.fetch(*rows)
        if meter.add(len(events)):
            meter.report()
            os._exit(0)


faust.Worker(app, loglevel="error", redirect_stdouts=False).execute_from_commandline()
