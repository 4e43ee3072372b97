"""What is owed for a promise that was not kept. The amounts are published: nobody has to ask, and nobody decides.

The tariff that counts is the one in force when the promise was made. For a promise that rides with another nothing is paid beside that one; a
compensation that is itself not kept is compensated once more, and after that a person sees to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.kit.promise.state import Kind, Made


@dataclass(frozen=True, slots=True)
class Tariff:
    """`pays` is in minor units by currency and kind; `within_days`: how long we have to pay it."""

    version: str
    since: datetime
    within_days: int
    pays: Mapping[str, Mapping[Kind, int]]


@dataclass(frozen=True, slots=True)
class Owed:
    """A refund on an order, a credit where there is none."""

    kind: Kind
    amount_minor: int
    currency: str
    within_days: int


def in_force(tariffs: Sequence[Tariff], at: datetime) -> Tariff:
    """The last one that began by then. Raises LookupError where none had."""
    begun = [tariff for tariff in tariffs if tariff.since <= at]
    if not begun:
        raise LookupError(f"no tariff was in force at {at.isoformat()}")
    return max(begun, key=lambda tariff: tariff.since)


def owed(said: Made, tariffs: Sequence[Tariff]) -> Owed | None:
    """What a break of it costs us; None where the tariff pays nothing. No amount is converted into another currency."""
    tariff = next((tariff for tariff in tariffs if tariff.version == said.tariff), None)
    if tariff is None or said.currency is None or said.rides_with is not None:
        return None
    amount = tariff.pays.get(said.currency, {}).get(said.kind, 0)
    capped = amount if said.order_minor is None else min(amount, said.order_minor)
    kind = Kind.CREDIT if said.order_id is None else Kind.REFUND
    return Owed(kind, capped, said.currency, tariff.within_days) if capped else None
