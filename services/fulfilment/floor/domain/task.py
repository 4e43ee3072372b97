"""What a task is, and how much of it is left."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.kit.values import Cause

WITHOUT_PROMISE = timedelta(hours=24)
"""An order without a promise is worked as if it had to leave a day after it was placed."""


class TaskState(StrEnum):
    READY = "ready"
    CLAIMED = "claimed"
    PICKED = "picked"
    PACKED = "packed"
    SHORT = "short"
    CANCELLED = "cancelled"


class Carton(StrEnum):
    S1 = "S1"
    S2 = "S2"
    M1 = "M1"
    M2 = "M2"
    L1 = "L1"
    L2 = "L2"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long work takes, in seconds: per order and per pick line. Source: settings, until it is measured."""

    order_seconds: int = 180
    line_seconds: int = 20

    def work(self, lines: int) -> int:
        return self.order_seconds + self.line_seconds * lines


class PickLine(NamedTuple):
    """One stop of the walk: units of an order line in a bin. `position` orders the walk."""

    position: int
    line: int
    sku: str
    bin: str
    quantity: int
    picked: int = 0

    @property
    def left(self) -> int:
        return self.quantity - self.picked


@dataclass(frozen=True, slots=True)
class Hold:
    """Who has the task. `live`: the lease has not run out, nobody may take the task over."""

    by: str
    at: datetime
    live: bool


@dataclass(frozen=True, slots=True)
class Task:
    task_id: UUID
    order_id: UUID
    site: str
    state: TaskState
    placed_at: datetime
    released_at: datetime
    hand_over_by: datetime
    work_seconds: int
    lines: tuple[PickLine, ...]
    correlation_id: UUID
    traceparent: str
    fence: int = 0
    hold: Hold | None = None
    first_claimed_at: datetime | None = None
    picked_at: datetime | None = None
    parcel_id: UUID | None = None
    carton: Carton | None = None
    weight_grams: int | None = None
    packed_by: str | None = None
    packed_at: datetime | None = None
    changing: bool = False
    """The order is about to be changed: nobody works on it until that is settled."""

    @property
    def rank_at(self) -> datetime:
        """The hand-over less the work that remains. Slack is this less now, so that its order never changes with time."""
        return self.hand_over_by - timedelta(seconds=self.work_seconds)

    @property
    def next_line(self) -> PickLine | None:
        return next((line for line in self.lines if line.left), None)

    def cause(self, request: Cause) -> Cause:
        """What a person did to this task belongs to the order's story and continues its trace."""
        return Cause(request.id, self.correlation_id, self.traceparent)


class Spot(NamedTuple):
    """Units of an order line that lie in a bin, as stock set them apart."""

    line: int
    sku: str
    bin: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Item:
    sku: str
    description: str
    weight_grams: int
    bins: tuple[str, ...] = ()
    """Where it belongs: bins of this site that hold it."""


def belongs(item: Item) -> str:
    """Where to take it, as part of a sentence."""
    return f"it belongs in bin {item.bins[0]}" if item.bins else "no bin of this site holds it: give it to the shift lead"


def walk(spots: Sequence[Spot], first: int = 1) -> tuple[PickLine, ...]:
    """The stops in the order of the bins, numbered from `first`."""
    ordered = sorted(spots, key=lambda spot: (spot.bin, spot.line))
    return tuple(PickLine(first + place, spot.line, spot.sku, spot.bin, spot.quantity) for place, spot in enumerate(ordered))


def remaining(task: Task, pace: Pace) -> Task:
    """The task with the work that is left of it."""
    return replace(task, work_seconds=pace.work(sum(1 for line in task.lines if line.left)))


def revive(task: Task, spots: Sequence[Spot], pace: Pace) -> Task:
    """A task that was put aside, with the units that were found for it since."""
    last = max((line.position for line in task.lines), default=0)
    return remaining(replace(task, state=TaskState.READY, lines=(*task.lines, *walk(spots, last + 1))), pace)


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop of the walk as a device shows it."""

    position: int
    line: int
    sku: str
    description: str
    bin: str
    quantity: int
    picked: int


@dataclass(frozen=True, slots=True)
class Progress:
    stops_left: int
    units_picked: int
    units: int


def stop_of(line: PickLine, description: str) -> Stop:
    return Stop(line.position, line.line, line.sku, description, line.bin, line.quantity, line.picked)


def progress_of(task: Task) -> Progress:
    left = sum(1 for line in task.lines if line.left)
    return Progress(left, sum(line.picked for line in task.lines), sum(line.quantity for line in task.lines))
