"""The ledger in SQL: what a batch of commands needs, read by key; all that it changes, written by one statement that the head guards."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from services.kit.merkle import Frontier
from services.promises.ledger.batch import Asked, Batch, Entry, Head, Look, Remembered
from services.promises.ledger.domain.promise import Promise
from services.promises.ledger.messages import Receipt, Refused, read_refused

Connection = "asyncpg.Connection[asyncpg.Record]"

_HASH = 32
_TYPES = {
    "promise_id": "uuid", "customer_id": "uuid", "order_id": "uuid", "cause": "uuid", "replaces": "uuid", "rides_with": "uuid", "words": "bytea",
    "seq": "int", "quantity": "int", "done": "int", "settled_seq": "int", "amount_minor": "bigint", "due_at": "timestamptz",
    "settled_at": "timestamptz", "told": "boolean", "position": "bigint", "state_digest": "bytea", "thing": "bytea", "made_at": "timestamptz",
}  # fmt: skip
"""Of the columns of `ledger_promises` that are no text."""
_MOVES = ["seq", "position", "verdict", "settled_at", "settled_by", "settled_seq", "fulfilment", "done", "at_risk", "told", "duties", "state_digest"]
_PLAIN = [field.name for field in fields(Promise) if field.name not in ("at_risk", "duties")]
_PROMISE = [*_PLAIN, "at_risk", "duties"]
_KEPT = [*_PROMISE, "position", "state_digest", "thing", "made_at"]
_plain = attrgetter(*_PLAIN)
_decode, _encode = msgspec.json.decode, msgspec.json.encode

_HEAD = "select size, recorded_at, hashes from ledger_head"
_ENTRIES = """
select scope, key, fingerprint, position, promise_id, seq, recorded_at, state_digest, leaf_hash
from ledger_entries where key = any ($1::text[]) and scope = any ($2::text[])"""
_REFUSALS = "select scope, key, fingerprint, answer from ledger_refusals where key = any ($1::text[]) and scope = any ($2::text[])"
_PROMISES = f"select {', '.join(_PROMISE)}, position, made_at from ledger_promises where promise_id = any ($1::uuid[])"  # noqa: S608  # columns of ours
_SALTS = "select customer_id, salt from ledger_customers where customer_id = any ($1::uuid[])"
_LOOK_ALIKE = "select thing, promise_id, made_at from ledger_promises where thing = any ($1::bytea[]) and made_at > $2 and verdict = 'open'"

_WRITE = f"""
with head as (update ledger_head set size = $1, recorded_at = $2, hashes = $3 where size = $4 returning 1),
entries as (
    insert into ledger_entries (position, promise_id, seq, recorded_at, scope, key, fingerprint, state_digest, leaf_hash, line)
    select * from unnest($5::bigint[], $6::uuid[], $7::int[], $8::timestamptz[], $9::text[], $10::text[], $11::bytea[], $12::bytea[], $13::bytea[],
                         $14::text[]) where exists (select from head)),
nodes as (insert into ledger_nodes select * from unnest($15::smallint[], $16::bigint[], $17::bytea[]) where exists (select from head)),
words as (insert into ledger_words select * from unnest($18::uuid[], $19::int[], $20::bytea[], $21::text[]) where exists (select from head)),
customers as (insert into ledger_customers select * from unnest($22::uuid[], $23::bytea[]) where exists (select from head)),
refusals as (
    insert into ledger_refusals (scope, key, fingerprint, answer, refused_at)
    select *, $2 from unnest($24::text[], $25::text[], $26::bytea[], $27::text[]) where exists (select from head)),
promises as (
    insert into ledger_promises ({", ".join(_KEPT)})
    select {", ".join("string_to_array(at_risk, ',')" if name == "at_risk" else name for name in _KEPT)}
    from unnest({", ".join(f"${number}::{_TYPES.get(name, 'text')}[]" for number, name in enumerate(_KEPT, 28))}) as each ({", ".join(_KEPT)})
    where exists (select from head)
    on conflict (promise_id) do update set {", ".join(f"{name} = excluded.{name}" for name in _MOVES)})
select count(*) from head"""  # noqa: S608  # columns of ours


class HeadMoved(Exception):
    """Another writer has written: the head that was known is not the ledger's any more. Nothing was written."""


@dataclass(slots=True)
class LedgerStore:
    """Over one connection, that of the writer alone."""

    connection: "asyncpg.Connection[asyncpg.Record]"

    async def head(self) -> Head:
        """How far the ledger reaches."""
        size, recorded_at, hashes = await self.connection.fetchrow(_HEAD)
        return Head(recorded_at, Frontier(size, tuple(hashes[at : at + _HASH] for at in range(0, len(hashes), _HASH))))

    async def look(self, asked: Sequence[Asked], since: datetime) -> Look:
        """What is known of these commands, their promises and customers; `since` is from when on a promise looks like another."""
        sql = self.connection
        keys, scopes = [each.key for each in asked], list({each.scope for each in asked})
        entries = await sql.fetch(_ENTRIES, keys, scopes)
        refusals = await sql.fetch(_REFUSALS, keys, scopes)
        promises = await sql.fetch(_PROMISES, list({each.promise_id for each in asked}))
        customers = {each.customer_id for each in asked if each.customer_id} | {row["customer_id"] for row in promises}
        salts = await sql.fetch(_SALTS, list(customers))
        things = [each.thing for each in asked if each.thing]
        alike = await sql.fetch(_LOOK_ALIKE, things, since) if things else []
        known = {(row["scope"], row["key"]): Remembered(row["fingerprint"], receipt=_receipt(row)) for row in entries}
        known |= {(row["scope"], row["key"]): Remembered(row["fingerprint"], refused=read_refused(row["answer"])) for row in refusals}
        return Look(
            known=known,
            promises={row["promise_id"]: _promise(row) for row in promises},
            made={row["promise_id"]: (row["made_at"], b"") for row in promises},
            salts={row["customer_id"]: row["salt"] for row in salts},
            alike={row["thing"]: row["promise_id"] for row in alike},
        )

    async def write(self, batch: Batch, before: Head) -> None:
        """All of it in one statement and one commit. Raises HeadMoved."""
        head = batch.head
        guard = (head.frontier.size, head.recorded_at, b"".join(head.frontier.hashes), before.frontier.size)
        columns = (
            *_columns(map(_entry_row, batch.entries), 10), *_columns(batch.nodes, 3), *_columns(batch.words, 4), *_columns(batch.salts.items(), 2),
            *_columns(map(_refusal_row, batch.refusals), 4), *_columns(map(_promise_row, batch.last()), len(_KEPT)),
        )  # fmt: skip
        if not await self.connection.fetchval(_WRITE, *guard, *columns):
            raise HeadMoved


def _entry_row(entry: Entry) -> tuple[object, ...]:
    receipt = entry.receipt
    return (
        receipt.position, receipt.promise_id, receipt.seq, receipt.recorded_at, entry.asked.scope, entry.asked.key, entry.fingerprint,
        receipt.state_digest, receipt.leaf_hash, entry.line.decode(),
    )  # fmt: skip


def _refusal_row(refusal: tuple[Asked, bytes, Refused]) -> tuple[object, ...]:
    asked, fingerprint, refused = refusal
    return asked.scope, asked.key, fingerprint, _encode(refused).decode()


def _promise_row(entry: Entry) -> tuple[object, ...]:
    state, receipt = entry.promise, entry.receipt
    told = ",".join(state.at_risk), _encode(state.duties).decode()
    return *_plain(state), *told, receipt.position, receipt.state_digest, entry.thing, entry.made_at


def _promise(row: Mapping[str, Any]) -> Promise:
    told = {name: row[name] for name in _PROMISE} | {"duties": _decode(row["duties"])}
    return msgspec.convert(told, Promise, builtin_types=(bytes, datetime, UUID))


def _receipt(row: Mapping[str, Any]) -> Receipt:
    return Receipt(row["position"], row["promise_id"], row["seq"], row["recorded_at"], row["state_digest"], row["leaf_hash"])


def _columns(rows: Iterable[Sequence[object]], count: int) -> list[Sequence[object]]:
    """The rows by column; as many empty columns where there is no row."""
    return [list(column) for column in zip(*rows, strict=True)] or [()] * count
