"""The work that every contender of the stage bench does for one event: decode, inbox, state, outbox, commit: the same rows in the same tables.

Our peers use one statement and plain code for it (`columns`), as a competent user of asyncpg would; ours goes through the kit.
"""

import os
import random
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from services.kit.ids import day_of, uuid7

BOOTSTRAP, DSN, TOPIC = os.environ["BENCH_KAFKA"], os.environ["BENCH_DATABASE"], os.environ["BENCH_TOPIC"]
EVENTS, GROUP, BATCH = int(os.environ["BENCH_EVENTS"]), os.environ["BENCH_GROUP"], 500
FETCH_BYTES = 1 << 20

STATEMENT = """
with given as (
  select * from unnest($1::date[], $2::uuid[], $3::uuid[], $4::text[], $5::int[], $6::text[], $7::uuid[], $8::bytea[], $9::bytea[])
  as given (day, event_id, id, customer_id, total_minor, lines, said_id, payload, headers)
), fresh as (
  insert into inbox select day, event_id from given on conflict do nothing returning event_id
), state as (
  insert into states select id, customer_id, total_minor, lines::jsonb from given join fresh using (event_id)
)
insert into outbox (event_id, topic, key, type, payload, headers)
select said_id, 'bench.said.v1', convert_to(id::text, 'UTF8'), 'bench.StockWanted.v1', payload, headers from given join fresh using (event_id)"""


class Line(msgspec.Struct):
    sku: str
    quantity: int
    unit_price_minor: int


class Placed(msgspec.Struct):
    order_id: UUID
    customer_id: str
    total_minor: int
    lines: list[Line]


class Wanted(msgspec.Struct):
    order_id: UUID
    total_minor: int


STATES = "insert into states select a, b, c, d::jsonb from unnest($1::uuid[], $2::text[], $3::int[], $4::text[]) as t (a, b, c, d)"

pack = msgspec.msgpack.Encoder().encode
decode = msgspec.json.Decoder(Placed).decode
encode = msgspec.json.Encoder().encode


def columns(messages: Sequence[Any]) -> list[list[Any]]:
    """The statement's arguments for a batch of Kafka messages: what `bench.contenders.kept` writes, by plain code."""
    rows, now = [], datetime.now(UTC).isoformat().replace("+00:00", "Z").encode()
    for message in messages:
        heard, event, said = dict(message.headers), decode(message.value), uuid7()
        id = UUID(heard["ce_id"].decode())
        lines, payload = encode(event.lines).decode(), encode(Wanted(event.order_id, event.total_minor))
        headers = pack(said_headers(heard, str(event.order_id), str(said), now))
        rows.append((day_of(id), id, event.order_id, event.customer_id, event.total_minor, lines, said, payload, headers))
    return [list(column) for column in zip(*rows, strict=True)]


def states_and_said(messages: Sequence[Any]) -> tuple[list[list[Any]], list[tuple[bytes, bytes, list[tuple[str, bytes]]]]]:
    """The arguments of `STATES` for a batch, and what is said of it: key, value and headers of each message."""
    rows, said, now = [], [], datetime.now(UTC).isoformat().replace("+00:00", "Z").encode()
    for message in messages:
        event = decode(message.value)
        id = str(event.order_id)
        rows.append((event.order_id, event.customer_id, event.total_minor, encode(event.lines).decode()))
        said.append((id.encode(), encode(Wanted(event.order_id, event.total_minor)), said_headers(dict(message.headers), id, str(uuid7()), now)))
    return [list(column) for column in zip(*rows, strict=True)], said


def said_headers(heard: dict[str, bytes], subject: str, id: str, now: bytes) -> list[tuple[str, bytes]]:
    """The twelve CloudEvents headers of what is said because of an event with these."""
    trace = heard["ce_traceparent"].decode().split("-")[1]
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", id.encode()),
        ("ce_type", b"bench.StockWanted.v1"),
        ("ce_source", b"/kept/bench"),
        ("ce_subject", subject.encode()),
        ("ce_time", now),
        ("ce_dataschema", b"urn:kept:bench.StockWanted.v1"),
        ("ce_aggregateversion", b"1"),
        ("ce_correlationid", heard["ce_correlationid"]),
        ("ce_causationid", heard["ce_id"]),
        ("ce_traceparent", f"00-{trace}-{random.getrandbits(64):016x}-01".encode()),
        ("content-type", b"application/json"),
    ]


async def connect() -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(DSN, server_settings={"search_path": "bench"})


class Meter:
    """Counts events and prints one JSON line when all are done: events per second from the first to the last, CPU of this process per event."""

    def __init__(self) -> None:
        self.done = 0
        self._started: tuple[float, float] | None = None

    def add(self, count: int) -> bool:
        """Note a batch that is committed. True once every event is."""
        self.done += count
        return self.done >= EVENTS

    def start(self) -> None:
        """The first event is here."""
        self._started = self._started or (time.perf_counter(), time.process_time())

    def report(self) -> None:
        assert self._started
        seconds, cpu = time.perf_counter() - self._started[0], time.process_time() - self._started[1]
        result = {"events": self.done, "per_second": round(self.done / seconds), "cpu_us_per_event": round(cpu / self.done * 1e6, 1)}
        print(msgspec.json.encode(result).decode(), file=sys.__stdout__, flush=True)
