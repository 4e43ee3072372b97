"""Tiers come from a history in which every order counts once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.loyalty.history.domain import Customer, OrderState, TierStep, TiersUnsound, check_tiers, complete, place, take_out, tier_of
from tests.unit.loyalty.build import RULES, order, uuid


@pytest.mark.parametrize(
    ("pending", "completed", "tier"),
    [(0, 0, "none"), (2, 0, "none"), (3, 0, "silver"), (1, 2, "silver"), (0, 9, "silver"), (1, 9, "gold"), (0, 500, "gold")],
)
def test_a_tier_counts_pending_and_completed_orders(pending: int, completed: int, tier: str) -> None:
    assert tier_of(RULES.tiers, Customer(uuid(1), pending, completed)).tier == tier


def test_a_guest_has_no_tier() -> None:
    assert tier_of(RULES.tiers, Customer(uuid(1), 50, 50), guest=True).tier == "none"


@given(st.lists(st.sampled_from(["complete", "take out"]), max_size=6))
def test_an_order_counts_once_whatever_comes_twice_or_late(steps: list[str]) -> None:
    customer, one = place(Customer(uuid(1), 4, 7)), order()
    for step in steps:
        customer, one = (complete if step == "complete" else take_out)(customer, one)
    counted = (customer.pending - 4, customer.completed - 7)
    assert counted == {OrderState.PENDING: (1, 0), OrderState.COMPLETED: (0, 1), OrderState.CANCELLED: (0, 0)}[one.state]
    assert one.state == (OrderState.CANCELLED if "take out" in steps else OrderState.COMPLETED if steps else OrderState.PENDING)


@pytest.mark.parametrize(
    "steps",
    [
        (TierStep("silver", 3, True), TierStep("silver", 5, True)),
        (TierStep("none", 3, True),),
        (TierStep("gold", 10, True), TierStep("silver", 3, True)),
        (TierStep("silver", 3, True), TierStep("gold", 3, True)),
    ],
    ids=["twice", "named none", "falling", "equal"],
)
def test_a_tier_table_that_contradicts_itself_is_refused(steps: tuple[TierStep, ...]) -> None:
    with pytest.raises(TiersUnsound):
        check_tiers(steps)


def test_a_sound_tier_table_passes() -> None:
    check_tiers(RULES.tiers)
    check_tiers(())
