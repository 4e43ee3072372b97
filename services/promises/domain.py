"""Local days and hours as instants, read strictly against ourselves, and when carriers leave and arrive by them. Both parts rest on it.

Local words win: an hour that the clocks skip means the moment of the change, an hour that comes twice means the earlier one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

_NOON, _LAST_SECOND = time(12), time(23, 59, 59)
_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)


class Service(StrEnum):
    """What the customer chose. By appointment a person agrees the day with them, and promises it in the ledger: no date is computed."""

    STANDARD = "standard"
    OVERNIGHT = "overnight"
    APPOINTMENT = "appointment"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the order goes: `postcode` as `plain_postcode` writes it, or as much of its beginning as is known."""

    country: str
    postcode: str


@dataclass(frozen=True, slots=True)
class Departure:
    """A pick-up, every week on `weekday` (ISO: Monday is 1), in the site's zone. `places`: how many parcels; None sets no limit."""

    weekday: int
    at: time
    places: int | None


@dataclass(frozen=True, slots=True)
class Lane:
    """How long a carrier service takes to the postcodes that begin with the prefix, and on which weekdays it delivers there."""

    country: str
    postcode_prefix: str
    transit_days: int
    deliver_by: time
    delivers_on: frozenset[int]
    destination_zone: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """A carrier service as it now runs from one site."""

    carrier_service: str
    site: str
    service: Service
    zone: str
    withdrawn: bool
    departures: tuple[Departure, ...]
    closed_on: frozenset[date]
    lanes: tuple[Lane, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """A carrier service towards one destination: its schedule narrowed to the lane with the longest fitting prefix."""

    carrier_service: str
    site: str
    service: Service
    zone: str
    departures: tuple[Departure, ...]
    closed_on: frozenset[date]
    lane: Lane
    version: int


def plain_postcode(text: str) -> str:
    """Upper case, without spaces and hyphens: the form in which postcodes and prefixes are compared."""
    return "".join(text.split()).replace("-", "").upper()


@lru_cache(maxsize=4096)
def moment(day: date, at: time, zone: str) -> datetime:
    """The UTC instant of a local time: of two readings the earlier; the moment of the change where the clocks skip it."""
    local = datetime.combine(day, at, ZoneInfo(zone))
    instant = local.astimezone(UTC)
    if _naive(instant, zone) == local.replace(tzinfo=None):
        return instant
    skipped = _naive(instant, zone) - local.replace(tzinfo=None)
    return _change(instant - skipped, instant, zone)


def end_of_day(day: date, zone: str) -> datetime:
    """The last second of a local day, as an instant."""
    return moment(day, _LAST_SECOND, zone)


def local_day(instant: datetime, zone: str) -> date:
    """The calendar date at this instant in the zone."""
    return _naive(instant, zone).date()


@lru_cache(maxsize=4096)
def day_exists(day: date, zone: str) -> bool:
    """Whether the zone ever had this day: Apia went from 29 to 31 December 2011."""
    return local_day(moment(day, _NOON, zone), zone) == day


def next_weekday(day: date) -> date:
    """The first Monday to Friday after the day."""
    after = day + _DAY
    return after if after.isoweekday() <= 5 else next_weekday(after)


def departures(run: Run, since: datetime, days: int) -> Iterator[tuple[date, datetime]]:
    """The pick-ups from `since` on, in order: the site's local day, and the instant. Looks `days` ahead."""
    first = local_day(since, run.zone)
    for ahead in range(days + 1):
        day = first + ahead * _DAY
        if day in run.closed_on or not day_exists(day, run.zone):
            continue
        for at in sorted({d.at for d in run.departures if d.weekday == day.isoweekday() and d.places != 0}):
            instant = moment(day, at, run.zone)
            if instant >= since:
                yield day, instant


def arrival(run: Run, day: date, departure: datetime) -> tuple[datetime, date, datetime]:
    """What leaves then is there when: the instant by transit alone; the day, and the instant, by which it is delivered.

    Days are counted from the departure's local day, without those on which the carrier is closed.
    """
    delivered, left = day, run.lane.transit_days
    while left or not _delivers(run, delivered) or _due(run, delivered) <= departure:
        delivered += _DAY
        left -= 1 if left and delivered not in run.closed_on else 0
    counted = max(_due(run, day + run.lane.transit_days * _DAY), departure)
    return counted, delivered, _due(run, delivered)


def _naive(instant: datetime, zone: str) -> datetime:
    return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def _change(before: datetime, after: datetime, zone: str) -> datetime:
    """The whole second at which the zone's offset changed, between two instants that lie on either side."""
    old = _naive(before, zone) - before.replace(tzinfo=None)
    while after - before > _SECOND:
        middle = before + (after - before) // _SECOND // 2 * _SECOND
        if _naive(middle, zone) - middle.replace(tzinfo=None) == old:
            before = middle
        else:
            after = middle
    return after


def _delivers(run: Run, day: date) -> bool:
    return day.isoweekday() in run.lane.delivers_on and day not in run.closed_on and day_exists(day, run.lane.destination_zone)


def _due(run: Run, day: date) -> datetime:
    if run.service is Service.OVERNIGHT:
        return moment(day, run.lane.deliver_by, run.lane.destination_zone)
    return end_of_day(day, run.lane.destination_zone)
