"""The ledger in SQL: what a batch of commands needs, read by key; all that it changes, written in one commit that the head guards."""

import asyncio
import itertools
from collections.abc import AsyncIterable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.kit.merkle import Frontier
from services.kit.promise.line import promise_of, read_line
from services.kit.promise.state import Promise
from services.kit.together import execute_together
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

_MOVE_HEAD = """
update ledger_head set size = $1, recorded_at = $2, hashes = $3 where size = $4
returning clock_timestamp() + interval '60 seconds' as acknowledge_by, pg_notify('kept_ledger_grown', '')"""
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
        answered = await sql.fetch(_KNOWN, keys, scopes)
        ids = _promises_of(asked) | {row["promise_id"] for row in (await sql.fetch(_OF_CUSTOMERS, erasing) if erasing else [])}
        promises = await self._promises(ids)
        customers = {each.customer_id for each in wanted if each.customer_id} | {promise.said.customer_id for promise, _ in promises.values()}
        salts, erasures = await self._customers(customers | {row["customer_id"] for row in answered if row["customer_id"]})
        if erasing:
            erasures += await sql.fetch(_ERASURES, keys, scopes)
        things = [each.thing for each in asked if each.thing]
        alike = await sql.fetch(_LOOK_ALIKE, things, since) if things else []
        return Look(
            known={(row["scope"], row["key"]): _remembered(row) for row in answered},
            promises={id: promise for id, (promise, _) in promises.items()},
            made={id: making for id, (_, making) in promises.items()},
            salts=salts,
            alike={row["thing"]: row["promise_id"] for row in alike},
            erased={row["customer_id"]: Erasure(*(row[name] for name in Erasure._fields)) for row in erasures},
        )

    async def _insist(self, before: Head) -> None:
        if await self.connection.fetchval(_SIZE) != before.frontier.size:
            raise HeadMoved

    async def _customers(self, ids: Collection[UUID]) -> "tuple[dict[UUID, bytes], list[asyncpg.Record]]":
        """The salts of those of these that have one, and the erasures of those that were erased."""
        salts = {id: salt for id in ids if (salt := self.salts.get(id)) is not None}
        others = [id for id in ids if id not in salts]
        found = await self.connection.fetch(_CUSTOMERS, others) if others else []
        read = {row["customer_id"]: row["salt"] for row in found if row["salt"] is not None}
        self._keep(read)
        return salts | read, [row for row in found if row["salt"] is None]

    def _keep(self, salts: Mapping[UUID, bytes]) -> None:
        for id, salt in salts.items():
            self.salts.put(id, salt)

    async def _promises(self, ids: Collection[UUID]) -> dict[UUID, tuple[Promise, Making]]:
        found = {id: known for id in ids if (known := self.promises.get(id)) is not None}
        others = [id for id in ids if id not in found]
        for row in await self.connection.fetch(_PROMISES, others) if others else []:
            first = read_line(row["line"])
            promise = promise_of(first, row["seq"], row["standing"])
            found[promise.promise_id] = promise, Making(row["made_at"], b"", bytes(first.body))
        return found

    async def write(self, batches: AsyncIterable[Batch], before: Head) -> list[Batch]:
        """All of them in one commit: each is written while the next is decided. Raises HeadMoved, and nothing is written; even where nothing is to be
        written, since what was at hand may not hold any more."""
        settled, head, writing = list[Batch](), before, None
        async with self.connection.transaction():
            try:
                async for batch in batches:
                    settled.append(batch)
                    if writing is not None:
                        await writing
                    if batch.writes:
                        writing, head = asyncio.create_task(self._put(batch, head)), batch.head
                await (writing or self._insist(before))
            finally:
                if writing is not None:
                    await asyncio.wait({writing})  # the connection is its own until it has ended
        for batch in settled:
            for entry in itertools.chain(*batch.last()):
                self.promises.put(entry.promise.promise_id, (entry.promise, entry.made))
            self._keep(batch.salts)
        if any(batch.erasures for batch in settled):
            self.salts.clear()
        return settled

    async def _put(self, batch: Batch, before: Head) -> None:
        head, hashes = batch.head, b"".join(batch.head.frontier.hashes)
        acknowledge_by = await self.connection.fetchval(_MOVE_HEAD, head.frontier.size, head.recorded_at, hashes, before.frontier.size)
        if acknowledge_by is None:
            raise HeadMoved
        made, moved = batch.last()
        statements = rows.others(batch, moved)
        for each in (rows.entries(batch), rows.promises(made, acknowledge_by), rows.words(batch)):
            if len(each.rows) > _FEW:
                await self.connection.copy_records_to_table(each.table, records=each.rows, columns=each.columns)
            else:
                statements.append((each.insert, each.rows))
        await execute_together(self.connection, [(statement, _columns(some)) for statement, some in statements if some])


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
