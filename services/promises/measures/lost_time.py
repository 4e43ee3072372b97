"""The customer's own time that we wasted, per order or per customer: waiting, on hold, saying it again, at home for a slot in which nobody came."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from services.promises.measures.contacts import WITHIN, Contact, cases
from services.promises.measures.spans import Span, elapsed, utc

TELLING = timedelta(minutes=5)
"""What saying it once more counts for: our own choice, published, since to time the telling would be to time the contact."""

_MINUTE = timedelta(minutes=1)
Whose = TypeVar("Whose")


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedSlot:
    """A slot for which the customer was to be at home and in which nobody came. `freed_at`: when they were told so, or when somebody came after all,
    whichever was first; None where neither happened, and then they waited until its end. Raises ValueError for an instant without its zone."""

    customer_id: UUID
    order_id: UUID | None
    slot: Span
    freed_at: datetime | None = None

    @property
    def waited_in(self) -> Span:
        """From the beginning of the slot; nothing where they were told before it."""
        until = utc(self.slot.until_at if self.freed_at is None else self.freed_at)
        return Span(self.slot.from_at, max(until, utc(self.slot.from_at)))

    def __post_init__(self) -> None:
        if self.freed_at is not None:
            utc(self.freed_at)


@dataclass(frozen=True, slots=True)
class Lost:
    """Time lost by kind, to the microsecond. A moment that is of two kinds is in the first of them alone: on hold, waiting, waiting in."""

    holding: timedelta
    waiting: timedelta
    waiting_in: timedelta
    repeating: timedelta

    @property
    def total(self) -> timedelta:
        return self.holding + self.waiting + self.waiting_in + self.repeating

    @property
    def minutes(self) -> int:
        """The total in whole minutes, one that was begun being lost."""
        return -(-self.total // _MINUTE)


def lost_by_order(
    contacts: Iterable[Contact], slots: Iterable[MissedSlot], within: timedelta = WITHIN, telling: timedelta = TELLING
) -> dict[UUID | None, Lost]:
    """For each order that has a contact or a missed slot; None: what belongs to no order. A moment lost over two orders counts for each of them, so
    orders are not to be added up: customers are."""
    return _lost(contacts, slots, within, telling, lambda each: each.order_id)


def lost_by_customer(
    contacts: Iterable[Contact], slots: Iterable[MissedSlot], within: timedelta = WITHIN, telling: timedelta = TELLING
) -> dict[UUID, Lost]:
    """For each customer who has a contact or a missed slot, over all their orders: a moment counts once."""
    return _lost(contacts, slots, within, telling, lambda each: each.customer_id)


def _lost(
    contacts: Iterable[Contact], slots: Iterable[MissedSlot], within: timedelta, telling: timedelta, whose: Callable[[Contact | MissedSlot], Whose]
) -> dict[Whose, Lost]:
    holds: defaultdict[Whose, list[Span]] = defaultdict(list)
    waits: defaultdict[Whose, list[Span]] = defaultdict(list)
    at_home: defaultdict[Whose, list[Span]] = defaultdict(list)
    tellings: Counter[Whose] = Counter()
    for case in cases(contacts, within):
        for number, contact in enumerate(case):
            holds[whose(contact)] += contact.holds
            waits[whose(contact)] += contact.waits
            tellings[whose(contact)] += contact.transfers + (1 if number else 0)
    for slot in slots:
        at_home[whose(slot)].append(slot.waited_in)
    owners = dict.fromkeys([*holds, *at_home])
    return {one: _once(holds[one], waits[one], at_home[one], tellings[one] * telling) for one in owners}


def _once(holds: list[Span], waits: list[Span], at_home: list[Span], repeating: timedelta) -> Lost:
    holding, on_the_line = elapsed(holds), elapsed([*holds, *waits])
    in_all = elapsed([*holds, *waits, *at_home])
    return Lost(holding, on_the_line - holding, in_all - on_the_line, repeating)
