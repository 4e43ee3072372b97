"""The required checks are a set: however they come, the order is released once, when all of them are there."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orders import decisions
from services.orders.domain import Check, Decision, Hold, HoldOfTheSystem, HoldReason, HoldUnknown, Order, PaymentDiffers, Promised, State
from services.orders.events import OrderReleased
from tests.unit.orders.samples import NOW, an_order, new_id

PROMISED = Promised(new_id(), NOW + timedelta(days=4), NOW + timedelta(hours=18), "ground-standard")
HOLD = Hold(new_id(), HoldReason.ADDRESS, "care", "rang twice", NOW)
Act = Callable[[Order], Decision]

ACTS: dict[str, Act] = {
    "payment": lambda order: decisions.secure_payment(order, "captured", order.total_minor, "pay-1", NOW),
    "reserved": lambda order: decisions.stock_is_reserved(order, NOW),
    "short": lambda order: decisions.stock_is_short(order, new_id(), NOW),
    "promised": lambda order: decisions.take_promise(order, PROMISED, NOW),
    "declined": lambda order: decisions.take_answer(order, "date-not-possible", "We tell you by Monday.", NOW + timedelta(days=1), NOW),
    "held": lambda order: Decision(order) if HOLD in order.holds else decisions.place_hold(order, HOLD),
    "lifted": lambda order: decisions.lift_hold(order, HOLD.hold_id, NOW) if HOLD in order.holds else Decision(order),
}


def expected_ready(seen: list[str]) -> bool:
    """By hand, from the list of what happened: what must hold for a release."""
    last_stock = [name for name in seen if name in ("reserved", "short")][-1:]
    last_hold = [name for name in seen if name in ("held", "lifted")][-1:]
    return "payment" in seen and last_stock == ["reserved"] and bool({"promised", "declined"} & set(seen)) and last_hold != ["held"]


@given(st.lists(st.sampled_from(sorted(ACTS)), max_size=14))
def test_any_order_and_repetition_of_the_checks_releases_exactly_once(names: list[str]) -> None:
    order, released, ready_at = an_order(), [], None
    for place, name in enumerate(names):
        decision = ACTS[name](order)
        released += [(place, event) for event in decision.events if isinstance(event, OrderReleased)]
        order = decision.order
        if ready_at is None and expected_ready(names[: place + 1]):
            ready_at = place
    assert [place for place, _ in released] == ([] if ready_at is None else [ready_at])
    assert (order.state is State.RELEASED) == (ready_at is not None)


def complete_but(missing: str) -> Order:
    order = an_order()
    for name in ("payment", "reserved", "promised"):
        if name != missing:
            order = ACTS[name](order).order
    return order


@pytest.mark.parametrize("missing", ["payment", "reserved", "promised"])
def test_the_last_check_releases_whichever_it_is(missing: str) -> None:
    before = complete_but(missing)
    assert before.state is State.VALIDATING
    (event,) = ACTS[missing](before).events
    assert isinstance(event, OrderReleased)
    assert (event.promise_id, event.hand_over_by, event.due_at, event.carrier_service) == (
        PROMISED.promise_id,
        PROMISED.hand_over_by,
        PROMISED.due_at,
        "ground-standard",
    )


def test_a_dated_answer_why_not_releases_without_a_hand_over() -> None:
    (event,) = ACTS["declined"](complete_but("promised")).events
    assert isinstance(event, OrderReleased)
    assert (event.promise_id, event.hand_over_by, event.due_at, event.carrier_service) == (None, None, None, None)


def test_a_later_promise_takes_the_place_of_the_one_it_follows() -> None:
    held = ACTS["held"](complete_but("reserved")).order
    later = Promised(new_id(), NOW + timedelta(days=6), NOW + timedelta(days=2), "ground-standard")
    order = decisions.take_promise(held, later, NOW).order
    order = decisions.stock_is_reserved(order, NOW).order
    *_, event = decisions.lift_hold(order, HOLD.hold_id, NOW).events
    assert isinstance(event, OrderReleased)
    assert event.hand_over_by == later.hand_over_by


def test_a_shortage_holds_once_and_the_goods_lift_it_and_release() -> None:
    short = decisions.stock_is_short(complete_but("reserved"), new_id(), NOW)
    assert [(type(event).__name__, event.reason, event.owner) for event in short.events] == [("OrderHeld", "stock", "fulfilment")]  # type: ignore[union-attr]
    assert decisions.stock_is_short(short.order, new_id(), NOW).events == ()
    assert [type(event).__name__ for event in decisions.stock_is_reserved(short.order, NOW).events] == ["HoldLifted", "OrderReleased"]


def test_the_note_of_a_hold_is_in_no_event() -> None:
    held = decisions.place_hold(an_order(), HOLD)
    assert "rang twice" not in repr(held.events)
    assert "rang twice" not in repr(decisions.lift_hold(held.order, HOLD.hold_id, NOW).events)


def test_a_person_cannot_lift_what_only_goods_lift() -> None:
    short = decisions.stock_is_short(an_order(), new_id(), NOW).order
    with pytest.raises(HoldOfTheSystem):
        decisions.lift_by_hand(short, short.holds[0].hold_id, NOW)
    with pytest.raises(HoldUnknown):
        decisions.lift_by_hand(short, new_id(), NOW)


def test_another_amount_does_not_secure_the_payment() -> None:
    with pytest.raises(PaymentDiffers):
        decisions.secure_payment(an_order(), "captured", 1, "pay-1", NOW)


def test_cleared_is_never_a_stored_check() -> None:
    order = complete_but("")
    assert Check.CLEARED not in order.checks
