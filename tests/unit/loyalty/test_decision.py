"""The decision table: each reason alone stands against a surprise, and with none of them there is one."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.values import Money
from services.loyalty.domain import Budget, Candidate, Upgrade, UpgradeState, held_out, look_at
from services.loyalty.flights.domain import Journey
from services.loyalty.history.domain import Customer
from tests.unit.loyalty.build import DUE, HERE, NOW, RULES, TODAY, ground, held_out_customer, order, overnight, uuid

JOURNEY = Journey("SDF1", HERE, "ground")
LOYAL = Customer(order().customer_id, 1, 4)
PROMISING = Candidate(order(), LOYAL, uuid(7), JOURNEY, DUE, {"CUP": True}, (overnight(), ground()))


def decide(candidate: Candidate = PROMISING, *, spent: int = 0, **rules: Any) -> Upgrade:
    budget = Budget(TODAY, RULES.daily_limit, spent_minor=spent)
    return look_at(candidate, replace(RULES, **rules), {(TODAY, "GBP"): budget}, NOW)


def test_with_nothing_against_it_an_order_is_to_fly() -> None:
    upgrade = decide()
    assert (upgrade.state, upgrade.reason) == (UpgradeState.WANTED, None)
    assert (upgrade.carrier_service, upgrade.cost, upgrade.decided_on, upgrade.tier) == ("air", Money(600, "GBP"), TODAY, "silver")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"order": order(guest=True)}, "guest"),
        ({"customer": replace(LOYAL, completed=1)}, "tier"),
        ({"order": order(chosen_on=date(2026, 11, 30))}, "chosen-date"),
        ({"order": order(signature_required=True)}, "signature"),
        ({"order": order(po_box=True)}, "po-box"),
        ({"order": order(skus=("CUP", "LAMP"))}, "item-unknown"),
        ({"order": order(skus=("CUP", "LAMP")), "may_fly": {"CUP": True, "LAMP": False}}, "item-may-not-fly"),
        ({"services": (ground(),)}, "no-overnight"),
        ({"services": ()}, "no-overnight"),
        ({"due_at": datetime(2026, 11, 22, 13, tzinfo=UTC)}, "not-sooner"),
        ({"customer": replace(LOYAL, upgraded_at=NOW - timedelta(days=29))}, "upgraded-lately"),
    ],
)
def test_each_reason_alone_stands_against_it(changes: dict[str, Any], reason: str) -> None:
    upgrade = decide(replace(PROMISING, **changes))
    assert (upgrade.state, upgrade.reason) == (UpgradeState.DECLINED, reason)
    assert (upgrade.carrier_service, upgrade.cost) == (None, None)


def test_a_turn_comes_again_after_the_days_between() -> None:
    assert decide(replace(PROMISING, customer=replace(LOYAL, upgraded_at=NOW - timedelta(days=30)))).state is UpgradeState.WANTED


def test_the_last_penny_may_be_spent_and_not_one_more() -> None:
    assert decide(spent=1400).state is UpgradeState.WANTED
    assert decide(spent=1401).reason == "budget-spent"


def test_a_limit_that_was_lowered_binds_at_once() -> None:
    assert decide(spent=600, daily_limit=Money(1199, "GBP")).reason == "budget-spent"
    assert decide(spent=600, daily_limit=Money(100, "GBP")).reason == "budget-spent"


def test_a_budget_in_another_currency_pays_nothing() -> None:
    budgets = {(TODAY, "EUR"): Budget(TODAY, Money(9000, "EUR"))}
    assert look_at(PROMISING, replace(RULES, daily_limit=Money(9000, "EUR")), budgets, NOW).reason == "currency"


def test_those_held_out_are_named_last_so_that_they_are_who_would_have_flown() -> None:
    apart = held_out_customer()
    customer = Customer(apart, 1, 4)
    candidate = replace(PROMISING, customer=customer)
    assert decide(candidate, holdout_percent=10).reason == "holdout"
    assert decide(candidate, holdout_percent=0).state is UpgradeState.WANTED
    assert decide(candidate, spent=2000, holdout_percent=10).reason == "budget-spent"
    assert decide(replace(candidate, order=order(po_box=True)), holdout_percent=10).reason == "po-box"


def test_a_customer_is_held_out_for_ever() -> None:
    """Pinned: these customers stay on their side of the line whatever Python, process or release decides."""
    assert [number for number in range(60) if held_out(uuid(number), 10)] == PINNED


PINNED = [11, 14, 34, 38, 56, 58]


@given(st.uuids(), st.integers(0, 99))
def test_a_larger_share_holds_the_smaller_one(customer_id: Any, percent: int) -> None:
    assert held_out(customer_id, percent) <= held_out(customer_id, percent + 1)
    assert held_out(customer_id, 100)
    assert not held_out(customer_id, 0)


def test_the_share_is_about_what_was_asked() -> None:
    held = sum(held_out(uuid(number), 10) for number in range(20_000))
    assert 1800 < held < 2200
