"""What was said about when, as an instant. Where clocks change, the reading that is stricter on us counts, and it is shown before we promise.

`said` is a local date ("by the 29th": the end of that day where it is delivered) or a local time to the minute.
"""

import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from services.promises.domain import day_exists, end_of_day, moment

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}")


def is_said(text: str) -> bool:
    """Whether it is a date or a time that a calendar has."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return bool(_DATE.fullmatch(text) or _TIME.fullmatch(text))


def is_day(said: str) -> bool:
    """Whether it names a day, not a time."""
    return _DATE.fullmatch(said) is not None


def days_later(day: date, days: int) -> str:
    """The day so many days later, as it is said."""
    return date.fromordinal(day.toordinal() + days).isoformat()


def instant_of(said: str, zone: str) -> datetime:
    """The instant by which it is due: the earlier reading of an hour that comes twice, the moment of the change for one that is skipped, and for a
    day that the zone never had the end of the one before it."""
    if is_day(said):
        return end_of_day(date.fromisoformat(said), zone)
    local = datetime.fromisoformat(said)
    return moment(local.date(), local.time(), zone)


def readings(said: str, zone: str) -> tuple[datetime, ...]:
    """What it may mean, the strictest first: one instant, or two where the clocks change around it or leave the day out."""
    strict = instant_of(said, zone)
    if is_day(said):
        return (
            (strict,)
            if day_exists(date.fromisoformat(said), zone)
            else (strict, end_of_day(date.fromisoformat(days_later(date.fromisoformat(said), 1)), zone))
        )
    local = datetime.fromisoformat(said).replace(tzinfo=ZoneInfo(zone))
    both = {local.replace(fold=fold).astimezone(UTC) for fold in (0, 1)}
    return (strict,) if len(both) == 1 else (strict, max(both))
