"""Orders, services and events as loyalty's tests need them, and a store that keeps everything in dictionaries."""

from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from services.kit.values import Cause, Heard, Money
from services.loyalty.domain import Budget, Outcome, Released, Rules, Upgrade, held_out
from services.loyalty.flights.domain import CarrierService, Departure, Destination, Journey, Lane
from services.loyalty.history.domain import Customer, Order, OrderState, TierStep
from services.loyalty.ports import Needs, State

NOW = datetime(2026, 11, 22, 4, 58, tzinfo=UTC)
"""23:58 on Saturday 21 November in New York."""
TODAY = date(2026, 11, 21)
HERE = Destination("US", "402", "America/New_York")
DUE = datetime(2026, 11, 27, 4, 59, 59, tzinfo=UTC)
EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)
RULES = Rules(
    1, (TierStep("silver", 3, True), TierStep("gold", 10, True)), Money(2000, "GBP"), days_between=30, holdout_percent=0
)  # fmt: skip


def uuid(number: int) -> UUID:
    return UUID(int=0x01900000_0000_7000_9000_000000000000 + number)


def held_out_customer(percent: int = 10) -> UUID:
    """The first customer of the row who belongs to the share."""
    return next(id for id in map(uuid, range(10_000)) if held_out(id, percent))


def lane(label_minor: int = 900, **changes: Any) -> Lane:
    usual = Lane("US", "402", 0, time(8), EVERY_DAY, "America/New_York", Money(label_minor, "GBP"))
    return replace(usual, **changes)


def overnight(**changes: Any) -> CarrierService:
    """Leaves the site at 01:15 every day, at the door at 08:00 the same day."""
    departures = tuple(Departure(day, time(1, 15)) for day in EVERY_DAY)
    return replace(CarrierService("air", "SDF1", "overnight", "America/New_York", departures, (), (lane(),)), **changes)


def ground(label_minor: int = 300) -> CarrierService:
    departures = tuple(Departure(day, time(18)) for day in EVERY_DAY)
    return CarrierService("ground", "SDF1", "standard", "America/New_York", departures, (), (lane(label_minor, postcode_prefix="", transit_days=4),))


def order(number: int = 1, *, customer: int = 1, **changes: Any) -> Order:
    usual = Order(uuid(number), uuid(100_000 + customer), False, None, False, False, ("CUP",), Money(1925, "GBP"), OrderState.PENDING, 0)
    return replace(usual, **changes)


def released(number: int = 1, **changes: Any) -> Released:
    return replace(Released(uuid(number), "standard", Journey("SDF1", HERE, "ground"), DUE), **changes)


def heard(data: Any, version: int = 1, number: int = 0) -> Heard[Any]:
    id = uuid(500_000 + number)
    return Heard(id, type(data).__name__, "", version, NOW, data, Cause(id, id, "00-" + "1" * 32 + "-" + "2" * 16 + "-01"))


class FakeStore:
    """One store for all batches of a test; what it loads are copies, and only what was asked for, so that only `record` changes it."""

    def __init__(self, rules: Rules = RULES, *, now: datetime = NOW) -> None:
        self.now, self.rules = now, rules
        self.orders: dict[UUID, Order] = {}
        self.customers: dict[UUID, Customer] = {}
        self.upgrades: dict[UUID, Upgrade] = {}
        self.budgets: dict[tuple[date, str], Budget] = {}
        self.may_fly: dict[str, bool] = {"CUP": True}
        self.services: dict[str, CarrierService] = {"air": overnight(), "ground": ground()}
        self.said: list[Outcome] = []
        self.versions: dict[UUID, list[int]] = {}
        self.aside: list[str] = []

    async def load(self, needs: Needs) -> State:
        orders = {id: self.orders[id] for id in needs.order_ids if id in self.orders}
        known = needs.customer_ids | {order.customer_id for order in orders.values()}
        budgets = {(TODAY, self.rules.daily_limit.currency): Budget(TODAY, self.rules.daily_limit)} | self.budgets
        return State(
            self.rules,
            orders,
            {id: self.customers.get(id, Customer(id)) for id in known},
            {id: self.upgrades[id] for id in needs.order_ids if id in self.upgrades},
            budgets,
            *self._views(needs, orders),
        )

    def _views(self, needs: Needs, orders: dict[UUID, Order]) -> tuple[dict[str, bool], dict[str, CarrierService]]:
        """As the real store: the items that were asked for or stand on stored orders, the services of the sites that orders leave from."""
        if not needs.released:
            return {}, {}
        skus = needs.skus.union(*(orders[released.order_id].skus for released in needs.released if released.order_id in orders))
        sites = {released.journey.site for released in needs.released}
        services = {name: service for name, service in self.services.items() if service.site in sites}
        return {sku: may for sku, may in self.may_fly.items() if sku in skus}, services

    async def record(self, state: State) -> None:
        self.orders |= state.orders
        self.customers |= state.customers
        self.upgrades |= state.upgrades
        self.budgets |= state.budgets
        self.may_fly |= {sku: item.may_fly for sku, (item, _) in state.listed.items()}
        self.services |= {name: service for name, (service, _) in state.scheduled.items()}

    def say(self, outcome: Outcome, cause: Cause, version: int) -> None:
        self.said.append(outcome)
        self.versions.setdefault(outcome.order_id, []).append(version)

    def set_aside(self, heard: Heard[Any], reason: str, detail: str) -> None:
        self.aside.append(reason)

    def loyal(self, customer_id: UUID, completed: int = 3) -> None:
        """Give the customer a history."""
        self.customers[customer_id] = Customer(customer_id, 0, completed)

    @property
    def today(self) -> Budget:
        return self.budgets[TODAY, "GBP"]

    def words(self) -> list[str]:
        return [type(outcome).__name__ for outcome in self.said]
