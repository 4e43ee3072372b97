"""What happens on a batch of events and on each command: load everything it touches, fold the reactions over it in order, record once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.kit.values import Cause, Heard, NotFound, Refusal
from services.orders import amending, decisions
from services.orders.book import Book, Wanted
from services.orders.capture import move_in
from services.orders.changing import ChangeWire, changed
from services.orders.domain import Amendment, Decision, Hold, Order, OrderUnknown
from services.orders.messages import CancelAsked, PaymentSecured, PromiseBroken, PromiseKept, PromiseMade, PromiseReleased, from_body
from services.orders.ports import Store
from services.orders.reactions import REACTIONS, end_of_waiting, take
from services.orders.validation import Item, OrderInvalid, Submission, judge, unknown_items

WAITING_AT_ONCE = 250


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose orders a caller may touch; nothing set means everybody's."""

    customer_id: str | None = None
    channel: str | None = None

    def covers(self, order: Order) -> bool:
        return self.customer_id in (None, str(order.customer_id)) and self.channel in (None, order.channel)


async def on_events(batch: Sequence[Heard[Any]], store: Store) -> None:
    """Everything this service hears, in the order it was said."""
    book = await store.load(wanted(batch))
    for heard in batch:
        try:
            REACTIONS[type(heard.data)](book, heard, store.now)
        except Refusal as refusal:
            store.set_aside(heard, refusal.slug, refusal.sentence)
    await store.record(book)


async def on_time(store: Store) -> int:
    """Orders whose items came go on, those whose time is out are refused; so are events whose order never came. Returns how many."""
    book = await store.load_waiting(WAITING_AT_ONCE)
    late = [early for earlies in book.early.values() for early in earlies if early.until_at <= store.now]
    for early in late:
        book.buried_early.append((early, OrderUnknown.slug, "The order it is about never came: send the order, then send this again."))
    for waiting in list(book.waiting.values()):
        end_of_waiting(book, waiting, store.now)
    await store.record(book)
    return len(late) + len(book.done_waiting)


Taken = tuple[Order, bool]
"""An order, and whether it is new: an identical body is answered with the order that stands."""


async def submit(store: Store, asked: Sequence[tuple[Submission, Cause]]) -> list[Taken | Refusal]:
    """Take orders by request, in order; a refusal (OrderInvalid, ReferenceReused, OrderIdTaken) of one leaves the others alone."""
    touched = Wanted()
    for submission, _ in asked:
        touched.enter(submission)
    book = await store.load(touched)
    taken = [_submit(book, submission, cause, store.now) for submission, cause in asked]
    await store.record(book)
    return taken


def _submit(book: Book, submission: Submission, cause: Cause, now: datetime) -> Taken | Refusal:
    known = submission.order_id in book.orders
    try:
        return take(book, submission, cause, now, wait=False), not known
    except Refusal as refusal:
        return refusal


async def cancel(store: Store, order_id: UUID, reach: Reach, request_id: UUID, reason: str, by: str, cause: Cause) -> Order:
    """Ask for a cancel. Raises NotFound, TooLateToCancel."""
    return await _decide(store, order_id, reach, cause, lambda order: decisions.ask_cancel(order, request_id, reason, by, store.now))


async def place_hold(store: Store, order_id: UUID, hold: Hold, cause: Cause) -> Order:
    """Raises NotFound, OrderClosed."""
    return await _decide(store, order_id, Reach(), cause, lambda order: decisions.place_hold(order, hold))


async def lift_hold(store: Store, order_id: UUID, hold_id: UUID, cause: Cause) -> Order:
    """Raises NotFound, HoldUnknown, HoldOfTheSystem."""
    return await _decide(store, order_id, Reach(), cause, lambda order: decisions.lift_by_hand(order, hold_id, store.now))


@dataclass(frozen=True, slots=True)
class Change:
    """A change that somebody asks for, of the order as it was read (`version`). The ids are new ones; `customer_id` is whose the order is."""

    order_id: UUID
    customer_id: UUID
    version: int
    amendment_id: UUID
    refund_id: UUID
    wanted: ChangeWire
    paid_minor: int
    payment_reference: str | None
    reason: str
    by: str


async def amend(store: Store, change: Change, reach: Reach, cause: Cause) -> Order:
    """Ask for a change. Raises NotFound, OrderInvalid, and what `amending.may_amend` and `amending.ask` raise."""
    skus = {line.sku for line in change.wanted.lines or ()}
    book = await store.load(Wanted(order_ids={change.order_id}, customer_ids={change.customer_id}, skus=skus))
    order = book.orders.get(change.order_id)
    if order is None or not reach.covers(order):
        raise NotFound
    amending.may_amend(order, change.version)
    asked = _amendment(book, order, change, store.now)
    book.note(amending.ask(order, asked), cause)
    if order.customer_id in book.customers:
        book.meet(move_in(book.customers[order.customer_id], asked.wanted.ship_to), cause)
    await store.record(book)
    return book.orders[change.order_id]


def _amendment(book: Book, order: Order, change: Change, now: datetime) -> Amendment:
    """The change as it is kept, judged as a new order would be. What the order already has may be withdrawn by now. Raises OrderInvalid."""
    standing = book.standings[order.channel, order.external_ref]
    before = from_body(standing.amended or standing.body)
    wanted = changed(before.body, change.wanted)
    verdict = judge(wanted, {**book.items, **{line.sku: Item(line.sku, withdrawn=False) for line in before.lines}}, now)
    if verdict.reasons or verdict.unknown:
        raise OrderInvalid(verdict.reasons + unknown_items(wanted, verdict.unknown), "change")
    return Amendment(
        change.amendment_id, wanted, before.body, change.paid_minor, change.payment_reference, change.refund_id, change.reason, change.by, now
    )


async def _decide(store: Store, order_id: UUID, reach: Reach, cause: Cause, decide: Callable[[Order], Decision]) -> Order:
    book = await store.load(Wanted(order_ids={order_id}))
    order = book.orders.get(order_id)
    if order is None or not reach.covers(order):
        raise NotFound
    book.note(decide(order), cause)
    await store.record(book)
    return book.orders[order_id]


def wanted(batch: Sequence[Heard[Any]]) -> Wanted:
    """What the events of a batch touch."""
    found = Wanted()
    for heard in batch:
        data = heard.data
        if isinstance(data, Submission):
            found.enter(data)
        elif isinstance(data, PaymentSecured | CancelAsked):
            found.references.add((data.channel, data.external_ref))
        elif isinstance(data, Item):
            found.skus.add(data.sku)
        elif isinstance(data, PromiseKept | PromiseBroken | PromiseReleased):
            found.promise_ids.add(data.promise_id)
        else:
            found.order_ids.add(data.order_id)
            if isinstance(data, PromiseMade):
                found.promise_ids.add(data.promise_id)
    return found
