"""Stretches of time, by the clock on the wall of nobody: in UTC, since local times across a clock change differ by an hour from what has passed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


def utc(at: datetime) -> datetime:
    """The same instant in UTC. Raises ValueError for a time without a zone."""
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} is no instant: say its time zone")
    return at.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """From one instant until another, in any zones. Raises ValueError where it ends before it begins, or an instant lacks its zone."""

    from_at: datetime
    until_at: datetime

    def __post_init__(self) -> None:
        if utc(self.until_at) < utc(self.from_at):
            raise ValueError(f"{self.until_at.isoformat()} is before {self.from_at.isoformat()}: a span ends after it begins")


def elapsed(spans: Iterable[Span]) -> timedelta:
    """How much time they cover together: what lies in several is counted once."""
    total, until = timedelta(), None
    for begins, ends in sorted((utc(span.from_at), utc(span.until_at)) for span in spans):
        fresh = begins if until is None else max(begins, until)
        total += max(ends - fresh, timedelta())
        until = ends if until is None else max(ends, until)
    return total
