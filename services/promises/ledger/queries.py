"""What is read of the ledger: promises as they stand and came to stand, entries as they are, what is due. Over any connection of the service."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from services.kit.promise.feed import EntryRecorded
from services.kit.promise.line import Line, promise_of, read_line
from services.kit.promise.state import Made, Promise
from services.promises.ledger.messages import Erasure

if TYPE_CHECKING:
    import asyncpg

_HEAD = "select size, recorded_at from ledger_head"
_PROMISE = "select promise_id, seq, position, state_digest, standing, made_at from ledger_promises where promise_id = any ($1::uuid[])"
_OF_CUSTOMER = """
select promise_id from ledger_promises where customer_id = $1 and position > $2 order by position limit $3"""
_SAID = "select promise_id, line from ledger_entries where promise_id = any ($1::uuid[]) and seq = 1"
_WORDS = "select promise_id, text from ledger_words where promise_id = any ($1::uuid[]) and seq = 1"
_ENTRIES = "select line from ledger_entries where promise_id = $1 order by seq"
_FEED = """
select e.position, e.promise_id, e.line, w.salt, w.text from ledger_entries e left join ledger_words w using (promise_id, seq)
where e.position > $1 order by e.position limit $2"""
_ENTRIES_FED = """
select e.position, e.promise_id, e.line, w.salt, w.text from ledger_entries e left join ledger_words w using (promise_id, seq)
where e.promise_id = $1 order by e.seq"""
_CUSTOMERS = "select promise_id, customer_id from ledger_promises where promise_id = any ($1::uuid[])"
_LINES = "select position, line from ledger_entries where position = any ($1::bigint[])"
_LIABILITY = """
select said ->> 'kind' as kind, said ->> 'currency' as currency, said ->> 'cause' is not null as compensation,
       case when p.made_at > $1::timestamptz - interval '1 day' then 'day' when p.made_at > $1::timestamptz - interval '7 days' then 'week'
            else 'older' end as age,
       count(*) as count, sum((said ->> 'amount_minor')::bigint)::bigint as amount_minor
from ledger_promises p join ledger_entries e on e.promise_id = p.promise_id and e.seq = 1, lateral (select e.line::json -> 'body' as said) body
where p.next_at is not null and said ->> 'kind' in ('refund', 'credit')
group by 1, 2, 3, 4 order by 2, 1, 3, 4"""
_TO_PAY = """
select p.promise_id, said ->> 'kind' as kind, said ->> 'currency' as currency, (said ->> 'amount_minor')::bigint as amount_minor,
       (said ->> 'cause')::uuid as cause, (said -> 'due' ->> 'at')::timestamptz as due_at
from ledger_promises p join ledger_entries e on e.promise_id = p.promise_id and e.seq = 1, lateral (select e.line::json -> 'body' as said) body
where p.next_at is not null and said ->> 'kind' in ('refund', 'credit')
order by due_at, p.position limit $1"""
_DUE = "select promise_id from ledger_promises where next_at < $1 order by next_at limit $2"
_LATE = "select promise_id from ledger_promises where late_at <= $1 and (next_at >= $1) is true order by late_at limit $2"
"""What is due as well is about to break: nobody is warned of that. `is true` keeps PostgreSQL from looking through all that is not due yet."""
_ERASURE = "select customer_id, scope, key, position, promises, erased_at from ledger_erasures where customer_id = $1"
_VIEWS_AT = "select view, position from ledger_views"
_UNACKNOWLEDGED = """
select promise_id from ledger_promises where acknowledge_by <= clock_timestamp() order by acknowledge_by limit $1"""


@dataclass(frozen=True, slots=True)
class Owing:
    """What open promises of one kind will cost us. `age`: made within a day, within a week, or older."""

    kind: str
    currency: str
    compensation: bool
    age: str
    count: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class ToPay:
    """One refund or credit that is promised and not yet paid. `cause` is the promise that it makes good for."""

    promise_id: UUID
    kind: str
    currency: str
    amount_minor: int
    cause: UUID | None
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """A promise as it stands: `position` is its last entry's, `customer_text` None where it was erased."""

    promise: Promise
    position: int
    state_digest: bytes
    customer_text: str | None
    made_at: datetime
    erased: bool


async def head(sql: "asyncpg.Connection[asyncpg.Record]") -> tuple[int, datetime]:
    """How many entries there are, and when the last was recorded."""
    (row,) = await sql.fetch(_HEAD)
    return row["size"], row["recorded_at"]


async def promises(sql: "asyncpg.Connection[asyncpg.Record]", ids: Collection[UUID]) -> dict[UUID, Known]:
    """Those of these that there are."""
    standing = await sql.fetch(_PROMISE, list(ids))
    said = {row["promise_id"]: row["line"] for row in await sql.fetch(_SAID, list(ids))}
    words = {row["promise_id"]: row["text"] for row in await sql.fetch(_WORDS, list(ids))}
    return {id: _known(row, said[id], words.get(id)) for row in standing for id in [row["promise_id"]]}


async def of_customer(sql: "asyncpg.Connection[asyncpg.Record]", customer_id: UUID, since: int, limit: int) -> list[Known]:
    """The customer's that have an entry after this position, in the order of their last entries."""
    ids = [row["promise_id"] for row in await sql.fetch(_OF_CUSTOMER, customer_id, since, limit)]
    found = await promises(sql, ids)
    return [found[id] for id in ids]


async def said_of(sql: "asyncpg.Connection[asyncpg.Record]", ids: Collection[UUID]) -> dict[UUID, Made]:
    """What was promised by those of these that there are."""
    rows = await sql.fetch(_SAID, list(ids))
    return {row["promise_id"]: made for row in rows if isinstance(made := read_line(row["line"]).fact(), Made)}


async def entries(sql: "asyncpg.Connection[asyncpg.Record]", promise_id: UUID) -> list[Line]:
    """All that was recorded of one promise, in order."""
    return [read_line(row["line"]) for row in await sql.fetch(_ENTRIES, promise_id)]


async def feed(sql: "asyncpg.Connection[asyncpg.Record]", after: int, limit: int) -> list[tuple[UUID, EntryRecorded]]:
    """The entries behind this position, each with its promise."""
    return [(row["promise_id"], _fed(row)) for row in await sql.fetch(_FEED, after, limit)]


async def entries_fed(sql: "asyncpg.Connection[asyncpg.Record]", promise_id: UUID) -> list[EntryRecorded]:
    """All of one promise, as the feed tells them."""
    return [_fed(row) for row in await sql.fetch(_ENTRIES_FED, promise_id)]


async def customers_of(sql: "asyncpg.Connection[asyncpg.Record]", ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Whose each of these promises is."""
    return {row["promise_id"]: row["customer_id"] for row in await sql.fetch(_CUSTOMERS, list(ids))}


async def lines(sql: "asyncpg.Connection[asyncpg.Record]", positions: Collection[int]) -> dict[int, Line]:
    """The entries at these positions."""
    return {row["position"]: read_line(row["line"]) for row in await sql.fetch(_LINES, list(positions))}


async def liability(sql: "asyncpg.Connection[asyncpg.Record]", now: datetime) -> list[Owing]:
    """All money that is promised and not yet paid, by currency, kind, whether it makes good for something, and age."""
    return [Owing(**row) for row in await sql.fetch(_LIABILITY, now)]


async def to_pay(sql: "asyncpg.Connection[asyncpg.Record]", limit: int) -> list[ToPay]:
    """What is to be paid next, the soonest due first."""
    return [ToPay(**row) for row in await sql.fetch(_TO_PAY, limit)]


async def due(sql: "asyncpg.Connection[asyncpg.Record]", now: datetime, limit: int) -> list[UUID]:
    """Open promises that are to be looked at by now, the longest due first."""
    return [row["promise_id"] for row in await sql.fetch(_DUE, now, limit)]


async def late(sql: "asyncpg.Connection[asyncpg.Record]", now: datetime, limit: int) -> list[UUID]:
    """Open promises whose last moment has come, and of which nobody was warned."""
    return [row["promise_id"] for row in await sql.fetch(_LATE, now, limit)]


async def unacknowledged(sql: "asyncpg.Connection[asyncpg.Record]", limit: int) -> list[UUID]:
    """Promises that a department should have said it has by now."""
    return [row["promise_id"] for row in await sql.fetch(_UNACKNOWLEDGED, limit)]


async def erasure(sql: "asyncpg.Connection[asyncpg.Record]", customer_id: UUID) -> Erasure | None:
    """Since when nothing personal is kept of this customer; None where they were not erased."""
    row = await sql.fetchrow(_ERASURE, customer_id)
    return Erasure(*row) if row else None


async def views_at(sql: "asyncpg.Connection[asyncpg.Record]") -> dict[str, int]:
    """How far each department's view was when it last told of itself."""
    return {row["view"]: row["position"] for row in await sql.fetch(_VIEWS_AT)}


def _fed(row: Any) -> EntryRecorded:
    return EntryRecorded(row["position"], row["line"], row["salt"], row["text"])


def _known(row: Any, said: str, words: str | None) -> Known:
    promise = promise_of(read_line(said), row["seq"], row["standing"])
    return Known(promise, row["position"], row["state_digest"], words, row["made_at"], promise.stands.erased)
