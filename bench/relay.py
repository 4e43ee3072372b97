"""The relay: how fast an outbox that is full goes to Kafka, every message acknowledged before its row is deleted, beside a raw aiokafka producer that
reads nothing; bare, and with the headers that our events carry."""

import asyncio
import json
import os
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.cpu import Meter, Spent, undisturbed
from bench.report import Row, Wanted
from bench.stage import empty_tables
from services.kit.database import encode_headers
from services.kit.envelope import headers_of
from services.kit.ids import uuid7
from services.kit.trace import child_of
from services.kit.values import Cause

PARTITIONS = 6
OURS, RAW, ONE_BY_ONE = "kept", "raw aiokafka, batches, nothing read", "raw aiokafka, send, nothing read"
KINDS = {OURS: "kept", RAW: "batches", ONE_BY_ONE: "send"}
WANTED = {"bare": 80_000, "with our headers": 60_000}
_FILL = """
insert into outbox (event_id, topic, key, type, payload, headers)
select gen_random_uuid(), $1, convert_to(gen_random_uuid()::text, 'UTF8'), 'bench.Said.v1', $2, $3 from generate_series(1, $4)"""


def payload(number: int) -> bytes:
    """A small event's data, of 200 bytes or so."""
    return b'{"order_id":"0199a0b2-7c1d-7e30-8a7e-0f5d6c7b8a90","number":%d,"text":"%s"}' % (number, b"x" * 130)


def headers_of_one() -> list[tuple[str, bytes]]:
    """The headers of an event of ours."""
    id = uuid7()
    cause = Cause(id, id, child_of(None))
    now = datetime.now(UTC)
    return headers_of(id=id, type="bench.Said.v1", source="/bench", subject=str(id), time=now, version=1, cause=cause, traceparent=cause.traceparent)


def measure(bootstrap: str, database: str, *, events: int, rounds: int) -> list[Row]:
    """Rounds there and back; medians."""
    topic = f"bench.relayed.{uuid4().hex[:8]}"
    asyncio.run(_create(bootstrap, topic))
    return [_row(shape, _rounds(bootstrap, database, topic, events, rounds, shape)) for shape in WANTED]


def _rounds(bootstrap: str, database: str, topic: str, events: int, rounds: int, shape: str) -> dict[str, list[dict[str, Any]]]:
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in KINDS}
    for number in range(rounds):
        for name in list(KINDS) if number % 2 == 0 else list(reversed(KINDS)):
            done, _ = undisturbed(lambda name=name: _round(bootstrap, database, topic, events, shape, name))  # type: ignore[misc]
            results[name].append(done)
            print(f"  round {number + 1}, {shape}: {name}: {done['per_second']:,}/s", flush=True)
    return results


def _round(bootstrap: str, database: str, topic: str, events: int, shape: str, name: str) -> tuple[dict[str, Any], Spent]:
    server = asyncio.run(_fill(database, topic, events if name == OURS else 0, shape))
    told = {"BENCH_KAFKA": bootstrap, "BENCH_DATABASE": database, "BENCH_TOPIC": topic, "BENCH_EVENTS": str(events)}
    told["BENCH_HEADERS"] = "0" if shape == "bare" else "1"
    meter = Meter(all=[os.getpid(), server])
    command = [sys.executable, "-m", "bench.contenders.relaying", KINDS[name]]
    done = subprocess.run(command, env={**os.environ, **told}, capture_output=True, text=True, timeout=300, check=False)
    spent = meter.stop()
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    left = asyncio.run(_left(database))
    if left:
        raise RuntimeError(f"{left} rows are still in the outbox")
    return result, spent


def _row(shape: str, results: dict[str, list[dict[str, Any]]]) -> Row:
    rate = {name: statistics.median(each["per_second"] for each in rows) for name, rows in results.items()}
    cpu = {f"cpu_us, {name}": statistics.median(each["cpu_us_per_event"] for each in rows) for name, rows in results.items()}
    peers = {RAW: rate[RAW], ONE_BY_ONE: rate[ONE_BY_ONE]}
    return Row(f"relay, {shape}", "messages/s", rate[OURS], peers, raw=RAW, wanted=Wanted(WANTED[shape]), more=cpu)


async def _create(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    await admin.close()


async def _fill(database: str, topic: str, rows: int, shape: str) -> int:
    """So many rows in an outbox of its own. Returns the process id of the database's server, whose work is not foreign."""
    server = await empty_tables(database)
    connection = await asyncpg.connect(database, server_settings={"search_path": "bench"})
    headers = encode_headers([] if shape == "bare" else headers_of_one())
    await connection.execute(_FILL, topic, payload(123456), headers, rows)
    await connection.execute("vacuum analyze outbox")
    await connection.close()
    return server


async def _left(database: str) -> int:
    connection = await asyncpg.connect(database, server_settings={"search_path": "bench"})
    left = await connection.fetchval("select count(*) from outbox")
    await connection.close()
    return int(left)
