"""What is read of the ledger: a promise as it stands, in the very words that were said."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from services.promises.dates.domain import State
from services.promises.quoting.domain import Term

if TYPE_CHECKING:
    import asyncpg

_COLUMNS = "promise_id, seq, order_id, customer_id, state, customer_text, language, due_on, due_at, zone, replaces, made_at, settled_at"
_BEHIND = "hand_over_by, carrier_service, quote_id, terms"
# What its customer was not told yet is not shown.
_ORDER = "select customer_id, case when follow_ups is distinct from -1 then declined end as declined from orders_view where order_id = $1"


@dataclass(frozen=True, slots=True)
class PromiseView:
    """A promise as its customer sees it: what was said, and what became of it."""

    promise_id: UUID
    seq: int
    order_id: UUID
    customer_id: UUID
    state: State
    customer_text: str
    language: str
    due_on: date
    due_at: datetime
    zone: str
    replaces: UUID | None
    made_at: datetime
    settled_at: datetime | None
    kind: str = "delivery_date"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseBehindView(PromiseView):
    """The same as staff see it, with what it rests on."""

    hand_over_by: datetime
    carrier_service: str
    quote_id: UUID | None
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class OrderPromisesView:
    """All promises of one order in the order of making; `declined` is the reason that was given why there is none, or none to rely on."""

    order_id: UUID
    customer_id: UUID
    declined: str | None
    promises: tuple[PromiseView, ...]


async def promise(sql: "asyncpg.Connection[asyncpg.Record]", promise_id: UUID, *, behind: bool) -> PromiseView | None:
    """One promise; with what it rests on, for staff."""
    row = await sql.fetchrow(f"select {_COLUMNS}, {_BEHIND} from promises where promise_id = $1", promise_id)  # noqa: S608  # columns of ours
    return _view(row, behind) if row else None


async def promises_of(sql: "asyncpg.Connection[asyncpg.Record]", order_id: UUID, *, behind: bool) -> OrderPromisesView | None:
    """Everything promised for an order; None where no such order was placed."""
    order = await sql.fetchrow(_ORDER, order_id)
    if order is None:
        return None
    rows = await sql.fetch(f"select {_COLUMNS}, {_BEHIND} from promises where order_id = $1 order by made_at_position", order_id)  # noqa: S608  # columns of ours
    return OrderPromisesView(order_id, order["customer_id"], order["declined"], tuple(_view(row, behind) for row in rows))


def _view(row: Any, behind: bool) -> PromiseView:
    return msgspec.convert(dict(row), PromiseBehindView if behind else PromiseView)
