"""What becomes of news: one batch, loaded once, folded in order, recorded once. Whether a message may exist twice is the index's to say."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from services.kit.values import Heard, NewId
from services.notifications.domain import Cancelled, Contact, Delivered, Erased, HandedOver, Intent, Placed, Promised, promise, tell
from services.notifications.ports import State, Store

_LIFE = (Promised, HandedOver, Delivered, Cancelled)
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
    return _LIFE.index(type(heard.data)) if isinstance(heard.data, _LIFE) else -1


def _fold(state: State, heard: Heard[Any], new_id: NewId) -> None:
    news = heard.data
    if isinstance(news, Contact | Erased):
        state.contacts.append((news, heard.version, heard.cause))
    elif isinstance(news, Placed):
        state.orders[news.order_id] = replace(state.orders[news.order_id], placed=news)
    elif not isinstance(news, Delivered) or news.last:
        _tell(state, heard, _promise(state, news) if isinstance(news, Promised) else _INTENTS[type(news)], new_id)


def _promise(state: State, promised: Promised) -> Intent | None:
    before = state.orders[promised.order_id]
    state.orders[promised.order_id], intent = promise(before, promised)
    if state.orders[promised.order_id] is not before:
        state.promises.append(promised)
    return intent


def _tell(state: State, heard: Heard[Any], intent: Intent | None, new_id: NewId) -> None:
    if intent is None:
        return
    order_id = heard.data.order_id
    state.orders[order_id], message = tell(state.orders[order_id], intent, new_id(), heard.cause)
    if message is not None:
        state.messages.append(message)
