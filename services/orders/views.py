"""An order as its readers see it. What a customer may see is the same for every order, upgraded or not: nothing here knows what carries it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from services.orders.queries import REFUSED, Found
from services.orders.tables import OrderRow, RefusalRow

_REACHED = ("released_at", "picking_at", "packed_at", "handed_over_at", "delivered_at", "cancelled_at")


@dataclass(frozen=True, slots=True)
class PromiseView:
    """A promise in the customer's words. `verdict`: open, kept, broken or released."""

    promise_id: UUID
    customer_text: str
    language: str
    due_at: datetime
    zone: str
    made_at: datetime
    replaces: UUID | None
    verdict: str
    verdict_at: datetime | None


@dataclass(frozen=True, slots=True)
class AnswerView:
    """Why no date can be promised, and by when more is said."""

    sentence: str
    answer_by: datetime


@dataclass(frozen=True, slots=True)
class CancelView:
    """`status`: requested, cancelled or refused; `sentence` says what can be done instead of a cancel that was refused."""

    request_id: UUID
    status: str
    sentence: str | None


@dataclass(frozen=True, slots=True)
class HoldView:
    hold_id: UUID
    reason: str
    owner: str
    note: str
    held_at: datetime


@dataclass(frozen=True, slots=True)
class OrderView:
    """`checks` are those that are there; `reached` says when each state began; `holds` is for staff and null for everybody else."""

    order_id: UUID
    order_ref: str
    channel: str
    external_ref: str
    customer_id: UUID
    state: str
    version: int
    placed_at: datetime
    currency: str
    goods_minor: int
    charges_minor: int
    total_minor: int
    lines: Sequence[Mapping[str, Any]]
    charges: Sequence[Mapping[str, Any]]
    service: str
    chosen_on: date | None
    signature_required: bool
    payment_state: str
    checks: Sequence[str]
    reached: Mapping[str, datetime]
    promises: Sequence[PromiseView]
    answer: AnswerView | None
    cancel: CancelView | None
    holds: Sequence[HoldView] | None


@dataclass(frozen=True, slots=True)
class RefusalView:
    """An order that was not taken, with everything that stands against it."""

    order_id: UUID
    channel: str
    external_ref: str
    state: str
    version: int
    reasons: Sequence[Mapping[str, str]]
    refused_at: datetime


class Body(msgspec.Struct, frozen=True):
    """What is shown of the submission that an order came from."""

    lines: list[dict[str, Any]]
    charges: list[dict[str, Any]]


body_of = msgspec.json.Decoder(Body).decode


def order_view(found: Found, *, staff: bool) -> OrderView:
    """The order for staff, or for its owner."""
    order, body = found.order, body_of(found.order.amended or found.order.body)
    return OrderView(
        order_id=order.order_id,
        order_ref=order.order_ref,
        channel=order.channel,
        external_ref=order.external_ref,
        customer_id=order.customer_id,
        state=order.state,
        version=order.version,
        placed_at=order.placed_at,
        currency=order.currency,
        goods_minor=order.goods_minor,
        charges_minor=order.charges_minor,
        total_minor=order.total_minor,
        lines=body.lines,
        charges=body.charges,
        service=order.service,
        chosen_on=order.chosen_on,
        signature_required=order.signature_required,
        payment_state=order.payment_state,
        checks=sorted(order.checks if found.holds else [*order.checks, "cleared"]),
        reached={name.removesuffix("_at"): getattr(order, name) for name in _REACHED if getattr(order, name) is not None},
        promises=[_promise_view(promise) for promise in found.promises],
        answer=AnswerView(order.declined_sentence, order.answer_by) if order.declined_sentence and order.answer_by else None,
        cancel=_cancel_view(order),
        holds=[HoldView(hold.hold_id, hold.reason, hold.owner, hold.note, hold.held_at) for hold in found.holds] if staff else None,
    )


def refusal_view(refusal: RefusalRow) -> RefusalView:
    return RefusalView(refusal.order_id, refusal.channel, refusal.external_ref, REFUSED, refusal.version, refusal.reasons, refusal.refused_at)


def _promise_view(promise: Any) -> PromiseView:
    return PromiseView(
        promise_id=promise.promise_id,
        customer_text=promise.customer_text,
        language=promise.language,
        due_at=promise.due_at,
        zone=promise.zone,
        made_at=promise.made_at,
        replaces=promise.replaces,
        verdict=promise.verdict,
        verdict_at=promise.verdict_at,
    )


def _cancel_view(order: OrderRow) -> CancelView | None:
    if order.cancel_request_id is None:
        return None
    status = "cancelled" if order.state == "cancelled" else "refused" if order.cancel_refusal else "requested"
    return CancelView(order.cancel_request_id, status, order.cancel_refusal)
