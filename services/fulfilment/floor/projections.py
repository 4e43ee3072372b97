"""The measure of each site's queue: how much work waits and how many work on it, said when it changed, at most once a minute of business time."""

from datetime import timedelta
from typing import Any

from services.kit.database import Transaction
from services.kit.trace import own_cause

CAPACITY_TOPIC = "fulfilment.capacity.v1"
_EVERY = timedelta(minutes=1)

_DUE = """
select site, version, waiting_orders, waiting_lines, work_seconds, pickers from queue_measures
where measured_at is null or measured_at <= $1 order by site limit 250 for update skip locked"""

_MEASURE = """
select site, count(*) filter (where state = 'ready')::int as waiting_orders,
    coalesce(sum(lines) filter (where state = 'ready'), 0)::int as waiting_lines,
    coalesce(sum(work_seconds) filter (where state = 'ready'), 0)::int as work_seconds,
    count(*) filter (where lease_until > clock_timestamp())::int as pickers
from pick_tasks, lateral (select count(*) as lines from pick_lines where pick_lines.task_id = pick_tasks.task_id and picked < quantity) as counted
where site = any($1::text[]) and state in ('ready', 'claimed', 'picked') group by site"""

_KEEP = """
update queue_measures set version = $2, measured_at = $3, waiting_orders = $4, waiting_lines = $5, work_seconds = $6, pickers = $7 where site = $1"""

_FIGURES = ("waiting_orders", "waiting_lines", "work_seconds", "pickers")


async def measure_queues(work: Transaction) -> int:
    """Measure the sites whose last measure is a minute old. Returns how many were measured."""
    due = await work.connection.fetch(_DUE, work.now - _EVERY)
    if not due:
        return 0
    found = {row["site"]: row for row in await work.connection.fetch(_MEASURE, [row["site"] for row in due])}
    for old in due:
        new = found.get(old["site"], dict.fromkeys(_FIGURES, 0))
        await _keep(work, old, {name: new[name] for name in _FIGURES})
    return len(due)


async def _keep(work: Transaction, old: Any, figures: dict[str, int]) -> None:
    changed = any(old[name] != figures[name] for name in _FIGURES)
    version = old["version"] + changed
    await work.connection.execute(_KEEP, old["site"], version, work.now, *figures.values())
    if changed:
        data = {"site": old["site"], **figures, "measured_at": work.now}
        work.say(CAPACITY_TOPIC, "fulfilment.QueueMeasured.v1", data, key=old["site"], cause=own_cause(), version=version)
