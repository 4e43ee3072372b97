"""What a customer has ordered, and the tier that earns.

An order counts from the moment it is placed until it is cancelled. The tier is a table of steps, one version per change of the rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from services.kit.values import Money, Refusal

NO_TIER = "none"


class OrderState(StrEnum):
    PENDING = "pending"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Order:
    """What is known of an order when it is looked at."""

    order_id: UUID
    customer_id: UUID
    guest: bool
    chosen_on: date | None
    signature_required: bool
    po_box: bool
    skus: tuple[str, ...]
    total: Money
    state: OrderState
    version: int


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer's history: orders on their way and orders completed, and when the last surprise was set in motion. `before`: orders of the time
    before Kept, as the shop told."""

    customer_id: UUID
    pending: int = 0
    completed: int = 0
    upgraded_at: datetime | None = None
    before: int = 0


@dataclass(frozen=True, slots=True)
class TierStep:
    """From how many orders on (before, pending and completed) a customer has this tier, and whether it is surprised."""

    tier: str
    from_orders: int
    upgraded: bool


@dataclass(frozen=True, slots=True)
class Completed:
    order_id: UUID


@dataclass(frozen=True, slots=True)
class Cancelled:
    order_id: UUID


@dataclass(frozen=True, slots=True)
class Amended:
    """What is known of the order, as it now is."""

    order_id: UUID
    chosen_on: date | None
    signature_required: bool
    po_box: bool
    skus: tuple[str, ...]
    total: Money


class TiersUnsound(Refusal):
    """The tier table contradicts itself."""

    slug = "tiers-unsound"
    status = 422


def tier_of(tiers: Sequence[TierStep], customer: Customer, *, guest: bool = False) -> TierStep:
    """The highest tier that the history earns. Guests have none."""
    orders = 0 if guest else customer.before + customer.pending + customer.completed
    earned = [step for step in tiers if orders >= step.from_orders]
    return max(earned, key=lambda step: step.from_orders, default=TierStep(NO_TIER, 0, False))


def check_tiers(tiers: Sequence[TierStep]) -> None:
    """Raises TiersUnsound when tiers repeat, do not rise, or take the name of having none."""
    names = [step.tier for step in tiers]
    starts = [step.from_orders for step in tiers]
    if NO_TIER in names or len(set(names)) != len(names):
        raise TiersUnsound(f"Name each tier once, and none of them '{NO_TIER}', which means having no tier.", tiers=names)
    if starts != sorted(set(starts)):
        raise TiersUnsound("List the tiers from the lowest up, each from more orders on than the one before.", from_orders=starts)


def place(customer: Customer) -> Customer:
    return replace(customer, pending=customer.pending + 1)


def complete(customer: Customer, order: Order) -> tuple[Customer, Order]:
    """The order counts as completed, once; a cancelled one stays out."""
    if order.state is not OrderState.PENDING:
        return customer, order
    customer = replace(customer, pending=customer.pending - 1, completed=customer.completed + 1)
    return customer, replace(order, state=OrderState.COMPLETED)


def change(order: Order, amended: Amended) -> Order:
    return replace(
        order,
        chosen_on=amended.chosen_on,
        signature_required=amended.signature_required,
        po_box=amended.po_box,
        skus=amended.skus,
        total=amended.total,
    )


def take_out(customer: Customer, order: Order) -> tuple[Customer, Order]:
    """The order no longer counts, whichever way it counted before."""
    if order.state is OrderState.CANCELLED:
        return customer, order
    counted = "pending" if order.state is OrderState.PENDING else "completed"
    customer = replace(customer, **{counted: getattr(customer, counted) - 1})
    return customer, replace(order, state=OrderState.CANCELLED)
