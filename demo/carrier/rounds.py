"""When a parcel on a manifest is scanned and delivered, as the contract's terms for its lane say. Pure, and the same in every run."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from zlib import crc32
from zoneinfo import ZoneInfo

import msgspec

_MOST_DAYS = 60
_NOON = time(12)
_SCANS_EVERY, _DOORS_EVERY = timedelta(minutes=30), timedelta(minutes=5)
_MINUTES_BEFORE_NOON, _MINUTES_AFTER_NOON = 25, 240
"""Within how many minutes before the promised time the driver is at the door, for a promise of the morning and one of the day."""


class Terms(msgspec.Struct):
    """What the contract says of a lane."""

    transit_days: int
    deliver_by: time
    delivers_on: list[int]
    destination_zone: str


class Scan(msgspec.Struct):
    """Something that happens to a parcel, and when."""

    kind: str
    at: datetime


def rounds(door: str, terms: Terms, closed_on: list[date], ship_on: date, taken_at: datetime) -> Iterator[Scan]:
    """The scans of one parcel, in order, none before it was taken over. When in its time the driver comes hangs on the door, not on any id."""
    due = _due(terms, frozenset(closed_on), ship_on, taken_at)
    spread = _MINUTES_BEFORE_NOON if terms.deliver_by <= _NOON else _MINUTES_AFTER_NOON
    at_the_door = max(due - timedelta(minutes=crc32(door.encode()) % spread), taken_at + (due - taken_at) / 2)
    takes = at_the_door - taken_at
    for kind, share in (("accepted", 1 / 8), ("in_transit", 1 / 3), ("out_for_delivery", 7 / 8)):
        yield Scan(kind, max(taken_at, _on_the(_SCANS_EVERY, taken_at + takes * share)))
    yield Scan("delivered", max(taken_at, _on_the(_DOORS_EVERY, at_the_door)))


def _on_the(grid: timedelta, instant: datetime) -> datetime:
    """Vans are scanned together: so the clock of a replay makes fewer steps."""
    return instant - (instant - datetime.min.replace(tzinfo=instant.tzinfo)) % grid


def _due(terms: Terms, closed_on: frozenset[date], ship_on: date, taken_at: datetime) -> datetime:
    zone, day, left = ZoneInfo(terms.destination_zone), ship_on, terms.transit_days
    for _ in range(_MOST_DAYS + terms.transit_days):
        due = datetime.combine(day, terms.deliver_by, zone)
        if left == 0 and day.isoweekday() in terms.delivers_on and day not in closed_on and due > taken_at:
            return due
        day += timedelta(days=1)
        left -= 1 if left and day not in closed_on else 0
    return datetime.combine(day, terms.deliver_by, zone)
