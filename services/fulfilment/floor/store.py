"""Tasks, claims and scans in SQL. Leases are written and compared by the database's clock, which all processes share."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.fulfilment.domain import WorkEvent
from services.fulfilment.duties.reports import let_go, report_done, report_seen, report_short
from services.fulfilment.floor.domain.task import Item, PickLine, Task
from services.fulfilment.floor.ports import CancelDecision, Catalogue, Recorded, ShortReport, Verdict, Who
from services.fulfilment.floor.tables import TASKS, task_of
from services.fulfilment.holds import refuse_changing, refuse_held
from services.fulfilment.work import WorkLog
from services.kit.database import Transaction
from services.kit.promise.state import Department
from services.kit.values import Cause, NotFound

_OF_ORDERS = TASKS + "where order_id = any($1::uuid[]) order by order_id for update"
_BY_ID = TASKS + "where task_id = $1 for update"
_HELD_BY = TASKS + "where claimed_by = $1 for update"
_UNHELD = "not exists (select 1 from order_holds where order_holds.order_id = pick_tasks.order_id)"
_NEXT = (
    TASKS
    + """where site = $1 and state in ('ready', 'claimed', 'picked') and (claimed_by is null or lease_until <= clock_timestamp()) and """
    + _UNHELD
    + """
order by rank_at, placed_at, task_id limit 1 for update skip locked"""
)

_LINES = "select task_id, position, line, sku, bin, quantity, picked from pick_lines where task_id = any($1::uuid[]) order by task_id, position"

_SAVE = """
insert into pick_tasks (claimed_by, task_id, order_id, site, state, placed_at, released_at, hand_over_by, work_seconds, rank_at, fence, claimed_at,
    first_claimed_at, picked_at, parcel_id, carton, weight_grams, packed_by, packed_at, correlation_id, traceparent, lease_until)
select *, case when claimed_by is not null then clock_timestamp() + $22::interval end
from unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::timestamptz[], $9::int[],
    $10::timestamptz[], $11::bigint[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[], $15::uuid[], $16::text[], $17::int[], $18::text[],
    $19::timestamptz[], $20::uuid[], $21::text[]) as task (claimed_by)
on conflict (task_id) do update set state = excluded.state, hand_over_by = excluded.hand_over_by, work_seconds = excluded.work_seconds,
    rank_at = excluded.rank_at, fence = excluded.fence, claimed_by = excluded.claimed_by, claimed_at = excluded.claimed_at,
    lease_until = excluded.lease_until, first_claimed_at = excluded.first_claimed_at, picked_at = excluded.picked_at,
    parcel_id = excluded.parcel_id, carton = excluded.carton, weight_grams = excluded.weight_grams, packed_by = excluded.packed_by,
    packed_at = excluded.packed_at"""

_SAVE_LINES = """
insert into pick_lines (task_id, position, line, sku, bin, quantity, picked)
select * from unnest($1::uuid[], $2::int[], $3::int[], $4::text[], $5::text[], $6::int[], $7::int[])
on conflict (task_id, position) do update set quantity = excluded.quantity, picked = excluded.picked"""

_DROP_LINES = "delete from pick_lines where (task_id, position) in (select * from unnest($1::uuid[], $2::int[]))"

_KNOW_SITES = "insert into queue_measures (site, version) select site, 0 from unnest($1::text[]) as seen (site) on conflict do nothing"

_MOVE = """
update pick_tasks set hand_over_by = moved.by, rank_at = moved.by - work_seconds * interval '1 second'
from unnest($1::uuid[], $2::timestamptz[]) as moved (order_id, by)
where pick_tasks.order_id = moved.order_id and pick_tasks.state not in ('packed', 'cancelled')"""

_ITEMS = """
select sku, description, barcode, weight_grams,
    array(select bin from bins where bins.site = $2 and bins.sku = items.sku and on_hand > 0 order by on_hand desc, bin limit 3) as bins
from items where sku = any($1::text[]) or barcode = any($1::text[]) order by sku"""

_SCANS = """
select scan_id, task_id, code, quantity, bin, position, status, verdict, answer, undone_at is not null as undone from scans """

_RECORD_SCANS = """
insert into scans (scan_id, fence, code, quantity, bin, position, status, verdict, answer, device, occurred_at, task_id, scanned_by, recorded_at)
select *, $12::uuid, $13::text, $14::timestamptz
from unnest($1::uuid[], $2::bigint[], $3::text[], $4::int[], $5::text[], $6::int[], $7::int[], $8::text[], $9::jsonb[], $10::text[],
    $11::timestamptz[])"""

_FORGET_SCANS = """
update scans set undone_at = $3 where task_id = $1 and position = any($2::int[]) and verdict = 'picked' and undone_at is null"""

_RECORD_SHORT = """
insert into short_reports (report_id, task_id, line, sku, bin, found, missing, reason, reported_by, reported_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"""

_RECORD_DECISIONS = """
insert into cancel_decisions (order_id, request_id, refused_in, decided_at)
select *, $4::timestamptz from unnest($1::uuid[], $2::uuid[], $3::text[]) on conflict do nothing"""


class FloorSql:
    """The floor of one transaction. `lease` is how long a claim lasts without a sign of life."""

    def __init__(self, work: Transaction, log: WorkLog, lease: timedelta) -> None:
        self._work, self._log, self._lease, self._connection = work, log, lease, work.connection
        self._loaded: dict[UUID, Task] = {}

    @property
    def now(self) -> datetime:
        """The business instant."""
        return self._work.now

    def say(self, event: WorkEvent, cause: Cause, *, at: datetime | None = None) -> None:
        self._log.say(event, cause, at=at)

    async def of_orders(self, orders: Iterable[UUID], also: Iterable[UUID] = ()) -> dict[UUID, Task]:
        """The tasks of these orders, locked in id order; those of the orders in `also` are locked with them, and not read."""
        asked = set(orders)
        ids = sorted(asked.union(also))
        rows = await self._connection.fetch(_OF_ORDERS, ids) if ids else []
        return {task.order_id: task for task in await self._tasks([row for row in rows if row["order_id"] in asked])}

    async def lock(self, task_id: UUID, who: Who) -> Task:
        """The task, locked. Raises NotFound, also for one of another site."""
        tasks = await self._tasks(await self._connection.fetch(_BY_ID, task_id))
        if not tasks or who.site not in (None, tasks[0].site):
            raise NotFound
        return tasks[0]

    async def held_by(self, picker: str) -> Task | None:
        """The task this picker has, locked."""
        return next(iter(await self._tasks(await self._connection.fetch(_HELD_BY, picker))), None)

    async def holding(self, picker: str) -> UUID | None:
        """The id of the task this picker has, not locked."""
        held: UUID | None = await self._connection.fetchval("select task_id from pick_tasks where claimed_by = $1", picker)
        return held

    async def next_free(self, site: str) -> Task | None:
        """The task with the least slack that can be taken, locked."""
        return next(iter(await self._tasks(await self._connection.fetch(_NEXT, site))), None)

    async def refuse_held(self, order_id: UUID) -> None:
        """Raises OrderStopped while a hold stands on the order."""
        await refuse_held(self._work, order_id)

    async def refuse_changing(self, order_id: UUID) -> None:
        """Raises OrderStopped while a change of the order is not settled."""
        await refuse_changing(self._work, order_id)

    async def _tasks(self, rows: Sequence[Any]) -> list[Task]:
        if not rows:
            return []
        lines: dict[UUID, list[PickLine]] = {row["task_id"]: [] for row in rows}
        for row in await self._connection.fetch(_LINES, list(lines)):
            lines[row["task_id"]].append(PickLine(row["position"], row["line"], row["sku"], row["bin"], row["quantity"], row["picked"]))
        tasks = [task_of(row, lines[row["task_id"]]) for row in rows]
        self._loaded.update((task.task_id, task) for task in tasks)
        return tasks

    async def save(self, tasks: Sequence[Task]) -> None:
        """Write what changed. A task that is held gets its whole lease again."""
        if not tasks:
            return
        self._work.write(_SAVE, *_columns([_row(task) for task in tasks]), self._lease)
        old = {task.task_id: set(self._loaded[task.task_id].lines) if task.task_id in self._loaded else set() for task in tasks}
        changed = [(task.task_id, line) for task in tasks for line in task.lines if line not in old[task.task_id]]
        if changed:
            self._work.write(_SAVE_LINES, *_columns([(id, *line) for id, line in changed]))
        gone = [
            (task.task_id, position)
            for task in tasks
            for position in {line.position for line in old[task.task_id]} - {line.position for line in task.lines}
        ]
        if gone:
            self._work.write(_DROP_LINES, *_columns(gone))
        new = sorted({task.site for task in tasks if task.task_id not in self._loaded})
        if new:
            self._work.write(_KNOW_SITES, new)
        self._loaded.update((task.task_id, task) for task in tasks)

    async def alone(self, picker: str) -> None:
        """Nobody else claims for this picker until the commit."""
        await self._connection.execute("select pg_advisory_xact_lock(hashtextextended('picker ' || $1::text, 0))", picker)

    async def claimed(self, claim_id: UUID) -> tuple[UUID, str, int] | None:
        """Task, picker and fence of a claim that was made."""
        row = await self._connection.fetchrow("select task_id, picker, fence from claims where claim_id = $1", claim_id)
        return (row["task_id"], row["picker"], row["fence"]) if row else None

    async def record_claim(self, claim_id: UUID, task: Task) -> None:
        if task.hold is None:
            raise AssertionError(f"task {task.task_id} was claimed by nobody")
        self._work.write("insert into claims values ($1, $2, $3, $4, $5)", claim_id, task.task_id, task.hold.by, task.fence, self.now)

    async def catalogue(self, task: Task, codes: Iterable[str]) -> Catalogue:
        """The items of the task, and those that answer to the codes."""
        return await catalogue(self._work, task.site, codes, {line.sku for line in task.lines})

    async def recorded(self, scan_ids: Sequence[UUID]) -> dict[UUID, Recorded]:
        rows = await self._connection.fetch(_SCANS + "where scan_id = any($1::uuid[])", scan_ids)
        return {row["scan_id"]: Recorded(**row) for row in rows}

    async def record_scans(self, task: Task, by: str, verdicts: Sequence[Verdict]) -> None:
        rows = [
            (v.scan.scan_id, v.scan.fence, v.scan.code, v.scan.quantity, v.scan.bin, v.position, v.status, v.verdict, v.answer, v.scan.device,
             v.scan.occurred_at or self.now)
            for v in verdicts
        ]  # fmt: skip
        if rows:
            self._work.write(_RECORD_SCANS, *_columns(rows), task.task_id, by, self.now)

    async def last_picked(self, task_id: UUID) -> Recorded | None:
        """The task's last scan that counted and was not undone."""
        row = await self._connection.fetchrow(
            _SCANS + "where task_id = $1 and verdict = 'picked' and undone_at is null order by id desc limit 1", task_id
        )
        return Recorded(**row) if row else None

    async def mark_undone(self, scan_id: UUID) -> None:
        self._work.write("update scans set undone_at = $2 where scan_id = $1", scan_id, self.now)

    def forget_scans(self, task_id: UUID, positions: Sequence[int]) -> None:
        """What was scanned at these stops is no longer picked there."""
        if positions:
            self._work.write(_FORGET_SCANS, task_id, positions, self.now)

    async def reported(self, report_id: UUID, task_id: UUID) -> bool:
        """Whether this shortage was reported before."""
        query = "select true from short_reports where report_id = $1 and task_id = $2"
        return await self._connection.fetchval(query, report_id, task_id) is True

    async def record_short(self, task: Task, by: str, report: ShortReport) -> None:
        told = report.report_id, task.task_id, report.line, report.sku, report.bin, report.found, report.missing, report.reason.value
        self._work.write(_RECORD_SHORT, *told, by, self.now)

    async def decided(self, request_ids: Iterable[UUID]) -> dict[tuple[UUID, UUID], CancelDecision]:
        """What these requests to cancel were answered, by order and request."""
        ids = list(request_ids)
        query = "select order_id, request_id, refused_in from cancel_decisions where request_id = any($1::uuid[])"
        rows = await self._connection.fetch(query, ids) if ids else []
        return {(row["order_id"], row["request_id"]): CancelDecision(**row) for row in rows}

    async def record_decisions(self, decisions: Sequence[CancelDecision]) -> None:
        if decisions:
            rows = [(decision.order_id, decision.request_id, decision.refused_in) for decision in decisions]
            self._work.write(_RECORD_DECISIONS, *_columns(rows), self.now)

    async def parcel_known(self, parcel_id: UUID) -> bool:
        return await self._connection.fetchval("select true from pick_tasks where parcel_id = $1", parcel_id) is True

    def sees_what_is_promised(self, task: Task) -> None:
        """Whoever has the task has read what was promised with it."""
        report_seen(self._work, [task.order_id], Department.WAREHOUSE)

    def picked_as_promised(self, task: Task) -> None:
        """What was promised with the order is in its carton."""
        report_done(self._work, task.order_id, Department.WAREHOUSE, "pick_scan", f"pack {task.parcel_id}", self.now)

    def lacks_its_goods(self, order_id: UUID, *, over: bool = False) -> None:
        """The date that was promised for the order is at risk, as its units are nowhere, until that is `over`."""
        report_short(self._work, order_id, over=over)

    async def come_without(self, order_id: UUID, line: int) -> None:
        """The order goes on without what was promised on this line."""
        report_short(self._work, order_id, line)
        await let_go(self._work, order_id, line)


async def catalogue(work: Transaction, site: str, codes: Iterable[str], skus: Iterable[str] = ()) -> Catalogue:
    """The items that answer to the codes, and those of these SKUs, with the bins of the site that hold them."""
    asked = set(codes)
    rows = await work.connection.fetch(_ITEMS, sorted(asked.union(skus)), site)
    items = {row["sku"]: Item(row["sku"], row["description"], row["weight_grams"], tuple(row["bins"])) for row in rows}
    return Catalogue({code: [items[row["sku"]] for row in rows if code in (row["sku"], row["barcode"])] for code in asked}, items)


async def move_tasks(work: Transaction, hand_over_by: dict[UUID, datetime]) -> None:
    """Give these orders' tasks, which are locked, another hand-over, and so another place in the queue; packed ones stay."""
    await work.write_now()  # this very batch may have made or changed the tasks
    work.write(_MOVE, *_columns(sorted(hand_over_by.items())))


def _row(task: Task) -> tuple[object, ...]:
    by, at = (task.hold.by, task.hold.at) if task.hold else (None, None)
    return (
        by, task.task_id, task.order_id, task.site, task.state.value, task.placed_at, task.released_at, task.hand_over_by, task.work_seconds,
        task.rank_at, task.fence, at, task.first_claimed_at, task.picked_at, task.parcel_id, task.carton and task.carton.value, task.weight_grams,
        task.packed_by, task.packed_at, task.correlation_id, task.traceparent,
    )  # fmt: skip


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
