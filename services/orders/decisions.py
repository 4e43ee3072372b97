"""What is decided on an order: pure functions from an order and an input to a `Decision`, the order as it then is and what is said about it.

Versions are not set here: whoever records a decision numbers its events.
"""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from services.orders.domain import (
    AWAITING_STOCK,
    CLOSED,
    INSTEAD,
    LANDS,
    NOT_CARRIED,
    WAY,
    Check,
    Decision,
    Hold,
    HoldOfTheSystem,
    HoldReason,
    HoldUnknown,
    Order,
    OrderClosed,
    PaymentDiffers,
    Promised,
    State,
    Step,
    TooLateToCancel,
    amended,
    missing_checks,
    move,
    spoken,
    undone,
)
from services.orders.events import (
    CancelRefused,
    CancelRequested,
    HoldLifted,
    OrderCancelled,
    OrderCompleted,
    OrderEvent,
    OrderHeld,
    OrderReleased,
)


def check(order: Order, name: Check, now: datetime) -> Decision:
    """The check is there; the order is released when it was the last one. May run twice."""
    return settle(amended(order, checks=order.checks | {name}), now)


def settle(order: Order, now: datetime) -> Decision:
    """Release the order when every required check is there and nobody asked to cancel or to change it; once, since a released order never validates
    again."""
    if order.state is not State.VALIDATING or not order.announced or order.cancel_requested or order.amending or missing_checks(order):
        return Decision(order)
    released = move(order, Step.RELEASE, now)
    if order.promise_id:  # the goods are there: what was told of waiting for them is over
        released = amended(released, declined_sentence=None, answer_by=None)
    return Decision(
        released,
        (
            OrderReleased(
                order_id=order.order_id,
                customer_id=order.customer_id,
                address_id=order.address_id,
                site=order.site,
                placed_at=order.placed_at,
                released_at=now,
                service=order.service,
                carrier_service=order.carrier_service,
                promise_id=order.promise_id,
                hand_over_by=order.hand_over_by,
                due_at=order.due_at,
                destination=order.destination,
                language=order.language,
            ),
        ),
    )


def secure_payment(order: Order, state: str, amount_minor: int, reference: str, now: datetime) -> Decision:
    """The payment is there; one that was captured stays so. Raises PaymentDiffers for another amount, OrderClosed where the order was cancelled."""
    if amount_minor != order.total_minor:
        raise PaymentDiffers(f"{amount_minor} were secured for an order of {order.total_minor}: correct the payment, then send it again.")
    if order.state is State.CANCELLED:
        raise OrderClosed("The order was cancelled before its payment came: refund the payment.", state=order.state.value, version=order.version)
    if order.payment_state == "captured":
        return check(order, Check.PAYMENT_SECURED, now)
    secured = amended(order, payment_state=state, payment_reference=reference, paid_minor=amount_minor)
    return check(secured, Check.PAYMENT_SECURED, now)


def take_promise(order: Order, promised: Promised, now: datetime) -> Decision:
    """The promise that now stands; a later one takes the earlier one's place for the release, answers an open question, and lifts the hold
    that a decline placed."""
    taken = amended(
        order,
        promise_id=promised.promise_id,
        due_at=promised.due_at,
        hand_over_by=promised.hand_over_by,
        carrier_service=promised.carrier_service,
        declined_sentence=None,
        answer_by=None,
        checks=order.checks | {Check.PROMISE},
    )
    placed = next((hold for hold in order.holds if hold.hold_id == _hold_of_decline(order)), None)
    return lift_hold(taken, placed.hold_id, now) if placed else settle(taken, now)


def take_answer(order: Order, reason: str, sentence: str, answer_by: datetime, now: datetime) -> Decision:
    """No date can be promised: the dated answer why not satisfies the check as a promise would. The first answer that nothing goes there holds
    the order for a person; beside a promise, or a second time, an answer is only told."""
    if order.state in CLOSED or (reason == AWAITING_STOCK and order.state is not State.VALIDATING):
        return Decision(order)
    told = amended(order, declined_sentence=sentence, answer_by=answer_by)
    if reason not in NOT_CARRIED or order.state is not State.VALIDATING or Check.PROMISE in order.checks:
        return check(told, Check.PROMISE, now)
    hold = Hold(_hold_of_decline(order), HoldReason.ADDRESS, "care", f"no date can be promised: {reason}", now)
    return place_hold(amended(told, checks=told.checks | {Check.PROMISE}), hold)


def _hold_of_decline(order: Order) -> UUID:
    """The same for the same order, so that a promise lifts this hold and no other."""
    return uuid5(order.order_id, "promise declined")


def place_hold(order: Order, hold: Hold) -> Decision:
    """Work on the order stops. Raises OrderClosed when there is no work left to stop."""
    if order.state in CLOSED or order.state is State.HANDED_OVER:
        raise OrderClosed(f"The order is {spoken(order.state)}: there is no work to hold.", state=order.state.value, version=order.version)
    return Decision(amended(order, holds=(*order.holds, hold)), (held(order, hold),) if order.announced else ())


def held(order: Order, hold: Hold) -> OrderHeld:
    """What is said of a hold."""
    return OrderHeld(order.order_id, hold.hold_id, hold.reason.value, hold.owner, hold.held_at)


def lift_hold(order: Order, hold_id: UUID, now: datetime) -> Decision:
    """The hold no longer stands; the order is released when it was the last thing missing. Raises HoldUnknown."""
    hold = next((hold for hold in order.holds if hold.hold_id == hold_id), None)
    if hold is None:
        raise HoldUnknown("The order has no such open hold: read the order for the holds that stand.")
    lifted = HoldLifted(order.order_id, hold_id, hold.reason.value, now)
    settled = settle(amended(order, holds=tuple(kept for kept in order.holds if kept.hold_id != hold_id)), now)
    return Decision(settled.order, ((lifted,) if order.announced else ()) + settled.events)


def lift_by_hand(order: Order, hold_id: UUID, now: datetime) -> Decision:
    """As `lift_hold`, for a person. Raises HoldOfTheSystem where only goods or items lift it."""
    hold = next((hold for hold in order.holds if hold.hold_id == hold_id), None)
    if hold is not None and hold.reason in (HoldReason.STOCK, HoldReason.ITEMS):
        raise HoldOfTheSystem(f"A hold for {hold.reason.value} lifts itself when they are there: receive the goods or list the item.")
    return lift_hold(order, hold_id, now)


def stock_is_short(order: Order, hold_id: UUID, now: datetime) -> Decision:
    """The order waits for goods. A second shortage while it waits says nothing new."""
    if order.state in CLOSED or any(hold.reason is HoldReason.STOCK for hold in order.holds):
        return Decision(order)
    return place_hold(amended(order, checks=order.checks - {Check.STOCK}), Hold(hold_id, HoldReason.STOCK, "fulfilment", "", now))


def stock_is_reserved(order: Order, now: datetime) -> Decision:
    """Every unit is set apart: the hold for stock lifts, and the order is released when that was the last thing missing."""
    checked = amended(order, checks=order.checks | {Check.STOCK})
    hold = next((hold for hold in order.holds if hold.reason is HoldReason.STOCK), None)
    return lift_hold(checked, hold.hold_id, now) if hold else settle(checked, now)


def ask_cancel(order: Order, request_id: UUID, reason: str, by: str, now: datetime) -> Decision:
    """A request that fulfilment decides. Asking again changes nothing. Raises TooLateToCancel, which says what can be done instead."""
    if order.state is State.CANCELLED or order.cancel_requested:
        return Decision(order)
    if order.state in INSTEAD:
        raise TooLateToCancel(INSTEAD[order.state], state=order.state.value, version=order.version)
    asked = amended(order, cancel_request_id=request_id, cancel_reason=reason, cancel_requested_by=by, cancel_requested_at=now, cancel_refusal=None)
    # An order that still waits for its items is unknown to everybody else: its cancel is said when it is announced.
    return Decision(asked, cancel_asked(asked) if order.announced else ())


def cancel_asked(order: Order) -> tuple[OrderEvent, ...]:
    """What is said of a cancel that waits for its decision; nothing when there is none."""
    if not order.cancel_requested or order.cancel_request_id is None or order.cancel_requested_at is None:
        return ()
    return (
        CancelRequested(
            order.order_id, order.cancel_request_id, order.cancel_reason or "", order.cancel_requested_by or "", order.cancel_requested_at
        ),
    )


def accept_cancel(order: Order, request_id: UUID, at: datetime) -> Decision:
    """Fulfilment let go of everything: the order is cancelled, and its holds and a change that was not decided end with it."""
    cancelled = amended(move(order, Step.CANCEL, at), cancel_request_id=request_id, cancel_refusal=None, holds=(), **_without_amendment(order, at))
    reason = order.cancel_reason or "cancelled by fulfilment"
    return Decision(cancelled, (OrderCancelled(order.order_id, order.customer_id, request_id, reason, at),))


def _without_amendment(order: Order, at: datetime) -> dict[str, Any]:
    """What was paid for a change stays paid: whoever gives the order's money back gives this back too."""
    if order.amending is None:
        return {}
    ended = undone(order.amending, "order-cancelled", "The order was cancelled before the change was decided.", at)
    return {"amendment": ended, "paid_minor": order.paid_minor + (ended.paid_minor if order.payment_state == "captured" else 0)}


def reject_cancel(order: Order, request_id: UUID, now: datetime) -> Decision:
    """The pick was claimed first: the order goes on, and the customer is told what can be done instead."""
    if not order.cancel_requested:
        return Decision(order)
    state = order.state if order.state in INSTEAD else State.PICKING
    refused = amended(order, cancel_refusal=INSTEAD[state])
    settled = settle(refused, now)
    return Decision(settled.order, (CancelRefused(order.order_id, request_id, state.value, INSTEAD[state]), *settled.events))


def follow(order: Order, step: Step, at: datetime) -> Decision:
    """A fact from the floor or the carrier. One that lies behind the order is late and changes nothing; one that cannot be raises
    TransitionRefused. The last parcel's delivery completes the order."""
    if order.state in WAY and WAY.index(order.state) >= WAY.index(LANDS[step]):
        return Decision(order)
    moved = move(order, step, at)
    if moved.state is not State.DELIVERED:
        return Decision(moved)
    return Decision(moved, (OrderCompleted(order.order_id, order.customer_id, order.placed_at, at, order.total_minor, order.currency),))
