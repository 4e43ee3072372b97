"""Which way money goes that a promise owes a customer, and when it does not go by itself: never more than was captured on the order less what was
given back, and never in another currency.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from services.kit.promise.state import Fulfilment, Kind, Promise, Verdict
from services.kit.values import Money

KINDS = frozenset({Kind.REFUND, Kind.CREDIT})
"""What is paid without a person. A promise in free text that binds us is listed for one."""


class State(StrEnum):
    """`asked`: the provider may or may not have done it, and is asked which; `refused`: a person sees to it; `withdrawn`: no longer ours to pay."""

    OWED = "owed"
    ASKED = "asked"
    PAID = "paid"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class Way(StrEnum):
    """How it is paid: back to the card by the provider, or to the customer's credit account."""

    CARD = "card"
    ACCOUNT = "account"


class Reason(StrEnum):
    """Why a person must see to it."""

    ABOVE_CAPTURED = "above-captured"
    SEVERAL_PAYMENTS = "several-payments"
    NOTHING_CAPTURED = "nothing-captured"
    OTHER_CURRENCY = "other-currency"
    UNKNOWN_ORDER = "unknown-order"
    PROVIDER_REFUSED = "provider-refused"
    PROVIDER_DIFFERS = "provider-differs"


@dataclass(frozen=True, slots=True)
class Owed:
    """What one promise owes. `cause`: it makes good for that promise, by tariff."""

    promise_id: UUID
    order_id: UUID | None
    customer_id: UUID
    kind: Kind
    amount: Money
    cause: UUID | None


@dataclass(frozen=True, slots=True)
class Payment:
    """An order's payment, which may be several: the order's own, then what was paid for changes of it. `left_minor` is by their references what was
    captured less what the provider was asked to give back; `awaited`: more may yet be captured."""

    currency: str
    captured_minor: int
    left_minor: Mapping[str, int]
    awaited: bool

    def bearer(self, amount_minor: int) -> str | None:
        """The newest that bears so much: what was paid for a change that was undone goes back to where it came from."""
        return next((reference for reference, left in reversed([*self.left_minor.items()]) if left >= amount_minor), None)

    def without(self, reference: str, amount_minor: int) -> "Payment":
        """The same once so much of it is given back."""
        return replace(self, left_minor={**self.left_minor, reference: self.left_minor[reference] - amount_minor})


def still_wanted(promise: Promise) -> bool:
    """Whether money is still owed for it: also once it broke, but not where it was taken back, or somebody else has shown that it was paid."""
    return promise.stands.verdict not in (Verdict.RELEASED, Verdict.VOID) and promise.stands.fulfilment is not Fulfilment.DONE


def decide(owed: Owed, payment: Payment | None) -> Way | Reason | None:
    """Which way it is paid, why not, or None where it waits for the order's payment to be captured. `payment` is None for an unknown order.

    A compensation on an order for which nothing was taken goes to the account: an order without a card gets credit. Any other refund of such an order
    would give back what nobody paid.
    """
    if owed.kind is Kind.CREDIT:
        return Way.ACCOUNT
    if payment is None:
        return Reason.UNKNOWN_ORDER
    if payment.currency != owed.amount.currency:
        return Reason.OTHER_CURRENCY
    if payment.awaited:
        return None
    if payment.captured_minor == 0:
        return Way.ACCOUNT if owed.cause else Reason.NOTHING_CAPTURED
    if payment.bearer(owed.amount.amount_minor):
        return Way.CARD
    return Reason.SEVERAL_PAYMENTS if owed.amount.amount_minor <= sum(payment.left_minor.values()) else Reason.ABOVE_CAPTURED
