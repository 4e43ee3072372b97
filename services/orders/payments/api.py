"""Payments over HTTP: what stands to a customer's credit, and what of the money that was promised waits, failed or was refused."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, cast
from uuid import UUID

from fastapi import Query, Request
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.responses import Response

from services.kit.http import Caller, PageSize, Routes, answer, operation
from services.kit.values import NotFound
from services.orders.payments import queries
from services.orders.payments.domain import State
from services.orders.payments.tables import CreditEntryRow, RefundRow

Number = Annotated[int, Query(ge=0, le=2**62)]
"""Of the last row that was seen."""

router = Routes()


@dataclass(frozen=True, slots=True)
class EntryView:
    """What was put to a customer's credit for one promise, or taken from it."""

    entry_id: UUID
    promise_id: UUID
    delta_minor: int
    currency: str
    entered_at: datetime


@dataclass(frozen=True, slots=True)
class RefundView:
    """What one promise owes. `tries`: how often the provider was asked without an answer that counts; `reason`: why a person must see to it."""

    promise_id: UUID
    order_id: UUID | None
    customer_id: UUID
    kind: str
    amount_minor: int | None
    currency: str | None
    cause: UUID | None
    state: str
    paid_by: str | None
    reason: str | None
    evidence_id: str | None
    tries: int
    owed_at: datetime
    settled_at: datetime | None


@router.get(
    "/v1/customers/{customer_id}/credit",
    **operation(
        access={"customer": "own", "care": "all", "admin": "all"},
        owner={"customer_id": "customer"},
        answers={200: "The balance in each currency, and the entries that it is the sum of, oldest first."},
    ),
)
async def get_credit(request: Request, customer_id: UUID, caller: Caller, after: Number = 0, limit: PageSize = 50) -> Response:
    if caller.scope == "own" and caller.subject != str(customer_id):
        raise NotFound
    found = await queries.credit(_reads(request), customer_id, after, limit)
    if found is None:
        raise NotFound
    balances, entries = found
    told = {
        "customer_id": customer_id,
        "balances": [{"currency": currency, "balance_minor": balance} for currency, balance in balances],
        "entries": [_entry_view(row) for row in entries],
        "next": entries[-1].number if len(entries) == limit else None,
    }
    return answer(told)


@router.get(
    "/v1/payments/refunds",
    **operation(access={"care": "all", "admin": "all"}, answers={200: "What promises owe or owed, in the order they were heard of."}),
)
async def get_refunds(request: Request, state: Annotated[State | None, Query()] = None, after: Number = 0, limit: PageSize = 50) -> Response:
    rows = await queries.refunds(_reads(request), state, after, limit)
    return answer({"refunds": [_refund_view(row) for row in rows], "next": rows[-1].number if len(rows) == limit else None})


def _entry_view(row: CreditEntryRow) -> EntryView:
    return EntryView(row.entry_id, row.promise_id, row.delta_minor, row.currency, row.entered_at)


def _refund_view(row: RefundRow) -> RefundView:
    return RefundView(
        row.promise_id, row.order_id, row.customer_id, row.kind, row.amount_minor, row.currency, row.cause, row.state, row.paid_by, row.reason,
        row.evidence_id, row.tries, row.owed_at, row.settled_at,
    )  # fmt: skip


def _reads(request: Request) -> AsyncEngine:
    return cast(AsyncEngine, request.app.state.reads)
