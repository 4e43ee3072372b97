"""What quoting needs of its store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from services.promises.domain import Destination, Schedule
from services.promises.quoting.domain import Ask, Grounds, Queue, Quote, Term


@dataclass(frozen=True, slots=True)
class Question:
    """A question as it was asked; the same `quote_id` with another `fingerprint` is another question."""

    quote_id: UUID
    fingerprint: bytes
    ask: Ask
    language: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the asker is told. `customer_text` is how the promise would be said; `inputs_hash` names all that the date was computed from."""

    quote_id: UUID
    site: str
    service: str
    due_on: date
    due_at: datetime
    zone: str
    hand_over_by: datetime
    valid_until: datetime
    terms: tuple[Term, ...]
    customer_text: str
    language: str
    inputs_hash: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """A quote as it stands in the store: `answer` is the bytes that were sent."""

    fingerprint: bytes
    answer: bytes


class QuoteStore(Protocol):
    async def grounds(self, destinations: Sequence[Destination]) -> Grounds:
        """The runs towards each destination, and the queues."""

    async def kept(self, quote_id: UUID) -> Kept | None:
        """The quote of that id."""

    async def keep(self, question: Question, quote: Quote, answer: Answer) -> Kept:
        """Keep it for ever, unless that id is taken. Returns what stands there now."""


class CapacityStore(Protocol):
    async def replace_schedules(self, schedules: Sequence[tuple[int, Schedule]]) -> None:
        """Each carrier service once, with the version it was said at; at or below the stored version it changes nothing."""

    async def replace_queues(self, queues: Sequence[tuple[int, Queue]]) -> None:
        """Each site once, likewise."""
