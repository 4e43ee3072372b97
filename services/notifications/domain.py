"""What a customer is told: which news becomes a message, that it becomes one only once, and what becomes of a message that is sent.

No word of carriers or services is kept here, so that the messages of a surprised customer cannot differ from anybody's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from uuid import UUID

from services.kit.values import Cause

LANGUAGES = ("en", "de")
ATTEMPTS = 10
"""How often a mail server may say "later" before a message counts as failed: with backoff, about two hours."""


class Intent(StrEnum):
    CONFIRMED = "confirmed"
    DELAYED = "delayed"
    HANDED_OVER = "handed_over"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    AMENDED = "amended"
    AMENDMENT_UNDONE = "amendment_undone"


_OF_AMENDMENTS = frozenset({Intent.AMENDED, Intent.AMENDMENT_UNDONE})
"""What is told once per change of the order that was asked for."""
_SENSELESS_AFTER: dict[Intent, frozenset[Intent]] = {
    Intent.HANDED_OVER: frozenset({Intent.CONFIRMED, Intent.DELAYED}),
    Intent.DELIVERED: frozenset({Intent.CONFIRMED, Intent.DELAYED, Intent.HANDED_OVER, Intent.AMENDED}),
    Intent.CANCELLED: frozenset(Intent),
}
"""What is no longer said once the key was recorded. A cancel is the last word."""
_SUPERSEDED_BY: dict[Intent, frozenset[Intent]] = {
    **_SENSELESS_AFTER,
    Intent.HANDED_OVER: frozenset({Intent.DELAYED}),
    Intent.CANCELLED: frozenset(Intent) - {Intent.CANCELLED},
}
"""What, if it still waits to be sent, is held back once the key is recorded. A hand-over carries the words of a delay, but it does not thank for the
order: a confirmation that waits goes out ahead of it."""

_SAYS_WORDS = frozenset({Intent.CONFIRMED, Intent.DELAYED})
"""What tells the words of one promise or answer, and so may be said again with the words of the next."""


class Channel(StrEnum):
    EMAIL = "email"


class State(StrEnum):
    """`unknown`: the mail server may have taken it or not. It is listed, and never sent again by itself."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True)
class Placed:
    order_id: UUID
    customer_id: UUID
    order_ref: str
    language: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    order_id: UUID


@dataclass(frozen=True, slots=True)
class Promised:
    """A promise in the very words said. `replaces`: it follows another one, that cannot be kept, or of an order that was amended (`amendment_id`)."""

    order_id: UUID
    promise_id: UUID
    words: str
    replaces: UUID | None
    amendment_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Amended:
    """The order was changed as its customer asked; with `dated`, a promise of a new date follows."""

    order_id: UUID
    amendment_id: UUID
    total_minor: int
    currency: str
    dated: bool


@dataclass(frozen=True, slots=True)
class Undone:
    """It was not: why."""

    order_id: UUID
    amendment_id: UUID
    words: str


@dataclass(frozen=True, slots=True)
class Declined:
    """No date could be promised: an answer, in the very words said, that names the day on which the customer hears more."""

    order_id: UUID
    words: str


@dataclass(frozen=True, slots=True)
class HandedOver:
    order_id: UUID


@dataclass(frozen=True, slots=True)
class Delivered:
    order_id: UUID
    last: bool


@dataclass(frozen=True, slots=True)
class Contact:
    """How a customer is reached. Personal data."""

    customer_id: UUID
    email: str
    name: str
    language: str
    zone: str


@dataclass(frozen=True, slots=True)
class Erased:
    customer_id: UUID


@dataclass(frozen=True, slots=True)
class Amendment:
    """What is known of a change of an order. News of it and the promise of its new date come by topics that do not wait for each other."""

    amendment_id: UUID
    news: Amended | Undone | None = None
    promise_id: UUID | None = None

    @property
    def intent(self) -> Intent | None:
        """What is to be told, once all of it is known."""
        if isinstance(self.news, Undone):
            return Intent.AMENDMENT_UNDONE
        known = self.news is not None and (self.promise_id is not None or not self.news.dated)
        return Intent.AMENDED if known else None


@dataclass(frozen=True, slots=True)
class Order:
    """What was promised for an order and what its customer is told. Who that is may be learnt last: topics do not wait for each other.

    `promises` also counts the dated answers given while there was no date to promise; `answers` says which they are. `amendments` are by id.
    """

    order_id: UUID
    placed: Placed | None = None
    promises: tuple[UUID, ...] = ()
    answers: frozenset[UUID] = frozenset()
    told: frozenset[Intent] = frozenset()
    amendments: Mapping[UUID, Amendment] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to tell. At most one exists per order, intent, promise version, amendment and channel."""

    message_id: UUID
    order_id: UUID
    intent: Intent
    promise_version: int
    promise_id: UUID | None
    cause: Cause
    channel: Channel = Channel.EMAIL
    amendment_id: UUID | None = None


def promise(order: Order, promised: Promised) -> tuple[Order, Intent | None]:
    """The order with the promise counted, and what is to be said: the first one confirms, one that replaces another tells of a delay.

    A further one that replaces none is a first promise that comes late: it is not counted, for the words that followed it are told already. One of an
    order that was amended is told with that.
    """
    if promised.promise_id in order.promises or (_was_promised(order) and promised.replaces is None):
        return order, None
    if promised.amendment_id:
        known = order.amendments.get(promised.amendment_id) or Amendment(promised.amendment_id)
        counted = replace(order, promises=(*order.promises, promised.promise_id))
        return _with(counted, replace(known, promise_id=promised.promise_id))
    return replace(order, promises=(*order.promises, promised.promise_id)), _intent_of_words(order)


def decline(order: Order, answer_id: UUID) -> tuple[Order, Intent | None]:
    """The order with the answer counted, and what is to be said: before any promise it confirms, after one it tells of a delay."""
    if answer_id in order.promises:
        return order, None
    return replace(order, promises=(*order.promises, answer_id), answers=order.answers | {answer_id}), _intent_of_words(order)


def amend(order: Order, news: Amended | Undone) -> tuple[Order, Intent | None]:
    """The order with what became of a change, and what is to be said: of a new date once its promise is there. News told twice changes nothing."""
    known = order.amendments.get(news.amendment_id) or Amendment(news.amendment_id)
    return (order, None) if known.news else _with(order, replace(known, news=news))


def _with(order: Order, amendment: Amendment) -> tuple[Order, Intent | None]:
    return replace(order, amendments={**order.amendments, amendment.amendment_id: amendment}), amendment.intent


def tell(order: Order, intent: Intent, message_id: UUID, cause: Cause, amendment_id: UUID | None = None) -> tuple[Order, Message | None]:
    """The message that says it, once: words once per promise or answer, changes once each, all else once per order, however many parcels it has.

    Nothing is said that contradicts what was said before, in whatever order the news comes: None for what has lost its sense.
    """
    if (intent in order.told and intent not in _SAYS_WORDS | _OF_AMENDMENTS) or any(intent in _SENSELESS_AFTER.get(said, ()) for said in order.told):
        return order, None
    latest = order.promises[-1] if order.promises else None
    if latest in order.answers and intent not in _SAYS_WORDS:
        latest = None
    message = Message(message_id, order.order_id, intent, len(order.promises), latest, cause, amendment_id=amendment_id)
    return replace(order, told=order.told | {intent}), message


def superseded(order: Order) -> frozenset[Intent]:
    """The messages that have lost their sense, should they still wait to be sent."""
    return frozenset[Intent]().union(*(_SUPERSEDED_BY.get(intent, ()) for intent in order.told))


def _was_promised(order: Order) -> bool:
    return any(each not in order.answers for each in order.promises)


def _intent_of_words(order: Order) -> Intent:
    return Intent.DELAYED if _was_promised(order) else Intent.CONFIRMED


def language_of(language: str) -> str:
    """The language a message is written in: the customer's where we have it, else English."""
    return language if language in LANGUAGES else LANGUAGES[0]


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an attempt. `reason` is a slug for `failed` and for one that waits for another try."""

    state: State
    reason: str | None = None


def settle(code: int, attempts: int, *, at_recipient: bool) -> Settled:
    """What a mail server's refusal means. Source: RFC 5321, 4.2.1: 4yz is transient, 5yz is permanent."""
    if code >= 500:
        return Settled(State.FAILED, "mailbox-unknown" if at_recipient else "refused")
    return later("temporarily-refused", attempts)


def later(reason: str, attempts: int) -> Settled:
    """Another try, unless there were enough."""
    return Settled(State.WAITING if attempts < ATTEMPTS else State.FAILED, reason)


def pause_seconds(attempts: int) -> int:
    """How long to wait after so many tries."""
    return int(min(1800, 5 * 2 ** min(attempts, 12)))
