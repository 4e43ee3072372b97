"""What all parts of fulfilment hear from the order and from the catalogue. Only the fields that a part uses; unknown ones are tolerated."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.kit.values import Cause


@dataclass(frozen=True, slots=True)
class PlacedLine:
    line: int
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class OrderPlaced:
    order_id: UUID
    site: str
    placed_at: datetime
    lines: tuple[PlacedLine, ...]


@dataclass(frozen=True, slots=True)
class Destination:
    country: str
    postcode_prefix: str
    zone: str


@dataclass(frozen=True, slots=True)
class OrderReleased:
    """`hand_over_by` is missing where no promise could be made: the order is then worked after those that have one."""

    order_id: UUID
    customer_id: UUID
    address_id: UUID
    site: str
    placed_at: datetime
    released_at: datetime
    service: str
    destination: Destination
    language: str
    carrier_service: str | None = None
    promise_id: UUID | None = None
    hand_over_by: datetime | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CancelRequested:
    order_id: UUID
    request_id: UUID


@dataclass(frozen=True, slots=True)
class OrderCancelled:
    order_id: UUID


@dataclass(frozen=True, slots=True)
class ItemListed:
    sku: str
    description: str
    weight_grams: int
    length_mm: int
    width_mm: int
    height_mm: int
    may_fly: bool
    withdrawn: bool
    barcode: str | None = None


class WorkEvent(Protocol):
    """Anything said on `fulfilment.work.v1`."""

    @property
    def order_id(self) -> UUID: ...


class Says(Protocol):
    """Where an order's events go; they are on their way once the transaction commits."""

    def say(self, event: WorkEvent, cause: Cause, *, at: datetime | None = None) -> None: ...
