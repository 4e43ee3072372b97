"""Staff and storefronts as the issuer knows them, what a token says of them, and when tokens given before say too much."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.kit.values import Refusal

STAFF_ROLES = ("picker", "loader", "driver", "care", "planner", "admin")

PEOPLE = timedelta(hours=12)
"""How long a token for a person is good: a shift."""

STOREFRONTS = timedelta(hours=1)


class OwnBadge(Refusal):
    """Nobody takes themselves out: there might be nobody left to undo it."""

    slug = "own-badge"


@dataclass(frozen=True, slots=True)
class Staff:
    """A member of the staff. `active` is whether they may sign in."""

    badge: str
    name: str
    role: str
    site: str | None
    active: bool


@dataclass(frozen=True, slots=True)
class Storefront:
    """A shop's system that sends orders of its channel."""

    client_id: str
    channel: str
    active: bool


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token says. It may not be issued before `not_before`, or it would be born revoked."""

    subject: str
    role: str
    lifetime: timedelta
    not_before: datetime | None = None
    channel: str | None = None
    site: str | None = None


def change_staff(before: Staff | None, after: Staff, by: str) -> bool:
    """Whether tokens given before are to be revoked. Raises OwnBadge where somebody takes the role of administrator from themselves."""
    if by == after.badge and (not after.active or after.role != "admin"):
        raise OwnBadge("This is your own badge: ask another administrator to change it.")
    return before is not None and (before.role, before.site, before.active) != (after.role, after.site, after.active)


def change_storefront(before: Storefront | None, after: Storefront) -> bool:
    """Whether tokens given before are to be revoked."""
    return before is not None and before != after


def counts_from(now: datetime) -> datetime:
    """From when tokens count after a revocation now: the next whole second, since tokens tell when they were issued by the second."""
    return now.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
