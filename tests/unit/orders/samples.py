"""Orders to test with, and a store that keeps its state in dicts."""

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from services.kit.values import Cause, Heard
from services.orders.book import Book, Early, Promise, Refused, Said, Standing, Waiting, Wanted
from services.orders.capture import Customer, accept
from services.orders.domain import Amendment, Order, Status, amended
from services.orders.events import CustomerSeen
from services.orders.handlers import on_events
from services.orders.messages import HEARS, OrderSubmittedWire, to_submission
from services.orders.validation import Item, Submission
from tests.support.ids import numbered_ids

NOW = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
SCHEMAS = Path(__file__).parents[3] / "schemas"
EXAMPLE: dict[str, Any] = json.loads((SCHEMAS / "storefront/OrderSubmitted.v1.example.json").read_text())
new_id = numbered_ids(start=500_000)


def body(**changes: Any) -> dict[str, Any]:
    """The golden order with some fields of its own: `body(ship_to__city="Paris")` changes one inside another."""
    made = deepcopy(EXAMPLE)
    for path, value in changes.items():
        *outer, name = path.split("__")
        place = made
        for part in outer:
            place = place[part]
        place[name] = value
    return made


def submission(**changes: Any) -> Submission:
    return to_submission(msgspec.convert(body(**changes), OrderSubmittedWire))


def priced(quantity: int = 1, unit: int = 500, charges: Sequence[int] = (), **changes: Any) -> dict[str, Any]:
    """A body whose money adds up."""
    total = quantity * unit + sum(charges)
    lines = [{"line": 1, "sku": "85123A", "quantity": quantity, "unit_price_minor": unit, "description": "A HEART"}]
    extra = [{"code": "POST", "description": "POSTAGE", "amount_minor": amount} for amount in charges]
    return body(lines=lines, charges=extra, total_minor=total, payment__amount_minor=total, **changes)


def an_order(**changes: Any) -> Order:
    """An announced order that waits for all its checks."""
    made = accept(submission(payment__state="pending"), order_ref="VCMR-R6G1", site="SDF1", version=1, hold=None)
    return replace(made, **changes)


def heard(data: Any, version: int = 1, id: UUID | None = None) -> Heard[Any]:
    """The data as if it had been consumed."""
    event_id = id or new_id()
    return Heard(event_id, type(data).__name__, "", version, NOW, data, Cause(event_id, event_id, "00-" + "1" * 32 + "-" + "2" * 16 + "-01"))


def cause() -> Cause:
    return heard(None).cause


class FakeStore:
    """Whole transactions over dicts; every `transaction()` sees what the ones before recorded."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now
        self.orders: dict[UUID, Order] = {}
        self.standings: dict[tuple[str, str], Standing] = {}
        self.customers: dict[UUID, Customer] = {}
        self.items: dict[str, Item] = {"85123A": Item("85123A", False)}
        self.promises: dict[UUID, Promise] = {}
        self.early: list[Early] = []
        self.waiting: dict[UUID, Waiting] = {}
        self.amendments: dict[UUID, Amendment] = {}
        self.refused: list[Refused] = []
        self.said: list[Said] = []
        self.aside: list[tuple[UUID, str]] = []
        self.buried: list[tuple[UUID, str]] = []

    async def load(self, wanted: Wanted) -> Book:
        orders = {
            id: order
            for id, order in self.orders.items()
            if id in wanted.order_ids
            or (order.channel, order.external_ref) in wanted.references
            or any(promise.promise_id in wanted.promise_ids and promise.order_id == id for promise in self.promises.values())
        }
        early: dict[tuple[str, str], list[Early]] = {}
        for each in self.early:
            if each.reference in wanted.references:
                early.setdefault(each.reference, []).append(each)
        return Book(
            "SDF1",
            orders=orders,
            before=dict(orders),
            standings={key: value for key, value in self.standings.items() if key in wanted.references or value.order_id in wanted.order_ids},
            customers={id: customer for id, customer in self.customers.items() if id in wanted.customer_ids},
            items={sku: item for sku, item in self.items.items() if sku in wanted.skus},
            promises={id: promise for id, promise in self.promises.items() if id in wanted.promise_ids},
            early=early,
            refused_versions={refused.submission.order_id: refused.version for refused in self.refused},
            refused_bodies={refused.submission.fingerprint for refused in self.refused},
            order_refs={order.order_ref for order in self.orders.values()},
        )

    async def load_waiting(self, limit: int) -> Book:
        due = {waiting.order_id: waiting for waiting in list(self.waiting.values())[:limit]}
        references = {(self.orders[id].channel, self.orders[id].external_ref) for id in due}
        book = await self.load(Wanted(references=references, skus=set(self.items)))
        book.waiting = due
        for early in self.early:
            if early.until_at <= self.now:
                book.early.setdefault(early.reference, []).append(early)
        return book

    async def record(self, book: Book) -> None:
        self.standings.update(book.standings)
        for id, order in book.orders.items():
            self.orders[id] = self._settled(order)
        self.customers.update(book.customers)
        self.items.update(book.items)
        self.promises.update(book.promises)
        self.refused += book.refused
        self.said += book.said
        self.waiting.update(book.waiting)
        gone = {early.heard.id for early in book.settled_early} | {early.heard.id for early, _, _ in book.buried_early}
        self.early = [early for early in self.early + book.arrived_early if early.heard.id not in gone]
        self.buried += [(early.heard.id, reason) for early, reason, _ in book.buried_early]
        for order_id in book.done_waiting:
            del self.waiting[order_id]
        for order_id in book.dropped_orders:
            order = self.orders.pop(order_id)
            del self.standings[order.channel, order.external_ref]

    def _settled(self, order: Order) -> Order:
        """As the next transaction loads it: an amendment that was decided is kept elsewhere, and the order's body is what it became."""
        if order.amendment is None:
            return order
        self.amendments[order.amendment.amendment_id] = order.amendment
        if order.amendment.status is Status.AGREED:
            reference = order.channel, order.external_ref
            self.standings[reference] = replace(self.standings[reference], amended=order.amendment.wanted.body)
        return order if order.amending else amended(order, amendment=None)

    def set_aside(self, heard: Heard[Any], reason: str, sentence: str) -> None:
        assert sentence
        self.aside.append((heard.id, reason))

    async def hear(self, *data: Any, version: int = 1) -> None:
        """One batch of these inputs; versions count up from the given one."""
        await on_events([one if isinstance(one, Heard) else heard(one, version + place) for place, one in enumerate(data)], self)

    def after(self, **by: float) -> "FakeStore":
        self.now += timedelta(**by)
        return self

    @property
    def names(self) -> list[str]:
        """What was said of orders, by name, in order."""
        return [type(said.event).__name__ for said in self.said if not isinstance(said.event, CustomerSeen)]


def read(type: str, data: dict[str, Any]) -> Any:
    """The data as the service reads it from the wire."""
    how: Any = HEARS[type]
    value = json.dumps(data).encode()
    return how.to_domain(msgspec.json.decode(value, type=how.wire)) if hasattr(how, "wire") else msgspec.json.decode(value, type=how)
