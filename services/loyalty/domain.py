"""Who is surprised: the tier a history earns, what may fly overnight, what the day's budget bears, and what becomes of an upgrade.

Everything here is a pure decision. An order is looked at once, when it is released; what is decided then is never decided again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.kit.values import Money, Refusal
from services.loyalty.flights.domain import CarrierService, Destination, Flight, Journey, business_day, flight_of
from services.loyalty.history.domain import Customer, Order, TierStep, tier_of


class UpgradeState(StrEnum):
    DECLINED = "declined"
    WANTED = "wanted"
    GRANTED = "granted"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Rules:
    """One version of the tier table and the upgrade rules. Versions are kept for ever; an upgrade names the one it was decided by."""

    version: int
    tiers: tuple[TierStep, ...]
    daily_limit: Money
    days_between: int
    holdout_percent: int


@dataclass(frozen=True, slots=True)
class Released:
    """The order may be worked on: the moment at which it is looked at."""

    order_id: UUID
    service: str
    journey: Journey
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class SlotReserved:
    order_id: UUID
    upgrade_id: UUID


@dataclass(frozen=True, slots=True)
class SlotRefused:
    order_id: UUID
    upgrade_id: UUID
    reason: str


class RulesStale(Refusal):
    """Somebody else changed the rules in between."""

    slug = "rules-changed"
    status = 412


@dataclass(frozen=True, slots=True)
class Budget:
    """One business day's money for surprises, in one currency: reserved while a place is asked for, spent once it is granted."""

    on: date
    limit: Money
    reserved_minor: int = 0
    spent_minor: int = 0

    def __post_init__(self) -> None:
        assert self.reserved_minor >= 0 and self.spent_minor >= 0, f"budget of {self.on}: more came back than was taken"

    @property
    def left_minor(self) -> int:
        return self.limit.amount_minor - self.reserved_minor - self.spent_minor

    def limited_to(self, limit: Money) -> "Budget":
        """The same day under another limit; what is already committed stays committed."""
        committed = self.reserved_minor + self.spent_minor
        return replace(self, limit=Money(max(limit.amount_minor, committed), limit.currency))

    def reserve(self, amount_minor: int) -> "Budget":
        assert amount_minor <= self.left_minor, f"budget of {self.on}: {amount_minor} asked, {self.left_minor} left"
        return replace(self, reserved_minor=self.reserved_minor + amount_minor)

    def spend(self, amount_minor: int) -> "Budget":
        return replace(self, reserved_minor=self.reserved_minor - amount_minor, spent_minor=self.spent_minor + amount_minor)

    def free(self, amount_minor: int, state: UpgradeState) -> "Budget":
        """Money back, from where an upgrade in this state holds it."""
        if state is UpgradeState.GRANTED:
            return replace(self, spent_minor=self.spent_minor - amount_minor)
        return replace(self, reserved_minor=self.reserved_minor - amount_minor)


Budgets = Mapping[tuple[date, str], Budget]
"""By day and currency."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What was decided for an order, once, on which business day of its site. With `carrier_service` and `cost` money of that day was set apart."""

    order_id: UUID
    customer_id: UUID
    upgrade_id: UUID
    site: str
    state: UpgradeState
    reason: str | None
    tier: str
    rules_version: int
    decided_at: datetime
    decided_on: date
    carrier_service: str | None = None
    cost: Money | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class Candidate:
    """A released order with everything the decision looks at. `may_fly` says of each SKU known here whether it may."""

    order: Order
    customer: Customer
    upgrade_id: UUID
    journey: Journey
    due_at: datetime | None
    may_fly: Mapping[str, bool]
    services: Sequence[CarrierService]


def held_out(customer_id: UUID, percent: int) -> bool:
    """Whether the customer belongs to the share that is never surprised: the same answer for ever, and a larger share holds the smaller one."""
    digest = hashlib.sha256(b"kept upgrade holdout 1:" + customer_id.bytes).digest()
    return int.from_bytes(digest[:8], "big") % 10_000 < percent * 100


def look_at(candidate: Candidate, rules: Rules, budgets: Budgets, now: datetime) -> Upgrade:
    """Decide once whether the order is to fly: an upgrade that is `wanted`, or `declined` with the first reason that stands against it.

    The holdout is asked last, so that those held out are exactly those who would have been surprised.
    """
    tier = tier_of(rules.tiers, candidate.customer, guest=candidate.order.guest)
    flight = flight_of(candidate.journey, candidate.services, now)
    today = business_day(candidate.services, candidate.journey.site, now)
    reason = _against_order(candidate, tier) or _against_flight(candidate, flight, rules, budgets, today) or _against_customer(candidate, rules, now)
    upgrade = Upgrade(
        candidate.order.order_id,
        candidate.customer.customer_id,
        candidate.upgrade_id,
        candidate.journey.site,
        UpgradeState.DECLINED,
        reason,
        tier.tier,
        rules.version,
        now,
        today,
    )
    if reason is not None:
        return upgrade
    assert flight is not None
    return replace(upgrade, state=UpgradeState.WANTED, carrier_service=flight.carrier_service, cost=flight.cost)


def _against_order(candidate: Candidate, tier: TierStep) -> str | None:
    order = candidate.order
    checks = {
        "guest": order.guest,
        "tier": not tier.upgraded,
        "chosen-date": order.chosen_on is not None,
        "signature": order.signature_required,
        "po-box": order.po_box,
        "item-unknown": not all(sku in candidate.may_fly for sku in order.skus),
        "item-may-not-fly": not all(candidate.may_fly.get(sku, False) for sku in order.skus),
    }
    return _first(checks)


def _against_flight(candidate: Candidate, flight: Flight | None, rules: Rules, budgets: Budgets, today: date) -> str | None:
    if flight is None:
        return "no-overnight"
    if candidate.due_at is not None and flight.expected_at >= candidate.due_at:
        return "not-sooner"
    if flight.cost.currency != rules.daily_limit.currency:
        return "currency"
    budget = budgets[today, flight.cost.currency].limited_to(rules.daily_limit)
    return None if flight.cost.amount_minor <= budget.left_minor else "budget-spent"


def _against_customer(candidate: Candidate, rules: Rules, now: datetime) -> str | None:
    last = candidate.customer.upgraded_at
    checks = {
        "upgraded-lately": last is not None and now < last + timedelta(days=rules.days_between),
        "holdout": held_out(candidate.customer.customer_id, rules.holdout_percent),
    }
    return _first(checks)


def _first(checks: Mapping[str, bool]) -> str | None:
    return next((reason for reason, stands in checks.items() if stands), None)


def grant(upgrade: Upgrade) -> Upgrade:
    """A place is reserved: the order flies."""
    return replace(upgrade, state=UpgradeState.GRANTED, version=upgrade.version + 1)


def refuse_slot(upgrade: Upgrade, reason: str) -> Upgrade:
    """No place could be had: declined after all."""
    return replace(upgrade, state=UpgradeState.DECLINED, reason=f"slot-{reason}", version=upgrade.version + 1)


def withdraw(upgrade: Upgrade, reason: str = "order-cancelled") -> Upgrade:
    """Whatever was wanted or granted is taken back: the order was cancelled, or its place can no longer be used."""
    return replace(upgrade, state=UpgradeState.WITHDRAWN, reason=reason, version=upgrade.version + 1)


def holds_money(upgrade: Upgrade) -> bool:
    return upgrade.state in (UpgradeState.WANTED, UpgradeState.GRANTED)


@dataclass(frozen=True, slots=True)
class UpgradeWanted:
    """Said to fulfilment: the rules and the budget say yes, is there a place?"""

    order_id: UUID
    upgrade_id: UUID
    site: str
    tier: str
    destination: Destination
    carrier_service: str
    difference_minor: int
    currency: str
    wanted_at: datetime


@dataclass(frozen=True, slots=True)
class UpgradeGranted:
    order_id: UUID
    upgrade_id: UUID
    carrier_service: str
    difference_minor: int
    currency: str
    granted_at: datetime


@dataclass(frozen=True, slots=True)
class UpgradeDeclined:
    order_id: UUID
    upgrade_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class UpgradeWithdrawn:
    order_id: UUID
    upgrade_id: UUID
    reason: str


Outcome = UpgradeWanted | UpgradeGranted | UpgradeDeclined | UpgradeWithdrawn


def wanted(upgrade: Upgrade, destination: Destination) -> UpgradeWanted:
    assert upgrade.carrier_service and upgrade.cost
    cost = upgrade.cost
    return UpgradeWanted(
        upgrade.order_id,
        upgrade.upgrade_id,
        upgrade.site,
        upgrade.tier,
        destination,
        upgrade.carrier_service,
        cost.amount_minor,
        cost.currency,
        upgrade.decided_at,
    )


def granted(upgrade: Upgrade, now: datetime) -> UpgradeGranted:
    assert upgrade.carrier_service and upgrade.cost
    return UpgradeGranted(upgrade.order_id, upgrade.upgrade_id, upgrade.carrier_service, upgrade.cost.amount_minor, upgrade.cost.currency, now)


def declined(upgrade: Upgrade) -> UpgradeDeclined:
    assert upgrade.reason
    return UpgradeDeclined(upgrade.order_id, upgrade.upgrade_id, upgrade.reason)


def withdrawn(upgrade: Upgrade) -> UpgradeWithdrawn:
    assert upgrade.reason
    return UpgradeWithdrawn(upgrade.order_id, upgrade.upgrade_id, upgrade.reason)
