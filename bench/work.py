"""The work that every contender of the stage bench does for one event: decode, inbox, state, outbox, commit. The same tables, the same statement."""

import os
import sys
import time
from collections.abc import Sequence
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
  select * from unnest($1::date[], $2::uuid[], $3::uuid[], $4::text[], $5::int[], $6::text[], $7::uuid[], $8::bytea[])
  as given (day, event_id, id, customer_id, total_minor, lines, said_id, payload)
), fresh as (
  insert into inbox select day, event_id from given on conflict do nothing returning event_id
), state as (
  insert into states select id, customer_id, total_minor, lines::jsonb from given join fresh using (event_id)
)
insert into outbox (event_id, topic, key, type, payload, headers)
select said_id, 'bench.said.v1', convert_to(id::text, 'UTF8'), 'bench.StockWanted.v1', payload, '' from given join fresh using (event_id)"""


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


decode = msgspec.json.Decoder(Placed).decode
encode = msgspec.json.Encoder().encode


def columns(events: Sequence[tuple[UUID, Placed]]) -> list[list[Any]]:
    """The statement's arguments for a batch of (event id, event)."""
    rows = [
        (day_of(id), id, e.order_id, e.customer_id, e.total_minor, encode(e.lines).decode(), uuid7(), encode(Wanted(e.order_id, e.total_minor)))
        for id, e in events
    ]
    return [list(column) for column in zip(*rows, strict=True)]


async def connect() -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(DSN, server_settings={"search_path": "bench"})


def event_id(headers: Any) -> UUID:
    """The CloudEvents id among Kafka headers, given as pairs or as a dict."""
    pairs = headers.items() if isinstance(headers, dict) else headers
    return UUID(next(value for name, value in pairs if name == "ce_id").decode())


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
        sys.__stdout__.write(msgspec.json.encode(result).decode() + "\n")
        sys.__stdout__.flush()
