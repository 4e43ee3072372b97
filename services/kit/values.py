"""Values that every file may use: money, what was heard, why something is said. Frozen, no I/O, nothing from outside the standard library."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

T = TypeVar("T")

NewId = Callable[[], UUID]
"""Makes one new id per call; handlers receive it, so that decisions stay pure and tests choose the ids."""

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in the currency's minor unit (pence, cents, yen), never a float."""

    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an event is said: the event or request behind it, the story it belongs to, and the trace it continues."""

    id: UUID
    correlation_id: UUID
    traceparent: str


@dataclass(frozen=True, slots=True)
class Heard(Generic[T]):
    """One event as a handler sees it. `version` is the aggregate's version at its source; `time` is business time, UTC."""

    id: UUID
    type: str
    subject: str
    version: int
    time: datetime
    data: T
    cause: Cause
    """What anything said because of this event names as its cause (`cause.id == id`)."""


class Refusal(Exception):
    """A business no. Subclasses live in a service's domain.py and set `slug` (stable, kebab-case) and `status`.

    The message is one sentence that says what can be done instead; `facts` are the numbers and states behind it (never personal data).
    """

    slug = "refused"
    status = 409

    def __init__(self, sentence: str, **facts: object) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.facts = facts


class NotFound(Refusal):
    """No such thing, or someone else's: the same answer for both, so that nobody learns which."""

    slug = "not-found"
    status = 404

    def __init__(self) -> None:
        super().__init__("There is nothing here that you may see: check the address, or the account you signed in with.")


def short_reference(value: UUID) -> str:
    """The reference people read and say: eight Crockford base 32 characters of the id's random tail, as `7KQ4-M2XD`.

    Not unique by itself; a table that shows it keeps it unique.
    """
    tail = value.int & ((1 << 40) - 1)
    digits = [_CROCKFORD[(tail >> shift) & 31] for shift in range(35, -5, -5)]
    return "".join(digits[:4]) + "-" + "".join(digits[4:])
