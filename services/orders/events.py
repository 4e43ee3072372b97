"""What the orders service says, as frozen dataclasses that stand on the wire as they are (`schemas/orders/`). Pure data, no personal data but
in `CustomerSeen`, which lives on a topic of its own."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Line:
    """One line of goods; the price is for one unit."""

    line: int
    sku: str
    quantity: int
    unit_price_minor: int
    description: str


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an order goes, as far as planning needs it: no personal data."""

    country: str
    postcode_prefix: str
    zone: str


@dataclass(frozen=True, slots=True)
class Address:
    """Where parcels go. The id is the same for the same customer and the same text."""

    address_id: UUID
    name: str
    line1: str
    line2: str | None
    city: str
    region: str | None
    postcode: str
    country: str
    po_box: bool


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something was refused: a stable code, and a sentence that says what to do."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class OrderPlaced:
    order_id: UUID
    order_ref: str
    channel: str
    external_ref: str
    customer_id: UUID
    address_id: UUID
    guest: bool
    site: str
    placed_at: datetime
    currency: str
    goods_minor: int
    charges_minor: int
    total_minor: int
    lines: tuple[Line, ...]
    service: str
    quote_id: UUID | None
    chosen_on: date | None
    signature_required: bool
    po_box: bool
    destination: Destination
    language: str


@dataclass(frozen=True, slots=True)
class OrderRefused:
    order_id: UUID
    channel: str
    external_ref: str
    reasons: tuple[Reason, ...]
    refused_at: datetime


@dataclass(frozen=True, slots=True)
class OrderHeld:
    order_id: UUID
    hold_id: UUID
    reason: str
    owner: str
    held_at: datetime


@dataclass(frozen=True, slots=True)
class HoldLifted:
    order_id: UUID
    hold_id: UUID
    reason: str
    lifted_at: datetime


@dataclass(frozen=True, slots=True)
class OrderReleased:
    order_id: UUID
    customer_id: UUID
    address_id: UUID
    site: str
    placed_at: datetime
    released_at: datetime
    service: str
    carrier_service: str | None
    promise_id: UUID | None
    hand_over_by: datetime | None
    due_at: datetime | None
    destination: Destination
    language: str


@dataclass(frozen=True, slots=True)
class CancelRequested:
    order_id: UUID
    request_id: UUID
    reason: str
    requested_by: str
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class OrderCancelled:
    order_id: UUID
    customer_id: UUID
    request_id: UUID
    reason: str
    cancelled_at: datetime


@dataclass(frozen=True, slots=True)
class CancelRefused:
    order_id: UUID
    request_id: UUID
    state: str
    sentence: str


@dataclass(frozen=True, slots=True)
class OrderCompleted:
    order_id: UUID
    customer_id: UUID
    placed_at: datetime
    delivered_at: datetime
    total_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class _WholeOrder:
    """An order after a change, all of it."""

    order_id: UUID
    amendment_id: UUID
    customer_id: UUID
    address_id: UUID
    site: str
    lines: tuple[Line, ...]
    service: str
    signature_required: bool
    po_box: bool
    destination: Destination
    language: str
    quote_id: UUID | None
    chosen_on: date | None
    currency: str
    goods_minor: int
    charges_minor: int
    total_minor: int


@dataclass(frozen=True, slots=True)
class AmendmentRequested(_WholeOrder):
    """The whole order as it would be, not what differs."""

    requested_by: str
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class OrderAmended(_WholeOrder):
    """The whole order as it now is. The three are None where the date that stands still stands."""

    due_at: datetime | None
    hand_over_by: datetime | None
    carrier_service: str | None
    amended_at: datetime


@dataclass(frozen=True, slots=True)
class AmendmentUndone:
    order_id: UUID
    customer_id: UUID
    amendment_id: UUID
    reason: str
    sentence: str
    undone_at: datetime


@dataclass(frozen=True, slots=True)
class CustomerSeen:
    customer_id: UUID
    guest: bool
    channel: str
    external_ref: str | None
    name: str
    email: str
    phone: str | None
    language: str
    zone: str
    addresses: tuple[Address, ...]


OrderEvent = (
    OrderPlaced
    | OrderRefused
    | OrderHeld
    | HoldLifted
    | OrderReleased
    | CancelRequested
    | OrderCancelled
    | CancelRefused
    | OrderCompleted
    | AmendmentRequested
    | OrderAmended
    | AmendmentUndone
)
"""What is said on `orders.order.v1`."""
