"""Entries in batches: the writer of the ledger beside the same rows without hashes and positions, and beside a bare COPY of their lines."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import uvloop

from bench.ledger_asked import ask, commands, execute, service_of, writing
from bench.report import Row, Wanted
from services.kit.clock import record_now
from services.kit.database import session_settings
from services.kit.promise.line import Actor
from services.kit.promise.state import Made, Promise, Standing, after
from services.promises.ledger.batch import LOOKS_ALIKE_WITHIN, Asked
from services.promises.ledger.domain.commands import decide
from services.promises.ledger.writer import MOST

_ACKNOWLEDGED_WITHIN = timedelta(seconds=60)
OURS, PLAIN, COPY = "kept ledger", "the same rows, without hash and position", "COPY of the lines"
_PLAIN_TABLES = """
create table plain_entries (
    promise_id uuid not null, seq int not null, recorded_at timestamptz not null, scope text not null, key text not null, line text not null,
    unique (promise_id, seq), unique (key, scope));
create table plain_promises (
    promise_id uuid primary key, seq int not null, customer_id uuid not null, order_id uuid, verdict text not null, due_at timestamptz not null,
    state text not null, made_at timestamptz not null, thing bytea not null, acknowledge_by timestamptz) with (fillfactor = 50);
create index on plain_promises (customer_id);
create index on plain_promises (order_id) where order_id is not null;
create index on plain_promises (due_at, promise_id) where verdict = 'open';
create index on plain_promises (thing);
create index on plain_promises (acknowledge_by) where acknowledge_by is not null;
create table plain_words (promise_id uuid primary key, text text not null);
create table lines (line text not null);"""
_PLAIN_KNOWN = "select scope, key from plain_entries where key = any ($1::text[]) and scope = any ($2::text[])"
_PLAIN_SAID = "select promise_id, line from plain_entries where promise_id = any ($1::uuid[]) and seq = 1"
_PLAIN_STANDING = "select promise_id, seq, state from plain_promises where promise_id = any ($1::uuid[])"
_PLAIN_ALIKE = "select thing, promise_id from plain_promises where thing = any ($1::bytea[]) and made_at > $2"
_PLAIN_WRITE = """
with words as (insert into plain_words select * from unnest($1::uuid[], $2::text[])),
states as (
    insert into plain_promises select * from unnest($3::uuid[], $4::int[], $5::uuid[], $6::uuid[], $7::text[], $8::timestamptz[], $9::text[],
                                                    $10::timestamptz[], $14::bytea[], $15::timestamptz[])
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


async def _plain(connection: "asyncpg.Connection[asyncpg.Record]", asked: Sequence[Asked]) -> None:
    """The same questions by key and by thing, the same decisions, the same rows in the same number of commits; no position, no hash of anything, no
    salt for one, no order between batches."""
    for at in range(0, len(asked), MOST):
        batch = asked[at : at + MOST]
        assert not await connection.fetch(_PLAIN_KNOWN, [each.key for each in batch], list({each.scope for each in batch}))
        ids = [each.promise_id for each in batch]
        said = {row["promise_id"]: row["line"] for row in await connection.fetch(_PLAIN_SAID, ids)}
        standing = await connection.fetch(_PLAIN_STANDING, ids)
        things = [each.thing for each in batch if each.thing]
        assert not things or not await connection.fetch(_PLAIN_ALIKE, things, record_now() - LOOKS_ALIKE_WITHIN)
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
    return *told, each.scope, each.key, line, each.thing, now + _ACKNOWLEDGED_WITHIN


async def _copy(connection: "asyncpg.Connection[asyncpg.Record]", asked: Sequence[Asked]) -> None:
    for at in range(0, len(asked), MOST):
        lines = [(msgspec.json.encode([each.command, each.actor, each.key]).decode(),) for each in asked[at : at + MOST]]
        await connection.copy_records_to_table("lines", records=lines, columns=["line"])


_WAYS: dict[str, Callable[["asyncpg.Connection[asyncpg.Record]", Sequence[Asked]], Awaitable[None]]] = {PLAIN: _plain, COPY: _copy}


async def _round(url: str, name: str, count: int) -> float:
    """Entries per second."""
    asked = commands(count)
    if name == OURS:
        async with writing(url) as writer:
            began = time.perf_counter()
            await ask(writer, asked)
            return count / (time.perf_counter() - began)
    connection = await asyncpg.connect(url, server_settings=session_settings("promises", "ledger"))
    began = time.perf_counter()
    await _WAYS[name](connection, asked)
    seconds = time.perf_counter() - began
    await connection.close()
    return count / seconds


def measure(admin: str, *, count: int, rounds: int) -> Row:
    """Entries per second in batches, there and back; medians. `admin` is the address of a database with the schema of promises."""
    url = service_of(admin)
    asyncio.run(execute(url, _PLAIN_TABLES))
    figures: dict[str, list[float]] = {name: [] for name in (OURS, *_WAYS)}
    for number in range(rounds):
        for name in list(figures) if number % 2 == 0 else list(reversed(figures)):
            figures[name].append(uvloop.run(_round(url, name, count)))
            print(f"  round {number + 1}: {name}: {figures[name][-1]:,.0f} entries/s", flush=True)
    ours, plain, copied = (statistics.median(figures[name]) for name in (OURS, PLAIN, COPY))
    ratio = round(statistics.median(mine / theirs for mine, theirs in zip(figures[OURS], figures[PLAIN], strict=True)), 2)
    return Row(
        "ledger: entries in batches",
        "entries/s",
        ours,
        {PLAIN: plain, COPY: copied},
        wanted=Wanted(12_000),
        more={"of the same rows, round by round": ratio},
    )
