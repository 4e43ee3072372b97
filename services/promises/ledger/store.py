"""The ledger in SQL: what a batch of commands needs, read by key; all that it changes, written in one commit that the head guards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from services.kit.merkle import Frontier
from services.kit.promise.line import promise_of, standing_of
from services.kit.promise.state import Verdict
from services.kit.together import execute_together
from services.promises.ledger import goodwill
from services.promises.ledger.batch import GIVING_UP, Asked, AskedErasure, Batch, Entry, Head, Look, Remembered, Wanted
from services.promises.ledger.domain.commands import Make, awaits_departments, may_be_late
from services.promises.ledger.domain.kinds import breaks_at, last_moment
from services.promises.ledger.messages import Erasure, Receipt, Refused, read_refused

Connection = "asyncpg.Connection[asyncpg.Record]"

_HASH = 32
_encode = msgspec.json.encode

_HEAD = "select size, recorded_at, hashes from ledger_head"
_ENTRIES = """
select scope, key, fingerprint, position, promise_id, seq, recorded_at, state_digest, leaf_hash,
    (select customer_id from ledger_promises p where p.promise_id = e.promise_id) as customer_id
from ledger_entries e where key = any ($1::text[]) and scope = any ($2::text[])"""
_REFUSALS = "select scope, key, fingerprint, answer from ledger_refusals where key = any ($1::text[]) and scope = any ($2::text[])"
_SAID = "select promise_id, line from ledger_entries where promise_id = any ($1::uuid[]) and seq = 1"
_STANDING = "select promise_id, seq, standing, made_at from ledger_promises where promise_id = any ($1::uuid[])"
_ERASURE = "customer_id, scope, key, position, promises, erased_at"
_CUSTOMERS = f"""
select {_ERASURE}, null as salt from ledger_erasures where customer_id = any ($1::uuid[])
union all
select customer_id, null, null, null, null, null, salt from ledger_customers where customer_id = any ($1::uuid[])"""  # noqa: S608  # columns of ours
_ERASURES = f"select {_ERASURE} from ledger_erasures where key = any ($1::text[]) and scope = any ($2::text[])"  # noqa: S608  # columns of ours
_OF_CUSTOMERS = "select promise_id from ledger_promises where customer_id = any ($1::uuid[])"
_LOOK_ALIKE = "select thing, promise_id, made_at from ledger_promises where thing = any ($1::bytea[]) and made_at > $2"

_MOVE_HEAD = "update ledger_head set size = $1, recorded_at = $2, hashes = $3 where size = $4 returning 1, pg_notify('kept_ledger_grown', '')"
_ENTRY = ("position", "promise_id", "seq", "recorded_at", "scope", "key", "fingerprint", "state_digest", "leaf_hash", "line")
_WRITE_ENTRIES = f"""
insert into ledger_entries ({", ".join(_ENTRY)})
select * from unnest($1::bigint[], $2::uuid[], $3::int[], $4::timestamptz[], $5::text[], $6::text[], $7::bytea[], $8::bytea[], $9::bytea[],
                     $10::text[])"""  # noqa: S608  # columns of ours
_FEW = 50
"""So many entries go along with the other writes; more go faster by COPY, which is a trip of its own."""
_WRITE_NODES = "insert into ledger_nodes select * from unnest($1::smallint[], $2::bigint[], $3::bytea[])"
_WRITE_WORDS = "insert into ledger_words select * from unnest($1::uuid[], $2::int[], $3::bytea[], $4::text[])"
_WRITE_SALTS = "insert into ledger_customers select * from unnest($1::uuid[], $2::bytea[])"
_WRITE_REFUSALS = """
insert into ledger_refusals (scope, key, fingerprint, answer, refused_at)
select * from unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::timestamptz[])"""
_WRITE_ERASURES = f"""
insert into ledger_erasures ({_ERASURE})
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::int[], $6::timestamptz[])"""  # noqa: S608  # columns of ours
_FORGET_SALTS = "delete from ledger_customers where customer_id = any ($1::uuid[])"
_FORGET_WORDS = "delete from ledger_words where promise_id = any ($1::uuid[])"
_WRITE_PROMISES = """
insert into ledger_promises (
    promise_id, seq, position, customer_id, order_id, verdict, next_at, standing, state_digest, thing, made_at, acknowledge_by,
    late_at)
select promise_id, seq, position, customer_id, order_id, verdict, next_at, standing, state_digest, thing, made_at,
    case when awaited then clock_timestamp() + interval '60 seconds' end, late_at
from unnest($1::uuid[], $2::int[], $3::bigint[], $4::uuid[], $5::uuid[], $6::text[], $7::timestamptz[], $8::text[], $9::bytea[],
            $10::bytea[], $11::timestamptz[], $12::boolean[], $13::timestamptz[])
    as new (promise_id, seq, position, customer_id, order_id, verdict, next_at, standing, state_digest, thing, made_at, awaited, late_at)
on conflict (promise_id) do update set
    seq = excluded.seq, position = excluded.position, verdict = excluded.verdict, next_at = excluded.next_at, standing = excluded.standing,
    state_digest = excluded.state_digest,
    acknowledge_by = case when excluded.acknowledge_by is not null then ledger_promises.acknowledge_by end,
    late_at = case when excluded.late_at is not null then ledger_promises.late_at end"""


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

    async def look(self, wanted: Sequence[Wanted], since: datetime) -> Look:
        """What is known of these commands, their promises and customers; `since` is from when on a promise looks like another."""
        sql = self.connection
        keys, scopes = [each.key for each in wanted], list({each.scope for each in wanted})
        asked = [each for each in wanted if isinstance(each, Asked)]
        erasing = [each.customer_id for each in wanted if isinstance(each, AskedErasure)]
        held = [str(each.promise_id) for each in asked if isinstance(each.command, Make) and each.command.held]
        if held:
            keys, scopes = keys + held, [*scopes, GIVING_UP]
        entries = await sql.fetch(_ENTRIES, keys, scopes)
        refusals = await sql.fetch(_REFUSALS, keys, scopes)
        ids = list(_promises_of(asked) | {row["promise_id"] for row in (await sql.fetch(_OF_CUSTOMERS, erasing) if erasing else [])})
        said = {row["promise_id"]: row["line"] for row in await sql.fetch(_SAID, ids)}
        standing = await sql.fetch(_STANDING, ids)
        promises = {row["promise_id"]: promise_of(said[row["promise_id"]], row["seq"], row["standing"]) for row in standing}
        customers = {each.customer_id for each in wanted if each.customer_id} | {promise.said.customer_id for promise in promises.values()}
        found = await sql.fetch(_CUSTOMERS, list(customers | {row["customer_id"] for row in entries}))
        erasures = [row for row in found if row["salt"] is None] + (await sql.fetch(_ERASURES, keys, scopes) if erasing else [])
        things = [each.thing for each in asked if each.thing]
        alike = await sql.fetch(_LOOK_ALIKE, things, since) if things else []
        known = {(row["scope"], row["key"]): Remembered(row["fingerprint"], _receipt(row), customer_id=row["customer_id"]) for row in entries}
        known |= {(row["scope"], row["key"]): Remembered(row["fingerprint"], refused=read_refused(row["answer"])) for row in refusals}
        return Look(
            known=known,
            promises=promises,
            made={row["promise_id"]: (row["made_at"], b"") for row in standing},
            salts={row["customer_id"]: row["salt"] for row in found if row["salt"] is not None},
            alike={row["thing"]: row["promise_id"] for row in alike},
            erased={row["customer_id"]: Erasure(*(row[name] for name in Erasure._fields)) for row in erasures},
        )

    async def write(self, batch: Batch, before: Head) -> None:
        """All of it in one commit. Raises HeadMoved, and nothing is written."""
        head, entries = batch.head, list(map(_entry_row, batch.entries))
        now = head.recorded_at
        granted, taken_back = goodwill.rows_of(batch.entries)
        rows: tuple[tuple[str, Sequence[Sequence[object]]], ...] = (
            (_WRITE_ENTRIES, entries if len(entries) <= _FEW else []),
            (_WRITE_NODES, batch.nodes),
            (_WRITE_WORDS, batch.words),
            (_WRITE_SALTS, list(batch.salts.items())),
            (_WRITE_REFUSALS, [(*_refusal_row(each), now) for each in batch.refusals]),
            (_WRITE_PROMISES, list(map(_promise_row, batch.last()))),
            (goodwill.GRANT, granted),
            (goodwill.TAKE_BACK, taken_back),
            (_WRITE_ERASURES, batch.erasures),
            (_FORGET_SALTS, [(erasure.customer_id,) for erasure in batch.erasures]),
            (_FORGET_WORDS, [(id,) for id in batch.erased]),
        )
        async with self.connection.transaction():
            hashes = b"".join(head.frontier.hashes)
            if not await self.connection.fetchval(_MOVE_HEAD, head.frontier.size, now, hashes, before.frontier.size):
                raise HeadMoved
            if len(entries) > _FEW:
                await self.connection.copy_records_to_table("ledger_entries", records=entries, columns=_ENTRY)
            await execute_together(self.connection, [(statement, _columns(some)) for statement, some in rows if some])


def _promises_of(asked: Sequence[Asked]) -> set[UUID]:
    return {each.promise_id for each in asked} | {each.then.promise_id for each in asked if each.then}


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
    promise, said, receipt, verdict = entry.promise, entry.promise.said, entry.receipt, entry.promise.stands.verdict
    next_at = breaks_at(said) if verdict is Verdict.OPEN else None
    return (
        promise.promise_id, promise.seq, receipt.position, said.customer_id, said.order_id, verdict, next_at,
        standing_of(promise), receipt.state_digest, entry.thing, entry.made_at, awaits_departments(promise),
        last_moment(said, entry.made_at) if may_be_late(promise) else None,
    )  # fmt: skip


def _receipt(row: Mapping[str, Any]) -> Receipt:
    return Receipt(row["position"], row["promise_id"], row["seq"], row["recorded_at"], row["state_digest"], row["leaf_hash"])


def _columns(rows: Sequence[Sequence[object]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
