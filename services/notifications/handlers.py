"""What becomes of news: one batch, loaded once, folded in order, recorded once. Whether a message may exist twice is the index's to say."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from services.kit.values import Heard, NewId
from services.notifications.domain import (
    Amended,
    Cancelled,
    Contact,
    Declined,
    Delivered,
    Erased,
    HandedOver,
    Intent,
    Placed,
    Promised,
    Undone,
    amend,
    decline,
    promise,
    tell,
)
from services.notifications.ports import Said, State, Store

_LIFE: dict[type[Any], int] = {Promised: 0, Declined: 0, Amended: 0, Undone: 0, HandedOver: 1, Delivered: 2, Cancelled: 3}
_INTENTS: dict[type[Any], Intent] = {Cancelled: Intent.CANCELLED, HandedOver: Intent.HANDED_OVER, Delivered: Intent.DELIVERED}


async def on_events(batch: Sequence[Heard[Any]], store: Store, new_id: NewId) -> None:
    """Keep contacts, orders and promises, and record what is to be told. May run twice for the same events.

    Topics do not wait for each other, so within a batch the news is taken in the order of an order's life: a promise that stands behind its own
    hand-over is told first. A promise that comes in a later batch than the hand-over is not told any more.
    """
    state = await store.load({heard.data.order_id for heard in batch if not isinstance(heard.data, Contact | Erased)})
    for heard in sorted(batch, key=_stage_of_life):
        _fold(state, heard, new_id)
    await store.record(state)


def _stage_of_life(heard: Heard[Any]) -> int:
    return _LIFE.get(type(heard.data), -1)


def _fold(state: State, heard: Heard[Any], new_id: NewId) -> None:
    news = heard.data
    if isinstance(news, Contact | Erased):
        state.contacts.append((news, heard.version, heard.cause))
    elif isinstance(news, Placed):
        state.orders[news.order_id] = replace(state.orders[news.order_id], placed=news)
    elif isinstance(news, Amended | Undone):
        state.orders[news.order_id], intent = amend(state.orders[news.order_id], news)
        _tell(state, heard, intent, new_id, news.amendment_id)
    elif not isinstance(news, Delivered) or news.last:
        amendment_id = news.amendment_id if isinstance(news, Promised) else None
        _tell(state, heard, _INTENTS.get(type(news)) or _say(state, heard), new_id, amendment_id)


def _say(state: State, heard: Heard[Any]) -> Intent | None:
    """Count a promise or an answer. An answer has no id of its own: its event's is taken, which is made once."""
    news = heard.data
    before = state.orders[news.order_id]
    if isinstance(news, Promised):
        said, (after, intent) = Said(news.order_id, news.promise_id, news.words, answer=False), promise(before, news)
    else:
        said, (after, intent) = Said(news.order_id, heard.id, news.words, answer=True), decline(before, heard.id)
    state.orders[news.order_id] = after
    if after is not before:
        state.said.append(said)
    return intent


def _tell(state: State, heard: Heard[Any], intent: Intent | None, new_id: NewId, amendment_id: UUID | None = None) -> None:
    if intent is None:
        return
    order_id = heard.data.order_id
    state.orders[order_id], message = tell(state.orders[order_id], intent, new_id(), heard.cause, amendment_id)
    if message is not None:
        state.messages.append(message)
