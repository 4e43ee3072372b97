"""What an agent may give away: everything, and within a budget without anybody looking at it. Above it the grant goes out all the same."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.kit.promise.state import Department, Made


@dataclass(frozen=True, slots=True)
class Grant:
    """One difference: money that an agent promised beside what the tariff owes, or what a void took back (below zero)."""

    promise_id: UUID
    agent: str
    currency: str
    amount_minor: int
    granted_at: datetime


@dataclass(frozen=True, slots=True)
class Given:
    """What one agent gave away in one currency on one day. `left_minor` is what of the budget is left, never below zero; `above` are the promises
    that went beyond it, in the order they were made."""

    agent: str
    currency: str
    budget_minor: int
    granted_minor: int
    left_minor: int
    above: tuple[UUID, ...]


def is_goodwill(said: Made, department: str) -> bool:
    """Whether it is money that an agent gives of their own accord. What makes good for a break is owed, and no grant."""
    return department == Department.CARE and said.cause is None and said.amount_minor > 0 and said.currency is not None


def given(grants: Sequence[Grant], budgets: Mapping[str, int]) -> list[Given]:
    """By agent and currency, of the grants of one day in their order."""
    found: dict[tuple[str, str], Given] = {}
    for grant in grants:
        budget = budgets.get(grant.currency, 0)
        before = found.get((grant.agent, grant.currency), Given(grant.agent, grant.currency, budget, 0, budget, ()))
        total = before.granted_minor + grant.amount_minor
        above = before.above if grant.amount_minor <= 0 or total <= budget else (*before.above, grant.promise_id)
        left = min(budget, max(0, budget - total))
        found[grant.agent, grant.currency] = replace(before, granted_minor=total, left_minor=left, above=_standing(above, grant))
    return sorted(found.values(), key=lambda each: (each.agent, each.currency))


def _standing(above: Iterable[UUID], grant: Grant) -> tuple[UUID, ...]:
    """Without what was taken back."""
    return tuple(id for id in above if not (grant.amount_minor < 0 and id == grant.promise_id))
