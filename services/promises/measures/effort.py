"""How much trouble a case was to the customer, inferred from what happened: nobody is asked."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

from services.promises.measures.contacts import WITHIN, Case, Contact, cases
from services.promises.measures.ratio import Ratio, ratio


@dataclass(frozen=True, slots=True)
class Effort:
    """Of one case, counts: contacts after the first one, times handed on, contacts by another channel than the one before, times passed upwards,
    times put on hold."""

    customer_id: UUID
    subject: str
    repeats: int
    transfers: int
    channel_switches: int
    escalations: int
    holds: int

    @property
    def total(self) -> int:
        """All five, each as heavy as the other."""
        return self.repeats + self.transfers + self.channel_switches + self.escalations + self.holds


def effort(contacts: Iterable[Contact], within: timedelta = WITHIN) -> list[Effort]:
    """One for each case."""
    return [_effort_of(case) for case in cases(contacts, within)]


def effortless(efforts: Iterable[Effort]) -> Ratio:
    """The cases without any effort, of all."""
    return ratio(each.total == 0 for each in efforts)


def _effort_of(case: Case) -> Effort:
    return Effort(
        case[0].customer_id,
        case[0].subject,
        repeats=len(case) - 1,
        transfers=sum(contact.transfers for contact in case),
        channel_switches=sum(before.channel != after.channel for before, after in pairwise(case)),
        escalations=sum(contact.escalations for contact in case),
        holds=sum(len(contact.holds) for contact in case),
    )
