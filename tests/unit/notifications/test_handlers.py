"""Whatever order the news of an order comes in, its customer is never told what an earlier message contradicts."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import permutations, product
from typing import Any
from uuid import UUID

import pytest

from services.notifications.domain import Cancelled, Delivered, HandedOver, Intent, Message, Order, superseded
from services.notifications.handlers import on_events
from services.notifications.ports import State
from tests.support.ids import numbered_ids
from tests.unit.notifications.build import EVENT, ORDER, declined, heard, placed, promised, uuid

FIRST, LATER, HANDED_OVER, DELIVERED, CANCELLED = promised(1), promised(2, replaces=1), HandedOver(ORDER), Delivered(ORDER, True), Cancelled(ORDER)
ANSWER = declined()
CONTRADICTED = {
    ("handed_over", "confirmed"), ("handed_over", "delayed"),
    ("delivered", "confirmed"), ("delivered", "delayed"), ("delivered", "handed_over"),
    ("cancelled", "confirmed"), ("cancelled", "delayed"), ("cancelled", "handed_over"), ("cancelled", "delivered"), ("cancelled", "cancelled"),
}  # fmt: skip
"""(what was said, what may not be said after it)"""


class FakeStore:
    """Orders and messages in memory; a message waits until `send`, which sends in the order of recording."""

    def __init__(self) -> None:
        self.orders: dict[UUID, Order] = {}
        self.waiting: list[Message] = []
        self.sent: list[Message] = []
        self.held_back: list[Message] = []

    async def load(self, order_ids: Collection[UUID]) -> State:
        return State({id: self.orders.get(id, Order(id)) for id in order_ids})

    async def record(self, state: State) -> None:
        self.orders |= state.orders
        self.waiting += state.messages
        lost = [message for message in self.waiting if message.intent in superseded(self.orders[message.order_id])]
        self.waiting = [message for message in self.waiting if message not in lost]
        self.held_back += lost

    def send(self) -> None:
        self.sent, self.waiting = self.sent + self.waiting, []

    @property
    def said(self) -> list[Intent]:
        return [message.intent for message in self.sent]


async def tell_of(*batches: Sequence[Any], sends: Sequence[bool] = ()) -> FakeStore:
    """A store that heard the batches, and sent after each one as `sends` says, and at the end."""
    store, ids = FakeStore(), numbered_ids()
    for number, batch in enumerate(batches):
        await on_events([heard(news) for news in batch], store, ids)
        if number < len(sends) and sends[number]:
            store.send()
    store.send()
    return store


def check(store: FakeStore, news: Sequence[Any]) -> None:
    for at, earlier in enumerate(store.sent):
        for later in store.sent[at + 1 :]:
            assert (earlier.intent, later.intent) not in CONTRADICTED, store.said
            assert (earlier.promise_id, later.promise_id) != (LATER.promise_id, FIRST.promise_id), "back to the words that were replaced"
    confirmed = [message.promise_id for message in store.sent if message.intent is Intent.CONFIRMED]
    assert len(confirmed) - confirmed.count(EVENT) <= 1, "only an answer may come ahead of the promise that confirms"
    assert all(message.promise_id != EVENT for message in store.sent if message.intent in (Intent.HANDED_OVER, Intent.DELIVERED))
    last = Intent.CANCELLED if CANCELLED in news else Intent.DELIVERED
    assert last in store.said, "what ends an order is always told"


@pytest.mark.parametrize(
    "news",
    [
        (FIRST, HANDED_OVER, DELIVERED),
        (FIRST, LATER, HANDED_OVER, DELIVERED),
        (FIRST, LATER, HANDED_OVER, DELIVERED, CANCELLED),
        (ANSWER, FIRST, HANDED_OVER, DELIVERED),
        (ANSWER, FIRST, LATER, HANDED_OVER, DELIVERED),
    ],
)
async def test_no_order_of_arrival_makes_one_message_contradict_an_earlier_one(news: tuple[Any, ...]) -> None:
    """Each piece of news a batch, whether mail goes out in between or not."""
    for arrival in permutations(news):
        for sends in product([True, False], repeat=len(arrival)):
            check(await tell_of(*([each] for each in arrival), sends=sends), arrival)
        check(await tell_of(arrival), arrival)


async def test_what_comes_after_a_cancel_is_not_even_recorded() -> None:
    store = await tell_of([placed()], [CANCELLED], [FIRST], [LATER], [HANDED_OVER], [DELIVERED])
    assert (store.said, store.held_back) == ([Intent.CANCELLED], [])


async def test_a_confirmation_that_waits_is_held_back_by_a_cancel_and_by_a_delivery() -> None:
    for end in (CANCELLED, DELIVERED):
        store = await tell_of([FIRST], [end])
        assert [message.intent for message in store.held_back] == [Intent.CONFIRMED]
        assert len(store.said) == 1


async def test_a_delay_that_waits_is_held_back_by_the_hand_over_which_carries_its_words() -> None:
    store = await tell_of([FIRST], [LATER], [HANDED_OVER], sends=[True])
    assert store.said == [Intent.CONFIRMED, Intent.HANDED_OVER]
    assert store.sent[-1].promise_id == LATER.promise_id


@pytest.mark.parametrize("batches", [[[FIRST, HANDED_OVER]], [[HANDED_OVER, FIRST]], [[FIRST], [HANDED_OVER]]])
async def test_a_confirmation_that_waits_goes_out_ahead_of_the_hand_over(batches: list[list[Any]]) -> None:
    store = await tell_of(*batches)
    assert store.said == [Intent.CONFIRMED, Intent.HANDED_OVER]
    assert store.sent[-1].promise_id == FIRST.promise_id


async def test_a_first_promise_behind_the_one_that_replaced_it_changes_nothing() -> None:
    store = await tell_of([LATER], [replace(FIRST, promise_id=uuid(1_001))], [HANDED_OVER])
    assert [message.promise_id for message in store.sent] == [LATER.promise_id] * 2


async def test_an_answer_is_told_and_then_the_first_promise() -> None:
    for batches in ([[ANSWER], [FIRST]], [[ANSWER, FIRST]], [[HANDED_OVER, ANSWER, FIRST]]):
        store = await tell_of(*batches)
        assert [(message.intent, message.promise_id) for message in store.sent][:2] == [
            (Intent.CONFIRMED, EVENT), (Intent.CONFIRMED, FIRST.promise_id),
        ]  # fmt: skip


async def test_an_answer_heard_twice_is_told_once() -> None:
    assert (await tell_of([ANSWER, ANSWER], [ANSWER])).said == [Intent.CONFIRMED]
