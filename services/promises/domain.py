"""Local days and hours as instants, read strictly against ourselves, and where an order goes. Both parts of the service rest on it.

Local words win: an hour that the clocks skip means the moment of the change, an hour that comes twice means the earlier one.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

_NOON, _LAST_SECOND = time(12), time(23, 59, 59)
_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)


class Service(StrEnum):
    """What the customer chose."""

    STANDARD = "standard"
    OVERNIGHT = "overnight"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the order goes: `postcode` as `plain_postcode` writes it, or as much of its beginning as is known."""

    country: str
    postcode: str


def plain_postcode(text: str) -> str:
    """Upper case, without spaces and hyphens: the form in which postcodes and prefixes are compared."""
    return "".join(text.split()).replace("-", "").upper()


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


def day_exists(day: date, zone: str) -> bool:
    """Whether the zone ever had this day: Apia went from 29 to 31 December 2011."""
    return local_day(moment(day, _NOON, zone), zone) == day


def next_weekday(day: date) -> date:
    """The first Monday to Friday after the day."""
    after = day + _DAY
    return after if after.isoweekday() <= 5 else next_weekday(after)


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
