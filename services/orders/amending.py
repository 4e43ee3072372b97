"""What is decided on a change of an order: it is pending until fulfilment and whoever promises dates agree, and undone when one of them does not.
Pure, as `decisions.py`.

Money: `paid_minor` is what was taken, and never follows the total. What is above a lower total is owed back, and so is what was paid for a change
that was undone.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.kit.values import Refusal
from services.orders.capture import postcode_prefix
from services.orders.decisions import settle
from services.orders.domain import Amendment, Decision, Instead, Order, State, Status, amended, spoken, undone
from services.orders.events import AmendmentRequested, AmendmentUndone, Destination, OrderAmended

_TOO_LATE = frozenset({State.HANDED_OVER, State.DELIVERED, State.CANCELLED})
SHORT = "payment-short"


class TooLateToAmend(Refusal):
    slug = "too-late"


class AmendmentPending(Refusal):
    slug = "amendment-pending"


class CancelPending(Refusal):
    slug = "cancel-requested"


class AwaitingItems(Refusal):
    slug = "awaiting-items"


class NothingChanged(Refusal):
    slug = "nothing-changed"


class OrderStale(Refusal):
    """The order has changed since it was read."""

    slug = "version-differs"
    status = 412


class PaymentShort(Refusal):
    slug = SHORT


class PaymentAbove(Refusal):
    slug = "payment-above"


class AmendmentUnknown(Refusal):
    slug = "unknown-amendment"
    status = 404


@dataclass(frozen=True, slots=True)
class NewDate:
    """The date that would be promised instead; None throughout where the one that stands still stands."""

    due_at: datetime | None = None
    hand_over_by: datetime | None = None
    carrier_service: str | None = None


def may_amend(order: Order, version: int) -> None:
    """Raises what stands against any change of the order as it is: OrderStale, TooLateToAmend, CancelPending, AmendmentPending, AwaitingItems."""
    facts = {"state": order.state.value, "version": order.version}
    if version != order.version:
        raise OrderStale("The order has changed since you read it: read it again, and change it as it is now.", **facts)
    if order.state in _TOO_LATE:
        raise TooLateToAmend(f"The order is {spoken(order.state)}: place a new order, or return what came free of charge.", **facts)
    if order.cancel_requested:
        raise CancelPending("A cancel of the order is being decided: wait for it, then change the order if it still stands.", **facts)
    if order.amending:
        raise AmendmentPending(
            "Another change is being decided: wait for it, then ask for this one.", amendment_id=order.amending.amendment_id, **facts
        )
    if not order.announced:
        raise AwaitingItems("The order still waits for its items to be listed: list them, then change it.", **facts)


def ask(order: Order, amendment: Amendment) -> Decision:
    """The change is asked for and pending. Raises NothingChanged, PaymentShort, PaymentAbove."""
    if amendment.wanted.body == amendment.before:
        raise NothingChanged("The order is already as you ask: send what shall be different.", state=order.state.value, version=order.version)
    _must_be_paid(order, amendment)
    return Decision(amended(order, amendment=amendment), (_requested(order, amendment),))


def _must_be_paid(order: Order, amendment: Amendment) -> None:
    """What is kept of the payments and what was paid in addition are the new total. An order whose payment has not come is paid later, at once."""
    kept, total = order.paid_minor - order.returned_minor, amendment.wanted.total_minor
    needed = 0 if order.payment_state == "pending" else max(0, total - kept)
    facts = {"paid_minor": kept, "total_minor": total, "currency": order.currency}
    if amendment.paid_minor < needed:
        missing = needed - amendment.paid_minor
        raise PaymentShort(f"{missing} are missing for the new total: take them, and send what was paid in addition.", missing_minor=missing, **facts)
    if amendment.paid_minor > needed:
        raise PaymentAbove(f"{needed} are needed in addition: take no more than that, and send it.", needed_minor=needed, **facts)


def prepared(order: Order, amendment_id: UUID, now: datetime) -> Decision:
    """Fulfilment has set the units apart. Changes nothing where the amendment is not pending any more."""
    pending = _pending(order, amendment_id)
    return _when_both_agree(amended(order, amendment=replace(pending, prepared=True)), now) if pending else Decision(order)


def dated(order: Order, amendment_id: UUID, date: NewDate, now: datetime) -> Decision:
    """A date can be promised for it. Changes nothing where the amendment is not pending any more."""
    pending = _pending(order, amendment_id)
    if pending is None:
        return Decision(order)
    told = replace(pending, dated=True, due_at=date.due_at, hand_over_by=date.hand_over_by, carrier_service=date.carrier_service)
    return _when_both_agree(amended(order, amendment=told), now)


def refuse(order: Order, amendment_id: UUID, reason: str, sentence: str, now: datetime, instead: Instead | None = None) -> Decision:
    """One of them said no: the order goes on as it was. Once, whatever the other one says."""
    pending = _pending(order, amendment_id)
    return _undo(order, pending, reason, sentence, now, instead) if pending else Decision(order)


def _pending(order: Order, amendment_id: UUID) -> Amendment | None:
    return order.amending if order.amending and order.amending.amendment_id == amendment_id else None


def _when_both_agree(order: Order, now: datetime) -> Decision:
    pending = order.amending
    if pending is None or not (pending.prepared and pending.dated):
        return Decision(order)
    kept = order.paid_minor + pending.paid_minor - order.returned_minor
    if order.payment_state != "pending" and kept < pending.wanted.total_minor:
        sentence = "The order was paid as it was while the change was looked at: ask for the change again, with what is missing."
        return _undo(order, pending, SHORT, sentence, now)
    agreed = amended(_paid(order, pending, pending.wanted.total_minor, Status.AGREED, now), **_terms(order, pending))
    settled = settle(agreed, now)
    return Decision(settled.order, (_amended(agreed, pending, now), *settled.events))


def _undo(order: Order, pending: Amendment, reason: str, sentence: str, now: datetime, instead: Instead | None = None) -> Decision:
    ended = undone(pending, reason, sentence, now, instead)
    as_it_was = _paid(amended(order, amendment=ended), pending, order.total_minor, Status.UNDONE, now)
    settled = settle(as_it_was, now)
    said = AmendmentUndone(order.order_id, order.customer_id, pending.amendment_id, reason, sentence, now)
    return Decision(settled.order, (said, *settled.events))


def _paid(order: Order, pending: Amendment, total_minor: int, status: Status, now: datetime) -> Order:
    """The order with what was paid in addition, and what is owed back of what was captured. Of an authorisation no more is taken than the total."""
    assert order.amendment is not None, "what is decided is there"
    paid = order.paid_minor + pending.paid_minor
    captured = order.payment_state == "captured"
    refund = max(0, paid - order.returned_minor - total_minor) if captured else 0
    decided = replace(order.amendment, status=status, decided_at=now, refund_minor=refund)
    return amended(order, amendment=decided, paid_minor=paid if captured else min(paid, total_minor), returned_minor=order.returned_minor + refund)


def _terms(order: Order, pending: Amendment) -> dict[str, object]:
    """The fields of the order that become as they were asked for. The promise that follows brings its own date; until then a release has this one."""
    wanted, there = pending.wanted, pending.wanted.ship_to
    terms: dict[str, object] = {
        "address_id": there.address_id,
        "goods_minor": wanted.goods_minor,
        "charges_minor": wanted.charges_minor,
        "total_minor": wanted.total_minor,
        "service": wanted.service,
        "quote_id": wanted.quote_id,
        "chosen_on": wanted.chosen_on,
        "po_box": there.po_box,
        "country": there.country,
        "postcode_prefix": postcode_prefix(there.country, there.postcode),
    }
    if order.promise_id is None:
        return terms
    date = {"due_at": pending.due_at, "hand_over_by": pending.hand_over_by, "carrier_service": pending.carrier_service}
    return terms | {name: value for name, value in date.items() if value is not None}


def _state(order: Order, amendment: Amendment) -> dict[str, object]:
    """What both events say of the order as it would be."""
    wanted, there = amendment.wanted, amendment.wanted.ship_to
    return {
        "order_id": order.order_id,
        "amendment_id": amendment.amendment_id,
        "customer_id": order.customer_id,
        "address_id": there.address_id,
        "site": order.site,
        "lines": wanted.lines,
        "service": wanted.service,
        "signature_required": wanted.signature_required,
        "po_box": there.po_box,
        "destination": Destination(there.country, postcode_prefix(there.country, there.postcode), order.zone),
        "language": order.language,
        "quote_id": wanted.quote_id,
        "chosen_on": wanted.chosen_on,
        "currency": order.currency,
        "goods_minor": wanted.goods_minor,
        "charges_minor": wanted.charges_minor,
        "total_minor": wanted.total_minor,
    }


def _requested(order: Order, asked: Amendment) -> AmendmentRequested:
    return AmendmentRequested(**_state(order, asked), requested_by=asked.requested_by, requested_at=asked.requested_at)  # type: ignore[arg-type]  # as they are named


def _amended(order: Order, agreed: Amendment, now: datetime) -> OrderAmended:
    date = {"due_at": agreed.due_at, "hand_over_by": agreed.hand_over_by, "carrier_service": agreed.carrier_service}
    return OrderAmended(**_state(order, agreed), **date, amended_at=now)  # type: ignore[arg-type]  # as they are named
