"""What all parts of fulfilment hear from the order and from the catalogue. Only the fields that a part uses; unknown ones are tolerated.

Each refuses, with ValueError, what cannot be true of it: such an event is bad data, and is set aside where it is read.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.kit.values import Cause

_LARGEST = 1_000_000


def _within(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} lies outside {least} to {most}")


def _text(name: str, value: str, longest: int) -> None:
    if not 1 <= len(value) <= longest or "\0" in value:
        raise ValueError(f"{name} is not a text of 1 to {longest} characters")


def _instant(name: str, value: datetime | None) -> None:
    if value is not None and value.tzinfo is None:
        raise ValueError(f"{name} has no offset")


@dataclass(frozen=True, slots=True)
class PlacedLine:
    line: int
    sku: str
    quantity: int

    def __post_init__(self) -> None:
        _within("line", self.line, 1, _LARGEST)
        _within("quantity", self.quantity, 1, _LARGEST)
        _text("sku", self.sku, 64)


def _lines(lines: tuple[PlacedLine, ...]) -> None:
    _within("number of lines", len(lines), 1, 1000)
    if len({line.line for line in lines}) < len(lines):
        raise ValueError("a line number stands twice")


@dataclass(frozen=True, slots=True)
class Destination:
    country: str
    postcode_prefix: str
    zone: str


@dataclass(frozen=True, slots=True)
class OrderPlaced:
    order_id: UUID
    site: str
    placed_at: datetime
    lines: tuple[PlacedLine, ...]
    destination: Destination | None = None

    def __post_init__(self) -> None:
        _text("site", self.site, 16)
        _instant("placed_at", self.placed_at)
        _lines(self.lines)


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

    def __post_init__(self) -> None:
        _text("site", self.site, 16)
        for name in ("placed_at", "released_at", "hand_over_by", "due_at"):
            _instant(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class CancelRequested:
    order_id: UUID
    request_id: UUID


@dataclass(frozen=True, slots=True)
class OrderCancelled:
    order_id: UUID


@dataclass(frozen=True, slots=True)
class AmendmentRequested:
    """An order is to be changed: its lines as they would be, all of them."""

    order_id: UUID
    amendment_id: UUID
    site: str
    lines: tuple[PlacedLine, ...]

    def __post_init__(self) -> None:
        _text("site", self.site, 16)
        _lines(self.lines)


@dataclass(frozen=True, slots=True)
class OrderAmended:
    """The change is agreed: the order is as it says here. Where no date is said, the one that stands stays."""

    order_id: UUID
    amendment_id: UUID
    customer_id: UUID
    address_id: UUID
    site: str
    lines: tuple[PlacedLine, ...]
    service: str
    destination: Destination
    carrier_service: str | None = None
    hand_over_by: datetime | None = None
    due_at: datetime | None = None

    def __post_init__(self) -> None:
        _text("site", self.site, 16)
        _lines(self.lines)
        for name in ("hand_over_by", "due_at"):
            _instant(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class AmendmentUndone:
    """The change comes to nothing: the order is as it was."""

    order_id: UUID
    amendment_id: UUID


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

    def __post_init__(self) -> None:
        _text("sku", self.sku, 64)
        _text("barcode", self.barcode or self.sku, 64)
        _within("length of description", len(self.description), 0, 200)
        _within("weight_grams", self.weight_grams, 1, 100_000)
        for name in ("length_mm", "width_mm", "height_mm"):
            _within(name, getattr(self, name), 1, 10_000)


@dataclass(frozen=True, slots=True)
class Promised:
    """A promise that the order's goods keep, in the customer's words (null once erased). `line` is its own in the task, null for a date."""

    promise_id: UUID
    line: int | None
    sku: str | None
    quantity: int
    customer_text: str | None
    due_at: datetime


class WorkEvent(Protocol):
    """Anything said on `fulfilment.work.v1`."""

    @property
    def order_id(self) -> UUID: ...


class Says(Protocol):
    """Where an order's events go; they are on their way once the transaction commits."""

    def say(self, event: WorkEvent, cause: Cause, *, at: datetime | None = None) -> None: ...
