"""What the handlers need of the outside: the orders and contacts of a batch, locked, and a place to record what is to be told."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from services.kit.values import Cause
from services.notifications.domain import Contact, Erased, Message, Order


@dataclass(frozen=True, slots=True)
class Said:
    """The words of a promise, or of an answer given in its place. `id`: the promise's, or the answer's event."""

    order_id: UUID
    id: UUID
    words: str
    answer: bool


@dataclass(slots=True)
class State:
    """The working copy of a batch."""

    orders: dict[UUID, Order]
    said: list[Said] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    contacts: list[tuple[Contact | Erased, int, Cause]] = field(default_factory=list)
    """In the order heard, with the version at their source; an older version than the one stored changes nothing."""


class Store(Protocol):
    """One transaction's view of what customers were told."""

    async def load(self, order_ids: Collection[UUID]) -> State:
        """Every order asked for is there and locked, known or not."""

    async def record(self, state: State) -> None:
        """Write it all, and hold back what waits and is `superseded`: of an order that was placed, for only then it is known who is not told."""
