"""`make bench-ledger`: the writer of the ledger beside the same rows without hashes and positions, and beside a bare COPY of their lines; and how
fast a ledger is verified. All in one run, round by round, written to var/bench-ledger.json."""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg
import msgspec
import uvloop
from rich.console import Console

from bench import machine, report
from bench.report import Row, Wanted
from deploy.local.servers import embedded
from services.kit.clock import SystemClock, record_now
from services.kit.database import service_url, session_settings
from services.kit.ids import uuid7
from services.kit.interpreter import tune_python
from services.kit.migrations import migrate
from services.kit.promise.line import Actor, commitment
from services.kit.promise.state import Department, Due, Duty, Kind, Made, Promise, Standing, after
from services.promises.commands import export, verify_export, verify_live
from services.promises.ledger.batch import Answer, Asked, thing_of
from services.promises.ledger.domain.commands import Acknowledge, Make, decide
from services.promises.ledger.writer import MOST, Writer

VAR = Path("var")
DATABASE = "bench_ledger"
CUSTOMERS = 5000
OURS, PLAIN, COPY = "kept ledger", "the same rows, without hash and position", "COPY of the lines"
_DUTIES = (Duty(Department.WAREHOUSE, "pick", "pick_scan", "HDMI-2M"), Duty(Department.DELIVERY, "hand_over", "hand_over_scan", "HDMI-2M"))
_CARE, _WAREHOUSE = Actor("care-7", "care", "phone"), Actor("warehouse", "warehouse", "station")

_PLAIN_TABLES = """
create table plain_entries (
    promise_id uuid not null, seq int not null, recorded_at timestamptz not null, scope text not null, key text not null, line text not null,
    unique (promise_id, seq), unique (key, scope));
create table plain_promises (
    promise_id uuid primary key, seq int not null, customer_id uuid not null, order_id uuid, verdict text not null, due_at timestamptz not null,
    state text not null, made_at timestamptz not null) with (fillfactor = 50);
create index on plain_promises (customer_id);
create index on plain_promises (order_id) where order_id is not null;
create index on plain_promises (due_at, promise_id) where verdict = 'open';
create table plain_words (promise_id uuid primary key, text text not null);
create table lines (line text not null);"""
_PLAIN_KNOWN = "select scope, key from plain_entries where key = any ($1::text[]) and scope = any ($2::text[])"
_PLAIN_SAID = "select promise_id, line from plain_entries where promise_id = any ($1::uuid[]) and seq = 1"
_PLAIN_STANDING = "select promise_id, seq, state from plain_promises where promise_id = any ($1::uuid[])"
_PLAIN_WRITE = """
with words as (insert into plain_words select * from unnest($1::uuid[], $2::text[])),
states as (
    insert into plain_promises select * from unnest($3::uuid[], $4::int[], $5::uuid[], $6::uuid[], $7::text[], $8::timestamptz[], $9::text[],
                                                    $10::timestamptz[])
    on conflict (promise_id) do update set seq = excluded.seq, verdict = excluded.verdict, state = excluded.state)
insert into plain_entries select * from unnest($3::uuid[], $4::int[], $10::timestamptz[], $11::text[], $12::text[], $13::text[])"""


class _PlainLine(msgspec.Struct):
    promise_id: UUID
    seq: int
    fact: Any
    occurred_at: datetime
    recorded_at: datetime
    actor: Actor
    scope: str
    key: str


class _PlainMade(msgspec.Struct):
    promise_id: UUID
    fact: Made


_read_made, _read_standing = msgspec.json.Decoder(_PlainMade).decode, msgspec.json.Decoder(Standing).decode


def _plain_promise(line: str, seq: int, standing: str) -> Promise:
    first = _read_made(line)
    return Promise(first.promise_id, seq, first.fact, _read_standing(standing))


def commands(count: int) -> list[Asked]:
    """Half of them promise something, the other half acknowledge it, in batches of the one and of the other."""
    ids = [uuid7() for _ in range(count // 2)]
    asked = list[Asked]()
    for at in range(0, len(ids), MOST):
        asked += [_make(id) for id in ids[at : at + MOST]] + [_acknowledge(id) for id in ids[at : at + MOST]]
    return asked


def _make(id: UUID) -> Asked:
    text, salt, now = f"The cable travels with your television, free of charge – {id}.", os.urandom(16), record_now()
    due = Due("2030-11-29", "Europe/Berlin", "weekdays-1", "2026.3", now + timedelta(days=900))
    fact = Made(
        customer_id=UUID(int=id.int % CUSTOMERS), order_id=uuid7(), kind=Kind.GIFT, words=commitment(salt, text), language="en", due=due,
        kept_by="hand_over_scan", quantity=1, amount_minor=0, currency=None, order_minor=None, tariff="t-14", extra=None, cause=None, replaces=None,
        rides_with=None, duties=_DUTIES,
    )  # fmt: skip
    command = Make(fact, held=True)
    return Asked(
        "kept:care:promise", f"k-{id}", id, command, _CARE, now, msgspec.json.encode([id, command]), (salt, text), fact.customer_id, os.urandom(16),
        thing_of(command),
    )  # fmt: skip


def _acknowledge(id: UUID) -> Asked:
    command = Acknowledge(Department.WAREHOUSE, seen=False)
    return Asked("kept:warehouse:acknowledge", f"a-{id}", id, command, _WAREHOUSE, record_now(), msgspec.json.encode([id, command]))


async def _ours(connection: "asyncpg.Connection[asyncpg.Record]", asked: Sequence[Asked]) -> None:
    writer = Writer(SystemClock())
    leading = asyncio.create_task(writer.lead(connection))
    while not writer.leads:  # noqa: ASYNC110  # one trip to the database
        await asyncio.sleep(0)
    for at in range(0, len(asked), MOST):
        answers = await writer.ask_all(asked[at : at + MOST])
        assert all(isinstance(answer, Answer) and answer.receipt and not answer.replayed for answer in answers)
    leading.cancel()


async def _plain(connection: "asyncpg.Connection[asyncpg.Record]", asked: Sequence[Asked]) -> None:
    """The same questions by key, the same decisions, the same rows in the same number of commits; no position, no hash, no order between batches."""
    for at in range(0, len(asked), MOST):
        batch = asked[at : at + MOST]
        assert not await connection.fetch(_PLAIN_KNOWN, [each.key for each in batch], list({each.scope for each in batch}))
        ids = [each.promise_id for each in batch]
        said = {row["promise_id"]: row["line"] for row in await connection.fetch(_PLAIN_SAID, ids)}
        standing = await connection.fetch(_PLAIN_STANDING, ids)
        states = {row["promise_id"]: _plain_promise(said[row["promise_id"]], row["seq"], row["state"]) for row in standing}
        rows = [_plain_row(each, states.get(each.promise_id), record_now()) for each in batch]
        words = [(each.promise_id, each.words[1]) for each in batch if each.words]
        columns = [*(zip(*words, strict=True) if words else ((), ())), *zip(*rows, strict=True)]
        await connection.execute(_PLAIN_WRITE, *map(list, columns))


def _plain_row(each: Asked, before: Promise | None, now: datetime) -> tuple[object, ...]:
    fact = decide(before, each.command, now)
    assert fact is not None
    promise = Promise(each.promise_id, 1, fact) if isinstance(fact, Made) else after(before, fact, each.actor.department, now)  # type: ignore[arg-type]  # it is there
    line = msgspec.json.encode(_PlainLine(each.promise_id, promise.seq, fact, each.occurred_at, now, each.actor, each.scope, each.key)).decode()
    state = msgspec.json.encode(promise.stands).decode()
    said = promise.said
    told = promise.promise_id, promise.seq, said.customer_id, said.order_id, promise.stands.verdict, said.due.at, state, now
    return *told, each.scope, each.key, line


async def _copy(connection: "asyncpg.Connection[asyncpg.Record]", asked: Sequence[Asked]) -> None:
    for at in range(0, len(asked), MOST):
        lines = [(msgspec.json.encode([each.command, each.actor, each.key]).decode(),) for each in asked[at : at + MOST]]
        await connection.copy_records_to_table("lines", records=lines, columns=["line"])


_WAYS: dict[str, Callable[["asyncpg.Connection[asyncpg.Record]", Sequence[Asked]], Awaitable[None]]] = {OURS: _ours, PLAIN: _plain, COPY: _copy}


async def _round(url: str, name: str, count: int) -> float:
    """Entries per second."""
    connection = await asyncpg.connect(url, server_settings=session_settings("promises", "ledger"))
    asked = commands(count)
    began = time.perf_counter()
    await _WAYS[name](connection, asked)
    seconds = time.perf_counter() - began
    await connection.close()
    return len(asked) / seconds


def appending(url: str, *, count: int, rounds: int) -> Row:
    """Entries per second in batches, there and back; medians."""
    figures: dict[str, list[float]] = {name: [] for name in _WAYS}
    for number in range(rounds):
        for name in list(_WAYS) if number % 2 == 0 else list(reversed(_WAYS)):
            figures[name].append(uvloop.run(_round(url, name, count)))
            print(f"  round {number + 1}: {name}: {figures[name][-1]:,.0f} entries/s", flush=True)
    ours, plain, copied = (statistics.median(figures[name]) for name in (OURS, PLAIN, COPY))
    ratio = round(ours / plain, 2)
    return Row("ledger: entries in batches", "entries/s", ours, {PLAIN: plain, COPY: copied}, wanted=Wanted(12_000), more={"of the same rows": ratio})


def verifying(url: str) -> list[Row]:
    """Entries per second, from the database and from an export; the export is made here."""
    with tempfile.TemporaryDirectory(dir=VAR) as folder:
        file = Path(folder) / "export.jsonl"
        export(url, file)
        told = {"from an export": (50_000, lambda: verify_export(file)), "from PostgreSQL": (20_000, lambda: verify_live(url))}
        return [_verified(name, wanted, verify) for name, (wanted, verify) in told.items()]


def _verified(name: str, wanted: float, verify: Callable[[], Any]) -> Row:
    began = time.perf_counter()
    found = verify()
    per_second = found.size / (time.perf_counter() - began)
    assert found.fault is None, found.fault
    return Row(f"ledger: verified {name}", "entries/s", per_second, wanted=Wanted(wanted), more={"entries": found.size})


def _database(admin: str) -> str:
    """An empty ledger, and the tables of the others; the service's address of it."""

    async def make() -> None:
        connection = await asyncpg.connect(admin)
        await connection.execute(f"drop database if exists {DATABASE} with (force)")
        await connection.execute(f"create database {DATABASE}")
        await connection.close()

    asyncio.run(make())
    url = urlunsplit(urlsplit(admin)._replace(path=f"/{DATABASE}"))
    migrate(url, ["promises"])
    service = service_url(url, "promises")

    async def tables() -> None:
        connection = await asyncpg.connect(service, server_settings={"search_path": "promises"})
        await connection.execute(_PLAIN_TABLES)
        await connection.close()

    asyncio.run(tables())
    return service


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=40_000, help="per round")
    parser.add_argument("--rounds", type=int, default=4)
    told = parser.parse_args()
    console = Console(width=150, highlight=False)
    tune_python()
    VAR.mkdir(exist_ok=True)
    with embedded(VAR / "bench-servers") as (_, admin):
        url = _database(admin)
        before = machine.rows("before")
        console.print(f"machine before: {machine.told(before)}")
        rows = [appending(url, count=told.entries, rounds=told.rounds), *verifying(url)]
        after = machine.rows("after")
    report.write(VAR / "bench-ledger.json", [*before, *rows, *after])
    report.show(console, rows)
    console.print(f"machine after: {machine.told(after)}. {record_now():%d %B %Y}. All figures: {VAR / 'bench-ledger.json'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
