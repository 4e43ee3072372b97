"""Stock and floor in the fake PostgreSQL: tasks are locked first, then shelves, then wants, as by the stores in SQL."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from services.fulfilment.amending.ports import Changes
from services.fulfilment.domain import ItemListed, WorkEvent
from services.fulfilment.floor.domain.task import Task
from services.fulfilment.floor.ports import CancelDecision
from services.fulfilment.stock.domain import Bin, Movement, Place, Shelf, Want, WantState, changed
from services.fulfilment.stock.ports import Books
from services.fulfilment.stock.store import _INCREASING, STOCK_TOPIC
from services.fulfilment.work import _RAISE, WorkLog
from services.kit.database import Transaction
from services.kit.values import Cause
from simulation.postgres import Session
from simulation.statements import STATEMENTS, Row


async def _raise(to: Session, orders: Sequence[UUID], counts: Sequence[int]) -> list[Row]:
    rows = []
    for order_id, count in zip(orders, counts, strict=True):
        await to.lock("heads", [order_id])
        version = (to.get("heads", order_id) or 0) + count
        await to.put("heads", order_id, version)
        rows.append(Row(order_id=order_id, version=version))
    return rows


STATEMENTS[_RAISE] = _raise


class _Store:
    def __init__(self, work: Transaction, log: WorkLog) -> None:
        self._work, self._log = work, log

    @property
    def now(self) -> datetime:
        return self._work.now

    def say(self, event: WorkEvent, cause: Cause, *, at: datetime | None = None) -> None:
        self._log.say(event, cause, at=at)

    async def _run(self, function: Any, *arguments: Any) -> Any:
        connection: Any = self._work.connection
        return await connection.run(function, *arguments)


class SimulatedStock(_Store):
    """What the stock handlers use."""

    async def open(self, orders: Iterable[UUID], places: Iterable[Place] = (), read: Iterable[UUID] = ()) -> Books:
        books: Books = await self._run(_open, sorted(set(orders)), set(places), sorted({*orders, *read}))
        return books

    async def record(self, books: Books) -> None:
        await self._run(_record, books)
        for place in sorted(books.causes):
            shelf, cause = books.shelves[place], books.causes[place]
            version, key = shelf.version + 1, f"{shelf.site}:{shelf.sku}"
            self._work.say(STOCK_TOPIC, "fulfilment.StockChanged.v1", changed(shelf), key=key, cause=cause, version=version)

    async def list_items(self, items: Sequence[tuple[ItemListed, int]]) -> None:
        await self._run(_list, sorted(items, key=lambda listed: (listed[0].sku, listed[1])))

    async def book_paper(self, paper_id: UUID, kind: str, content: Mapping[str, Any], by: str) -> bool:
        return bool(await self._run(_paper, paper_id, content))

    async def unknown(self, skus: Iterable[str]) -> list[str]:
        known: set[str] = await self._run(_known)
        return sorted(set(skus) - known)

    async def ripe(self) -> list[UUID]:
        """Orders to be tried again, oldest first."""
        ripe: list[UUID] = await self._run(_ripe)
        return ripe


class SimulatedFloor(_Store):
    """What a batch of events uses of the floor."""

    async def of_orders(self, orders: Iterable[UUID], also: Iterable[UUID] = ()) -> dict[UUID, Task]:
        tasks: dict[UUID, Task] = await self._run(_tasks, sorted({*orders, *also}))
        return tasks

    async def save(self, tasks: Sequence[Task]) -> None:
        await self._run(_save, tasks)

    async def decided(self, request_ids: Iterable[UUID]) -> dict[tuple[UUID, UUID], CancelDecision]:
        decided: dict[tuple[UUID, UUID], CancelDecision] = await self._run(_decided, set(request_ids))
        return decided

    async def record_decisions(self, decisions: Sequence[CancelDecision]) -> None:
        await self._run(_decide, decisions)


async def _open(to: Session, orders: list[UUID], places: set[Place], asked: list[UUID]) -> Books:
    named = places | {place for order_id in orders if (want := to.get("wants", order_id)) for place in want.places}
    shelves: dict[Place, Shelf] = {}
    for place in sorted(named):
        await to.insert("shelves", place, Shelf(*place))
        shelves[place] = await to.select_for_update("shelves", place)
    wants = {order_id: want for order_id in asked if (want := await to.select_for_update("wants", order_id))}
    earmarked = Counter[Place]()
    for _, want in to.scan("wants"):
        for line in want.lines if want.ripe else ():
            if (want.site, line.sku) in named:
                earmarked[want.site, line.sku] += line.quantity
    return Books(shelves, wants, earmarked)


async def _record(to: Session, books: Books) -> None:
    for order_id in books.changed:
        await to.put("wants", order_id, books.wants[order_id])
    for movement in books.movements:
        await to.put("movements", to.server.draw(), movement)
    for place in sorted(books.causes):
        shelf = books.shelves[place]
        bins = tuple(sorted(shelf.bins, key=_name))
        await to.put("shelves", place, replace(shelf, version=shelf.version + 1, bins=bins))
    await _ripen(to, books.movements)


async def _ripen(to: Session, movements: Sequence[Movement]) -> None:
    grown = {(movement.site, movement.sku) for movement in movements if movement.kind.value in _INCREASING}
    short = sorted(id for id, want in to.scan("wants") if want.state is WantState.SHORT and not want.ripe and want.places & grown)
    for order_id in short:
        want: Want = await to.select_for_update("wants", order_id)
        if want.state is WantState.SHORT:
            await to.put("wants", order_id, replace(want, ripe=True))


async def _ripe(to: Session) -> list[UUID]:
    return [want.order_id for want in sorted((want for _, want in to.scan("wants") if want.ripe), key=lambda want: (want.placed_at, want.order_id))]


async def _list(to: Session, items: Sequence[tuple[ItemListed, int]]) -> None:
    for item, version in items:
        await to.lock("items", [item.sku])
        if version >= (to.get("items", item.sku) or (None, 0))[1]:
            await to.put("items", item.sku, (item, version))


async def _paper(to: Session, paper_id: UUID, content: Mapping[str, Any]) -> bool:
    return await to.insert("papers", paper_id, content)


async def _known(to: Session) -> set[str]:
    return {sku for sku, _ in to.scan("items")}


async def _tasks(to: Session, orders: Sequence[UUID]) -> dict[UUID, Task]:
    return {order_id: task for order_id in orders if (task := await to.select_for_update("tasks", order_id))}


async def _save(to: Session, tasks: Sequence[Task]) -> None:
    for task in tasks:
        await to.put("tasks", task.order_id, task)


async def _decided(to: Session, requests: set[UUID]) -> dict[tuple[UUID, UUID], CancelDecision]:
    return {key: decision for key, decision in to.scan("decisions") if key[1] in requests}


async def _decide(to: Session, decisions: Sequence[CancelDecision]) -> None:
    for decision in decisions:
        await to.insert("decisions", (decision.order_id, decision.request_id), decision)


def _name(bin: Bin) -> str:
    return bin.bin


class SimulatedAmends:
    """What changes of orders need: here nobody asks for any."""

    async def open(self, orders: Collection[UUID], requests: Collection[UUID]) -> Changes:
        return Changes({})

    async def look_at(self, changes: Changes, orders: Collection[UUID], places: Collection[Place]) -> None:
        raise AssertionError("an order of the simulation was changed")

    async def record(self, changes: Changes) -> None:
        """Nothing changed."""
