"""Orders over HTTP: take one, read it, wait for it, ask to cancel it, hold it, and make customers' links to them.

Every answer of an order says what was promised and never what carries it. Someone else's order is answered like one that does not exist.
"""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal, cast
from uuid import UUID

import msgspec
from fastapi import FastAPI, Query, Request
from pydantic import AfterValidator, Field
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.responses import Response

from services.kit.database import Database, Transaction
from services.kit.http import (
    Caller,
    Command,
    Commands,
    IdempotencyKey,
    Instant,
    Parsed,
    Principal,
    Problem,
    Routes,
    Strict,
    Waiters,
    answer,
    cause_of,
    operation,
)
from services.kit.http.fields import plausible
from services.kit.http.routing import Access
from services.kit.ids import hash_secret, new_secret, uuid7
from services.kit.values import Cause, NotFound, Refusal
from services.orders import handlers, queries
from services.orders.domain import Hold, HoldReason, Order, State, has_reached
from services.orders.handlers import Reach
from services.orders.messages import AddressWire, ChargeWire, CustomerWire, LineWire, OrderSubmittedWire, PaymentWire, to_submission
from services.orders.store import PostgresStore
from services.orders.validation import Submission
from services.orders.views import OrderView, RefusalView, order_view, refusal_view

_READERS: Access = {"customer": "own", "storefront": "own", "care": "all", "planner": "all", "admin": "all", "service": "all"}
_ORDER = {"order_id": "order"}
_HOLDERS: Access = {"care": "all", "planner": "all", "admin": "all"}

Channel = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[a-z0-9-]+$")]
Text64 = Annotated[str, Field(min_length=1, max_length=64)]
Text100 = Annotated[str, Field(min_length=1, max_length=100)]
Text200 = Annotated[str, Field(min_length=1, max_length=200)]
Free200 = Annotated[str, Field(max_length=200)]


class LineBody(Strict):
    line: Annotated[int, Field(ge=1)]
    sku: Text64
    quantity: int
    unit_price_minor: int
    description: Free200


class ChargeBody(Strict):
    code: Annotated[str, Field(min_length=1, max_length=16)]
    description: Free200
    amount_minor: int


class CustomerBody(Strict):
    external_ref: Text64 | None = None
    name: Text200
    email: Annotated[str, Field(min_length=1, max_length=254)]
    phone: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    language: Annotated[str, Field(pattern="^[a-z]{2}$")]
    zone: Text64


class AddressBody(Strict):
    name: Text200
    line1: Text200
    line2: Text200 | None = None
    city: Text100
    region: Text100 | None = None
    postcode: Annotated[str, Field(min_length=1, max_length=16)]
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    po_box: bool


class PaymentBody(Strict):
    state: Literal["pending", "authorised", "captured"]
    reference: Text64
    amount_minor: int


class OrderBody(Strict):
    """An order as the shop took it: the same fields as the data of storefront.OrderSubmitted.v1."""

    order_id: UUID
    channel: Channel
    external_ref: Text64
    placed_at: Instant
    customer: CustomerBody
    ship_to: AddressBody
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    lines: Annotated[list[LineBody], Field(min_length=1, max_length=1000)]
    charges: Annotated[list[ChargeBody], Field(max_length=100)]
    total_minor: int
    payment: PaymentBody
    service: Literal["standard", "overnight", "appointment"]
    quote_id: UUID | None = None
    chosen_on: date | None = None
    signature_required: bool


class _WholeLine(LineWire, frozen=True, forbid_unknown_fields=True):
    pass


class _WholeCharge(ChargeWire, frozen=True, forbid_unknown_fields=True):
    pass


class _WholeCustomer(CustomerWire, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class _WholeAddress(AddressWire, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class _WholePayment(PaymentWire, frozen=True, forbid_unknown_fields=True):
    pass


class WholeOrder(OrderSubmittedWire, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `OrderBody` takes, and no more, for msgspec to read."""

    customer: _WholeCustomer
    ship_to: _WholeAddress
    lines: Annotated[tuple[_WholeLine, ...], msgspec.Meta(min_length=1, max_length=1000)]
    charges: Annotated[tuple[_WholeCharge, ...], msgspec.Meta(max_length=100)]
    payment: _WholePayment


_decode_whole = msgspec.json.Decoder(WholeOrder).decode


def read_plain(raw: bytes) -> OrderSubmittedWire:
    """Raises ValueError."""
    order = _decode_whole(raw)
    plausible(order.placed_at)
    return order


WholeBody = Annotated[OrderSubmittedWire, Parsed(OrderBody, OrderSubmittedWire, read_plain)]


class CancelBody(Strict):
    """Why the order is no longer wanted, in the customer's words."""

    reason: Text200


class HoldBody(Strict):
    """Why work must stop. `owner` answers for lifting it; the note is for staff only."""

    reason: Literal["fraud", "address", "payment", "manual"]
    owner: Text64 | None = None
    note: Annotated[str, Field(max_length=1000)] = ""


def _each_once(ids: list[UUID]) -> list[UUID]:
    if len(set(ids)) < len(ids):
        raise ValueError("each id stands here once")
    return ids


class LinksBody(Strict):
    """The orders whose customers get a link."""

    order_ids: Annotated[list[UUID], Field(min_length=1, max_length=200), AfterValidator(_each_once)]


router = Routes()


_TAKEN = {201: "Taken.", 200: "Taken before."}


@router.post("/v1/orders", **operation(access={"storefront": "own"}, owner={"channel": "channel"}, body=OrderBody, answers=_TAKEN, idempotent=True))
async def post_order(request: Request, body: WholeBody, caller: Caller, key: IdempotencyKey) -> Response:
    if body.channel != caller.channel:
        raise Problem(403, "other-channel", "The order is of another channel than yours: send it with that channel's token.")
    submission = to_submission(body)
    scope = f"{caller.role}:{caller.channel}:{caller.subject}"
    return await _submissions(request).once(Command(scope, key, submission.fingerprint, (submission, cause_of(request))))


async def submit_together(work: Transaction, asked: Sequence[tuple[Submission, Cause]]) -> list[Response | Refusal]:
    """What each of several requests for an order is answered."""
    taken = await handlers.submit(PostgresStore(work), asked)
    return [one if isinstance(one, Refusal) else _taken(*one) for one in taken]


def _taken(order: Order, new: bool) -> Response:
    told = {
        "order_id": order.order_id,
        "order_ref": order.order_ref,
        "channel": order.channel,
        "external_ref": order.external_ref,
        "customer_id": order.customer_id,
        "placed_at": order.placed_at,
    }
    return answer(told, 201 if new else 200, location=f"/v1/orders/{order.order_id}")


@router.get("/v1/orders/{order_id}", **operation(access=_READERS, owner=_ORDER, answers={200: "The order as it stands."}))
async def get_order(request: Request, order_id: UUID, caller: Caller, wait_for: Annotated[State | None, Query()] = None) -> Response:
    view = await _view(request, order_id, caller)
    if wait_for is not None and isinstance(view, OrderView) and not has_reached(State(view.state), wait_for):
        await _waiters(request).wait(request, order_id, lambda state: state == queries.REFUSED or has_reached(State(state), wait_for))
        view = await _view(request, order_id, caller)
    return answer(view)


@router.get("/v1/orders", **operation(access=_READERS, owner={"external_ref": "order"}, answers={200: "The order of this reference, or none."}))
async def find_order(
    request: Request, caller: Caller, channel: Annotated[str, Query(max_length=32)], external_ref: Annotated[str, Query(max_length=64)]
) -> Response:
    found = await queries.order_by_reference(request.app.state.reads, channel, external_ref)
    if found is not None:
        return answer({"orders": [order_view(found, staff=caller.scope == "all")] if may_read(caller, found) else []})
    refusal = await queries.refusal_by_reference(request.app.state.reads, channel, external_ref)
    return answer({"orders": [refusal_view(refusal)] if refusal and _may_read_refusal(caller, refusal.channel) else []})


@router.post(
    "/v1/orders/{order_id}/cancel",
    **operation(
        access={"customer": "own", "storefront": "own", "care": "all"}, owner=_ORDER, body=CancelBody, answers={202: "Asked; fulfilment decides."}
    ),
)
async def post_cancel(request: Request, order_id: UUID, body: Annotated[CancelBody, Parsed(CancelBody)], caller: Caller) -> Response:
    async with _database(request).transaction() as work:
        store, cause = PostgresStore(work), cause_of(request)
        order = await handlers.cancel(store, order_id, reach_of(caller), uuid7(), body.reason, caller.role, cause)
    status = "requested" if order.cancel_requested else "cancelled"
    told = {"order_id": order_id, "request_id": order.cancel_request_id, "status": status}
    return answer(told, 202, location=f"/v1/orders/{order_id}")


@router.post("/v1/orders/{order_id}/holds", **operation(access=_HOLDERS, owner=_ORDER, body=HoldBody, answers={201: "Held."}))
async def post_hold(request: Request, order_id: UUID, body: Annotated[HoldBody, Parsed(HoldBody)], caller: Caller) -> Response:
    async with _database(request).transaction() as work:
        hold = Hold(uuid7(), HoldReason(body.reason), body.owner or caller.role, body.note, work.now)
        order = await handlers.place_hold(PostgresStore(work), order_id, hold, cause_of(request))
    told = {"order_id": order_id, "hold_id": hold.hold_id, "reason": hold.reason, "owner": hold.owner, "state": order.state, "version": order.version}
    return answer(told, 201, location=f"/v1/orders/{order_id}/holds/{hold.hold_id}")


@router.delete("/v1/orders/{order_id}/holds/{hold_id}", **operation(access=_HOLDERS, owner=_ORDER | {"hold_id": "hold"}, answers={200: "Lifted."}))
async def delete_hold(request: Request, order_id: UUID, hold_id: UUID) -> Response:
    async with _database(request).transaction() as work:
        order = await handlers.lift_hold(PostgresStore(work), order_id, hold_id, cause_of(request))
    return answer({"order_id": order_id, "hold_id": hold_id, "state": order.state, "version": order.version})


_NEW_LINKS = {201: "A new link to each order that there is, in the order asked; earlier ones stay."}


@router.post("/v1/order-links", **operation(access={"service": "all"}, owner={"order_ids": "order"}, body=LinksBody, answers=_NEW_LINKS))
async def post_links(request: Request, body: Annotated[LinksBody, Parsed(LinksBody)]) -> Response:
    secrets = {order_id: new_secret() for order_id in body.order_ids}
    async with _database(request).transaction() as work:
        known = await PostgresStore(work).add_links({order_id: hash_secret(secret) for order_id, secret in secrets.items()})
    return answer({"links": [{"order_id": order_id, "url": f"/o/{secret}"} for order_id, secret in secrets.items() if order_id in known]}, 201)


def connect(app: FastAPI, database: Database, reads: AsyncEngine) -> None:
    """Give the routes their pools: one for commands, one for reads, and one shared poll for all who wait."""
    app.state.database, app.state.reads = database, reads
    app.state.submissions = Commands(database, submit_together)
    app.state.waiters = Waiters("orders", lambda order_ids: queries.states(reads, order_ids))
    app.state.deciding = Waiters("amendments", lambda amendment_ids: queries.statuses(reads, amendment_ids))


async def _view(request: Request, order_id: UUID, caller: Principal) -> OrderView | RefusalView:
    found = await queries.order_by_id(request.app.state.reads, order_id)
    if found is not None and may_read(caller, found):
        return order_view(found, staff=caller.scope == "all")
    refusal = None if found else await queries.refusal_by_id(request.app.state.reads, order_id)
    if refusal is None or not _may_read_refusal(caller, refusal.channel):
        raise NotFound
    return refusal_view(refusal)


def reach_of(caller: Principal) -> Reach:
    """Whose orders the caller may touch. A storefront without a channel, or a role that is neither, reaches none of its own."""
    if caller.scope == "all":
        return Reach()
    return Reach(channel=caller.channel or "") if caller.role == "storefront" else Reach(customer_id=caller.subject)


def may_read(caller: Principal, found: queries.Found) -> bool:
    reach = reach_of(caller)
    return reach.customer_id in (None, str(found.order.customer_id)) and reach.channel in (None, found.order.channel)


def _may_read_refusal(caller: Principal, channel: str) -> bool:
    reach = reach_of(caller)
    return reach.customer_id is None and reach.channel in (None, channel)


def _database(request: Request) -> Database:
    return cast(Database, request.app.state.database)


def _submissions(request: Request) -> Commands[tuple[Submission, Cause]]:
    return cast("Commands[tuple[Submission, Cause]]", request.app.state.submissions)


def _waiters(request: Request) -> Waiters[str]:
    return cast("Waiters[str]", request.app.state.waiters)
