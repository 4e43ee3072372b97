"""Durations as people read them: the two largest units, such as "1 d 7 h" and "3 h 10 min"."""

from collections.abc import Sequence
from datetime import timedelta

UNITS = ("d", "h", "min", "s")
"""Days, hours, minutes, seconds in English."""

_SECONDS = (86_400, 3_600, 60, 1)


def two_units(duration: timedelta, units: Sequence[str] = UNITS) -> str:
    """The two largest of its units, rounded down, the second one left out where it is none: "2 d", "3 h 10 min", "4 s". A negative one is none.

    `units` are the words for days, hours, minutes and seconds.
    """
    rest = max(0, int(duration.total_seconds()))
    first = next((place for place, seconds in enumerate(_SECONDS) if rest >= seconds), len(_SECONDS) - 1)
    said = list[str]()
    for seconds, unit in list(zip(_SECONDS, units, strict=True))[first : first + 2]:
        count, rest = divmod(rest, seconds)
        if count or not said:
            said.append(f"{count} {unit}")
    return " ".join(said)
