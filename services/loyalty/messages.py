"""How what loyalty hears stands on the wire, and what it is called when it speaks.

Wire models hold only the fields that are used. What does not fit them, or could not be reckoned with later (an unknown zone, a time of day
that is none), is bad data here and never reaches a decision.
"""

from datetime import date, datetime, time
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from services.kit.envelope import Hears, Reads
from services.kit.values import Money
from services.loyalty.domain import Outcome, Released, SlotRefused, SlotReserved, UpgradeDeclined, UpgradeGranted, UpgradeWanted, UpgradeWithdrawn
from services.loyalty.flights.domain import CarrierService, Departure, Destination, Item, Journey, Lane
from services.loyalty.history.domain import Amended, Cancelled, Completed, Order, OrderState

HEARD_TOPICS = ("orders.order.v1", "fulfilment.work.v1", "fulfilment.capacity.v1", "storefront.item.v1")
TOPIC = "loyalty.upgrade.v1"
TYPES: dict[type[Outcome], str] = {
    UpgradeWanted: "loyalty.UpgradeWanted.v1",
    UpgradeGranted: "loyalty.UpgradeGranted.v1",
    UpgradeDeclined: "loyalty.UpgradeDeclined.v1",
    UpgradeWithdrawn: "loyalty.UpgradeWithdrawn.v1",
}

Instant = Annotated[datetime, Meta(tz=True)]
Minor = Annotated[int, Meta(ge=0, le=2**53)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
Country = Annotated[str, Meta(min_length=2, max_length=2)]
Weekday = Annotated[int, Meta(ge=1, le=7)]
TimeOfDay = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Name = Annotated[str, Meta(min_length=1, max_length=64)]


class Line(Struct):
    sku: Name


class OrderPlaced(Struct):
    order_id: UUID
    customer_id: UUID
    guest: bool
    currency: Currency
    total_minor: Minor
    lines: Annotated[list[Line], Meta(min_length=1, max_length=1000)]
    signature_required: bool
    po_box: bool
    chosen_on: date | None = None


class OrderAmended(Struct):
    order_id: UUID
    currency: Currency
    total_minor: Minor
    lines: Annotated[list[Line], Meta(min_length=1, max_length=1000)]
    signature_required: bool
    po_box: bool
    chosen_on: date | None = None


class Place(Struct):
    country: Country
    postcode_prefix: Annotated[str, Meta(min_length=1, max_length=8)]
    zone: Name


class OrderReleased(Struct):
    order_id: UUID
    site: Annotated[str, Meta(min_length=1, max_length=16)]
    service: Literal["standard", "overnight", "appointment"]
    destination: Place
    carrier_service: Name | None = None
    due_at: Instant | None = None


class Leaves(Struct):
    weekday: Weekday
    at: TimeOfDay


class Serves(Struct):
    country: Country
    postcode_prefix: Annotated[str, Meta(max_length=8)]
    transit_days: Annotated[int, Meta(ge=0, le=60)]
    deliver_by: TimeOfDay
    delivers_on: Annotated[list[Weekday], Meta(min_length=1, max_length=7)]
    destination_zone: Name
    label_minor: Minor
    currency: Currency


class CarrierServiceScheduled(Struct):
    carrier_service: Annotated[str, Meta(min_length=1, max_length=32)]
    site: Annotated[str, Meta(min_length=1, max_length=16)]
    service: Literal["standard", "overnight"]
    zone: Name
    withdrawn: bool
    departures: Annotated[list[Leaves], Meta(max_length=100)]
    closed_on: Annotated[list[date], Meta(max_length=400)]
    lanes: Annotated[list[Serves], Meta(max_length=2000)]


class ItemListed(Struct):
    sku: Name
    may_fly: bool


class SlotAnswer(Struct):
    order_id: UUID
    upgrade_id: UUID
    reason: Annotated[str, Meta(min_length=1, max_length=32)] = "unknown"


class OrderEnded(Struct):
    order_id: UUID


def _placed(wire: OrderPlaced) -> Order:
    skus = tuple(sorted({line.sku for line in wire.lines}))
    total = Money(wire.total_minor, wire.currency)
    return Order(
        wire.order_id, wire.customer_id, wire.guest, wire.chosen_on, wire.signature_required, wire.po_box, skus, total, OrderState.PENDING, 0
    )


def _amended(wire: OrderAmended) -> Amended:
    skus = tuple(sorted({line.sku for line in wire.lines}))
    return Amended(wire.order_id, wire.chosen_on, wire.signature_required, wire.po_box, skus, Money(wire.total_minor, wire.currency))


def _released(wire: OrderReleased) -> Released:
    to = wire.destination
    journey = Journey(wire.site, Destination(to.country, to.postcode_prefix, to.zone), wire.carrier_service)
    return Released(wire.order_id, wire.service, journey, wire.due_at)


def _scheduled(wire: CarrierServiceScheduled) -> CarrierService:
    """A withdrawn service is one without departures and lanes."""
    _check_zone(wire.zone)
    for zone in {lane.destination_zone for lane in wire.lanes}:
        _check_zone(zone)
    lanes = {(lane.country, lane.postcode_prefix): _lane(lane) for lane in wire.lanes if not wire.withdrawn}
    departures = tuple(Departure(leaves.weekday, time.fromisoformat(leaves.at)) for leaves in wire.departures if not wire.withdrawn)
    return CarrierService(wire.carrier_service, wire.site, wire.service, wire.zone, departures, tuple(wire.closed_on), tuple(lanes.values()))


def _lane(wire: Serves) -> Lane:
    return Lane(
        wire.country,
        wire.postcode_prefix,
        wire.transit_days,
        time.fromisoformat(wire.deliver_by),
        tuple(sorted(set(wire.delivers_on))),
        wire.destination_zone,
        Money(wire.label_minor, wire.currency),
    )


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # unknown names, paths that lead out, names of folders
        raise ValueError("a zone is no IANA time zone; write it as Europe/Berlin") from None


def _item(wire: ItemListed) -> Item:
    return Item(wire.sku, wire.may_fly)


def _completed(wire: OrderEnded) -> Completed:
    return Completed(wire.order_id)


def _cancelled(wire: OrderEnded) -> Cancelled:
    return Cancelled(wire.order_id)


def _reserved(wire: SlotAnswer) -> SlotReserved:
    return SlotReserved(wire.order_id, wire.upgrade_id)


def _refused(wire: SlotAnswer) -> SlotRefused:
    return SlotRefused(wire.order_id, wire.upgrade_id, wire.reason)


HEARS: Hears = {
    "orders.OrderPlaced.v1": Reads(OrderPlaced, _placed, strict=True),
    "orders.OrderReleased.v1": Reads(OrderReleased, _released, strict=True),
    "orders.OrderCompleted.v1": Reads(OrderEnded, _completed),
    "orders.OrderCancelled.v1": Reads(OrderEnded, _cancelled),
    "orders.OrderAmended.v1": Reads(OrderAmended, _amended, strict=True),
    "fulfilment.UpgradeSlotReserved.v1": Reads(SlotAnswer, _reserved),
    "fulfilment.UpgradeSlotRefused.v1": Reads(SlotAnswer, _refused, strict=True),
    "fulfilment.CarrierServiceScheduled.v1": Reads(CarrierServiceScheduled, _scheduled, strict=True),
    "storefront.ItemListed.v1": Reads(ItemListed, _item, strict=True),
}
