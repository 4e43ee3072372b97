"""How a task stands in its table. The tables themselves are made by `migrations/0001_stock_and_floor.py`."""

from collections.abc import Sequence
from typing import Any

from services.fulfilment.floor.domain.task import Carton, Hold, PickLine, Task, TaskState

TASKS = """
select task_id, order_id, site, state, placed_at, released_at, hand_over_by, work_seconds, fence, claimed_by, claimed_at,
       lease_until > clock_timestamp() as live, first_claimed_at, picked_at, parcel_id, carton, weight_grams, packed_by, packed_at,
       correlation_id, traceparent,
       exists (select from order_holds h where h.order_id = pick_tasks.order_id and h.reason = 'amendment') as changing
from pick_tasks """


def task_of(row: Any, lines: Sequence[PickLine]) -> Task:
    """A task from its row; `live` says whether the lease still runs."""
    hold = Hold(row["claimed_by"], row["claimed_at"], row["live"]) if row["claimed_by"] else None
    return Task(
        task_id=row["task_id"], order_id=row["order_id"], site=row["site"], state=TaskState(row["state"]), placed_at=row["placed_at"],
        released_at=row["released_at"], hand_over_by=row["hand_over_by"], work_seconds=row["work_seconds"], lines=tuple(lines),
        correlation_id=row["correlation_id"], traceparent=row["traceparent"], fence=row["fence"], hold=hold,
        first_claimed_at=row["first_claimed_at"], picked_at=row["picked_at"], parcel_id=row["parcel_id"],
        carton=Carton(row["carton"]) if row["carton"] else None, weight_grams=row["weight_grams"], packed_by=row["packed_by"],
        packed_at=row["packed_at"], changing=row["changing"],
    )  # fmt: skip
