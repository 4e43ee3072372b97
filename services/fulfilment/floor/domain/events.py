"""What the floor says of an order."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.fulfilment.floor.domain.task import Carton, TaskState


class Reason(StrEnum):
    """Why a picker cannot pick what the list says."""

    NOT_FOUND = "not-found"
    DAMAGED = "damaged"
    WRONG_ITEM = "wrong-item"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class PickReleased:
    order_id: UUID
    task_id: UUID
    site: str
    hand_over_by: datetime
    released_at: datetime


@dataclass(frozen=True, slots=True)
class PickClaimed:
    order_id: UUID
    task_id: UUID
    claimed_by: str
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class PickShort:
    order_id: UUID
    task_id: UUID
    line: int
    sku: str
    missing: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class OrderPacked:
    order_id: UUID
    parcel_id: UUID
    carton: Carton
    weight_grams: int
    packed_at: datetime


@dataclass(frozen=True, slots=True)
class CancelAccepted:
    order_id: UUID
    request_id: UUID
    accepted_at: datetime


@dataclass(frozen=True, slots=True)
class CancelRejected:
    order_id: UUID
    request_id: UUID
    state: TaskState
