"""What the warehouse tells the ledger of the promises that its work belongs to. One statement each, queued: nobody on the floor waits for it."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from services.fulfilment.domain import Promised
from services.kit.database import Transaction
from services.kit.promise.duties import What
from services.kit.promise.state import Department

_OF_ORDERS = "from promise_holds where order_id = any($1::uuid[]) and state <> 'freed'"
_ADD = "insert into promise_reports (report_id, body) select gen_random_uuid(), json_build_object('promise_id', promise_id, "
_SEEN = f"{_ADD}'department', $2::text, 'what', 'seen')::text {_OF_ORDERS}"
_EVIDENCE = f"""{_ADD}'department', $2::text, 'what', 'evidence', 'type', $3::text, 'id', $4::text, 'quantity', quantity,
    'at', $5::text)::text {_OF_ORDERS}"""  # statements of ours
_SHORT = f"{_ADD}'department', 'warehouse', 'what', $3::text, 'reason', 'short')::text {_OF_ORDERS} and line is not distinct from $2::int"
_LATE = f"""{_ADD}'department', 'delivery', 'what', 'at_risk', 'reason', 'late')::text
from promise_holds join shipments using (order_id) where order_id = any($1::uuid[]) and promise_holds.state <> 'freed'
and shipments.hand_over_by > coalesce(promise_holds.departs_at, promise_holds.due_at)"""
_GONE = """
update promise_holds set state = 'freed' where order_id = $1 and line = $2
and not exists (select from pick_lines join pick_tasks using (task_id) where pick_tasks.order_id = $1 and pick_lines.line = $2)"""
_PROMISED = """
select h.order_id, h.promise_id, h.line, h.sku, h.quantity, v.words as customer_text, h.due_at
from promise_holds h join promise_view v using (promise_id)
where h.order_id = any($1::uuid[]) and h.state <> 'freed' and v.verdict not in ('void', 'released')
    and not (h.line is null and v.verdict = 'broken' and exists (
        select from promise_holds later where later.order_id = h.order_id and later.line is null and later.promise_id > h.promise_id
            and later.state <> 'freed'))
order by h.order_id, h.line nulls first, h.promise_id"""

_LACKING = """
select h.order_id, h.promise_id, h.line, h.sku, h.quantity, v.words as customer_text, h.due_at
from promise_holds h join promise_view v using (promise_id)
where h.order_id = any($1::uuid[]) and h.state = 'freed' and h.line is not null and v.verdict = 'open' order by h.order_id, h.line, h.promise_id"""


async def promised(work: Transaction, order_ids: Collection[UUID]) -> dict[UUID, tuple[Promised, ...]]:
    """By order, what was promised with it and stands, or is still to be done; a day that was not kept gives way to the next one."""
    return await _by_order(work, _PROMISED, order_ids)


async def lacking(work: Transaction, order_ids: Collection[UUID]) -> dict[UUID, tuple[Promised, ...]]:
    """By order, what was promised with it and is not with it, since no shelf had it."""
    return await _by_order(work, _LACKING, order_ids)


def report_seen(work: Transaction, order_ids: Collection[UUID], department: Department) -> None:
    """The person who will do it has it before them, in the customer's words."""
    work.write(_SEEN, sorted(order_ids), department.value)


def report_done(work: Transaction, order_id: UUID, department: Department, type: str, source: str, at: datetime) -> None:
    """All that was promised with the order was picked, or handed over; `source` is the id of what shows it."""
    work.write(_EVIDENCE, [order_id], department.value, type, source, at.isoformat())


def report_short(work: Transaction, order_id: UUID, line: int | None = None, *, over: bool = False) -> None:
    """The shelf does not have what was promised: what lay beside the order on this line, or the order's own goods, whose date is at risk until
    that is `over`."""
    what = What.OUT_OF_RISK if over else What.AT_RISK
    work.write(_SHORT, [order_id], line, what.value)


def report_late(work: Transaction, order_ids: Collection[UUID]) -> None:
    """These leave later than what was promised allows."""
    work.write(_LATE, sorted(order_ids))


async def let_go(work: Transaction, order_id: UUID, line: int) -> None:
    """A promised line that is no longer in the task holds nothing."""
    await work.write_now()
    await work.connection.execute(_GONE, order_id, line)


async def _by_order(work: Transaction, statement: str, order_ids: Collection[UUID]) -> dict[UUID, tuple[Promised, ...]]:
    found: dict[UUID, list[Promised]] = {}
    for row in await work.connection.fetch(statement, sorted(set(order_ids))) if order_ids else ():
        order_id, *rest = row.values()
        found.setdefault(order_id, []).append(Promised(*rest))
    return {order_id: tuple(each) for order_id, each in found.items()}
