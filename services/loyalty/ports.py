"""What the handlers need of the outside: the state a batch touches, loaded and locked, and a place to record and announce."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol
from uuid import UUID

from services.kit.values import Cause, Heard
from services.loyalty.domain import Budget, Outcome, Released, Rules, Upgrade
from services.loyalty.flights.domain import CarrierService, Item
from services.loyalty.history.domain import Customer, Order


@dataclass(frozen=True, slots=True)
class Needs:
    """What a batch is about. `order_ids` and `customer_ids` are locked; `released` asks for items, services and today's budgets as well: the items of
    the released orders that are stored, and `skus`, those of the orders that the batch itself brings."""

    order_ids: frozenset[UUID]
    customer_ids: frozenset[UUID]
    released: Sequence[Released]
    skus: frozenset[str]
    zones: frozenset[str]
    """Zones of services that the batch itself brings."""


@dataclass(slots=True)
class State:
    """The working copy of a batch. Budgets are keyed by day and currency; every customer of an order loaded or placed is present."""

    rules: Rules
    orders: dict[UUID, Order] = field(default_factory=dict)
    customers: dict[UUID, Customer] = field(default_factory=dict)
    upgrades: dict[UUID, Upgrade] = field(default_factory=dict)
    budgets: dict[tuple[date, str], Budget] = field(default_factory=dict)
    may_fly: dict[str, bool] = field(default_factory=dict)
    services: dict[str, CarrierService] = field(default_factory=dict)
    listed: dict[str, tuple[Item, int]] = field(default_factory=dict)
    """Items that the batch brings, with the version at their source."""
    scheduled: dict[str, tuple[CarrierService, int]] = field(default_factory=dict)
    """Carrier services that the batch brings, with the version at their source."""


class Store(Protocol):
    """One transaction's view of loyalty's state."""

    @property
    def now(self) -> datetime: ...

    async def load(self, needs: Needs) -> State: ...

    async def record(self, state: State) -> None: ...

    def say(self, outcome: Outcome, cause: Cause, version: int) -> None: ...

    def set_aside(self, heard: Heard[Any], reason: str, detail: str) -> None: ...
