"""What the service hears and says, as it stands on the wire, and its translation into the domain's own words.

Whatever could not be computed with later (a zone nobody knows, an hour 29:00, an instant of the year 9999) is refused here, as bad data.
"""

from datetime import UTC, date, datetime, time
from functools import cache
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import available_timezones

import msgspec
from msgspec import Meta, Struct

from services.kit.envelope import Hears, Reads
from services.promises.dates.domain import (
    Amended,
    AmendmentRequested,
    Cancelled,
    Declined,
    Delay,
    Delivered,
    Entry,
    Evidence,
    Held,
    Kind,
    Lifted,
    Order,
    Undone,
)
from services.promises.domain import Departure, Destination, Lane, Schedule, Service, plain_postcode
from services.promises.quoting.domain import Ask, Line, Queue, Term

TOPIC = "promises.promise.v1"
HEARD_TOPICS = ("fulfilment.capacity.v1", "orders.order.v1", "fulfilment.work.v1")
DECLINED = "promises.PromiseDeclined.v1"
SAID_OF = {
    Kind.MADE: "promises.PromiseMade.v1",
    Kind.KEPT: "promises.PromiseKept.v1",
    Kind.BROKEN: "promises.PromiseBroken.v1",
    Kind.RELEASED: "promises.PromiseReleased.v1",
}
"""Entries that are announced. Evidence for a promise that has its verdict is not."""

DATED = "promises.AmendmentDated.v1"
NOT_DATED = "promises.AmendmentNotDated.v1"

"""The service of an order whose day a person promises."""
_YEARS = range(2000, 2100)
_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"

Instant = Annotated[datetime, Meta(tz=True)]
Short = Annotated[str, Meta(max_length=32, pattern=_PRINTABLE)]
Site = Annotated[str, Meta(max_length=16, pattern=_PRINTABLE)]
Long = Annotated[str, Meta(max_length=64, pattern=_PRINTABLE)]
Country = Annotated[str, Meta(pattern="^[A-Z]{2}$")]
Language = Annotated[str, Meta(pattern="^[a-z]{2}$")]
Weekday = Annotated[int, Meta(ge=1, le=7)]
Hour = Annotated[str, Meta(pattern="^[0-2][0-9]:[0-5][0-9]$")]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class OrderLine(Struct):
    sku: Long
    quantity: Annotated[int, Meta(ge=1, le=1_000_000)]


class OrderDestination(Struct):
    country: Country
    postcode_prefix: Annotated[str, Meta(max_length=8, pattern=_PRINTABLE)]
    zone: Long


class OrderPlaced(Struct):
    order_id: UUID
    customer_id: UUID
    channel: Short
    site: Site
    placed_at: Instant
    lines: Annotated[list[OrderLine], Meta(min_length=1, max_length=1000)]
    service: Service
    destination: OrderDestination
    language: Language
    quote_id: UUID | None = None
    chosen_on: date | None = None


class Amendment(Struct):
    order_id: UUID
    amendment_id: UUID
    customer_id: UUID
    site: Site
    requested_at: Instant
    lines: Annotated[list[OrderLine], Meta(min_length=1, max_length=1000)]
    service: Literal["standard", "overnight", "appointment"]
    destination: OrderDestination
    language: Language
    quote_id: UUID | None = None
    chosen_on: date | None = None


class OrderAmended(Struct):
    order_id: UUID
    amendment_id: UUID
    amended_at: Instant


class AmendmentUndone(Struct):
    order_id: UUID
    amendment_id: UUID


class OrderCancelled(Struct):
    order_id: UUID
    request_id: UUID
    cancelled_at: Instant


class ParcelDelivered(Struct):
    order_id: UUID
    delivered_at: Instant
    evidence_id: Long
    last: bool


class DelayForeseen(Struct):
    order_id: UUID
    hand_over_by: Instant
    cause: Literal["queue", "stock", "carrier"]
    next_hand_over_by: Instant | None = None


class OfHold(Struct):
    """The data of OrderHeld and of HoldLifted."""

    order_id: UUID
    reason: Long


class ScheduledDeparture(Struct):
    weekday: Weekday
    at: Hour
    places: Count | None = None


class ScheduledLane(Struct):
    country: Country
    postcode_prefix: Annotated[str, Meta(max_length=8, pattern=r"^[^\x00-\x1f\x7f]*$")]
    transit_days: Annotated[int, Meta(ge=0, le=60)]
    deliver_by: Hour
    delivers_on: Annotated[list[Weekday], Meta(min_length=1, max_length=7)]
    destination_zone: Long


class CarrierServiceScheduled(Struct):
    carrier_service: Short
    site: Site
    service: Service
    zone: Long
    withdrawn: bool
    departures: Annotated[list[ScheduledDeparture], Meta(max_length=100)]
    closed_on: Annotated[list[date], Meta(max_length=400)]
    lanes: Annotated[list[ScheduledLane], Meta(max_length=2000)]


class QueueMeasured(Struct):
    site: Site
    work_seconds: Count
    pickers: Count
    measured_at: Instant


def _order(wire: OrderPlaced) -> Order:
    there = Destination(wire.destination.country, plain_postcode(wire.destination.postcode_prefix))
    lines = tuple(Line(line.sku, line.quantity) for line in wire.lines)
    ask = Ask(wire.channel, wire.site, there, lines, wire.service, wire.chosen_on)
    zone = _zone(wire.destination.zone)
    return Order(wire.order_id, wire.customer_id, wire.language, zone, _instant(wire.placed_at), wire.quote_id, ask)


def _amendment(wire: Amendment) -> AmendmentRequested:
    """Which channel it is of is not said: the story knows it."""
    there = Destination(wire.destination.country, plain_postcode(wire.destination.postcode_prefix))
    lines = tuple(Line(line.sku, line.quantity) for line in wire.lines)
    ask = Ask("", wire.site, there, lines, Service(wire.service), wire.chosen_on)
    placed = Order(wire.order_id, wire.customer_id, wire.language, _zone(wire.destination.zone), _instant(wire.requested_at), wire.quote_id, ask)
    return AmendmentRequested(wire.order_id, wire.amendment_id, placed)


def _amended(wire: OrderAmended) -> Amended:
    return Amended(wire.order_id, wire.amendment_id, _instant(wire.amended_at))


def _undone(wire: AmendmentUndone) -> Undone:
    return Undone(wire.order_id, wire.amendment_id)


def _cancelled(wire: OrderCancelled) -> Cancelled:
    return Cancelled(wire.order_id, wire.request_id, _instant(wire.cancelled_at))


def _held(wire: OfHold) -> Held:
    return Held(wire.order_id, wire.reason)


def _lifted(wire: OfHold) -> Lifted:
    return Lifted(wire.order_id, wire.reason)


def _delivered(wire: ParcelDelivered) -> Delivered:
    return Delivered(wire.order_id, _instant(wire.delivered_at), wire.evidence_id, wire.last)


def _delay(wire: DelayForeseen) -> Delay:
    later = _instant(wire.next_hand_over_by) if wire.next_hand_over_by else None
    return Delay(wire.order_id, _instant(wire.hand_over_by), later, wire.cause)


def _schedule(wire: CarrierServiceScheduled) -> Schedule:
    leaves = tuple(Departure(each.weekday, time.fromisoformat(each.at), each.places) for each in wire.departures)
    lanes = {(each.country, plain_postcode(each.postcode_prefix)): each for each in wire.lanes}
    if len(lanes) != len(wire.lanes):
        raise ValueError("two lanes have the same country and postcode prefix")
    return Schedule(
        wire.carrier_service, wire.site, wire.service, _zone(wire.zone), wire.withdrawn, leaves, frozenset(wire.closed_on),
        tuple(_lane(each) for each in wire.lanes),
    )  # fmt: skip


def _lane(wire: ScheduledLane) -> Lane:
    deliver_by, zone = time.fromisoformat(wire.deliver_by), _zone(wire.destination_zone)
    return Lane(wire.country, plain_postcode(wire.postcode_prefix), wire.transit_days, deliver_by, frozenset(wire.delivers_on), zone)


def _queue(wire: QueueMeasured) -> Queue:
    return Queue(wire.site, wire.work_seconds, wire.pickers, _instant(wire.measured_at))


def _instant(value: datetime) -> datetime:
    if value.year not in _YEARS:
        raise ValueError(f"the year of an instant lies outside {_YEARS.start} to {_YEARS.stop - 1}")
    return value.astimezone(UTC)


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("a time zone is not one of the IANA database")
    return name


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


HEARS: Hears = {
    "fulfilment.CarrierServiceScheduled.v1": Reads(CarrierServiceScheduled, _schedule),
    "fulfilment.QueueMeasured.v1": Reads(QueueMeasured, _queue),
    "orders.OrderPlaced.v1": Reads(OrderPlaced, _order),
    "orders.OrderCancelled.v1": Reads(OrderCancelled, _cancelled),
    "orders.AmendmentRequested.v1": Reads(Amendment, _amendment),
    "orders.OrderAmended.v1": Reads(OrderAmended, _amended),
    "orders.AmendmentUndone.v1": Reads(AmendmentUndone, _undone),
    "orders.OrderHeld.v1": Reads(OfHold, _held),
    "orders.HoldLifted.v1": Reads(OfHold, _lifted),
    "fulfilment.ParcelDelivered.v1": Reads(ParcelDelivered, _delivered),
    "fulfilment.DelayForeseen.v1": Reads(DelayForeseen, _delay),
}


class PromiseDeclined(Struct):
    order_id: UUID
    customer_id: UUID
    reason: str
    sentence: str
    answer_by: datetime


class Said(Struct):
    """What every entry says of its promise."""

    promise_id: UUID
    seq: int
    order_id: UUID
    customer_id: UUID


class PromiseMade(Said, kw_only=True):
    kind: str = "delivery_date"
    customer_text: str
    language: str
    due_on: date
    due_at: datetime
    zone: str
    hand_over_by: datetime
    carrier_service: str
    quote_id: UUID | None
    replaces: UUID | None
    terms: tuple[Term, ...]
    made_at: datetime
    amendment_id: UUID | None = None


class PromiseKept(Said):
    due_at: datetime
    evidence: Evidence


class PromiseBroken(Said):
    due_at: datetime
    broke_at: datetime
    found_at: datetime


class PromiseReleased(Said):
    consent: str
    released_at: datetime


class EvidenceRecorded(PromiseKept):
    """In the ledger only: what came in after the verdict."""


def said_of(entry: Entry) -> Said:
    """The entry's own data: its line in the ledger, and its event where it is announced."""
    promise = entry.promise
    whose = (promise.promise_id, promise.seq, promise.order_id, promise.customer_id)
    if entry.kind is Kind.MADE:
        return PromiseMade(
            *whose, customer_text=promise.customer_text, language=promise.language, due_on=promise.due_on, due_at=promise.due_at, zone=promise.zone,
            hand_over_by=promise.hand_over_by, carrier_service=promise.carrier_service, quote_id=promise.quote_id, replaces=promise.replaces,
            terms=promise.terms, made_at=promise.made_at, amendment_id=promise.amendment_id,
        )  # fmt: skip
    if entry.kind is Kind.BROKEN:
        return PromiseBroken(*whose, promise.due_at, broke_at=promise.due_at, found_at=entry.occurred_at)
    if entry.kind is Kind.RELEASED:
        return PromiseReleased(*whose, entry.consent or "", entry.occurred_at)
    if entry.evidence is None:
        raise ValueError(f"entry {entry.key} of kind {entry.kind} rests on no evidence")
    wire = PromiseKept if entry.kind is Kind.KEPT else EvidenceRecorded
    return wire(*whose, promise.due_at, entry.evidence)


def declined_of(refused: Declined) -> PromiseDeclined:
    return PromiseDeclined(refused.order_id, refused.customer_id, refused.reason, refused.sentence, refused.answer_by)


def line_of(entry: Entry) -> str:
    """The entry's body as it is kept: JSON with sorted names."""
    return msgspec.json.encode(said_of(entry), order="sorted").decode()
