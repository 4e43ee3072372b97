"""What a change of an order means for its date: what would be promised instead, and what becomes of the promise that stands. Pure."""

from dataclasses import replace
from datetime import datetime

from services.kit.values import Cause, NewId
from services.promises.dates.domain import (
    Amended,
    Amending,
    AmendmentRequested,
    Dated,
    Entry,
    Kind,
    Promise,
    State,
    Story,
    Wording,
    broken,
    made,
    settled,
)
from services.promises.domain import Service
from services.promises.quoting.domain import Ask, Quote, pieces

_CHANGED = "the customer changed the order"


def has_ended(story: Story) -> bool:
    """Whether the order was delivered or cancelled, as far as its promises tell."""
    return bool(story.promises) and story.promises[-1].state in (State.KEPT, State.RELEASED)


def date_stands(story: Story, asked: AmendmentRequested) -> bool:
    """Whether the change cannot move the date: another promises it, or no more is asked for than was."""
    return asked.order.ask.service is Service.APPOINTMENT or _asks_no_more(story.order.ask, asked.order.ask)


def _asks_no_more(old: Ask, new: Ask) -> bool:
    same = (old.site, old.destination, old.service, old.chosen_on) == (new.site, new.destination, new.service, new.chosen_on)
    return same and pieces(new) <= pieces(old)


def answer(story: Story, asked: AmendmentRequested, quote: Quote | None) -> Dated:
    """What is said to whoever asked: the new date with what it rests on, or nothing where the date stays as it is."""
    whose, stands = (asked.order_id, story.order.customer_id, asked.amendment_id), _standing(story)
    if quote is None or (stands and stands.due_at == quote.due_at):
        return Dated(*whose)
    return Dated(*whose, quote.due_on, quote.due_at, quote.hand_over_by, quote.carrier_service)


def become(story: Story, amending: Amending, amended: Amended, wording: Wording | None, new_id: NewId, now: datetime, cause: Cause) -> list[Entry]:
    """The entries of an order that became what was asked for: a promise of the new date beside the old one, which is released, since the customer
    asked for it; one that was due before it is broken. None where the date is the same. `wording` is None where there is no date."""
    quote, stands = amending.quote, _standing(story)
    if quote is None or wording is None or has_ended(story) or (stands and stands.due_at == quote.due_at):
        return []
    replaces = story.promises[-1].promise_id if story.promises else None
    more = {"quote_id": amending.quote_id, "replaces": replaces, "amendment_id": amending.amendment_id}
    entries = [made(amending.order, quote, wording, new_id(), now, cause, **more)]
    if stands and stands.state is State.OPEN:
        entries.append(_let_go(stands, amended, now, cause))
    return entries


def _let_go(promise: Promise, amended: Amended, now: datetime, cause: Cause) -> Entry:
    if promise.due_at < amended.amended_at:
        return broken(promise, now, cause)
    key = f"amended|{amended.amendment_id}|{promise.promise_id}"
    after = settled(promise, State.RELEASED, amended.amended_at)
    return Entry(Kind.RELEASED, after, key, amended.amended_at, cause, consent=_CHANGED)


def changed(story: Story, amending: Amending) -> Story:
    """The story of the order as it now is; it was placed when it was."""
    return replace(story, order=replace(amending.order, placed_at=story.order.placed_at), amending=None)


def _standing(story: Story) -> Promise | None:
    """The date that was said last, kept or broken as it may be."""
    return story.promises[-1] if story.promises else None
