"""The ledger in SQL: what a batch of commands needs, read by key; all that it changes, written in one commit that the head guards."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from services.kit.merkle import Frontier
from services.kit.promise.line import promise_of, read_line, standing_of
from services.kit.promise.state import Promise, Verdict
from services.kit.together import execute_together
from services.promises.ledger import goodwill
from services.promises.ledger.batch import GIVING_UP, Asked, AskedErasure, Batch, Entry, Head, Look, Making, Remembered, Wanted
from services.promises.ledger.domain.commands import Make, awaits_departments, may_be_late
from services.promises.ledger.domain.kinds import breaks_at, last_moment
from services.promises.ledger.messages import Erasure, Receipt, Refused, read_refused
from services.promises.ledger.recent import Recent

Connection = "asyncpg.Connection[asyncpg.Record]"

_HASH = 32
_encode = msgspec.json.encode

_HEAD = "select size, recorded_at, hashes from ledger_head"
_SIZE = "select size from ledger_head"
_KNOWN = """
select scope, key, fingerprint, position, promise_id, seq, recorded_at, state_digest, leaf_hash,
    (select customer_id from ledger_promises p where p.promise_id = e.promise_id) as customer_id, null as answer
from ledger_entries e where key = any ($1::text[]) and scope = any ($2::text[])
union all
select scope, key, fingerprint, null, null, null, null, null, null, null, answer
from ledger_refusals where key = any ($1::text[]) and scope = any ($2::text[])"""
_PROMISES = """
select promise_id, seq, standing, made_at, (select line from ledger_entries e where e.promise_id = p.promise_id and e.seq = 1) as line
from ledger_promises p where promise_id = any ($1::uuid[])"""
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
_MAKE_PROMISES = """
insert into ledger_promises (
    promise_id, seq, position, verdict, next_at, standing, state_digest, late_at, customer_id, order_id, thing, made_at, acknowledge_by)
select promise_id, seq, position, verdict, next_at, standing, state_digest, late_at, customer_id, order_id, thing, made_at,
    case when awaited then clock_timestamp() + interval '60 seconds' end
from unnest($1::uuid[], $2::int[], $3::bigint[], $4::text[], $5::timestamptz[], $6::text[], $7::bytea[], $8::boolean[], $9::timestamptz[],
            $10::uuid[], $11::uuid[], $12::bytea[], $13::timestamptz[])
    as new (promise_id, seq, position, verdict, next_at, standing, state_digest, awaited, late_at, customer_id, order_id, thing, made_at)"""
_MOVE_PROMISES = """
update ledger_promises p set
    seq = new.seq, position = new.position, verdict = new.verdict, next_at = new.next_at, standing = new.standing, state_digest = new.state_digest,
    acknowledge_by = case when new.awaited then p.acknowledge_by end, late_at = case when new.late_at is not null then p.late_at end
from unnest($1::uuid[], $2::int[], $3::bigint[], $4::text[], $5::timestamptz[], $6::text[], $7::bytea[], $8::boolean[], $9::timestamptz[])
    as new (promise_id, seq, position, verdict, next_at, standing, state_digest, awaited, late_at)
where p.promise_id = new.promise_id"""
_BY_KEY = "set enable_hashjoin = off; set enable_mergejoin = off"
"""A plan is made once, often while the tables are still empty: what is joined to a batch is looked up by key, whatever they hold by then."""
_MOST_RECENT = 5_000


class HeadMoved(Exception):
    """Another writer has written: the head that was known is not the ledger's any more. Nothing was written."""


@dataclass(slots=True)
class LedgerStore:
    """Over one connection, that of the writer alone."""

    connection: "asyncpg.Connection[asyncpg.Record]"
    promises: Recent[UUID, tuple[Promise, Making]] = field(default_factory=lambda: Recent(_MOST_RECENT))
    """Those that this writer read or wrote last: nobody else changes them while the head is the one it knows."""

    async def begin(self) -> Head:
        """Prepare the connection. Returns how far the ledger reaches."""
        await self.connection.execute(_BY_KEY)
        return await self.head()

    async def head(self) -> Head:
        """How far the ledger reaches. Nothing is at hand any more."""
        self.promises.clear()
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
        answered = await sql.fetch(_KNOWN, keys, scopes)
        ids = _promises_of(asked) | {row["promise_id"] for row in (await sql.fetch(_OF_CUSTOMERS, erasing) if erasing else [])}
        promises = await self._promises(ids)
        customers = {each.customer_id for each in wanted if each.customer_id} | {promise.said.customer_id for promise, _ in promises.values()}
        found = await sql.fetch(_CUSTOMERS, list(customers | {row["customer_id"] for row in answered if row["customer_id"]}))
        erasures = [row for row in found if row["salt"] is None] + (await sql.fetch(_ERASURES, keys, scopes) if erasing else [])
        things = [each.thing for each in asked if each.thing]
        alike = await sql.fetch(_LOOK_ALIKE, things, since) if things else []
        return Look(
            known={(row["scope"], row["key"]): _remembered(row) for row in answered},
            promises={id: promise for id, (promise, _) in promises.items()},
            made={id: making for id, (_, making) in promises.items()},
            salts={row["customer_id"]: row["salt"] for row in found if row["salt"] is not None},
            alike={row["thing"]: row["promise_id"] for row in alike},
            erased={row["customer_id"]: Erasure(*(row[name] for name in Erasure._fields)) for row in erasures},
        )

    async def insist(self, before: Head) -> None:
        """Raises HeadMoved where the head is not the one that was known: what was at hand may not hold any more."""
        if await self.connection.fetchval(_SIZE) != before.frontier.size:
            raise HeadMoved

    async def _promises(self, ids: Collection[UUID]) -> dict[UUID, tuple[Promise, Making]]:
        found = {id: known for id in ids if (known := self.promises.get(id)) is not None}
        others = [id for id in ids if id not in found]
        for row in await self.connection.fetch(_PROMISES, others) if others else []:
            first = read_line(row["line"])
            promise = promise_of(first, row["seq"], row["standing"])
            found[promise.promise_id] = promise, Making(row["made_at"], b"", bytes(first.body))
        return found

    async def write(self, batch: Batch, before: Head) -> None:
        """All of it in one commit. Raises HeadMoved, and nothing is written."""
        head, entries = batch.head, list(map(_entry_row, batch.entries))
        now = head.recorded_at
        granted, taken_back = goodwill.rows_of(batch.entries)
        made, moved = batch.last()
        rows: tuple[tuple[str, Sequence[Sequence[object]]], ...] = (
            (_WRITE_ENTRIES, entries if len(entries) <= _FEW else []),
            (_WRITE_NODES, batch.nodes),
            (_WRITE_WORDS, batch.words),
            (_WRITE_SALTS, list(batch.salts.items())),
            (_WRITE_REFUSALS, [(*_refusal_row(each), now) for each in batch.refusals]),
            (_MAKE_PROMISES, [(*_standing_row(entry), *_making_row(entry)) for entry in made]),
            (_MOVE_PROMISES, list(map(_standing_row, moved))),
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
        for entry in (*made, *moved):
            self.promises.put(entry.promise.promise_id, (entry.promise, entry.made))


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


def _standing_row(entry: Entry) -> tuple[object, ...]:
    promise, receipt, verdict = entry.promise, entry.receipt, entry.promise.stands.verdict
    next_at = breaks_at(promise.said) if verdict is Verdict.OPEN else None
    late_at = last_moment(promise.said, entry.made.at) if may_be_late(promise) else None
    return (
        promise.promise_id, promise.seq, receipt.position, verdict, next_at, standing_of(promise), receipt.state_digest,
        awaits_departments(promise), late_at,
    )  # fmt: skip


def _making_row(entry: Entry) -> tuple[object, ...]:
    said, made = entry.promise.said, entry.made
    return said.customer_id, said.order_id, made.thing, made.at


def _remembered(row: Mapping[str, Any]) -> Remembered:
    if row["answer"] is not None:
        return Remembered(row["fingerprint"], refused=read_refused(row["answer"]))
    return Remembered(row["fingerprint"], _receipt(row), customer_id=row["customer_id"])


def _receipt(row: Mapping[str, Any]) -> Receipt:
    return Receipt(row["position"], row["promise_id"], row["seq"], row["recorded_at"], row["state_digest"], row["leaf_hash"])


def _columns(rows: Sequence[Sequence[object]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
