"""Changes of orders over HTTP: ask for one, read what became of it, wait until it is decided. Whose order it is, is asked before all else."""

import hashlib
import re
from datetime import date
from typing import Annotated, Literal, cast
from uuid import UUID

import msgspec
from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response

from services.kit.database import Database, Transaction
from services.kit.failpoints import ARMED, hit
from services.kit.http import Caller, IdempotencyKey, Parsed, Principal, Problem, Routes, Strict, Waiters, answer, cause_of, once, operation
from services.kit.http.headers import header
from services.kit.http.routing import Access
from services.kit.ids import uuid7
from services.kit.values import NotFound
from services.orders import handlers, queries
from services.orders.amending_views import amendment_view
from services.orders.api import AddressBody, ChargeBody, LineBody, Text64, Text200, may_read, reach_of
from services.orders.changing import ChangeWire
from services.orders.domain import Status
from services.orders.handlers import Change
from services.orders.store import PostgresStore

_ASKERS: Access = {"customer": "own", "storefront": "own", "care": "all"}
_READERS: Access = {"customer": "own", "storefront": "own", "care": "all", "planner": "all", "admin": "all", "service": "all"}
_ORDER = {"order_id": "order"}
_AMENDMENT = _ORDER | {"amendment_id": "amendment"}
_VERSION = re.compile(r'"(\d{1,18})"|(\d{1,18})')
_MAY_BE_NULL = frozenset({"quote_id", "chosen_on"})


class AdditionBody(Strict):
    """What was paid in addition to what was paid before."""

    reference: Text64
    amount_minor: Annotated[int, Field(ge=1, le=1_000_000_000_000)]


class AmendmentBody(Strict):
    """What shall be different, and the new total, which goods and charges add up to. What is left out stays as it is; `lines` and `charges` are the
    whole new lists; `chosen_on` and `quote_id` as null say that none is chosen any more."""

    lines: Annotated[list[LineBody], Field(min_length=1, max_length=1000)] | None = None
    charges: Annotated[list[ChargeBody], Field(max_length=100)] | None = None
    ship_to: AddressBody | None = None
    service: Literal["standard", "overnight"] | None = None
    quote_id: UUID | None = None
    chosen_on: date | None = None
    total_minor: int
    payment: AdditionBody | None = None
    reason: Text200


router = Routes()


@router.post(
    "/v1/orders/{order_id}/amendments",
    **operation(
        access=_ASKERS,
        owner=_ORDER,
        body=AmendmentBody,
        idempotent=True,
        answers={202: "Asked; it is pending until the warehouse and the date agree."},
    ),
)
async def post_amendment(
    request: Request, order_id: UUID, body: Annotated[AmendmentBody, Parsed(AmendmentBody)], caller: Caller, key: IdempotencyKey
) -> Response:
    found = await _found(request, order_id, caller)
    version = _if_match(request)
    told = body.model_dump(mode="json", exclude_unset=True)
    fingerprint = hashlib.sha256(msgspec.json.encode([request.url.path, told, version], order="sorted")).digest()

    async def ask(work: Transaction) -> Response:
        change = _change(body, found, version, caller)
        order = await handlers.amend(PostgresStore(work), change, reach_of(caller), cause_of(request))
        if ARMED:
            hit("amendment.asked", change.amendment_id)
        asked = {"order_id": order_id, "amendment_id": change.amendment_id, "status": Status.PENDING, "version": order.version}
        return answer(asked, 202, location=f"/v1/orders/{order_id}/amendments/{change.amendment_id}")

    scope = f"{caller.role}:{caller.channel}:{caller.subject}"
    return await once(_database(request), scope=scope, key=key, fingerprint=fingerprint, do=ask)


@router.get("/v1/orders/{order_id}/amendments", **operation(access=_READERS, owner=_ORDER, answers={200: "The newest first, 100 at most."}))
async def get_amendments(request: Request, order_id: UUID, caller: Caller) -> Response:
    found = await _found(request, order_id, caller)
    rows = await queries.amendments_of(request.app.state.reads, order_id)
    return answer({"order_id": order_id, "amendments": [amendment_view(row, found.order.currency) for row in rows]})


@router.get("/v1/orders/{order_id}/amendments/{amendment_id}", **operation(access=_READERS, owner=_AMENDMENT, answers={200: "As it stands."}))
async def get_amendment(
    request: Request, order_id: UUID, amendment_id: UUID, caller: Caller, wait_for: Annotated[Literal["decided"] | None, Query()] = None
) -> Response:
    found = await _found(request, order_id, caller)
    rows = await queries.amendments_of(request.app.state.reads, order_id, amendment_id)
    if rows and wait_for and rows[0].status == Status.PENDING:
        await _deciding(request).wait(request, amendment_id, lambda status: status != Status.PENDING)
        rows = await queries.amendments_of(request.app.state.reads, order_id, amendment_id)
    if not rows:
        raise NotFound
    return answer(amendment_view(rows[0], found.order.currency))


def _change(body: AmendmentBody, found: queries.Found, version: int, caller: Principal) -> Change:
    given = body.model_dump(exclude={"payment", "reason"}, exclude_unset=True)
    wanted = msgspec.convert({name: value for name, value in given.items() if value is not None or name in _MAY_BE_NULL}, ChangeWire)
    paid_minor, reference = (body.payment.amount_minor, body.payment.reference) if body.payment else (0, None)
    order = found.order
    return Change(order.order_id, order.customer_id, version, uuid7(), uuid7(), wanted, paid_minor, reference, body.reason, caller.role)


def _if_match(request: Request) -> int:
    """The version that the order was read at. Raises Problem (428, 400)."""
    given = header(request, b"if-match")
    if given is None:
        raise Problem(428, "if-match", 'Say which order you change: read it, and send its version in the header If-Match, as "3".')
    match = _VERSION.fullmatch(given.strip())
    if match is None:
        raise Problem(400, "if-match", 'Send the header If-Match as the order was read: its version in quotes, as "3".')
    return int(match[1] or match[2])


async def _found(request: Request, order_id: UUID, caller: Principal) -> queries.Found:
    found = await queries.order_by_id(request.app.state.reads, order_id)
    if found is None or not may_read(caller, found):
        raise NotFound
    return found


def _database(request: Request) -> Database:
    return cast(Database, request.app.state.database)


def _deciding(request: Request) -> Waiters[str]:
    return cast("Waiters[str]", request.app.state.deciding)
