"""The payment provider, and the book of what is owed, as the handlers see them."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from services.kit.values import Money
from services.orders.payments.domain import Reason


class ProviderAway(ConnectionError):
    """No answer, or a broken one: whether the provider did it is not known. Ask; never just send it again."""


class ProviderRefused(Exception):
    """The provider said no, and why, in one sentence of its own: the same request again gets the same answer."""


@dataclass(frozen=True, slots=True)
class Refunded:
    """What the provider did. `refund_id` is its own."""

    refund_id: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Asked:
    """One refund that the provider is, or may have been, asked for. `wanted`: the promise still stands."""

    promise_id: UUID
    payment_reference: str
    amount: Money
    wanted: bool


class PaymentProvider(Protocol):
    """One account with a payment provider. `key` is ours: under one key money moves once, however often it is asked for."""

    async def refund(self, key: UUID, payment_reference: str, amount: Money) -> Refunded:
        """Give this much of the payment back. Raises ProviderAway, ProviderRefused."""

    async def find(self, key: UUID) -> Refunded | None:
        """What was done under this key, None where nothing was. Raises ProviderAway."""


class RefundBook(Protocol):
    """What is owed, each step in a transaction of its own."""

    async def begin(self, limit: int) -> tuple[list[Asked], int]:
        """Decide what is owed, up to so many: put to an account what goes there, refuse what cannot be paid, note what the provider is to be asked
        for. Returns the last, and how many were decided in all."""

    async def unsettled(self, older_than_seconds: int, limit: int) -> list[Asked]:
        """What the provider was asked for, or was to be, and did not answer; each is handed out again only after these seconds."""

    async def paid(self, promise_id: UUID, refund_id: str) -> None:
        """The money has moved: noted, and reported to the ledger, once."""

    async def refuse(self, promise_id: UUID, reason: Reason) -> None:
        """A person must see to it, and the promise is at risk."""

    async def withdraw(self, promise_id: UUID) -> None:
        """The provider has done nothing, and nobody wants it any more."""
