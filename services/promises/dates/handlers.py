"""Promises when an order is placed, again when a delay is foreseen, and gives the verdict on what was promised."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from services.kit.values import Cause, Heard
from services.promises.dates.changing import answer, become, changed, date_stands, has_ended
from services.promises.dates.domain import (
    Amended,
    Amending,
    AmendmentRequested,
    Cancelled,
    Dated,
    Declined,
    Delay,
    Delivered,
    Entry,
    Held,
    Lifted,
    NotDated,
    Order,
    Story,
    Undone,
    Waits,
    answer_by,
    await_stock,
    hand_over_after,
    in_danger,
    lapse,
    make,
    make_later,
    release,
    settle,
    silent_until,
    stock_came,
)
from services.promises.dates.ports import DatesPort, Promising
from services.promises.domain import Service
from services.promises.quoting.domain import AwaitingStock, CannotPromise, Grounds, OrderEnded, Quote, make_quote, still_holds

DUE_AT_ONCE = 250
_OF_ORDERS = Order | Cancelled | Delivered | Delay | Held | Lifted | AmendmentRequested | Amended | Undone


async def on_events(batch: Sequence[Heard[Any]], store: DatesPort, promising: Promising) -> None:
    """Decide what each event means for the promises of its order, in order, and record it all at once."""
    heard = [each for each in batch if isinstance(each.data, _OF_ORDERS)]
    if not heard:
        return
    stories = await store.stories(sorted({each.data.order_id for each in heard}))
    folded = _Fold(store, promising, stories, await _grounds(heard, stories, store))
    for each in heard:
        folded.take(each)
    store.record(list(folded.changed.values()), folded.entries, folded.declined, folded.answers)


async def on_due(store: DatesPort) -> int:
    """Break what was due and has no evidence. Returns how many, at most 250."""
    entries = [entry for promise in await store.due(DUE_AT_ONCE) if (entry := lapse(promise, store.now))]
    if entries:
        store.record([], entries, [])
    return len(entries)


async def on_look(store: DatesPort, promising: Promising) -> int:
    """Try again what was declined and may be looked at. Returns how many, at most 250."""
    stories = await store.waiting(DUE_AT_ONCE)
    if stories:
        grounds = await store.grounds([story.order.ask.destination for story in stories])
        folded = _Fold(store, promising, {story.order.order_id: story for story in stories}, grounds)
        for story in stories:
            folded.again(story)
        store.record(list(folded.changed.values()), folded.entries, folded.declined)
    return len(stories)


async def _grounds(heard: Sequence[Heard[Any]], stories: dict[UUID, Story], store: DatesPort) -> Grounds:
    """What a date can be computed from, for the orders of this batch that may need one."""
    orders = [*(each.data for each in heard if isinstance(each.data, Order)), *(story.order for story in stories.values())]
    late = {each.data.order_id for each in heard if isinstance(each.data, Delay | Lifted)}
    dated = [order for order in orders if order.order_id in late or order.order_id not in stories]
    dated += [each.data.order for each in heard if isinstance(each.data, AmendmentRequested)]
    if not dated:
        return Grounds({}, {})
    return await store.grounds([order.ask.destination for order in dated], sorted({order.quote_id for order in dated if order.quote_id}))


@dataclass(slots=True)
class _Fold:
    """The events of a batch, taken one after the other."""

    store: DatesPort
    promising: Promising
    stories: dict[UUID, Story]
    grounds: Grounds
    changed: dict[UUID, Story] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    declined: list[tuple[Declined, Cause]] = field(default_factory=list)
    answers: list[tuple[Dated | NotDated, Cause]] = field(default_factory=list)

    def take(self, heard: Heard[Any]) -> None:
        story = self.stories.get(heard.data.order_id)
        match heard.data:
            case Order() as order:
                if story is None:
                    self._place(order, heard.cause)
            case _ if story is None:
                self.store.set_aside(heard, "unknown-order", f"{heard.type} is about an order that was never placed here")
            case Delivered() as delivered:
                self._append(story, settle(story, delivered, self.store.now, heard.cause))
                self._close(story, delivered.last)
            case Cancelled() as cancelled:
                self._append(story, release(story, cancelled, self.store.now, heard.cause))
                self._close(story, True)
            case Delay() as delay:
                self._delay(story, delay, heard.cause)
            case Held(reason="stock") if not story.waits:
                self._change(await_stock(story, heard.cause))
            case Lifted(reason="stock") if story.awaits_stock:
                self._stock_came(story, heard.cause)
            case AmendmentRequested() as asked:
                self._answer(story, asked, heard.cause)
            case Amended() as amended if story.amending and story.amending.amendment_id == amended.amendment_id:
                self._amend(story, story.amending, amended, heard.cause)
            case Amended():
                self.store.set_aside(heard, "unknown-amendment", f"{heard.type} is about a change that was never asked for here")
            case Undone(amendment_id=amendment_id) if story.amending and story.amending.amendment_id == amendment_id:
                self._change(replace(story, amending=None))

    def _place(self, order: Order, cause: Cause) -> None:
        if order.ask.service is Service.APPOINTMENT:
            self._change(Story(order))
            return
        try:
            quote, bound = self._date(order)
        except CannotPromise as refusal:
            self._decline(Story(order), refusal, 0, cause)
            return
        self._promise(order, quote, bound, cause)

    def _date(self, order: Order) -> tuple[Quote, UUID | None]:
        """The date that the customer saw, with its quote's id, where it still holds; else one made now. Raises CannotPromise."""
        asked, quote = self.grounds.quotes.get(order.quote_id, (None, None)) if order.quote_id else (None, None)
        if asked and quote and still_holds(asked, quote, order.ask, order.placed_at):
            return quote, order.quote_id
        return make_quote(order.ask, self.grounds.basis(order.ask.destination, self.promising.policy, self.store.now)), None

    def _answer(self, story: Story, asked: AmendmentRequested, cause: Cause) -> None:
        """Say which date a change would have, and remember it. An order that waits for a date for the same reason as the change would, waits on."""
        order = replace(asked.order, ask=replace(asked.order.ask, channel=story.order.ask.channel))
        amending = Amending(asked.amendment_id, order)
        try:
            if has_ended(story):
                raise OrderEnded("the order was delivered or cancelled", ())
            if not date_stands(story, asked):
                amending = Amending(asked.amendment_id, order, *self._date(order))
        except CannotPromise as refusal:
            if story.promises or story.declined != refusal.slug:
                sentence = self.promising.words.not_dated(refusal, story.order.language)
                no = NotDated(asked.order_id, story.order.customer_id, asked.amendment_id, refusal.slug, sentence)
                self.answers.append((no, cause))
                return
        self.answers.append((answer(story, asked, amending.quote), cause))
        self._change(replace(story, amending=amending))

    def _amend(self, story: Story, amending: Amending, amended: Amended, cause: Cause) -> None:
        words = self.promising.words.promise(amending.quote, amending.order.language) if amending.quote else None
        entries = become(story, amending, amended, words, self.promising.new_id, self.store.now, cause)
        after = changed(story, amending)
        if entries and not story.awaits_stock:
            after = replace(after, declined=None, waits=None)
        self._change(after)
        self._append(after, entries)
        if entries and story.awaits_stock:
            self._change(await_stock(self.stories[story.order.order_id], cause))

    def again(self, story: Story) -> None:
        """Promise what was declined, if that can be now; else say when we say more, or wait on in silence."""
        assert story.waits is not None, "only what waits is looked at"
        basis = self.grounds.basis(story.order.ask.destination, self.promising.policy, self.store.now)
        try:
            if story.awaits_stock:
                raise AwaitingStock("what was ordered is not here yet", ())
            quote = make_quote(story.order.ask, basis)
        except CannotPromise as refusal:
            waits = silent_until(story.waits, self.store.now)
            if waits:
                self._change(replace(story, waits=waits))
            else:
                self._decline(story, refusal, story.waits.follow_ups + 1, story.waits.cause)
            return
        self._promise(story.order, quote, None, story.waits.cause)

    def _promise(self, order: Order, quote: Quote, bound: UUID | None, cause: Cause) -> None:
        words = self.promising.words.promise(quote, order.language)
        entry = make(order, quote, words, id=self.promising.new_id(), quote_id=bound, now=self.store.now, cause=cause)
        before = self.stories.get(order.order_id)
        story = Story(order, amending=before.amending if before else None)
        self._change(story)
        self._append(story, [entry])

    def _decline(self, story: Story, refusal: CannotPromise, follow_up: int, cause: Cause) -> None:
        order = story.order
        by = answer_by(self.store.now, order.zone)
        sentence = self.promising.words.decline(refusal, order.language, by, order.zone)
        self.declined.append((Declined(order.order_id, order.customer_id, refusal.slug, sentence, by, follow_up), cause))
        self._change(replace(story, declined=refusal.slug, waits=Waits(by, follow_up, by, cause)))

    def _close(self, story: Story, ended: bool) -> None:
        """Nobody is told more of an order that has ended."""
        if ended and (story.waits or story.amending):
            self._change(replace(story, declined=None if story.awaits_stock else story.declined, waits=None, amending=None))

    def _stock_came(self, story: Story, cause: Cause) -> None:
        delay = stock_came(story, self.store.now)
        if delay:
            self._delay(story, delay, cause)
        self._change(replace(self.stories[story.order.order_id], declined=None, waits=None))

    def _change(self, story: Story) -> None:
        self.stories[story.order.order_id] = self.changed[story.order.order_id] = story

    def _delay(self, story: Story, delay: Delay, cause: Cause) -> None:
        """A date that does not move is not told: the promise may rest on a later departure than the one that was missed.

        Unless its customer was told to hear more: then whatever date there is now is the answer.
        """
        old = in_danger(story, delay)
        if old is None:
            return
        ask = replace(story.order.ask, chosen_on=None)
        try:
            quote = make_quote(ask, self.grounds.basis(ask.destination, self.promising.policy, self.store.now, hand_over_after(delay)))
        except CannotPromise:
            return
        later = quote.due_at > old.due_at
        if later or story.was_answered:
            words = self.promising.words.promise(quote, story.order.language, delayed=later)
            new_id = self.promising.new_id()
            self._append(story, [make_later(story.order, quote, words, id=new_id, old=old, delay=delay, now=self.store.now, cause=cause)])
            if story.awaits_stock:
                self._change(await_stock(self.stories[story.order.order_id], cause))

    def _append(self, story: Story, entries: Sequence[Entry]) -> None:
        self.entries += entries
        self.stories[story.order.order_id] = story.after(entries)
