"""Whether goods or a place can be held for a promise, what becomes of the order's task, and which days can be promised."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from services.fulfilment.floor.domain.task import Pace, Spot, Task, TaskState, remaining, walk
from services.fulfilment.shipping.domain import Phase, Rates, Shipment, ShipmentState
from services.fulfilment.shipping.schedule.domain import OWN, CarrierService, Departure, Lane, departures_within, expected_at, lane_for
from services.fulfilment.stock.domain import PROMISED_FROM, Want, WantState
from services.kit.values import NotFound, Refusal

_LOOKS_AHEAD = timedelta(days=14)
_MOST_DEPARTURES = 20
DATES_OFFERED = 3


class HoldState(StrEnum):
    """`held`: nobody knows yet whether it will be promised. `freed`: it was not, or is no longer."""

    HELD = "held"
    CONFIRMED = "confirmed"
    FREED = "freed"


class NoSuchOrder(Refusal):
    slug = "no-such-order"


class OrderEnded(Refusal):
    slug = "order-ended"


class AlreadyPicked(Refusal):
    slug = "already-picked"


class NotInStock(Refusal):
    slug = "not-in-stock"


class NoPlace(Refusal):
    slug = "no-place"


class GivenUp(Refusal):
    slug = "hold-given-up"


class OtherHold(Refusal):
    slug, status = "id-reused", 422


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be held for a promise that is about to be made: goods, where a SKU is named, else a place by `due_at`."""

    promise_id: UUID
    order_id: UUID
    sku: str | None
    quantity: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """What is held. Goods are the order's `line`, a place is one on a departure."""

    wanted: Wanted
    state: HoldState
    line: int | None = None
    carrier_service: str | None = None
    departs_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A departure that can be promised, and when it is at the door: `expected_on` is the day there, in `zone`. `places_left` None: as many as
    come."""

    carrier_service: str
    departs_at: datetime
    expected_at: datetime
    expected_on: date
    zone: str
    places_left: int | None


@dataclass(frozen=True, slots=True)
class Lack:
    """What an order lacks of a SKU: units that are not set apart for it, units that are free, and units that older orders wait for."""

    sku: str
    wanted: int
    free: int
    ahead: int

    @property
    def to_come(self) -> int:
        """So many must arrive before the order has its own: what comes goes to the oldest first."""
        return self.wanted + self.ahead - self.free if self.wanted > self.free else 0


@dataclass(frozen=True, slots=True)
class Expected:
    """What a supplier said will come."""

    sku: str
    quantity: int
    expected_at: datetime


@dataclass(frozen=True, slots=True)
class Dates:
    """The days that can be promised for an order, the soonest first. Where it lacks goods, `because` is "stock", and `goods_at` when they are there,
    None where nobody knows. Where there is no day, `reason` says why, and what can be done."""

    order_id: UUID
    dates: tuple[Offer, ...]
    because: str | None = None
    goods_at: datetime | None = None
    reason: str | None = None


def refuse_goods(want: Want | None) -> Want:
    """What goods can be laid to. Raises where there is no such order, or no longer."""
    if want is None:
        raise NoSuchOrder("The warehouse knows no such order: check the order, or promise what needs no goods.")
    if want.state is WantState.RELEASED:
        raise OrderEnded("The order was cancelled: lay the goods to another order, or promise what needs no goods.")
    return want


def is_picked(want: Want, task: Task | None) -> bool:
    """Whether its carton is closed, or about to be: nothing is laid to it any more."""
    return want.state is WantState.PICKED or (task is not None and task.state in (TaskState.PICKED, TaskState.PACKED, TaskState.CANCELLED))


def by_itself(shipment: Shipment) -> Shipment:
    """The way out of a parcel of one line that is yet to be picked, to where this order goes."""
    return replace(shipment, lines=1, phase=Phase.TO_PICK)


def next_line(want: Want) -> int:
    """The number of the next line that is promised beside the order."""
    return max([PROMISED_FROM - 1, *(line.line for line in want.lines)]) + 1


def with_line(task: Task, spots: Sequence[Spot], pace: Pace) -> Task:
    """The task with these units to pick as well, at the end of the walk: nobody who is on it has to turn round."""
    last = max((line.position for line in task.lines), default=0)
    return remaining(replace(task, lines=(*task.lines, *walk(spots, last + 1))), pace)


def can_be_freed(want: Want, task: Task | None, line: int) -> bool:
    """Whether its units still lie on the shelf: what somebody has in hand goes along."""
    if want.state not in (WantState.SHORT, WantState.RESERVED):
        return False
    return task is None or not any(each.picked for each in task.lines if each.line == line)


def without_line(task: Task, line: int, pace: Pace) -> Task:
    """The task without what was promised beside it."""
    return remaining(replace(task, lines=tuple(each for each in task.lines if each.line != line)), pace)


def refuse_place(shipment: Shipment | None) -> Shipment:
    """The shipment that another departure can be held for. Raises where none can."""
    if shipment is None:
        raise NoSuchOrder("The warehouse knows no such order: check the order, or promise what needs no delivery.")
    return with_dates(shipment)


def with_dates(shipment: Shipment | None) -> Shipment:
    """The shipment that days can be looked for, from when it is known where it goes. Raises NotFound, or why there are none any more."""
    if shipment is None:
        raise NotFound
    if shipment.state is ShipmentState.PLACED and not shipment.country:
        raise NoPlace("The order is not released yet, so nobody knows where it goes: promise an answer by a day instead.", dates=[])
    _refuse_gone(shipment)
    return shipment


def _refuse_gone(shipment: Shipment) -> None:
    if shipment.state is ShipmentState.CANCELLED:
        raise OrderEnded("The order was cancelled: promise another order's day, or what needs no delivery.")
    if shipment.state not in (ShipmentState.PLACED, ShipmentState.RELEASED) or shipment.labelled:
        raise AlreadyPicked("The parcel has its label, or is on its way: its departure is not changed any more.", state=shipment.state)


def offers(shipment: Shipment, services: Iterable[CarrierService], now: datetime, rates: Rates) -> list[Offer]:
    """The departures that the order can still make within two weeks, our own vans first, then by when they are at the door."""
    ready_at = now + rates.remaining(shipment.lines, shipment.phase)
    found = []
    for service in services:
        lane = lane_for(service, shipment.country, shipment.postcode_prefix) if service.site == shipment.site else None
        for departure in departures_within(service, ready_at, ready_at + _LOOKS_AHEAD, _MOST_DEPARTURES) if lane else ():
            offer = _offer(service, lane, departure) if lane else None
            if offer:
                found.append((service.carrier != OWN, offer))
    return [offer for _, offer in sorted(found, key=lambda each: (each[0], each[1].expected_at, each[1].departs_at, each[1].carrier_service))]


def _offer(service: CarrierService, lane: Lane, departure: Departure) -> Offer | None:
    arrives, zone = expected_at(service, lane, departure.departs_at), lane.destination_zone
    return Offer(service.code, departure.departs_at, arrives, arrives.astimezone(ZoneInfo(zone)).date(), zone, departure.places) if arrives else None


def with_room(made: Iterable[Offer], taken: Mapping[tuple[str, datetime], int]) -> list[Offer]:
    """Those of them that have a place left, in their order."""
    left = (_less(offer, taken.get((offer.carrier_service, offer.departs_at), 0)) for offer in made)
    return [offer for offer in left if offer.places_left is None or offer.places_left > 0]


def by_day(free: Iterable[Offer], limit: int) -> tuple[Offer, ...]:
    """One for each day on which some are at the door, the soonest day first: of each day the first, which is a van of ours where one goes."""
    days: dict[date, Offer] = {}
    for offer in free:
        days.setdefault(offer.expected_on, offer)
    return tuple(days[day] for day in sorted(days)[:limit])


def take_place(free: Sequence[Offer], due_at: datetime) -> Offer:
    """The first of them that is at the door in time. Raises NoPlace with dates that can be promised."""
    for offer in free:
        if offer.expected_at <= due_at:
            return offer
    raise NoPlace("No departure with a free place is at the door by then: promise one of these dates, or a credit.", dates=dates_told(free))


def dates_told(free: Iterable[Offer]) -> list[dict[str, str]]:
    """The next days, as a refusal tells them."""
    return [{"expected_at": offer.expected_at.isoformat(), "carrier_service": offer.carrier_service} for offer in by_day(free, DATES_OFFERED)]


def goods_at(lacks: Iterable[Lack], expected: Sequence[Expected]) -> datetime | None:
    """When the last of what must come is there, by what suppliers said; `expected` is in the order of its instants. None where that is too little."""
    arrivals = [_covered_at(lack, expected) for lack in lacks if lack.to_come]
    known = [each for each in arrivals if each is not None]
    return max(known) if known and len(known) == len(arrivals) else None


def _covered_at(lack: Lack, expected: Iterable[Expected]) -> datetime | None:
    left = lack.to_come
    for each in expected:
        left -= each.quantity if each.sku == lack.sku else 0
        if left <= 0:
            return each.expected_at
    return None


def _less(offer: Offer, taken: int) -> Offer:
    return offer if offer.places_left is None else replace(offer, places_left=offer.places_left - taken)
