"""Tasks to look at: one by its id, or a site's in the order in which they are worked. A picker sees the tasks in their own hands."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.fulfilment.duties.reports import promised
from services.fulfilment.floor.domain.task import PickLine, Task, TaskState
from services.fulfilment.floor.messages import TaskView, view_of
from services.fulfilment.floor.tables import TASKS, task_of
from services.kit.database import Transaction
from services.kit.values import NotFound

_ONE = "where task_id = $1"
_BEHIND = "(rank_at, placed_at, task_id) > (select rank_at, placed_at, task_id from pick_tasks where task_id = ${})"
_LINES = """
select task_id, position, line, pick_lines.sku, bin, quantity, picked, coalesce(description, '') as description
from pick_lines left join items using (sku) where task_id = any($1::uuid[]) order by task_id, position"""

_SCANS = """
select scan_id, code, quantity, bin, position, verdict, scanned_by, device, occurred_at, recorded_at, undone_at
from scans where task_id = $1 order by id"""

_SHORTS = "select line, sku, bin, found, missing, reason, reported_by, reported_at from short_reports where task_id = $1 order by reported_at"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks: None means all. `held_by` is the picker in whose hands they are."""

    site: str | None
    state: TaskState | None
    held_by: str | None
    after: UUID | None
    limit: int


async def view(work: Transaction, task: Task) -> TaskView:
    """A task as a device shows it, with the descriptions of its items."""
    rows = await work.connection.fetch("select sku, description from items where sku = any($1::text[])", [line.sku for line in task.lines])
    told = await promised(work, [task.order_id])
    return view_of(task, {row["sku"]: row["description"] for row in rows}, told.get(task.order_id, ()), work.now)


async def one(work: Transaction, task_id: UUID, site: str | None, held_by: str | None) -> TaskView:
    """The task. Raises NotFound, also for one of another site, or in other hands where `held_by` is given."""
    row = await work.connection.fetchrow(TASKS + _ONE, task_id)
    if row is None or site not in (None, row["site"]) or held_by not in (None, row["claimed_by"]):
        raise NotFound
    return (await _views(work, [row]))[0]


async def many(work: Transaction, wanted: Wanted) -> list[TaskView]:
    """Tasks by slack, the most urgent first; `after` continues behind that task."""
    statement, arguments = listing(wanted)
    return await _views(work, await work.connection.fetch(statement, *arguments))


def listing(wanted: Wanted) -> tuple[str, list[object]]:
    """The statement and its arguments: only what is asked for stands in it, and the state as a word, so that its plan can go by the index of the
    tasks that are in work, however many are done."""
    given = [("site = ${}", wanted.site), ("claimed_by = ${}", wanted.held_by), (_BEHIND, wanted.after)]
    asked = [(condition, value) for condition, value in given if value is not None]
    conditions = [condition.format(number) for number, (condition, _) in enumerate(asked, 1)]
    if wanted.state:
        conditions.append(f"state = '{wanted.state.value}'")
    where = f"where {' and '.join(conditions)} " if conditions else ""
    arguments: list[object] = [*(value for _, value in asked), wanted.limit]
    return f"{TASKS}{where}order by rank_at, placed_at, task_id limit ${len(arguments)}", arguments


async def audit(work: Transaction, task_id: UUID, site: str | None) -> dict[str, Any]:
    """Every scan and shortage of a task, in the order they came: who, when, what, where, with which device. Raises NotFound."""
    await one(work, task_id, site, None)
    scans, shorts = await work.connection.fetch(_SCANS, task_id), await work.connection.fetch(_SHORTS, task_id)
    return {"task_id": task_id, "scans": [dict(row) for row in scans], "shortages": [dict(row) for row in shorts]}


async def _views(work: Transaction, rows: list[Any]) -> list[TaskView]:
    lines: dict[UUID, list[PickLine]] = {row["task_id"]: [] for row in rows}
    descriptions = {}
    for row in await work.connection.fetch(_LINES, list(lines)):
        lines[row["task_id"]].append(PickLine(row["position"], row["line"], row["sku"], row["bin"], row["quantity"], row["picked"]))
        descriptions[row["sku"]] = row["description"]
    told = await promised(work, [row["order_id"] for row in rows])
    return [view_of(task_of(row, lines[row["task_id"]]), descriptions, told.get(row["order_id"], ()), work.now) for row in rows]
