"""What stock and floor make of a batch of events, in the order they came: one fold over both, so that a cancel, or a change, sees the claim it races
with.

Locks: the tasks of all orders in the batch, the changes of these orders, their shelves, the shipments of those that are changed; what is said is
versioned at the very end.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast
from uuid import UUID

from services.fulfilment.amending.handlers import Amending
from services.fulfilment.amending.ports import AmendStore, Changes
from services.fulfilment.domain import (
    AmendmentRequested,
    AmendmentUndone,
    CancelRequested,
    ItemListed,
    OrderAmended,
    OrderCancelled,
    OrderPlaced,
    OrderReleased,
)
from services.fulfilment.floor.domain.events import CancelAccepted, CancelRejected, PickReleased
from services.fulfilment.floor.domain.task import WITHOUT_PROMISE, Pace, Task, TaskState, revive, walk
from services.fulfilment.floor.handlers import spots
from services.fulfilment.floor.ports import CancelDecision, FloorStore
from services.fulfilment.stock.domain import Place, WantState
from services.fulfilment.stock.handlers import place, release, retry
from services.fulfilment.stock.ports import Books, StockStore
from services.kit.values import Heard, NewId

_CHANGING = AmendmentRequested | OrderAmended | AmendmentUndone
_OF_ORDERS = OrderPlaced | OrderReleased | CancelRequested | OrderCancelled | _CHANGING


class Aside(Protocol):
    """Where events go that the state refuses."""

    def set_aside(self, heard: Heard[Any], reason: str, detail: str) -> None: ...


@dataclass(slots=True)
class Fold:
    """One batch under way: what is locked, and what was decided so far."""

    stock: StockStore
    floor: FloorStore
    amends: AmendStore
    aside: Aside
    new_id: NewId
    pace: Pace
    tasks: dict[UUID, Task]
    changes: Changes
    books: Books
    decided: dict[tuple[UUID, UUID], CancelDecision]
    changed: dict[UUID, None] = field(default_factory=dict)
    items: list[tuple[ItemListed, int]] = field(default_factory=list)
    cancelled: list[UUID] = field(default_factory=list)
    decisions: list[CancelDecision] = field(default_factory=list)
    refused: set[UUID] = field(default_factory=set)
    """Events that were set aside, and agreed changes older than what was heard since: no part of fulfilment applies them."""

    @property
    def amending(self) -> Amending:
        return Amending(self.changes, self.books, self.tasks, self.floor, self._keep, self.new_id, self.pace)

    def apply(self, heard: Heard[Any]) -> None:
        """One event. What is older than the last one heard of its order changes nothing."""
        if isinstance(heard.data, ItemListed):
            self.items.append((heard.data, heard.version))
        elif isinstance(heard.data, _OF_ORDERS):
            known = self.books.wants.get(heard.data.order_id)
            if known and 0 < heard.version <= known.heard_version:
                if isinstance(heard.data, OrderAmended):
                    self.refused.add(heard.id)
                return
            self._apply(heard)
            if heard.id in self.refused:
                return  # a retry of the dead letter is not older than what was applied
            want = self.books.wants.get(heard.data.order_id)
            if want and heard.version > want.heard_version:
                self.books.keep(replace(want, heard_version=heard.version))

    def _apply(self, heard: Heard[Any]) -> None:
        match heard.data:
            case OrderPlaced():
                place(self.books, heard, self.stock)
            case OrderReleased():
                self._on_released(cast("Heard[OrderReleased]", heard))
            case CancelRequested():
                self._on_cancel_requested(cast("Heard[CancelRequested]", heard))
            case OrderCancelled():
                self._on_cancelled(cast("Heard[OrderCancelled]", heard))
            case AmendmentRequested() | OrderAmended() | AmendmentUndone():
                self._on_change(heard)

    def _on_released(self, heard: Heard[OrderReleased]) -> None:
        """A task at once, in the place that its slack gives it. A release that is repeated after a shortage may move the hand-over."""
        order, want = heard.data, self.books.wants.get(heard.data.order_id)
        if want is None:
            self._refuse(heard, "unknown-order", "The order was released and never placed: send OrderPlaced first.")
        elif want.state is WantState.SHORT and order.order_id not in self.tasks:
            self._refuse(heard, "not-reserved", "The order was released and its units are not set apart: release it after StockReserved.")
        elif order.order_id in self.tasks:
            self._move(order)
        elif want.state is WantState.RESERVED:
            by = order.hand_over_by or order.placed_at + WITHOUT_PROMISE
            lines = walk(spots(want.parts))
            task = Task(
                self.new_id(), order.order_id, order.site, TaskState.READY, order.placed_at, self.floor.now, by, self.pace.work(len(lines)), lines,
                heard.cause.correlation_id, heard.cause.traceparent,
            )  # fmt: skip
            self._keep(task)
            self.floor.say(PickReleased(task.order_id, task.task_id, task.site, by, task.released_at), heard.cause)

    def _move(self, order: OrderReleased) -> None:
        task = self.tasks[order.order_id]
        if order.hand_over_by and task.state in (TaskState.READY, TaskState.SHORT):
            self._keep(replace(task, hand_over_by=order.hand_over_by))

    def _on_cancel_requested(self, heard: Heard[CancelRequested]) -> None:
        """Refused once the pick was claimed, unless it came up short since; the same request always gets the same answer."""
        request, want = heard.data, self.books.wants.get(heard.data.order_id)
        if want is None:
            self._refuse(heard, "unknown-order", "A cancel came for an order that was never placed here.")
            return
        key = (request.order_id, request.request_id)
        decision = self.decided.get(key)
        if decision is None:
            task = self.tasks.get(request.order_id)
            refused_in = task.state.value if task and _in_hands(task) else None
            decision = self.decided[key] = CancelDecision(*key, refused_in)
            self.decisions.append(decision)
        if decision.refused_in is None:
            self._let_go(heard, request.order_id)
            self.floor.say(CancelAccepted(*key, self.floor.now), heard.cause)
        else:
            self.floor.say(CancelRejected(*key, TaskState(decision.refused_in)), heard.cause)

    def _on_cancelled(self, heard: Heard[OrderCancelled]) -> None:
        """The order ended elsewhere: what is set apart for it is free, unless somebody has it in their hands."""
        task = self.tasks.get(heard.data.order_id)
        self.amending.let_go(heard.data.order_id, heard.cause)
        if heard.data.order_id in self.books.wants and not (task and _in_hands(task)):
            self._let_go(heard, heard.data.order_id)

    def _on_change(self, heard: Heard[Any]) -> None:
        """A change is asked for, agreed, or comes to nothing."""
        if heard.data.order_id not in self.books.wants:
            self._refuse(heard, "unknown-order", "A change came for an order that was never placed here.")
        elif isinstance(heard.data, AmendmentRequested):
            self.amending.prepare(heard)
        elif isinstance(heard.data, AmendmentUndone):
            self.amending.let_go(heard.data.order_id, heard.cause, heard.data.amendment_id)
        elif not self.amending.carry_out(heard):
            self._refuse(heard, "not-prepared", "A change was agreed that was never prepared here: send AmendmentRequested first.")

    def _let_go(self, heard: Heard[Any], order_id: UUID) -> None:
        self.amending.let_go(order_id, heard.cause)
        release(self.books, self.books.wants[order_id], heard.cause)
        self.cancelled.append(order_id)
        task = self.tasks.get(order_id)
        if task and task.state is not TaskState.CANCELLED:
            self._keep(replace(task, state=TaskState.CANCELLED, hold=None))

    def _refuse(self, heard: Heard[Any], reason: str, detail: str) -> None:
        self.aside.set_aside(heard, reason, detail)
        self.refused.add(heard.id)

    def _keep(self, task: Task) -> None:
        self.tasks[task.order_id] = task
        self.changed[task.order_id] = None

    async def record(self) -> None:
        """Write everything, each table once."""
        await self.stock.list_items(self.items)
        await self.stock.record(self.books)
        await self.floor.save([self.tasks[order_id] for order_id in self.changed])
        await self.floor.record_decisions(self.decisions)
        await self.amends.record(self.changes)


async def on_events(
    batch: Sequence[Heard[Any]], stock: StockStore, floor: FloorStore, amends: AmendStore, aside: Aside, new_id: NewId, pace: Pace
) -> Fold:
    """Decide and record a batch. Returns what was decided: the orders `cancelled`, whose slots are to be freed, and the events `refused`."""
    fold = Fold(stock, floor, amends, aside, new_id, pace, *await _load(batch, stock, floor, amends))
    for heard in batch:
        fold.apply(heard)
    await fold.record()
    return fold


async def try_wants(orders: Iterable[UUID], stock: StockStore, floor: FloorStore, pace: Pace) -> None:
    """Try these wants again, in the order given (oldest first). A task that was put aside for want of units goes back into the queue."""
    ids = list(orders)
    tasks = await floor.of_orders(ids)
    books = await stock.open(ids)
    revived = []
    for order_id in ids:
        want = books.wants[order_id]
        if not want.ripe:
            continue
        parts, task = retry(books, want, stock), tasks.get(order_id)
        if parts and task:
            revived.append(revive(task, spots(parts), pace))
            floor.lacks_its_goods(order_id, over=True)
            floor.say(PickReleased(order_id, task.task_id, task.site, task.hand_over_by, floor.now), want.cause)
    await stock.record(books)
    await floor.save(revived)


def _in_hands(task: Task) -> bool:
    """Whether the pick began and goes on. A short one has stopped: its units count as on the shelf until all of them are picked."""
    return task.first_claimed_at is not None and task.state is not TaskState.SHORT


async def _load(
    batch: Sequence[Heard[Any]], stock: StockStore, floor: FloorStore, amends: AmendStore
) -> tuple[dict[UUID, Task], Changes, Books, dict[tuple[UUID, UUID], CancelDecision]]:
    """Everything the batch touches: first the tasks, those that shipping may move too. Only orders that begin, change or end need their shelves
    locked; of the others the wants are read."""
    of_orders = [heard.data for heard in batch if hasattr(heard.data, "order_id")]
    placed = [event for event in of_orders if isinstance(event, OrderPlaced)]
    changing = [event for event in of_orders if isinstance(event, _CHANGING)]
    ending = [event for event in of_orders if isinstance(event, CancelRequested | OrderCancelled)]
    released = [event.order_id for event in of_orders if isinstance(event, OrderReleased)]
    orders = {event.order_id for event in (*placed, *changing, *ending)}
    concerned = {event.order_id for event in of_orders}
    tasks = await floor.of_orders({*orders, *released}, also=concerned)
    changes = await amends.open({event.order_id for event in (*changing, *ending)}, {event.amendment_id for event in changing})
    wanted = {(event.site, line.sku) for event in changing if not isinstance(event, AmendmentUndone) for line in event.lines}
    places: set[Place] = {(order.site, line.sku) for order in placed for line in order.lines}
    books = await stock.open(orders, places | wanted | changes.places, read=released)
    if wanted:
        await amends.look_at(changes, concerned, wanted)
    requests = [event.request_id for event in ending if isinstance(event, CancelRequested)]
    return tasks, changes, books, await floor.decided(requests)
