"""Hands out the versions of `fulfilment.work.v1`: the one place that says an event of that topic.

An order's version rises by exactly 1 with each event, whichever part of the service says it. The heads are locked last and in id order, in one
statement, so that no two transactions wait for each other: every part collects into one `WorkLog`, and who opened the transaction flushes it.
An event is a frozen dataclass named as its schema (`StockReserved` is `fulfilment.StockReserved.v1`) with the schema's fields, order_id first.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from services.fulfilment.domain import WorkEvent
from services.kit.database import Transaction
from services.kit.values import Cause

WORK_TOPIC = "fulfilment.work.v1"

_RAISE = """
insert into work_heads as heads (order_id, version) select * from unnest($1::uuid[], $2::bigint[])
on conflict (order_id) do update set version = heads.version + excluded.version
returning order_id, version"""


@dataclass(frozen=True, slots=True)
class _Said:
    event: WorkEvent
    cause: Cause
    at: datetime | None


@dataclass(slots=True)
class WorkLog:
    """What one transaction says about orders, in the order it became true. `flush` it once, last: only what is queued is written after it."""

    transaction: Transaction
    _said: list[_Said] = field(default_factory=list)

    def say(self, event: WorkEvent, cause: Cause, *, at: datetime | None = None) -> None:
        """Announce an event of its order. `at` is when it became true, the transaction's `now` where nothing is given."""
        self._said.append(_Said(event, cause, at))

    async def flush(self) -> None:
        """Give every collected event its order's next version and say it."""
        if not self._said:
            return
        counts = sorted(Counter(said.event.order_id for said in self._said).items())
        rows = await self.transaction.connection.fetch(_RAISE, [order_id for order_id, _ in counts], [count for _, count in counts])
        heads = {row["order_id"]: row["version"] for row in rows}
        following = {order_id: heads[order_id] - count + 1 for order_id, count in counts}
        for said in self._said:
            order_id = said.event.order_id
            type = f"fulfilment.{said.event.__class__.__name__}.v1"
            self.transaction.say(WORK_TOPIC, type, said.event, key=str(order_id), cause=said.cause, version=following[order_id], at=said.at)
            following[order_id] += 1
        self._said.clear()
