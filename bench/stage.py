"""One consuming stage, ours beside raw aiokafka + asyncpg, FastStream and stock Faust: the same topic, tables and rows, in interleaved rounds."""

import asyncio
import json
import os
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.cpu import Meter, Spent, undisturbed
from bench.report import Row, Wanted
from bench.tables import TABLE
from services.kit.database import decode_headers
from services.kit.envelope import headers_of
from services.kit.ids import uuid7
from services.kit.migrations import KIT_TABLES
from services.kit.trace import child_of
from services.kit.values import Cause

CONTENDERS = {
    "raw aiokafka + asyncpg": ["bench.contenders.raw"],
    "kept, Faust driver": ["bench.contenders.kept", "faust"],
    "kept, raw driver": ["bench.contenders.kept", "raw"],
    "FastStream, batches": ["bench.contenders.faststream_batch"],
    "stock Faust, take": ["bench.contenders.stock_faust"],
}

RAW = "raw aiokafka + asyncpg"
FRAMEWORKS = ("FastStream, batches", "stock Faust, take")
OURS = {"kept, Faust driver": 0.7, "kept, raw driver": 0.9}
"""Each driver, and the share of raw that it has to reach."""

HEADERS = [f"ce_{name}" for name in ("specversion", "id", "type", "source", "subject", "time", "dataschema", "aggregateversion")]
HEADERS += ["ce_correlationid", "ce_causationid", "ce_traceparent", "content-type"]


async def fill(bootstrap: str, topic: str, events: int) -> None:
    """Put the events on a topic of six partitions: 12 lines each, CloudEvents headers as the kit writes them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 6, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=20, max_batch_size=1 << 18)
    await producer.start()
    waits = []
    for number in range(events):
        order = uuid7()
        data = {
            "order_id": str(order), "customer_id": f"c-{number % 1000}", "total_minor": 1299,
            "lines": [{"sku": f"A-{line}", "quantity": 2, "unit_price_minor": 499} for line in range(3)],
        }  # fmt: skip
        cause = Cause(order, order, child_of(None))
        headers = headers_of(
            id=uuid7(), type="bench.Placed.v1", source="/bench", subject=str(order), time=datetime.now(UTC), version=1, cause=cause,
            traceparent=cause.traceparent,
        )  # fmt: skip
        waits.append(await producer.send(topic, json.dumps(data).encode(), key=str(order).encode(), headers=headers))
    await asyncio.gather(*waits)
    await producer.stop()


async def empty_tables(database: str) -> int:
    """The tables that a stage writes, empty. Returns the process id of the database's server, whose work is not foreign."""
    connection = await asyncpg.connect(database)
    await connection.execute("drop schema if exists bench cascade; create schema bench; set search_path to bench")
    for statement in (*KIT_TABLES, TABLE):
        await connection.execute(statement)
    folder = await connection.fetchval("show data_directory")
    await connection.close()
    return int((Path(folder) / "postmaster.pid").read_text().split()[0])


async def verify_tables(database: str, events: int) -> None:
    """Raises AssertionError unless the rows are those that every contender has to write."""
    connection = await asyncpg.connect(database, server_settings={"search_path": "bench"})
    wanted = {"inbox": events, "states": events, "outbox": events, "dead_letters": 0, "attempts": 0}
    counts = {table: await connection.fetchval(f"select count(*) from {table}") for table in wanted}
    said = await connection.fetchrow("select * from outbox order by random() limit 1")
    state = await connection.fetchrow("select * from states where id = $1::uuid", said["key"].decode())
    await connection.close()
    assert counts == wanted, counts
    headers = decode_headers(said["headers"])
    assert [name for name, _ in headers] == HEADERS, headers
    assert dict(headers)["ce_subject"] == said["key"], headers
    assert json.loads(said["payload"]) == {"order_id": str(state["id"]), "total_minor": state["total_minor"]}, said


def _round(name: str, bootstrap: str, database: str, topic: str, events: int) -> tuple[dict[str, Any], Spent]:
    """One contender's figures, its rows verified, and who else was busy meanwhile."""
    server = asyncio.run(empty_tables(database))
    meter = Meter(all=[os.getpid(), server])
    done = contend(CONTENDERS[name], bootstrap, database, topic, events)
    spent = meter.stop()
    asyncio.run(verify_tables(database, events))
    return done, spent


def contend(arguments: list[str], bootstrap: str, database: str, topic: str, events: int) -> dict[str, Any]:
    """One contender's figures of one round."""
    told = {
        "BENCH_KAFKA": bootstrap,
        "BENCH_DATABASE": database,
        "BENCH_TOPIC": topic,
        "BENCH_EVENTS": str(events),
        "BENCH_GROUP": f"bench-{uuid4()}",
    }
    done = subprocess.run([sys.executable, "-m", *arguments], env={**os.environ, **told}, capture_output=True, text=True, timeout=300, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise RuntimeError(f"{arguments} said nothing: {done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(lines[-1])
    return result


def measure(bootstrap: str, database: str, *, events: int, rounds: int) -> list[Row]:
    """Rounds there and back (ABBA), so that a slow minute of the machine touches all alike. Medians."""
    topic = f"bench.placed.{uuid4().hex[:8]}"
    asyncio.run(fill(bootstrap, topic, events))
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    for number in range(rounds):
        for name in list(CONTENDERS) if number % 2 == 0 else list(reversed(CONTENDERS)):
            done, _ = undisturbed(lambda name=name: _round(name, bootstrap, database, topic, events))  # type: ignore[misc]
            results[name].append(done)
            print(f"  round {number + 1}: {name}: {results[name][-1]['per_second']:,}/s", flush=True)
    rate = {name: statistics.median(each["per_second"] for each in rows) for name, rows in results.items()}
    cpu = {name: statistics.median(each["cpu_us_per_event"] for each in rows) for name, rows in results.items()}
    return [row for ours, least in OURS.items() for row in _rows(ours, least, rate, cpu)]


def _rows(ours: str, least: float, rate: dict[str, float], cpu: dict[str, float]) -> list[Row]:
    """One driver beside raw, and beside the frameworks."""
    raw, frameworks = {RAW: rate[RAW]}, {name: rate[name] for name in FRAMEWORKS}
    more = {f"cpu_us, {name}": cpu[name] for name in (ours, RAW, *FRAMEWORKS)}
    return [
        Row(f"one stage, {ours}, beside raw", "events/s", rate[ours], raw, raw=RAW, wanted=Wanted(least, "ratio_to_raw"), more=more),
        Row(f"one stage, {ours}, beside frameworks", "events/s", rate[ours], frameworks, wanted=Wanted(1.0, "ratio_to_best_peer")),
    ]
