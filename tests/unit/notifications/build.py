"""News as notifications' tests need it."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.kit.promise.state import Department, Due, Duty, Kind, Made
from services.kit.values import Cause, Heard
from services.notifications.domain import Contact, Declined, Delivered, HandedOver, Placed, Promised

NOW = datetime(2026, 11, 22, 4, 58, tzinfo=UTC)
WORDS = "Your order will be at your door by Thursday 26 November."
NEW_WORDS = "Your order will be at your door by Saturday 28 November."
ANSWER_WORDS = "We do not deliver to this address yet; we tell you by Monday 23 November how we can."


def uuid(number: int) -> UUID:
    return UUID(int=0x01900000_0000_7000_A000_000000000000 + number)


ORDER, CUSTOMER, EVENT = uuid(1), uuid(2), uuid(500_000)

DUE = Due("2026-11-27", "Europe/Berlin", "weekdays-1", "2026.3", datetime(2026, 11, 27, 22, 59, 59, tzinfo=UTC))
INFORMATION = Made(
    customer_id=CUSTOMER, order_id=ORDER, kind=Kind.SEND_INFORMATION, words=bytes(32), language="en", due=DUE, kept_by="sent", quantity=1,
    amount_minor=0, currency=None, order_minor=None, tariff=None, extra=None, cause=None, replaces=None, rides_with=None,
    duties=(Duty(Department.MESSAGES, "send", "sent"),),
)  # fmt: skip
"""A promise of the ledger to send something."""


def placed(order_id: UUID = ORDER, *, language: str = "en", customer_id: UUID = CUSTOMER, order_ref: str = "VCMR-R6G1") -> Placed:
    return Placed(order_id, customer_id, order_ref, language)


def contact(*, email: str = "ada@example.com", name: str = "Ada Byron", customer_id: UUID = CUSTOMER) -> Contact:
    return Contact(customer_id, email, name, "en", "America/New_York")


def promised(number: int = 1, *, order_id: UUID = ORDER, words: str = WORDS, replaces: int | None = None, amendment: int | None = None) -> Promised:
    replaced = uuid(1_000 + replaces) if replaces else None
    return Promised(order_id, uuid(1_000 + number), words, replaced, uuid(amendment) if amendment else None)


def declined(*, order_id: UUID = ORDER, words: str = ANSWER_WORDS) -> Declined:
    return Declined(order_id, words)


def heard(data: Any, version: int = 1, *, id: UUID = EVENT) -> Heard[Any]:
    return Heard(id, type(data).__name__, "", version, NOW, data, Cause(id, id, "00-" + "1" * 32 + "-" + "2" * 16 + "-01"))


def life(order_id: UUID = ORDER) -> list[Heard[Any]]:
    """Everything that a customer hears of an order that is late."""
    news = (
        promised(order_id=order_id), promised(2, order_id=order_id, words=NEW_WORDS, replaces=1), HandedOver(order_id), Delivered(order_id, True),
    )  # fmt: skip
    return [heard(each) for each in news]
