"""A customer turned to us: when, how, about what, and what they went through. When it was over is not here, on purpose.

Contacts of one customer about one subject, each within some days of the one before, are one case, whatever the channel.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.promises.measures.spans import Span, utc

WITHIN = timedelta(days=7)
"""How soon a contact must follow to belong to the same case: a full 168 hours, whether or not clocks change in them."""


class Demand(StrEnum):
    """Why a customer turns to us: for what we are there for, or because something was not done, or not done right."""

    VALUE = "value"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One contact. `subject` and `channel` are slugs, compared as they are; `caused_by` is the promise without which the customer would not have
    turned to us; `resolved`: it was answered in full then and there; `transfers`: how often they were handed on; `waits`: until somebody answered,
    or they gave up; `holds`: while they were kept on the line. Raises ValueError for what cannot be."""

    contact_id: UUID
    customer_id: UUID
    order_id: UUID | None
    subject: str
    channel: str
    at: datetime
    demand: Demand
    caused_by: UUID | None = None
    resolved: bool = False
    transfers: int = 0
    escalations: int = 0
    waits: tuple[Span, ...] = ()
    holds: tuple[Span, ...] = ()

    def __post_init__(self) -> None:
        utc(self.at)
        if self.caused_by and self.demand is not Demand.FAILURE:
            raise ValueError(f"contact {self.contact_id} has a promise that caused it: tag it as failure")
        if self.transfers < 0 or self.escalations < 0:
            raise ValueError(f"contact {self.contact_id} has fewer than no transfers or escalations: count from 0")


Case = Sequence[Contact]
"""Contacts of one case, the first one first; never empty."""


def cases(contacts: Iterable[Contact], within: timedelta = WITHIN) -> list[Case]:
    """The contacts by case. Exactly `within` later still belongs to it."""
    found: list[list[Contact]] = []
    for contact in sorted(contacts, key=lambda each: (each.customer_id, each.subject, utc(each.at), each.contact_id)):
        if found and _continues(found[-1][-1], contact, within):
            found[-1].append(contact)
        else:
            found.append([contact])
    return list(found)


def _continues(before: Contact, contact: Contact, within: timedelta) -> bool:
    same = (before.customer_id, before.subject) == (contact.customer_id, contact.subject)
    return same and utc(contact.at) - utc(before.at) <= within
