"""What is promised for an order, and what becomes of it: kept or broken once, on evidence or on the clock, or released by the customer.

Decisions return the entries to append; a promise's state is what its entries add up to. Nothing said to a customer is ever altered: a new
date is a new promise that stands beside the old one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.kit.values import Cause
from services.promises.domain import local_day, moment, next_weekday
from services.promises.quoting.domain import Ask, AwaitingStock, Quote, Term

_ANSWERED_AT = time(17)
"""A dated answer comes on the next weekday, by five in the afternoon where the order goes."""
_FOLLOW_UPS = 5
_CANCELLED = "the customer cancelled the order"


class State(StrEnum):
    OPEN = "open"
    KEPT = "kept"
    BROKEN = "broken"
    RELEASED = "released"


class Kind(StrEnum):
    """What an entry says of its promise."""

    MADE = "made"
    KEPT = "kept"
    BROKEN = "broken"
    RELEASED = "released"
    EVIDENCE = "evidence"


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it was placed: `ask` is what shall be promised, `zone` the time zone of the destination."""

    order_id: UUID
    customer_id: UUID
    language: str
    zone: str
    placed_at: datetime
    quote_id: UUID | None
    ask: Ask


@dataclass(frozen=True, slots=True)
class AmendmentRequested:
    """A change that somebody asks for: `order` as it would be, placed when that was asked."""

    order_id: UUID
    amendment_id: UUID
    order: Order


@dataclass(frozen=True, slots=True)
class Amended:
    """The order became what was asked for."""

    order_id: UUID
    amendment_id: UUID
    amended_at: datetime


@dataclass(frozen=True, slots=True)
class Undone:
    """It did not."""

    order_id: UUID
    amendment_id: UUID


@dataclass(frozen=True, slots=True)
class Amending:
    """What was answered to a change that is not decided yet: `quote` is the date that would be promised, None where what stands still stands."""

    amendment_id: UUID
    order: Order
    quote: Quote | None = None
    quote_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Dated:
    """The answer to a change: the new date and what it rests on; all of it None where the date that stands still stands."""

    order_id: UUID
    customer_id: UUID
    amendment_id: UUID
    due_on: date | None = None
    due_at: datetime | None = None
    hand_over_by: datetime | None = None
    carrier_service: str | None = None


@dataclass(frozen=True, slots=True)
class NotDated:
    """No date can be promised for a change: why, in a sentence for the customer."""

    order_id: UUID
    customer_id: UUID
    amendment_id: UUID
    reason: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    order_id: UUID
    request_id: UUID
    cancelled_at: datetime


@dataclass(frozen=True, slots=True)
class Delivered:
    """A parcel is at the door. Only the order's last one settles anything."""

    order_id: UUID
    delivered_at: datetime
    evidence_id: str
    last: bool


@dataclass(frozen=True, slots=True)
class Delay:
    """The hand-over will be missed; `next_hand_over_by` is the first that will not, None where nobody knows yet."""

    order_id: UUID
    hand_over_by: datetime
    next_hand_over_by: datetime | None
    cause: str


@dataclass(frozen=True, slots=True)
class Held:
    """The order is not released: `reason`."""

    order_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class Lifted:
    """What held the order for this reason no longer does."""

    order_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class Evidence:
    kind: str
    id: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Promise:
    """A delivery date as it was said. `evidence` are the ids seen; `missed_hand_over` is what it answers when it `replaces` another."""

    promise_id: UUID
    seq: int
    order_id: UUID
    customer_id: UUID
    state: State
    customer_text: str
    language: str
    due_on: date
    due_at: datetime
    zone: str
    hand_over_by: datetime
    carrier_service: str
    terms: tuple[Term, ...]
    quote_id: UUID | None
    replaces: UUID | None
    missed_hand_over: datetime | None
    evidence: tuple[str, ...]
    made_at: datetime
    settled_at: datetime | None
    cause: Cause
    amendment_id: UUID | None = None
    """The change of the order that it was made for."""


@dataclass(frozen=True, slots=True)
class Waits:
    """An order that hears more by `answer_by`. `look_at` is when to try again; None leaves it with a person, until a carrier comes.

    `follow_ups` is -1 where nothing was said yet: a promised order that waits for stock, until the last moment at which it can be kept.
    """

    answer_by: datetime
    follow_ups: int
    look_at: datetime | None
    cause: Cause


@dataclass(frozen=True, slots=True)
class Story:
    """What the ledger knows of one order: its promises in the order of making; `declined` is why it waits, `waits` until when; `amending` is the
    change of it that is not decided."""

    order: Order
    promises: tuple[Promise, ...] = ()
    declined: str | None = None
    waits: Waits | None = None
    amending: Amending | None = None

    @property
    def awaits_stock(self) -> bool:
        return self.waits is not None and self.declined == AwaitingStock.slug

    @property
    def was_answered(self) -> bool:
        """Whether its customer was told, beside a promise, to hear more: then what follows is told, even when the date did not move."""
        return self.awaits_stock and self.waits is not None and self.waits.follow_ups >= 0

    def after(self, entries: Sequence["Entry"]) -> "Story":
        """The story once these entries stand."""
        promises = {promise.promise_id: promise for promise in self.promises} | {entry.promise.promise_id: entry.promise for entry in entries}
        return replace(self, promises=tuple(promises.values()))


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger: `promise` is how it stands after it. `key` is for ever unique: the same thing is never recorded twice."""

    kind: Kind
    promise: Promise
    key: str
    occurred_at: datetime
    cause: Cause
    evidence: Evidence | None = None
    consent: str | None = None
    """How the customer agreed, where it is released."""


@dataclass(frozen=True, slots=True)
class Declined:
    """No date can be promised now; `answer_by` is when we say more. `follow_up` counts from 0, the answer to the order itself."""

    order_id: UUID
    customer_id: UUID
    reason: str
    sentence: str
    answer_by: datetime
    follow_up: int = 0


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of one promise, and the language they are in (the customer's, where we speak it)."""

    text: str
    language: str


def make(order: Order, quote: Quote, wording: Wording, *, id: UUID, quote_id: UUID | None, now: datetime, cause: Cause) -> Entry:
    """The order's first promise."""
    return made(order, quote, wording, id, now, cause, quote_id=quote_id)


def make_later(order: Order, quote: Quote, wording: Wording, *, id: UUID, old: Promise, delay: Delay, now: datetime, cause: Cause) -> Entry:
    """A promise beside the old one, which stays as it is and breaks on its own date."""
    return made(order, quote, wording, id, now, cause, replaces=old.promise_id, missed_hand_over=delay.hand_over_by)


def in_danger(story: Story, delay: Delay) -> Promise | None:
    """The promise that a missed hand-over calls into question; None where there is none, or its miss was answered before.

    Goods that nobody knows a date for get none: the old promise stays, and breaks on its date.
    """
    if not story.promises or any(promise.missed_hand_over == delay.hand_over_by for promise in story.promises):
        return None
    if delay.next_hand_over_by is None and delay.cause == "stock":
        return None
    last = story.promises[-1]
    return last if last.state in (State.OPEN, State.BROKEN) else None


def await_stock(story: Story, cause: Cause) -> Story:
    """The story of an order without stock: it is looked at when its promise can only just be kept. Unchanged without an open promise."""
    if not story.promises or story.promises[-1].state is not State.OPEN:
        return story
    last = story.promises[-1]
    floor = timedelta(seconds=sum(term.seconds for term in last.terms if term.name in ("pick", "pack")))
    return replace(story, declined=AwaitingStock.slug, waits=Waits(last.hand_over_by - floor, -1, last.hand_over_by - floor, cause))


def stock_came(story: Story, now: datetime) -> Delay | None:
    """The delay that its wait for stock has cost; None where the promise can still be kept and nothing else was said."""
    if not story.awaits_stock or story.waits is None or (now < story.waits.answer_by and not story.was_answered):
        return None
    return Delay(story.order.order_id, story.promises[-1].hand_over_by, None, "queue")


def hand_over_after(delay: Delay) -> datetime:
    """The first instant at which the parcel may still be handed over."""
    return delay.next_hand_over_by or delay.hand_over_by + timedelta(seconds=1)


def settle(story: Story, delivered: Delivered, now: datetime, cause: Cause) -> list[Entry]:
    """The verdict on what is still open: kept when delivered by the due instant, inclusive; else broken.

    For what already has its verdict the evidence is recorded and the verdict stays, even where it proves "on time": correcting it
    is an entry of its own that the full ledger will add.
    """
    if not delivered.last:
        return []
    evidence = Evidence("parcel_delivered", delivered.evidence_id, delivered.delivered_at)
    unseen = (promise for promise in story.promises if evidence.id not in promise.evidence)
    return [entry for promise in unseen for entry in _judge(promise, evidence, now, cause)]


def lapse(promise: Promise, now: datetime) -> Entry | None:
    """Broken, when its due instant passed without evidence."""
    return broken(promise, now, promise.cause) if promise.state is State.OPEN and promise.due_at < now else None


def release(story: Story, cancelled: Cancelled, now: datetime, cause: Cause) -> list[Entry]:
    """Every open promise is released by the customer's own cancel; one that was due before it is broken."""
    entries = []
    for promise in story.promises:
        if promise.state is State.OPEN and promise.due_at < cancelled.cancelled_at:
            entries.append(broken(promise, now, cause))
        elif promise.state is State.OPEN:
            after = settled(promise, State.RELEASED, cancelled.cancelled_at)
            key = f"cancelled|{cancelled.request_id}|{promise.promise_id}"
            entries.append(Entry(Kind.RELEASED, after, key, cancelled.cancelled_at, cause, consent=_CANCELLED))
    return entries


def silent_until(waits: Waits, now: datetime) -> Waits | None:
    """How it waits on when there is still no date; None when the customer must hear so now.

    That is said at most five times: after it the order stays with a person.
    """
    if now < waits.answer_by:
        return replace(waits, look_at=waits.answer_by)
    return replace(waits, look_at=None) if waits.follow_ups >= _FOLLOW_UPS else None


def answer_by(now: datetime, zone: str) -> datetime:
    """When a customer whom nothing could be promised hears more."""
    return moment(next_weekday(local_day(now, zone)), _ANSWERED_AT, zone)


def made(order: Order, quote: Quote, wording: Wording, id: UUID, now: datetime, cause: Cause, **more: Any) -> Entry:
    """A promise of the quote's date. `more` is what it answers, and what it stands beside."""
    promise = Promise(
        promise_id=id, seq=1, order_id=order.order_id, customer_id=order.customer_id, state=State.OPEN,
        customer_text=wording.text, language=wording.language, due_on=quote.due_on, due_at=quote.due_at, zone=quote.zone,
        hand_over_by=quote.hand_over_by, carrier_service=quote.carrier_service, terms=quote.terms,
        **{"quote_id": None, "replaces": None, "missed_hand_over": None, **more},
        evidence=(), made_at=now, settled_at=None, cause=cause,
    )  # fmt: skip
    missed, amendment_id = promise.missed_hand_over, promise.amendment_id
    thing = f"delayed|{order.order_id}|{missed.isoformat()}" if missed else f"placed|{order.order_id}"
    return Entry(Kind.MADE, promise, f"amended|{amendment_id}" if amendment_id else thing, now, cause)


def _judge(promise: Promise, evidence: Evidence, now: datetime, cause: Cause) -> Iterator[Entry]:
    key = f"evidence|{evidence.id}|{promise.promise_id}"
    seen = replace(promise, evidence=(*promise.evidence, evidence.id))
    if promise.state is State.OPEN and evidence.occurred_at <= promise.due_at:
        yield Entry(Kind.KEPT, settled(seen, State.KEPT, evidence.occurred_at), key, evidence.occurred_at, cause, evidence)
        return
    if promise.state is State.OPEN:
        yield (verdict := broken(promise, now, cause))
        seen = replace(verdict.promise, evidence=seen.evidence)
    yield Entry(Kind.EVIDENCE, replace(seen, seq=seen.seq + 1), key, evidence.occurred_at, cause, evidence)


def broken(promise: Promise, now: datetime, cause: Cause) -> Entry:
    """Broken at its due instant, whenever that is noticed: `now` is when it was found."""
    return Entry(Kind.BROKEN, settled(promise, State.BROKEN, promise.due_at), f"due|{promise.promise_id}", now, cause)


def settled(promise: Promise, state: State, at: datetime) -> Promise:
    return replace(promise, seq=promise.seq + 1, state=state, settled_at=at)
