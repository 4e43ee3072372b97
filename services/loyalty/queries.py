"""What staff may read of loyalty: a customer's tier, a day's budget, a day's upgrades."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from services.loyalty.history.domain import Customer, tier_of
from services.loyalty.tables import Connection, current_rules

_SPENT = """
select currency, sum(total_minor)::bigint as amount_minor from orders_view where customer_id = $1 and state = 'completed' group by 1 order by 1"""
_PAGE = """
select order_id, upgrade_id, customer_id, site, state, reason, tier, rules_version, decided_at, carrier_service, cost_minor, currency
from upgrades where decided_on = $1 and ($2::uuid is null or upgrade_id < $2) order by upgrade_id desc limit $3"""
_COUNTS = """
select case when state = 'declined' then reason else state end as outcome, count(*) from upgrades where decided_on = $1 group by 1 order by 1"""


@dataclass(frozen=True, slots=True)
class TierView:
    """A customer's tier by the rules in force, and the history it comes from. `spent`: completed orders, by currency."""

    customer_id: UUID
    tier: str
    rules_version: int
    before: int
    pending: int
    completed: int
    spent: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BudgetView:
    """One business day's money for surprises."""

    on: date
    currency: str
    limit_minor: int
    reserved_minor: int
    spent_minor: int
    left_minor: int


@dataclass(frozen=True, slots=True)
class UpgradeRow:
    """What was decided for one order. `cost_minor`: what was set apart of the day's budget, if anything."""

    order_id: UUID
    upgrade_id: UUID
    customer_id: UUID
    site: str
    state: str
    reason: str | None
    tier: str
    rules_version: int
    decided_at: datetime
    carrier_service: str | None
    cost_minor: int | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class UpgradesView:
    """A business day's decisions, newest first. `counts`: the whole day by state, declined ones by reason. `next`: where the next page starts."""

    on: date
    counts: Mapping[str, int]
    upgrades: tuple[UpgradeRow, ...]
    next: UUID | None


async def tier(sql: Connection, customer_id: UUID) -> TierView:
    """A customer who never ordered has no tier and no history."""
    rules = await current_rules(sql)
    row = await sql.fetchrow("select pending, completed, upgraded_at, before from customers where customer_id = $1", customer_id)
    customer = Customer(customer_id, *row) if row else Customer(customer_id)
    spent = dict(await sql.fetch(_SPENT, customer_id))
    return TierView(customer_id, tier_of(rules.tiers, customer).tier, rules.version, customer.before, customer.pending, customer.completed, spent)


async def budget(sql: Connection, on: date) -> BudgetView:
    """A day on which nothing was looked at has the limit of the rules in force, and nothing taken from it."""
    limit = (await current_rules(sql)).daily_limit
    row = await sql.fetchrow("select * from budget_days where on_date = $1 order by currency = $2 desc limit 1", on, limit.currency)
    if row is None:
        return BudgetView(on, limit.currency, limit.amount_minor, 0, 0, limit.amount_minor)
    allowed, reserved, spent = row["limit_minor"], row["reserved_minor"], row["spent_minor"]
    return BudgetView(on, row["currency"], allowed, reserved, spent, allowed - reserved - spent)


async def upgrades(sql: Connection, on: date, before: UUID | None, limit: int) -> UpgradesView:
    rows = tuple(UpgradeRow(*row) for row in await sql.fetch(_PAGE, on, before, limit))
    counts = dict(await sql.fetch(_COUNTS, on))
    return UpgradesView(on, counts, rows, rows[-1].upgrade_id if len(rows) == limit else None)
