"""The ledger in SQL: what a batch of commands needs, read by key; all that it changes, written in one commit that the head guards."""

import asyncio
import itertools
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from services.kit.clock import record_now
from services.kit.merkle import Frontier
from services.kit.promise.line import promise_of, read_line
from services.kit.promise.state import Promise
from services.kit.together import Query, execute_together, fetch_together
from services.promises.ledger import rows
from services.promises.ledger.batch import GIVING_UP, Asked, AskedErasure, Batch, Head, Look, Making, Remembered, Wanted
from services.promises.ledger.domain.commands import Make
from services.promises.ledger.messages import Erasure, Receipt, read_refused
from services.promises.ledger.recent import Recent

Connection = "asyncpg.Connection[asyncpg.Record]"

_HASH = 32

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
_LOOK_ALIKE = "select thing, promise_id, made_at from ledger_promises where thing = any ($1::bytea[]) and made_at > $2 order by made_at"

_MOVE_HEAD = "update ledger_head set size = $1::bigint / (size = $4)::int, recorded_at = $2, hashes = $3 returning pg_notify('kept_ledger_grown', '')"
"""Divides by zero where the head is not the one that was known: whatever goes along in that trip comes to nothing with it."""
_INSIST = "select 1 / (size = $1)::int from ledger_head"
_ACKNOWLEDGED_WITHIN = timedelta(seconds=60)
_BY_KEY = "set enable_hashjoin = off; set enable_mergejoin = off"
"""A plan is made once, often while the tables are still empty: what is joined to a batch is looked up by key, whatever they hold by then."""
_FEW = 50
"""So many rows of a table go along with the other writes; more go faster by COPY, which is a trip of its own."""
_MOST_RECENT = 5_000


class HeadMoved(Exception):
    """Another writer has written: the head that was known is not the ledger's any more. Nothing was written."""


@dataclass(slots=True)
class LedgerStore:
    """Over one connection, that of the writer alone."""

    connection: "asyncpg.Connection[asyncpg.Record]"
    promises: Recent[UUID, tuple[Promise, Making]] = field(default_factory=lambda: Recent(_MOST_RECENT))
    """Those that this writer read or wrote last: nobody else changes them while the head is the one it knows."""
    salts: Recent[UUID, bytes] = field(default_factory=lambda: Recent(_MOST_RECENT))
    """The same of customers who were not erased."""

    async def begin(self) -> Head:
        """Prepare the connection. Returns how far the ledger reaches."""
        await self.connection.execute(_BY_KEY)
        return await self.head()

    async def head(self) -> Head:
        """How far the ledger reaches. Nothing is at hand any more."""
        self.promises.clear()
        self.salts.clear()
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
        ids = _promises_of(asked) | {row["promise_id"] for row in (await sql.fetch(_OF_CUSTOMERS, erasing) if erasing else [])}
        promises = {id: known for id in ids if (known := self.promises.get(id)) is not None}
        whose = {each.customer_id for each in wanted if each.customer_id} | {promise.said.customer_id for promise, _ in promises.values()}
        salts = {id: salt for id in whose if (salt := self.salts.get(id)) is not None}
        answered, stored, customers, alike = await fetch_together(
            sql,
            (_KNOWN, [keys, scopes]),
            (_PROMISES, [list(ids - promises.keys())]),
            (_CUSTOMERS, [list(whose - salts.keys())]),
            (_LOOK_ALIKE, [[each.thing for each in asked if each.thing], since]),
        )
        promises |= {row["promise_id"]: _stored(row) for row in stored}
        others = {promise.said.customer_id for promise, _ in promises.values()} | {row["customer_id"] for row in answered if row["customer_id"]}
        if others - whose:
            customers += map(dict, await sql.fetch(_CUSTOMERS, list(others - whose)))
        erasures = [row for row in customers if row["salt"] is None]
        if erasing:
            erasures += map(dict, await sql.fetch(_ERASURES, keys, scopes))
        read = {row["customer_id"]: row["salt"] for row in customers if row["salt"] is not None}
        self._keep(read)
        return Look(
            known={(row["scope"], row["key"]): _remembered(row) for row in answered},
            promises={id: promise for id, (promise, _) in promises.items()},
            made={id: making for id, (_, making) in promises.items()},
            salts=salts | read,
            alike={row["thing"]: row["promise_id"] for row in alike},
            erased={row["customer_id"]: Erasure(*(row[name] for name in Erasure._fields)) for row in erasures},
        )

    def _keep(self, salts: Mapping[UUID, bytes]) -> None:
        for id, salt in salts.items():
            self.salts.put(id, salt)

    async def write(self, batch: Batch, before: Head) -> None:
        """All of it in one commit and, where it is not much, in one trip. Raises HeadMoved, and nothing is written; even where nothing is to be
        written, since what was at hand may not hold any more."""
        async with self._insisting(before):
            if not batch.writes:
                await self.connection.execute(_INSIST, before.frontier.size)
            elif len(batch.entries) > _FEW:
                async with self.connection.transaction():
                    await self._put(batch, before)
            else:
                await self._put(batch, before)
        self._remember([batch])

    async def write_by_turns(self, batches: AsyncIterable[Batch], before: Head) -> list[Batch]:
        """The same for several, in one commit: each is written while the next is decided."""
        settled, head = list[Batch](), before
        async with self._insisting(before), self.connection.transaction():
            writing: asyncio.Task[None] | None = None
            try:
                async for batch in batches:
                    settled.append(batch)
                    if writing is not None:
                        await writing
                    writing, head = asyncio.create_task(self._put(batch, head)), batch.head
                if writing is not None:
                    await writing
            finally:
                if writing is not None:
                    await asyncio.wait({writing})  # the connection is its own until it has ended
        self._remember(settled)
        return settled

    @asynccontextmanager
    async def _insisting(self, before: Head) -> AsyncIterator[None]:
        """What another writer has written shows in many ways: in the head that divides by zero, in a position that is taken."""
        try:
            yield
        except (asyncpg.DivisionByZeroError, asyncpg.IntegrityConstraintViolationError):
            if await self.connection.fetchval(_SIZE) != before.frontier.size:
                raise HeadMoved from None
            raise

    async def _put(self, batch: Batch, before: Head) -> None:
        head, (made, moved) = batch.head, batch.last()
        new = (rows.entries(batch), rows.promises(made, record_now() + _ACKNOWLEDGED_WITHIN), rows.words(batch))
        written = [*rows.others(batch, moved), *((each.insert, each.rows) for each in new if len(each.rows) <= _FEW)]
        queries: list[Query] = [(statement, _columns(some)) for statement, some in written if some]
        moving: Query = _MOVE_HEAD, (head.frontier.size, head.recorded_at, b"".join(head.frontier.hashes), before.frontier.size)
        if len(batch.entries) <= _FEW:
            await execute_together(self.connection, [*queries, moving])
            return
        await execute_together(self.connection, [moving])
        for each in new:
            if len(each.rows) > _FEW:
                await self.connection.copy_records_to_table(each.table, records=each.rows, columns=each.columns)
        await execute_together(self.connection, queries)

    def _remember(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            for entry in itertools.chain(*batch.last()):
                self.promises.put(entry.promise.promise_id, (entry.promise, entry.made))
            self._keep(batch.salts)
        if any(batch.erasures for batch in batches):
            self.salts.clear()


def _stored(row: Mapping[str, Any]) -> tuple[Promise, Making]:
    first = read_line(row["line"])
    return promise_of(first, row["seq"], row["standing"]), Making(row["made_at"], b"", bytes(first.body))


def _promises_of(asked: Sequence[Asked]) -> set[UUID]:
    return {each.promise_id for each in asked} | {each.then.promise_id for each in asked if each.then}


def _remembered(row: Mapping[str, Any]) -> Remembered:
    if row["answer"] is not None:
        return Remembered(row["fingerprint"], refused=read_refused(row["answer"]))
    return Remembered(row["fingerprint"], _receipt(row), customer_id=row["customer_id"])


def _receipt(row: Mapping[str, Any]) -> Receipt:
    return Receipt(row["position"], row["promise_id"], row["seq"], row["recorded_at"], row["state_digest"], row["leaf_hash"])


def _columns(rows: Sequence[Sequence[object]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
