"""Which overnight departure would take an order to the door, and what it costs more than the label that was promised.

The view of carrier services that loyalty keeps for itself, and the calendar arithmetic on it. It reserves nothing: fulfilment has the places.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.kit.values import Money

_DAYS_AHEAD = 15


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an order goes, as far as a carrier's lanes need to know it."""

    country: str
    postcode_prefix: str
    zone: str


@dataclass(frozen=True, slots=True)
class Journey:
    """From where to where, and by which carrier service it was promised."""

    site: str
    destination: Destination
    promised_service: str | None


@dataclass(frozen=True, slots=True)
class Item:
    """Whether an item of the catalogue may go by air."""

    sku: str
    may_fly: bool


@dataclass(frozen=True, slots=True)
class Departure:
    """`weekday` 1 is Monday; `at` is local to the service's site."""

    weekday: int
    at: time


@dataclass(frozen=True, slots=True)
class Lane:
    """One part of the world a service delivers to: the price of a label, and the days and hour parcels come to the door."""

    country: str
    postcode_prefix: str
    transit_days: int
    deliver_by: time
    delivers_on: tuple[int, ...]
    destination_zone: str
    label: Money


@dataclass(frozen=True, slots=True)
class CarrierService:
    """A carrier service as it now runs from one site, with the lanes that matter to whoever asked."""

    carrier_service: str
    site: str
    service: str
    zone: str
    departures: tuple[Departure, ...]
    closed_on: tuple[date, ...]
    lanes: tuple[Lane, ...]

    def lane_to(self, destination: Destination) -> Lane | None:
        """The lane with the longest matching prefix."""
        fits = [lane for lane in self.lanes if lane.country == destination.country and destination.postcode_prefix.startswith(lane.postcode_prefix)]
        return max(fits, key=lambda lane: len(lane.postcode_prefix), default=None)


@dataclass(frozen=True, slots=True)
class Flight:
    """The overnight departure that would be taken, and what its label costs more than the promised one."""

    carrier_service: str
    cost: Money
    expected_at: datetime


def flight_of(journey: Journey, services: Sequence[CarrierService], now: datetime) -> Flight | None:
    """The overnight service that is at the door first (then the cheapest), if one comes on the next day its lane delivers at all."""
    here = [service for service in services if service.site == journey.site]
    promised = _standard_label(here, journey)
    flights = [
        flight
        for service in here
        if service.service == "overnight" and promised is not None
        for flight in _flights(service, journey.destination, promised, now)
    ]
    return min(flights, key=lambda flight: (flight.expected_at, flight.cost.amount_minor, flight.carrier_service), default=None)


def _flights(service: CarrierService, destination: Destination, promised: Money, now: datetime) -> Iterable[Flight]:
    lane = service.lane_to(destination)
    departs_at = next_departure(service, now)
    if lane is None or departs_at is None or lane.label.currency != promised.currency:
        return
    expected_at = at_the_door(service, lane, departs_at)
    if expected_at is not None and _next_suitable(service, lane, now, expected_at):
        cost = Money(max(0, lane.label.amount_minor - promised.amount_minor), promised.currency)
        yield Flight(service.carrier_service, cost, expected_at)


def business_day(services: Sequence[CarrierService], site: str, now: datetime) -> date:
    """The day it is at the site; the UTC day where nothing leaves from it, so that its zone is unknown."""
    zone = min((service.zone for service in services if service.site == site), default="UTC")
    return now.astimezone(ZoneInfo(zone)).date()


def _standard_label(services: Iterable[CarrierService], journey: Journey) -> Money | None:
    """What the label of the promised service costs; of the cheapest standard one where no service was promised."""
    labels = [
        lane.label
        for service in services
        if service.service == "standard" and journey.promised_service in (None, service.carrier_service)
        for lane in [service.lane_to(journey.destination)]
        if lane is not None
    ]
    return min(labels, key=lambda label: label.amount_minor, default=None)


def next_departure(service: CarrierService, after: datetime) -> datetime | None:
    """The first departure after the instant, UTC, or None within two weeks. Days on which the service is closed have none."""
    zone = ZoneInfo(service.zone)
    today = after.astimezone(zone).date()
    for day in (today + timedelta(days=ahead) for ahead in range(_DAYS_AHEAD)):
        if day in service.closed_on:
            continue
        times = sorted(departure.at for departure in service.departures if departure.weekday == day.isoweekday())
        for departs_at in (datetime.combine(day, at, zone).astimezone(UTC) for at in times):
            if departs_at > after:
                return departs_at
    return None


def at_the_door(service: CarrierService, lane: Lane, departs_at: datetime) -> datetime | None:
    """When a parcel of that departure is at the door, UTC: transit is counted from the departure's day at the site."""
    zone = ZoneInfo(lane.destination_zone)
    first = departs_at.astimezone(ZoneInfo(service.zone)).date() + timedelta(days=lane.transit_days)
    for day in (first + timedelta(days=ahead) for ahead in range(_DAYS_AHEAD)):
        comes_at = datetime.combine(day, lane.deliver_by, zone).astimezone(UTC)
        if _delivers(service, lane, day) and comes_at > departs_at:
            return comes_at
    return None


def _next_suitable(service: CarrierService, lane: Lane, now: datetime, expected_at: datetime) -> bool:
    zone = ZoneInfo(lane.destination_zone)
    today = now.astimezone(zone).date()
    days = (today + timedelta(days=ahead) for ahead in range(1, _DAYS_AHEAD))
    suitable = next((day for day in days if _delivers(service, lane, day)), None)
    return suitable is not None and expected_at.astimezone(zone).date() <= suitable


def _delivers(service: CarrierService, lane: Lane, day: date) -> bool:
    return day.isoweekday() in lane.delivers_on and day not in service.closed_on
