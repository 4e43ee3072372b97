"""How what notifications hears stands on the wire, and what it says. Of a hand-over and a promise it does not even read who carries the parcel."""

from datetime import datetime
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from services.kit.envelope import Hears, Reads
from services.notifications.domain import Amended, Cancelled, Contact, Declined, Delivered, Erased, HandedOver, Placed, Promised, Undone

HEARD_TOPICS = ("orders.order.v1", "orders.customer.v1", "promises.promise.v1", "fulfilment.work.v1")
TOPIC = "notifications.message.v1"
SENT, FAILED, SUPPRESSED = (f"notifications.{name}.v1" for name in ("MessageSent", "MessageFailed", "MessageSuppressed"))
PROMISE_SENT, PROMISE_FAILED, PROMISE_SUPPRESSED = (
    f"notifications.{name}.v1" for name in ("PromiseMessageSent", "PromiseMessageFailed", "PromiseMessageSuppressed")
)

Language = Annotated[str, Meta(pattern="^[a-z]{2}$")]
Name = Annotated[str, Meta(min_length=1, max_length=200)]


class OrderPlaced(Struct):
    order_id: UUID
    customer_id: UUID
    order_ref: Annotated[str, Meta(pattern="^[0-9A-Z-]{1,9}$")]
    language: Language


class OfOrder(Struct):
    order_id: UUID


class PromiseMade(Struct):
    order_id: UUID
    promise_id: UUID
    customer_text: Annotated[str, Meta(min_length=1, max_length=280)]
    replaces: UUID | None = None
    amendment_id: UUID | None = None


class OrderAmended(Struct):
    order_id: UUID
    amendment_id: UUID
    total_minor: Annotated[int, Meta(ge=0, le=2**53)]
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    due_at: datetime | None = None


class AmendmentUndone(Struct):
    order_id: UUID
    amendment_id: UUID
    sentence: Annotated[str, Meta(min_length=1, max_length=400)]


class PromiseDeclined(Struct):
    order_id: UUID
    sentence: Annotated[str, Meta(min_length=1, max_length=280)]


class ParcelDelivered(Struct):
    order_id: UUID
    last: bool


class CustomerSeen(Struct):
    customer_id: UUID
    email: Annotated[str, Meta(min_length=1, max_length=254)]
    name: Name
    language: Language
    zone: Annotated[str, Meta(min_length=1, max_length=64)]


class MessageSent(Struct):
    message_id: UUID
    order_id: UUID
    customer_id: UUID
    intent: str
    promise_version: int
    channel: str
    language: str
    sent_at: datetime


class MessageHeld(Struct):
    """The data of MessageFailed and of MessageSuppressed."""

    message_id: UUID
    order_id: UUID
    customer_id: UUID
    intent: str
    promise_version: int
    channel: str
    language: str
    reason: str


class PromiseMessageSent(Struct):
    message_id: UUID
    promise_id: UUID
    customer_id: UUID
    intent: str
    channel: str
    language: str
    sent_at: datetime


class PromiseMessageHeld(Struct):
    """The data of PromiseMessageFailed and of PromiseMessageSuppressed."""

    message_id: UUID
    promise_id: UUID
    customer_id: UUID
    intent: str
    channel: str
    language: str
    reason: str


def _placed(wire: OrderPlaced) -> Placed:
    return Placed(wire.order_id, wire.customer_id, wire.order_ref, wire.language)


def _cancelled(wire: OfOrder) -> Cancelled:
    return Cancelled(wire.order_id)


def _handed_over(wire: OfOrder) -> HandedOver:
    return HandedOver(wire.order_id)


def _delivered(wire: ParcelDelivered) -> Delivered:
    return Delivered(wire.order_id, wire.last)


def _promised(wire: PromiseMade) -> Promised:
    return Promised(wire.order_id, wire.promise_id, wire.customer_text, wire.replaces, wire.amendment_id)


def _amended(wire: OrderAmended) -> Amended:
    return Amended(wire.order_id, wire.amendment_id, wire.total_minor, wire.currency, dated=wire.due_at is not None)


def _undone(wire: AmendmentUndone) -> Undone:
    return Undone(wire.order_id, wire.amendment_id, wire.sentence)


def _declined(wire: PromiseDeclined) -> Declined:
    return Declined(wire.order_id, wire.sentence)


def _contact(wire: CustomerSeen) -> Contact:
    try:
        ZoneInfo(wire.zone)
    except (ValueError, OSError, KeyError):  # unknown names, paths that lead out, names of folders
        raise ValueError("the zone is no IANA time zone; write it as Europe/Berlin") from None
    return Contact(wire.customer_id, wire.email, wire.name, wire.language, wire.zone)


def _erased(subject: str) -> Erased:
    return Erased(UUID(subject))


HEARS: Hears = {
    "orders.OrderPlaced.v1": Reads(OrderPlaced, _placed),
    "orders.OrderCancelled.v1": Reads(OfOrder, _cancelled),
    "orders.OrderAmended.v1": Reads(OrderAmended, _amended),
    "orders.AmendmentUndone.v1": Reads(AmendmentUndone, _undone),
    "orders.CustomerSeen.v1": Reads(CustomerSeen, _contact, strict=True, erased=_erased),
    "promises.PromiseMade.v1": Reads(PromiseMade, _promised, strict=True),
    "promises.PromiseDeclined.v1": Reads(PromiseDeclined, _declined, strict=True),
    "fulfilment.HandedOver.v1": Reads(OfOrder, _handed_over),
    "fulfilment.ParcelDelivered.v1": Reads(ParcelDelivered, _delivered),
}
