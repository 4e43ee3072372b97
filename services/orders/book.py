"""The open book of one transaction: what it loaded, what was decided, what is to be recorded. Filled and emptied by the store, folded over by
the handlers; it numbers an order's events, and nothing else does."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from services.kit.values import Cause, Heard
from services.orders.capture import Customer, seen
from services.orders.domain import Decision, Order, amended
from services.orders.events import CustomerSeen, OrderEvent, OrderRefused, Reason
from services.orders.validation import Item, Submission

K = TypeVar("K")
V = TypeVar("V")

Reference = tuple[str, str]
"""Channel and external reference: which order it is, once and for all."""


@dataclass(slots=True)
class Wanted:
    """What a batch touches, and so what is loaded and locked for it."""

    references: set[Reference] = field(default_factory=set)
    order_ids: set[UUID] = field(default_factory=set)
    customer_ids: set[UUID] = field(default_factory=set)
    skus: set[str] = field(default_factory=set)
    promise_ids: set[UUID] = field(default_factory=set)
    entering: set[UUID] = field(default_factory=set)
    """Ids of orders that may be new."""
    fingerprints: set[bytes] = field(default_factory=set)

    def enter(self, submission: Submission) -> None:
        """All that taking this order touches."""
        self.references.add((submission.channel, submission.external_ref))
        self.order_ids.add(submission.order_id)
        self.entering.add(submission.order_id)
        self.customer_ids.add(submission.buyer.customer_id)
        self.skus.update(line.sku for line in submission.lines)
        self.fingerprints.add(submission.fingerprint)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a reference already stands for."""

    order_id: UUID
    fingerprint: bytes
    body: bytes
    amended: bytes | None = None
    """The body as it now is, where the order was amended; `body` is for ever as it was sent."""


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise as the customer reads it. `verdict` is one of open, kept, broken, released."""

    promise_id: UUID
    order_id: UUID
    customer_text: str
    language: str
    due_at: datetime
    zone: str
    replaces: UUID | None
    made_at: datetime
    verdict: str = "open"
    verdict_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Early:
    """An event about an order that has not come yet. It waits until `until_at`; then it is set aside."""

    heard: Heard[Any]
    reference: Reference
    until_at: datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """An order that was not taken. `version` is the order id's version at that event."""

    submission: Submission
    reasons: tuple[Reason, ...]
    version: int


@dataclass(frozen=True, slots=True)
class Said:
    """One event to be said on an order, or of a customer."""

    event: OrderEvent | CustomerSeen
    key: UUID
    version: int
    cause: Cause


@dataclass(frozen=True, slots=True)
class Waiting:
    """An order that waits for its items, with why it is there."""

    order_id: UUID
    skus: tuple[str, ...]
    until_at: datetime
    cause: Cause


@dataclass(slots=True)
class Book:
    """Loaded: the dicts. Decided: the orders as they now are, and the lists below. `site`: where new orders are fulfilled."""

    site: str
    orders: dict[UUID, Order] = field(default_factory=dict)
    standings: dict[Reference, Standing] = field(default_factory=dict)
    customers: dict[UUID, Customer] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    promises: dict[UUID, Promise] = field(default_factory=dict)
    early: dict[Reference, list[Early]] = field(default_factory=dict)
    refused_versions: dict[UUID, int] = field(default_factory=dict)
    refused_bodies: set[bytes] = field(default_factory=set)
    order_refs: set[str] = field(default_factory=set)

    before: dict[UUID, Order] = field(default_factory=dict)
    """The orders as loaded; what is not here is new."""
    said: list[Said] = field(default_factory=list)
    changed_customers: set[UUID] = field(default_factory=set)
    changed_promises: set[UUID] = field(default_factory=set)
    item_versions: dict[str, int] = field(default_factory=dict)
    """The versions of the items that were listed anew."""
    refused: list[Refused] = field(default_factory=list)
    waiting: dict[UUID, Waiting] = field(default_factory=dict)
    done_waiting: set[UUID] = field(default_factory=set)
    dropped_orders: set[UUID] = field(default_factory=set)
    arrived_early: list[Early] = field(default_factory=list)
    settled_early: list[Early] = field(default_factory=list)
    buried_early: list[tuple[Early, str, str]] = field(default_factory=list)

    @staticmethod
    def changed(all_of_them: Mapping[K, V], keys: Iterable[K]) -> list[V]:
        """Those with these keys, in the keys' order: rows are written in one order by all."""
        return [all_of_them[key] for key in sorted(keys)]  # type: ignore[type-var]  # ids and SKUs sort

    def note(self, decision: Decision, cause: Cause) -> None:
        """The order as decided, its events numbered one after the other. Its own version moves with a change that says nothing too."""
        order, events = decision.order, decision.events
        known = self.orders.get(order.order_id)
        version, said = (known.version, known.said_version) if known else (order.version, order.said_version)
        for event in events:
            said += 1
            self.said.append(Said(event, order.order_id, said, cause))
        silent = known and not events and amended(order, work_version=known.work_version) != known
        self.orders[order.order_id] = amended(order, version=version + (1 if silent else len(events)), said_version=said)

    def meet(self, customer: Customer, cause: Cause) -> None:
        """Record the customer and say so, when there is something new to say."""
        if self.customers.get(customer.customer_id) == customer:
            return
        self.customers[customer.customer_id] = customer
        self.changed_customers.add(customer.customer_id)
        self.said.append(Said(seen(customer), customer.customer_id, customer.version, cause))

    def refuse(self, submission: Submission, reasons: Sequence[Reason], cause: Cause, now: datetime) -> None:
        """The order is not taken; said once per body."""
        if submission.fingerprint in self.refused_bodies:
            return
        known = self.orders.get(submission.order_id)
        version = (known.said_version if known else self.refused_versions.get(submission.order_id, 0)) + 1
        event = OrderRefused(submission.order_id, submission.channel, submission.external_ref, tuple(reasons)[:1000], now)
        self.refused.append(Refused(submission, event.reasons, version))
        self.refused_versions[submission.order_id] = version
        self.refused_bodies.add(submission.fingerprint)
        self.said.append(Said(event, submission.order_id, version, cause))
