"""What the ledger needs: its store, the words, and the policy it promises by."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from services.kit.values import Cause, Heard, NewId
from services.promises.dates.domain import Dated, Declined, Entry, NotDated, Promise, Story, Wording
from services.promises.domain import Destination
from services.promises.quoting.domain import CannotPromise, Grounds, Policy, Quote


class Words(Protocol):
    """The sentences said to customers."""

    def promise(self, quote: Quote, language: str, *, delayed: bool = False) -> Wording:
        """The words that promise the quote's date."""

    def decline(self, refusal: CannotPromise, language: str, answer_by: datetime, zone: str) -> str:
        """Why there is no date yet, and when we say more."""

    def not_dated(self, refusal: CannotPromise, language: str) -> str:
        """Why no date can be promised for a change of an order, so that it stays as it was."""


@dataclass(frozen=True, slots=True)
class Promising:
    """By what is promised: the words, the policy, where ids come from."""

    words: Words
    policy: Policy
    new_id: NewId


class DatesPort(Protocol):
    """Everything that is loaded here stands still until the transaction ends: the ledger has one writer at a time."""

    now: datetime

    async def stories(self, order_ids: Sequence[UUID]) -> dict[UUID, Story]:
        """What the ledger knows of these orders; unknown ones are left out."""

    async def due(self, limit: int) -> list[Promise]:
        """Open promises whose due instant is past, the oldest first."""

    async def waiting(self, limit: int) -> list[Story]:
        """Orders that wait, and may be looked at now, the longest waiting first."""

    async def grounds(self, destinations: Sequence[Destination], quote_ids: Sequence[UUID] = ()) -> Grounds:
        """What a date can be computed from, and what was quoted; unknown quotes are left out."""

    def record(
        self,
        stories: Sequence[Story],
        entries: Sequence[Entry],
        declined: Sequence[tuple[Declined, Cause]],
        answers: Sequence[tuple[Dated | NotDated, Cause]] = (),
    ) -> None:
        """Append the entries in this order, keep the changed orders, and announce all of it, when the transaction ends. Once in a transaction."""

    def set_aside(self, heard: Heard[Any], reason: str, detail: str) -> None:
        """Put an event that no state here can take among the dead letters."""
