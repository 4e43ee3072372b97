"""When a carrier service leaves and when it is at the door. Local times are the site's; an hour that does not exist or exists twice is read at
its earlier instant, the stricter one for those who must hand over. A day that a zone skipped has no departure and no delivery.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from services.kit.values import Money

OWN = "own"
"""The carrier that is the shop itself, with vans and drivers of its own."""

_HORIZON_DAYS = 400
"""Longer than the longest closure that can be told (400 single days are the schema's limit): beyond it a service does not run."""


@dataclass(frozen=True, slots=True)
class WeeklyDeparture:
    """Leaves every week at this local time. `weekday`: 1 is Monday. `places` None: as many parcels as come; 0: it does not leave."""

    weekday: int
    at: time
    places: int | None


@dataclass(frozen=True, slots=True)
class Lane:
    """Where a service goes: a country and the start of its postcodes (the longest that fits counts), how long it takes, what a label costs."""

    country: str
    postcode_prefix: str
    transit_days: int
    deliver_by: time
    delivers_on: frozenset[int]
    destination_zone: str
    label: Money


@dataclass(frozen=True, slots=True)
class CarrierService:
    """One carrier service from one site, as it now runs. On `closed_on` it neither leaves nor delivers."""

    code: str
    carrier: str
    site: str
    service: str
    zone: str
    withdrawn: bool
    by_air: bool
    departures: tuple[WeeklyDeparture, ...]
    closed_on: frozenset[date]
    lanes: tuple[Lane, ...]


@dataclass(frozen=True, slots=True)
class Departure:
    """One departure: the hand-over must be done by `departs_at`."""

    departs_at: datetime
    places: int | None


def instant(day: date, at: time, zone: ZoneInfo) -> datetime | None:
    """The UTC instant of a local time: the earlier reading where there are two or none; None on a day that the zone skipped."""
    noon = datetime.combine(day, time(12), zone)
    if noon.astimezone(UTC).astimezone(zone).date() != day:
        return None
    local = datetime.combine(day, at, zone)
    return min(local.astimezone(UTC), local.replace(fold=1).astimezone(UTC))


def departures_from(service: CarrierService, earliest: datetime) -> Iterator[Departure]:
    """The departures at or after this instant, in order, as far as the schedule reaches. Nothing for a withdrawn service."""
    if service.withdrawn or not service.departures:
        return
    zone = ZoneInfo(service.zone)
    first = earliest.astimezone(zone).date() - timedelta(days=1)
    waiting: dict[datetime, Departure] = {}
    for day in (first + timedelta(days=ahead) for ahead in range(_HORIZON_DAYS)):
        for departure in _on(service, day, zone):
            if departure.departs_at >= earliest:
                waiting[departure.departs_at] = _stricter(departure, waiting.get(departure.departs_at))
        # An hour before midnight that a clock change repeats may put one day's first departure before the last of the day before.
        settled = datetime.combine(day, time(), UTC) - timedelta(days=1)
        for departs_at in sorted(at for at in waiting if at < settled):
            yield waiting.pop(departs_at)
    yield from (waiting[departs_at] for departs_at in sorted(waiting))


def next_departure(service: CarrierService, earliest: datetime) -> Departure | None:
    """The first departure at or after this instant."""
    return next(departures_from(service, earliest), None)


def departures_within(service: CarrierService, earliest: datetime, until: datetime, limit: int) -> list[Departure]:
    """At most `limit` departures from `earliest` up to and with `until`."""
    found = islice(departures_from(service, earliest), limit)
    return [departure for departure in found if departure.departs_at <= until]


def lane_for(service: CarrierService, country: str, postcode: str) -> Lane | None:
    """The lane whose prefix fits the postcode best (spaces and case do not count); None when the service does not go there."""
    wanted = _plain(postcode)
    fitting = [lane for lane in service.lanes if lane.country == country and wanted.startswith(_plain(lane.postcode_prefix))]
    return max(fitting, key=lambda lane: len(_plain(lane.postcode_prefix)), default=None)


def expected_at(service: CarrierService, lane: Lane, departs_at: datetime) -> datetime | None:
    """When a parcel of this departure is at the door: `transit_days` after the local day it left, days on which the carrier is closed not counted,
    then the first day on which the lane delivers, at `deliver_by` there. None when no such day comes."""
    zone, left = ZoneInfo(lane.destination_zone), lane.transit_days
    day = departs_at.astimezone(ZoneInfo(service.zone)).date()
    for _ in range(_HORIZON_DAYS):
        at = instant(day, lane.deliver_by, zone)
        if left == 0 and at is not None and at > departs_at and day.isoweekday() in lane.delivers_on and day not in service.closed_on:
            return at
        day += timedelta(days=1)
        left -= 1 if left and day not in service.closed_on else 0
    return None


def hand_over_limit(service: CarrierService, lane: Lane, earliest: datetime, due_at: datetime) -> datetime | None:
    """The last departure from `earliest` on that is at the door by `due_at`; None when none is."""
    kept = None
    for departure in departures_from(service, earliest):
        if departure.departs_at > due_at:
            return kept
        expected = expected_at(service, lane, departure.departs_at)
        if expected is not None and expected <= due_at:
            kept = departure.departs_at
    return kept


def fastest(
    services: Iterable[CarrierService], kind: str, country: str, postcode: str, earliest: datetime
) -> tuple[CarrierService, Departure] | None:
    """The service of this kind that is first at the door, with its next departure; the cheaper label where two are equal."""
    best: tuple[datetime, int, str] | None = None
    chosen: tuple[CarrierService, Departure] | None = None
    for service in services:
        lane, departure = lane_for(service, country, postcode), next_departure(service, earliest)
        expected = expected_at(service, lane, departure.departs_at) if lane and departure and service.service == kind else None
        if lane is None or departure is None or expected is None:
            continue
        rank = (expected, lane.label.amount_minor, service.code)
        if best is None or rank < best:
            best, chosen = rank, (service, departure)
    return chosen


def _on(service: CarrierService, day: date, zone: ZoneInfo) -> Iterator[Departure]:
    if day in service.closed_on:
        return
    for weekly in service.departures:
        departs_at = instant(day, weekly.at, zone) if weekly.weekday == day.isoweekday() and weekly.places != 0 else None
        if departs_at is not None:
            yield Departure(departs_at, weekly.places)


def _stricter(one: Departure, other: Departure | None) -> Departure:
    """Two local times that a clock change puts on one instant are one departure, with the fewer places."""
    if other is None or other.places is None:
        return one
    return one if one.places is not None and one.places < other.places else other


def _plain(postcode: str) -> str:
    return postcode.replace(" ", "").upper()
