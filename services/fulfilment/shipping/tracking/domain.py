"""What a carrier's word changes. Statuses are normalised and only ever move forward: a late or out-of-order scan is kept, and changes nothing."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Kind(StrEnum):
    """What a carrier says happened."""

    ACCEPTED = "accepted"
    IN_TRANSIT = "in_transit"
    OUT_FOR_DELIVERY = "out_for_delivery"
    DELIVERED = "delivered"
    EXCEPTION = "exception"


_RANK = {"none": 0, Kind.ACCEPTED: 1, Kind.IN_TRANSIT: 2, Kind.OUT_FOR_DELIVERY: 3, Kind.DELIVERED: 4}


@dataclass(frozen=True, slots=True)
class Said:
    """One event of a carrier."""

    event_id: str
    tracking_number: str
    kind: Kind
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Tracked:
    """A parcel as the carrier's words have it. `status` is `none` until the first."""

    parcel_id: UUID
    order_id: UUID
    with_carrier: bool
    status: str
    tracked_at: datetime | None
    exception_at: datetime | None
    delivered_at: datetime | None


class Aside(StrEnum):
    """Why an event was set aside for a person to look at."""

    UNKNOWN_TRACKING_NUMBER = "unknown-tracking-number"
    NOT_HANDED_OVER = "not-handed-over"


def heard(parcel: Tracked | None, said: Said) -> Tracked | Aside:
    """The parcel after the event; why it was set aside where it cannot be true of a parcel of ours."""
    if parcel is None:
        return Aside.UNKNOWN_TRACKING_NUMBER
    if said.kind is Kind.EXCEPTION:
        latest = max(filter(None, (parcel.exception_at, said.occurred_at)))
        return replace(parcel, exception_at=latest)
    if said.kind is Kind.DELIVERED and not parcel.with_carrier:
        return Aside.NOT_HANDED_OVER
    if _RANK[said.kind] <= _RANK[parcel.status]:
        return parcel
    delivered_at = said.occurred_at if said.kind is Kind.DELIVERED else None
    return replace(parcel, status=said.kind.value, tracked_at=said.occurred_at, delivered_at=delivered_at)
