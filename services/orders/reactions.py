"""What each event does to the open book, and how an order is taken. Pure: the book is loaded before, and recorded after."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.kit.values import Cause, Heard, Refusal
from services.orders import amending, decisions
from services.orders.book import Book, Early, Promise, Reference, Standing, Waiting
from services.orders.capture import OrderIdTaken, ReferenceReused, accept, meet, placed, reference_candidates
from services.orders.domain import Decision, Hold, HoldReason, Instead, Order, OrderUnknown, Promised, Step, TooLateToCancel, amended
from services.orders.events import CancelRefused
from services.orders.messages import (
    AmendmentDated,
    AmendmentNotDated,
    AmendmentPrepared,
    AmendmentRefused,
    CancelAccepted,
    CancelAsked,
    CancelRejected,
    HandedOver,
    OrderPacked,
    ParcelDelivered,
    PaymentSecured,
    PickClaimed,
    PromiseBroken,
    PromiseDeclined,
    PromiseKept,
    PromiseMade,
    PromiseReleased,
    StockReserved,
    StockShort,
    Work,
    differences,
    from_body,
)
from services.orders.validation import Item, OrderInvalid, Submission, judge, unknown_items

PATIENCE = timedelta(seconds=30)
"""How long an order waits for its items, and a cancel or a payment for its order, in business time."""


class PromiseUnknown(Refusal):
    slug = "unknown-promise"


def take(book: Book, submission: Submission, cause: Cause, now: datetime, *, wait: bool) -> Order:
    """The order of this submission: the one that stands, or a new one. With `wait`, one that lacks nothing but listed items waits for them."""
    reference = (submission.channel, submission.external_ref)
    standing = book.standings.get(reference)
    if standing is not None:
        if standing.fingerprint != submission.fingerprint:
            raise ReferenceReused(differences(standing.body, submission.body))
        return book.orders[standing.order_id]
    if submission.order_id in book.orders:
        raise OrderIdTaken("The order id already stands for another order: make a new id, then send the order again.")
    verdict = judge(submission, book.items, now)
    if verdict.reasons or (verdict.unknown and not wait):
        raise OrderInvalid(verdict.reasons + unknown_items(submission, verdict.unknown))
    order = _enter(book, submission, cause, now, unknown=verdict.unknown)
    for early in book.early.pop(reference, []):
        _catch_up(book, early, now)
    return book.orders[order.order_id]


def _enter(book: Book, submission: Submission, cause: Cause, now: datetime, *, unknown: tuple[str, ...]) -> Order:
    hold = Hold(submission.order_id, HoldReason.ITEMS, "storefront", "", now) if unknown else None
    version = book.refused_versions.get(submission.order_id, 0)
    order = accept(submission, order_ref=_free_reference(book, submission.order_id), site=book.site, version=version, hold=hold)
    book.order_refs.add(order.order_ref)
    book.standings[submission.channel, submission.external_ref] = Standing(order.order_id, submission.fingerprint, submission.body)
    if unknown:
        book.waiting[order.order_id] = Waiting(order.order_id, unknown, now + PATIENCE, cause)
        book.orders[order.order_id] = order
    else:
        book.note(Decision(order, (placed(order, submission.lines),)), cause)
        book.meet(meet(book.customers.get(order.customer_id), submission), cause)
    return order


def _free_reference(book: Book, order_id: UUID) -> str:
    """The first short reference that no order has; the store loads those that are near."""
    return next(reference for reference in reference_candidates(order_id) if reference not in book.order_refs)


def end_of_waiting(book: Book, waiting: Waiting, now: datetime) -> None:
    order = book.orders[waiting.order_id]
    submission = from_body(book.standings[order.channel, order.external_ref].body)
    verdict = judge(submission, book.items, now)
    if not verdict.reasons and not verdict.unknown:
        _announce(book, order, submission, waiting.cause, now)
    elif verdict.reasons or now >= waiting.until_at:
        book.refuse(submission, verdict.reasons + unknown_items(submission, verdict.unknown), waiting.cause, now)
        book.dropped_orders.add(order.order_id)
    else:
        return
    book.done_waiting.add(order.order_id)


def _announce(book: Book, order: Order, submission: Submission, cause: Cause, now: datetime) -> None:
    """The items came: the hold for them ends unsaid, as it began, and everybody hears of the order, and of a cancel that waited with it."""
    announced = amended(order, announced=True, holds=tuple(hold for hold in order.holds if hold.reason is not HoldReason.ITEMS))
    held = tuple(decisions.held(announced, hold) for hold in announced.holds)
    book.note(Decision(announced, (placed(announced, submission.lines), *held, *decisions.cancel_asked(announced))), cause)
    book.meet(meet(book.customers.get(order.customer_id), submission), cause)


def _catch_up(book: Book, early: Early, now: datetime) -> None:
    """An event that was ahead of its order, now that the order is there."""
    try:
        REACTIONS[type(early.heard.data)](book, early.heard, now)
        book.settled_early.append(early)
    except Refusal as refusal:
        book.buried_early.append((early, refusal.slug, refusal.sentence))


def _on_submitted(book: Book, heard: Heard[Submission], now: datetime) -> None:
    try:
        take(book, heard.data, heard.cause, now, wait=True)
    except OrderInvalid as invalid:
        book.refuse(heard.data, invalid.reasons, heard.cause, now)


def _on_item(book: Book, heard: Heard[Item], now: datetime) -> None:
    book.items[heard.data.sku] = heard.data
    book.item_versions[heard.data.sku] = heard.version


def _on_payment(book: Book, heard: Heard[PaymentSecured], now: datetime) -> None:
    order = _by_reference(book, heard, (heard.data.channel, heard.data.external_ref), now)
    if order is not None:
        paid = heard.data
        book.note(decisions.secure_payment(order, paid.state, paid.amount_minor, paid.reference, now), heard.cause)


def _on_cancel_asked(book: Book, heard: Heard[CancelAsked], now: datetime) -> None:
    """By event there is nobody to answer at once, so a refusal is said."""
    order = _by_reference(book, heard, (heard.data.channel, heard.data.external_ref), now)
    if order is None:
        return
    try:
        decision = decisions.ask_cancel(order, heard.id, heard.data.reason, "storefront", now)
    except TooLateToCancel as refusal:
        decision = Decision(order, (CancelRefused(order.order_id, heard.id, order.state.value, refusal.sentence),))
    book.note(decision, heard.cause)


def _by_reference(book: Book, heard: Heard[Any], reference: Reference, now: datetime) -> Order | None:
    """The order of the reference; the event waits for it when it has not come."""
    standing = book.standings.get(reference)
    if standing is not None:
        return book.orders[standing.order_id]
    early = Early(heard, reference, now + PATIENCE)
    book.early.setdefault(reference, []).append(early)
    book.arrived_early.append(early)
    return None


def _on_work(book: Book, heard: Heard[Work], now: datetime) -> None:
    """What fulfilment did; what was already heard, or comes after something newer, is passed over."""
    order = _known(book, heard.data.order_id)
    if heard.version <= order.work_version:
        return
    decision = _work_decision(order, heard.data, heard.id, now)
    book.note(Decision(amended(decision.order, work_version=heard.version), decision.events), heard.cause)


def _work_decision(order: Order, work: Work, event_id: UUID, now: datetime) -> Decision:
    match work:
        case StockReserved():
            return decisions.stock_is_reserved(order, now)
        case StockShort():
            return decisions.stock_is_short(order, event_id, now)
        case PickClaimed(claimed_at=at):
            return decisions.follow(order, Step.CLAIM, at)
        case OrderPacked(packed_at=at):
            return decisions.follow(order, Step.PACK, at)
        case HandedOver(handed_over_at=at):
            return decisions.follow(order, Step.HAND_OVER, at)
        case ParcelDelivered(delivered_at=at, last=last):
            return decisions.follow(order, Step.DELIVER, at) if last else Decision(order)
        case CancelAccepted(request_id=request_id, accepted_at=at):
            return decisions.accept_cancel(order, request_id, at)
        case CancelRejected(request_id=request_id):
            return decisions.reject_cancel(order, request_id, now)
        case AmendmentPrepared(amendment_id=amendment_id):
            return amending.prepared(order, amendment_id, now)
        case AmendmentRefused() as no:
            instead = Instead(no.substitutes, no.expected) if no.substitutes or no.expected else None
            return amending.refuse(order, no.amendment_id, no.reason, no.sentence, now, instead)


def _on_dated(book: Book, heard: Heard[AmendmentDated | AmendmentNotDated], now: datetime) -> None:
    """The answer of whoever promises dates; one for an amendment that was decided meanwhile changes nothing."""
    order, answer = _known(book, heard.data.order_id), heard.data
    if isinstance(answer, AmendmentDated):
        date = amending.NewDate(answer.due_at, answer.hand_over_by, answer.carrier_service)
        book.note(amending.dated(order, answer.amendment_id, date, now), heard.cause)
    else:
        book.note(amending.refuse(order, answer.amendment_id, answer.reason, answer.sentence, now), heard.cause)


def _on_promise_made(book: Book, heard: Heard[PromiseMade], now: datetime) -> None:
    made = heard.data
    order = _known(book, made.order_id)
    if made.promise_id in book.promises:
        return
    book.promises[made.promise_id] = Promise(
        made.promise_id, made.order_id, made.customer_text, made.language, made.due_at, made.zone, made.replaces, made.made_at
    )
    book.changed_promises.add(made.promise_id)
    book.note(decisions.take_promise(order, Promised(made.promise_id, made.due_at, made.hand_over_by, made.carrier_service), now), heard.cause)


def _on_promise_declined(book: Book, heard: Heard[PromiseDeclined], now: datetime) -> None:
    answer = heard.data
    order = _known(book, answer.order_id)
    book.note(decisions.take_answer(order, answer.reason, answer.sentence, answer.answer_by, now), heard.cause)


def _on_verdict(book: Book, heard: Heard[PromiseKept | PromiseBroken | PromiseReleased], now: datetime) -> None:
    """A promise's verdict is given once; a second one changes nothing."""
    promise = book.promises.get(heard.data.promise_id)
    if promise is None:
        raise PromiseUnknown("The promise it is about was never heard of: retry once the promise was.")
    if promise.verdict != "open":
        return
    match heard.data:
        case PromiseKept(evidence=evidence):
            judged = replace(promise, verdict="kept", verdict_at=evidence.occurred_at)
        case PromiseBroken(broke_at=at):
            judged = replace(promise, verdict="broken", verdict_at=at)
        case PromiseReleased(released_at=at):
            judged = replace(promise, verdict="released", verdict_at=at)
    book.promises[promise.promise_id] = judged
    book.changed_promises.add(promise.promise_id)


def _known(book: Book, order_id: UUID) -> Order:
    order = book.orders.get(order_id)
    if order is None:
        raise OrderUnknown("The order it is about was never heard of: send this again once it was.")
    return order


REACTIONS: dict[type, Callable[[Book, Heard[Any], datetime], None]] = {
    Submission: _on_submitted,
    Item: _on_item,
    PaymentSecured: _on_payment,
    CancelAsked: _on_cancel_asked,
    StockReserved: _on_work,
    StockShort: _on_work,
    PickClaimed: _on_work,
    OrderPacked: _on_work,
    HandedOver: _on_work,
    ParcelDelivered: _on_work,
    CancelAccepted: _on_work,
    CancelRejected: _on_work,
    AmendmentPrepared: _on_work,
    AmendmentRefused: _on_work,
    AmendmentDated: _on_dated,
    AmendmentNotDated: _on_dated,
    PromiseMade: _on_promise_made,
    PromiseDeclined: _on_promise_declined,
    PromiseKept: _on_verdict,
    PromiseBroken: _on_verdict,
    PromiseReleased: _on_verdict,
}
