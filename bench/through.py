"""From topic to topic, one worker: each event changes a state and has one thing said of it. Ours (inbox, outbox, relay) beside raw aiokafka + asyncpg
and FastStream, which promise nothing: what they had committed and not yet sent is lost in a crash."""

import asyncio
import os
import statistics
from typing import Any
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.cpu import Meter, Spent, undisturbed
from bench.report import Row
from bench.stage import contend, empty_tables, fill

RAW, FASTSTREAM = "raw aiokafka + asyncpg, no guarantees", "FastStream, batches, no guarantees"
OURS = {"kept, Faust driver": "faust", "kept, raw driver": "raw"}
CONTENDERS = {**OURS, RAW: "aiokafka", FASTSTREAM: "faststream"}
_SAID, _PARTITIONS = "bench.said.v1", 6


def measure(bootstrap: str, database: str, *, events: int, rounds: int) -> list[Row]:
    """Rounds there and back; medians."""
    topic = f"bench.through.{uuid4().hex[:8]}"
    asyncio.run(fill(bootstrap, topic, events))
    asyncio.run(_create(bootstrap))
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    for number in range(rounds):
        for name in list(CONTENDERS) if number % 2 == 0 else list(reversed(CONTENDERS)):
            done, _ = undisturbed(lambda name=name: _round(name, bootstrap, database, topic, events))  # type: ignore[misc]
            results[name].append(done)
            print(f"  round {number + 1}: {name}: {done['per_second']:,}/s", flush=True)
    rate, cpu = ({name: _median(each, rows) for name, rows in results.items()} for each in ("per_second", "cpu_us_per_event"))
    return [_row(ours, rate, cpu) for ours in OURS]


def _median(figure: str, rows: list[dict[str, Any]]) -> float:
    return float(statistics.median(row[figure] for row in rows))


def _row(ours: str, rate: dict[str, float], cpu: dict[str, float]) -> Row:
    peers = {name: rate[name] for name in (RAW, FASTSTREAM)}
    return Row(f"end to end, {ours}", "messages/s", rate[ours], peers, raw=RAW, more={f"cpu_us, {name}": cpu[name] for name in (ours, *peers)})


def _round(name: str, bootstrap: str, database: str, topic: str, events: int) -> tuple[dict[str, Any], Spent]:
    """One contender's figures; raises RuntimeError unless every event has its state and its message."""
    server = asyncio.run(empty_tables(database))
    before = asyncio.run(_said(bootstrap))
    meter = Meter(all=[os.getpid(), server])
    done = contend(["bench.contenders.through", CONTENDERS[name]], bootstrap, database, topic, events)
    spent = meter.stop()
    said, states = asyncio.run(_said(bootstrap)) - before, asyncio.run(_states(database))
    if (said, states) != (events, events):
        raise RuntimeError(f"{name} said {said} messages and kept {states} states of {events} events")
    return done, spent


async def _create(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    if _SAID not in await admin.list_topics():
        await admin.create_topics([NewTopic(_SAID, _PARTITIONS, 1)])
    await admin.close()


async def _said(bootstrap: str) -> int:
    """How many messages the topic ever had."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    ends = await consumer.end_offsets([TopicPartition(_SAID, number) for number in range(_PARTITIONS)])
    await consumer.stop()
    return sum(ends.values())


async def _states(database: str) -> int:
    connection = await asyncpg.connect(database, server_settings={"search_path": "bench"})
    count = await connection.fetchval("select count(*) from states")
    await connection.close()
    return int(count)
