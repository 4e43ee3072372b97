"""A customer over HTTP: who it is, where parcels go, what was ordered. Personal data, for the customer and for whoever answers them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from services.kit.http import Caller, Routes, answer, operation
from services.kit.values import NotFound
from services.orders import queries
from services.orders.events import Address
from services.orders.tables import AddressRow, OrderRow

router = Routes()


@dataclass(frozen=True, slots=True)
class OrderOfCustomer:
    order_id: UUID
    order_ref: str
    channel: str
    external_ref: str
    state: str
    version: int
    placed_at: datetime
    due_at: datetime | None
    total_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class CustomerView:
    """`addresses` are in order of last use, the newest first; `orders` are the newest 50."""

    customer_id: UUID
    guest: bool
    channel: str
    external_ref: str | None
    name: str
    email: str
    phone: str | None
    language: str
    zone: str
    addresses: Sequence[Address]
    orders: Sequence[OrderOfCustomer]


@router.get(
    "/v1/customers/{customer_id}",
    **operation(
        access={"customer": "own", "care": "all", "admin": "all"},
        owner={"customer_id": "customer"},
        answers={200: "Who it is, the addresses used, and the newest 50 orders."},
    ),
)
async def get_customer(request: Request, customer_id: UUID, caller: Caller) -> Response:
    if caller.scope == "own" and caller.subject != str(customer_id):
        raise NotFound
    found = await queries.customer_by_id(request.app.state.reads, customer_id)
    if found is None:
        raise NotFound
    who = found.customer
    return answer(
        CustomerView(
            who.customer_id, who.guest, who.channel, who.external_ref, who.name, who.email, who.phone, who.language, who.zone,
            addresses=[_address(row) for row in found.addresses], orders=[_order(row) for row in found.orders],
        )
    )  # fmt: skip


def _address(row: AddressRow) -> Address:
    return Address(row.address_id, row.name, row.line1, row.line2, row.city, row.region, row.postcode, row.country, row.po_box)


def _order(row: OrderRow) -> OrderOfCustomer:
    what = (row.order_id, row.order_ref, row.channel, row.external_ref, row.state, row.version, row.placed_at)
    return OrderOfCustomer(*what, row.due_at, row.total_minor, row.currency)
