"""What the consume loop keeps beyond its own life, as data, and the port it keeps it through.

Here stands also the rule of the queue: an event that failed holds back the later ones of its key, so that a retry can run them in order.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from services.kit.ports import Message
from services.kit.values import Heard


class Outcome(Enum):
    """What became of one message."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    NOT_HEARD = "unheard"
    UNREADABLE = "unreadable"
    REFUSED = "refused"
    FAILED = "failed"
    BEHIND = "behind"


class Item(NamedTuple):
    """A message that was read: its topic without the stack's prefix, its headers by name, and the event in it, or what its reading raised.
    None: of a type that is not heard."""

    message: Message
    topic: str
    headers: dict[str, bytes | None]
    heard: Heard[Any] | Exception | None


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive offsets of one partition, and how often they were begun."""

    topic: str
    partition: int
    first: int
    last: int
    count: int = 0


@dataclass(slots=True)
class Hold:
    """Why a key's events queue: letters that wait for a person (`waiting`), and retried ones that have not come back (`returning`)."""

    waiting: set[UUID] = field(default_factory=set)
    returning: set[UUID] = field(default_factory=set)
    failed: bool = False

    def copy(self) -> "Hold":
        return Hold(set(self.waiting), set(self.returning), self.failed)


Key = tuple[str, bytes]

Aside = tuple[Item, Outcome, str, str, UUID | None]
"""A message that is set aside: why, a stable slug, one sentence, and its event's id where that is known."""


@dataclass(frozen=True, slots=True)
class Before:
    """What was there when a batch was begun: spans that an earlier process began and did not finish, and the keys that queue."""

    unfinished: tuple[Span, ...]
    holds: dict[Key, Hold]


@dataclass(slots=True)
class Batch:
    """What one transaction is to do, and which keys queue once it has committed."""

    holds: dict[Key, Hold]
    events: list[tuple[Item, Heard[Any]]] = field(default_factory=list)
    aside: list[Aside] = field(default_factory=list)
    returned: list[UUID] = field(default_factory=list)
    spans: tuple[Span, ...] = ()
    passed_over: Counter[Outcome] = field(default_factory=Counter)


class Journal(Protocol):
    """Where the loop keeps what must survive it."""

    async def begin(self, spans: Sequence[Span]) -> Before:
        """Count these spans as begun, durable against the death of this process, and tell what was there before."""

    async def commit(self, batch: Batch) -> Counter[Outcome]:
        """One transaction: the inbox, the stage's handler over what is new, the letters, the counts taken back."""


def spans_of(items: Sequence[Item]) -> tuple[Span, ...]:
    """One span per partition, from its first offset in these items to its last."""
    bounds: dict[tuple[str, int], list[int]] = {}
    for item in items:
        place, offset = (item.topic, item.message.partition), item.message.offset
        found = bounds.get(place)
        if found is None:
            bounds[place] = [offset, offset]
        else:
            found[1] = offset
    return tuple(Span(topic, partition, first, last) for (topic, partition), (first, last) in bounds.items())


def may_pass(batch: Batch, item: Item, id: UUID) -> bool:
    """Whether the event may be handled: nothing of its key waits, or it is the one that everything waits for."""
    hold = batch.holds.get((item.topic, item.message.key or b""))
    if hold is None or item.message.key is None or not (hold.waiting or hold.returning):
        return True
    if id in hold.waiting:
        batch.passed_over[Outcome.DUPLICATE] += 1
        return False
    if id in hold.returning and not hold.failed:
        _come_back(batch, hold, id)
        return True
    queue(batch, item, Outcome.BEHIND, "behind-a-failed-event", "an earlier event of the same key waits; retry them together", id)
    return False


def queue(batch: Batch, item: Item, outcome: Outcome, reason: str, detail: str, id: UUID | None) -> None:
    """Set the message aside; where it is an event with a key, what follows it under that key queues."""
    batch.aside.append((item, outcome, reason, detail, id))
    if id is not None and item.message.key is not None:
        hold = batch.holds.setdefault((item.topic, item.message.key), Hold())
        _come_back(batch, hold, id)
        hold.waiting.add(id)
        hold.failed = hold.failed or outcome is Outcome.FAILED


def _come_back(batch: Batch, hold: Hold, id: UUID) -> None:
    """A retried event is here again, whatever becomes of it now: its old letter holds nothing back any more."""
    if id in hold.returning:
        hold.returning.discard(id)
        batch.returned.append(id)
