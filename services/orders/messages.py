"""What the orders service hears, as it stands on the wire, and the names of what it says. Shapes only: whether an order is good is judged in
`validation.py`, so that the shop is told every reason at once."""

import hashlib
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from services.kit.envelope import Hears, Reads
from services.kit.ids import named_uuid
from services.orders.domain import Expected, Substitute
from services.orders.events import Address, Line
from services.orders.validation import Buyer, Charge, Item, Payment, Submission

ORDER_TOPIC = "orders.order.v1"
CUSTOMER_TOPIC = "orders.customer.v1"

Channel = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[a-z0-9-]+\Z")]
Text16 = Annotated[str, Meta(min_length=1, max_length=16)]
Text32 = Annotated[str, Meta(min_length=1, max_length=32)]
Text64 = Annotated[str, Meta(min_length=1, max_length=64)]
Text100 = Annotated[str, Meta(min_length=1, max_length=100)]
Text200 = Annotated[str, Meta(min_length=1, max_length=200)]
Free200 = Annotated[str, Meta(max_length=200)]
Instant = Annotated[datetime, Meta(tz=True)]


class LineWire(Struct, frozen=True):
    line: Annotated[int, Meta(ge=1)]
    sku: Text64
    quantity: int
    unit_price_minor: int
    description: Free200


class ChargeWire(Struct, frozen=True):
    code: Text16
    description: Free200
    amount_minor: int


class CustomerWire(Struct, frozen=True, kw_only=True):
    external_ref: Text64 | None = None
    name: Text200
    email: Annotated[str, Meta(min_length=1, max_length=254)]
    phone: Text32 | None = None
    language: Annotated[str, Meta(pattern=r"^[a-z]{2}\Z")]
    zone: Text64


class AddressWire(Struct, frozen=True, kw_only=True):
    name: Text200
    line1: Text200
    line2: Text200 | None = None
    city: Text100
    region: Text100 | None = None
    postcode: Text16
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z")]
    po_box: bool


class PaymentWire(Struct, frozen=True):
    state: Literal["pending", "authorised", "captured"]
    reference: Text64
    amount_minor: int


class OrderSubmittedWire(Struct, frozen=True, kw_only=True):
    order_id: UUID
    channel: Channel
    external_ref: Text64
    placed_at: Instant
    customer: CustomerWire
    ship_to: AddressWire
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
    lines: Annotated[tuple[LineWire, ...], Meta(max_length=1000)]
    charges: Annotated[tuple[ChargeWire, ...], Meta(max_length=100)]
    total_minor: int
    payment: PaymentWire
    service: Literal["standard", "overnight", "appointment"]
    quote_id: UUID | None = None
    chosen_on: date | None = None
    signature_required: bool


class PaymentSecuredWire(Struct, frozen=True, kw_only=True):
    channel: Channel
    external_ref: Text64
    state: Literal["authorised", "captured"]
    reference: Text64
    amount_minor: Annotated[int, Meta(ge=0, le=10**18)]


class OrderCancelRequestedWire(Struct, frozen=True, kw_only=True):
    channel: Channel
    external_ref: Text64
    reason: Text200
    requested_at: Instant


class ItemListedWire(Struct, frozen=True, kw_only=True):
    sku: Text64
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class PaymentSecured:
    channel: str
    external_ref: str
    state: str
    reference: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class CancelAsked:
    channel: str
    external_ref: str
    reason: str


@dataclass(frozen=True, slots=True)
class StockReserved:
    order_id: UUID


@dataclass(frozen=True, slots=True)
class StockShort:
    order_id: UUID


@dataclass(frozen=True, slots=True)
class PickClaimed:
    order_id: UUID
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class OrderPacked:
    order_id: UUID
    packed_at: datetime


@dataclass(frozen=True, slots=True)
class HandedOver:
    order_id: UUID
    handed_over_at: datetime


@dataclass(frozen=True, slots=True)
class ParcelDelivered:
    order_id: UUID
    delivered_at: datetime
    last: bool


@dataclass(frozen=True, slots=True)
class CancelAccepted:
    order_id: UUID
    request_id: UUID
    accepted_at: datetime


@dataclass(frozen=True, slots=True)
class CancelRejected:
    order_id: UUID
    request_id: UUID


@dataclass(frozen=True, slots=True)
class AmendmentPrepared:
    order_id: UUID
    amendment_id: UUID


@dataclass(frozen=True, slots=True)
class AmendmentRefused:
    """Fulfilment's no, and what there is in place of goods that are not there."""

    order_id: UUID
    amendment_id: UUID
    reason: str
    sentence: str
    substitutes: tuple[Substitute, ...] = ()
    expected: tuple[Expected, ...] = ()


@dataclass(frozen=True, slots=True)
class AmendmentDated:
    order_id: UUID
    amendment_id: UUID
    due_at: datetime | None = None
    hand_over_by: datetime | None = None
    carrier_service: str | None = None


@dataclass(frozen=True, slots=True)
class AmendmentNotDated:
    order_id: UUID
    amendment_id: UUID
    reason: str
    sentence: str


@dataclass(frozen=True, slots=True)
class PromiseMade:
    promise_id: UUID
    order_id: UUID
    customer_text: str
    language: str
    due_at: datetime
    zone: str
    hand_over_by: datetime
    carrier_service: str
    made_at: datetime
    replaces: UUID | None = None


@dataclass(frozen=True, slots=True)
class PromiseDeclined:
    order_id: UUID
    reason: str
    sentence: str
    answer_by: datetime


@dataclass(frozen=True, slots=True)
class Evidence:
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class PromiseKept:
    promise_id: UUID
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class PromiseBroken:
    promise_id: UUID
    broke_at: datetime


@dataclass(frozen=True, slots=True)
class PromiseReleased:
    promise_id: UUID
    released_at: datetime


_decode_body = msgspec.json.Decoder(OrderSubmittedWire).decode


def to_submission(wire: OrderSubmittedWire) -> Submission:
    """The order as it is judged. Raises ValueError for an instant that has none in UTC."""
    wire, body = canonical(wire)
    customer, ship_to = wire.customer, wire.ship_to
    customer_id = named_uuid("customer", wire.channel, customer.external_ref) if customer.external_ref else named_uuid("guest", str(wire.order_id))
    parts = (ship_to.name, ship_to.line1, ship_to.line2, ship_to.city, ship_to.region, ship_to.postcode, ship_to.country, ship_to.po_box)
    address_id = named_uuid("address", str(customer_id), *(str(part) for part in parts))
    return Submission(
        order_id=wire.order_id,
        channel=wire.channel,
        external_ref=wire.external_ref,
        placed_at=wire.placed_at,
        buyer=Buyer(customer_id, customer.external_ref, customer.name, customer.email, customer.phone, customer.language, customer.zone),
        ship_to=Address(
            address_id, ship_to.name, ship_to.line1, ship_to.line2, ship_to.city, ship_to.region, ship_to.postcode, ship_to.country, ship_to.po_box
        ),
        currency=wire.currency,
        lines=tuple(Line(line.line, line.sku, line.quantity, line.unit_price_minor, line.description) for line in wire.lines),
        charges=tuple(Charge(charge.code, charge.description, charge.amount_minor) for charge in wire.charges),
        total_minor=wire.total_minor,
        payment=Payment(wire.payment.state, wire.payment.reference, wire.payment.amount_minor),
        service=wire.service,
        quote_id=wire.quote_id,
        chosen_on=wire.chosen_on,
        signature_required=wire.signature_required,
        body=body,
        fingerprint=hashlib.sha256(body).digest(),
    )


def canonical(wire: OrderSubmittedWire) -> tuple[OrderSubmittedWire, bytes]:
    """The order and its body in one form, whatever order, offset, omitted nulls or Unicode form it was sent with."""
    try:
        wire = msgspec.structs.replace(wire, placed_at=wire.placed_at.astimezone(UTC))
    except OverflowError:
        raise ValueError("the instant placed_at has no equal in UTC") from None
    body = msgspec.json.encode(wire)
    text = body.decode()
    if unicodedata.is_normalized("NFC", text):
        return wire, body
    body = unicodedata.normalize("NFC", text).encode()
    return _decode_body(body), body


def from_body(body: bytes) -> Submission:
    """A stored body, as it was judged."""
    return to_submission(_decode_body(body))


def differences(one: bytes, other: bytes) -> tuple[str, ...]:
    """Which fields of two canonical bodies differ, by their paths (`ship_to.city`); never what they hold."""
    return tuple(_differences(msgspec.json.decode(one), msgspec.json.decode(other), ""))


def _differences(one: dict[str, Any], other: dict[str, Any], path: str) -> list[str]:
    found = []
    for name in sorted(one.keys() | other.keys()):
        left, right = one.get(name), other.get(name)
        if isinstance(left, dict) and isinstance(right, dict):
            found += _differences(left, right, f"{path}{name}.")
        elif left != right:
            found.append(f"{path}{name}")
    return found


def _payment(wire: PaymentSecuredWire) -> PaymentSecured:
    return PaymentSecured(wire.channel, wire.external_ref, wire.state, wire.reference, wire.amount_minor)


def _cancel(wire: OrderCancelRequestedWire) -> CancelAsked:
    return CancelAsked(wire.channel, wire.external_ref, wire.reason)


def _item(wire: ItemListedWire) -> Item:
    return Item(wire.sku, wire.withdrawn)


HEARS: Hears = {
    "storefront.OrderSubmitted.v1": Reads(OrderSubmittedWire, to_submission, strict=True),
    "storefront.PaymentSecured.v1": Reads(PaymentSecuredWire, _payment, strict=True),
    "storefront.OrderCancelRequested.v1": Reads(OrderCancelRequestedWire, _cancel, strict=True),
    "storefront.ItemListed.v1": Reads(ItemListedWire, _item, strict=True),
    "fulfilment.StockReserved.v1": StockReserved,
    "fulfilment.StockShort.v1": StockShort,
    "fulfilment.PickClaimed.v1": PickClaimed,
    "fulfilment.OrderPacked.v1": OrderPacked,
    "fulfilment.HandedOver.v1": HandedOver,
    "fulfilment.ParcelDelivered.v1": ParcelDelivered,
    "fulfilment.CancelAccepted.v1": CancelAccepted,
    "fulfilment.CancelRejected.v1": CancelRejected,
    "fulfilment.AmendmentPrepared.v1": AmendmentPrepared,
    "fulfilment.AmendmentRefused.v1": AmendmentRefused,
    "promises.AmendmentDated.v1": AmendmentDated,
    "promises.AmendmentNotDated.v1": AmendmentNotDated,
    "promises.PromiseMade.v1": PromiseMade,
    "promises.PromiseDeclined.v1": PromiseDeclined,
    "promises.PromiseKept.v1": PromiseKept,
    "promises.PromiseBroken.v1": PromiseBroken,
    "promises.PromiseReleased.v1": PromiseReleased,
}

Work = (
    StockReserved
    | StockShort
    | PickClaimed
    | OrderPacked
    | HandedOver
    | ParcelDelivered
    | CancelAccepted
    | CancelRejected
    | AmendmentPrepared
    | AmendmentRefused
)
"""What fulfilment did for an order; versions rise by one per order."""
