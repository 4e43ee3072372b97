"""The state machine, walked whole against expectations written by hand."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.kit.values import Refusal
from services.orders import decisions
from services.orders.domain import LANDS, Check, Decision, State, Step, TransitionRefused, amended, has_reached, move, order_of
from tests.unit.orders.samples import NOW, an_order, new_id

# One row per state; one letter per step: release, claim, pack, hand over, deliver, cancel. A dot is a refusal.
EXPECTED = {
    State.VALIDATING: "R....X",
    State.RELEASED: ".PKHDX",
    State.PICKING: "..KHDX",
    State.PACKED: "...HD.",
    State.HANDED_OVER: "....D.",
    State.DELIVERED: "......",
    State.CANCELLED: "......",
}
LETTERS = {
    "R": State.RELEASED,
    "P": State.PICKING,
    "K": State.PACKED,
    "H": State.HANDED_OVER,
    "D": State.DELIVERED,
    "X": State.CANCELLED,
}
EVERY = [(state, step, letter) for state, row in EXPECTED.items() for step, letter in zip(Step, row, strict=True)]


def test_the_table_covers_every_state_and_step() -> None:
    assert set(EXPECTED) == set(State)
    assert len(EVERY) == len(State) * len(Step)


@pytest.mark.parametrize(("state", "step", "letter"), EVERY)
def test_every_step_in_every_state_moves_or_is_refused(state: State, step: Step, letter: str) -> None:
    order = an_order(state=state, version=7)
    if letter == ".":
        with pytest.raises(TransitionRefused) as refused:
            move(order, step, NOW)
        assert refused.value.status == 409
        assert refused.value.facts == {"state": state.value, "version": 7}
        return
    moved = move(order, step, NOW)
    assert moved.state is LETTERS[letter]
    assert getattr(moved, f"{moved.state.value}_at") == NOW


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("step", LANDS)
def test_a_fact_that_lies_behind_the_order_never_moves_it_back(state: State, step: Step) -> None:
    order = an_order(state=state)
    try:
        decision = decisions.follow(order, step, NOW)
    except TransitionRefused:
        assert state in (State.VALIDATING, State.CANCELLED)
        return
    assert decision.order.state is state or list(State).index(decision.order.state) > list(State).index(state)


def test_waiting_for_a_state_ends_with_it_with_a_later_one_or_with_the_end() -> None:
    assert has_reached(State.PACKED, State.RELEASED)
    assert has_reached(State.RELEASED, State.RELEASED)
    assert not has_reached(State.VALIDATING, State.RELEASED)
    assert has_reached(State.CANCELLED, State.DELIVERED)
    assert has_reached(State.DELIVERED, State.CANCELLED)
    assert not has_reached(State.HANDED_OVER, State.CANCELLED)


ASK = {State.VALIDATING: "asked", State.RELEASED: "asked", State.CANCELLED: "done"}


@pytest.mark.parametrize("state", State)
def test_a_cancel_is_asked_for_until_the_claim_and_then_refused_with_what_to_do(state: State) -> None:
    order = an_order(state=state, version=4)
    answer = ASK.get(state, "refused")
    if answer == "refused":
        with pytest.raises(Refusal) as refused:
            decisions.ask_cancel(order, new_id(), "changed my mind", "customer", NOW)
        assert "return" in refused.value.sentence
        assert refused.value.facts == {"state": state.value, "version": 4}
        return
    decision = decisions.ask_cancel(order, new_id(), "changed my mind", "customer", NOW)
    assert [type(event).__name__ for event in decision.events] == (["CancelRequested"] if answer == "asked" else [])
    assert decision.order.state is state


def test_asking_twice_says_it_once_and_keeps_the_first_request() -> None:
    first = decisions.ask_cancel(an_order(), new_id(), "changed my mind", "customer", NOW)
    again = decisions.ask_cancel(first.order, new_id(), "really", "care", NOW + timedelta(seconds=5))
    assert again == Decision(first.order)


def test_an_accepted_cancel_ends_every_hold_and_says_so_once() -> None:
    asked = decisions.ask_cancel(decisions.stock_is_short(an_order(), new_id(), NOW).order, new_id(), "late", "customer", NOW).order
    assert asked.cancel_request_id is not None
    cancelled = decisions.accept_cancel(asked, asked.cancel_request_id, NOW)
    assert cancelled.order.state is State.CANCELLED
    assert cancelled.order.holds == ()
    assert not cancelled.order.cancel_requested
    assert [(type(event).__name__, getattr(event, "reason", None)) for event in cancelled.events] == [("OrderCancelled", "late")]
    for check in Check:
        assert decisions.check(cancelled.order, check, NOW).events == ()


def test_a_rejected_cancel_says_what_can_be_done_and_the_order_goes_on() -> None:
    asked = decisions.ask_cancel(an_order(state=State.RELEASED), new_id(), "late", "customer", NOW).order
    picking = decisions.follow(asked, Step.CLAIM, NOW).order
    rejected = decisions.reject_cancel(picking, new_id(), NOW)
    assert [type(event).__name__ for event in rejected.events] == ["CancelRefused"]
    assert rejected.order.state is State.PICKING
    assert not rejected.order.cancel_requested
    assert rejected.order.cancel_refusal
    assert decisions.reject_cancel(rejected.order, new_id(), NOW).events == ()


def test_an_order_with_a_cancel_under_way_is_not_released_until_it_is_rejected() -> None:
    ready = an_order(checks=frozenset({Check.PAYMENT_SECURED, Check.STOCK}))
    asked = decisions.ask_cancel(ready, new_id(), "late", "customer", NOW).order
    complete = decisions.check(asked, Check.PROMISE, NOW)
    assert complete.events == ()
    assert complete.order.state is State.VALIDATING
    names = [type(event).__name__ for event in decisions.reject_cancel(complete.order, new_id(), NOW).events]
    assert names == ["CancelRefused", "OrderReleased"]


def test_an_amended_order_is_another_one_with_only_that_changed() -> None:
    order = an_order(version=7)
    changed = amended(order, version=8, promise_id=new_id())
    assert changed == replace(order, version=8, promise_id=changed.promise_id)
    assert order.version == 7 and order.promise_id is None


def test_no_order_has_a_field_too_many_or_too_few() -> None:
    order = an_order()
    with pytest.raises(AssertionError, match="colour"):
        amended(order, colour="red")
    with pytest.raises(AssertionError, match="holds"):
        order_of({name: value for name, value in vars(order).items() if name != "holds"})
