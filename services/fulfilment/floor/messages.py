"""What a device is shown of a task."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.fulfilment.domain import Promised
from services.fulfilment.floor.domain.task import Carton, Progress, Stop, Task, TaskState, progress_of, stop_of


@dataclass(frozen=True, slots=True)
class TaskView:
    """`slack_seconds`: what is left between the work that remains and the hand-over, below zero when it is too late. `next`: the stop to walk to.
    `promised`: what was promised with the order, in the customer's words."""

    task_id: UUID
    order_id: UUID
    site: str
    state: TaskState
    placed_at: datetime
    released_at: datetime
    hand_over_by: datetime
    slack_seconds: int
    work_seconds: int
    fence: int
    claimed_by: str | None
    claimed_at: datetime | None
    lease_live: bool
    lines: tuple[Stop, ...]
    next: Stop | None
    progress: Progress
    parcel_id: UUID | None
    carton: Carton | None
    weight_grams: int | None
    packed_at: datetime | None
    promised: tuple[Promised, ...]


def view_of(task: Task, descriptions: Mapping[str, str], promised: tuple[Promised, ...], now: datetime) -> TaskView:
    """The task as it stands at this business instant."""
    lines = tuple(stop_of(line, descriptions.get(line.sku, "")) for line in task.lines)
    following = task.next_line
    return TaskView(
        task.task_id, task.order_id, task.site, task.state, task.placed_at, task.released_at, task.hand_over_by,
        int((task.rank_at - now).total_seconds()), task.work_seconds, task.fence, task.hold.by if task.hold else None,
        task.hold.at if task.hold else None, bool(task.hold and task.hold.live), lines,
        stop_of(following, descriptions.get(following.sku, "")) if following else None, progress_of(task), task.parcel_id, task.carton,
        task.weight_grams, task.packed_at, promised,
    )  # fmt: skip
