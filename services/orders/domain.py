"""What an order is: its states and the table that moves it, the set of checks that releases it, its holds, and every no it can answer.

`decisions.py` holds what is decided on it. Nothing here waits, reads a clock or makes an id.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.kit.values import Refusal
from services.orders.events import Destination, OrderEvent
from services.orders.validation import Submission


class State(StrEnum):
    """Where an order stands. `cancel_requested` is no state: the order keeps its own until fulfilment has decided."""

    VALIDATING = "validating"
    RELEASED = "released"
    PICKING = "picking"
    PACKED = "packed"
    HANDED_OVER = "handed_over"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


class Step(StrEnum):
    """What moves an order."""

    RELEASE = "release"
    CLAIM = "claim"
    PACK = "pack"
    HAND_OVER = "hand_over"
    DELIVER = "deliver"
    CANCEL = "cancel"


# The floor's and the carrier's steps are facts: one that was never heard does not stop a later one. A claim that lapsed may still end in a
# cancel that fulfilment accepted, so picking knows that step, though a customer's request is refused from the claim on.
TRANSITIONS: Mapping[State, Mapping[Step, State]] = {
    State.VALIDATING: {Step.RELEASE: State.RELEASED, Step.CANCEL: State.CANCELLED},
    State.RELEASED: {
        Step.CLAIM: State.PICKING,
        Step.PACK: State.PACKED,
        Step.HAND_OVER: State.HANDED_OVER,
        Step.DELIVER: State.DELIVERED,
        Step.CANCEL: State.CANCELLED,
    },
    State.PICKING: {Step.PACK: State.PACKED, Step.HAND_OVER: State.HANDED_OVER, Step.DELIVER: State.DELIVERED, Step.CANCEL: State.CANCELLED},
    State.PACKED: {Step.HAND_OVER: State.HANDED_OVER, Step.DELIVER: State.DELIVERED},
    State.HANDED_OVER: {Step.DELIVER: State.DELIVERED},
    State.DELIVERED: {},
    State.CANCELLED: {},
}

WAY: tuple[State, ...] = (State.VALIDATING, State.RELEASED, State.PICKING, State.PACKED, State.HANDED_OVER, State.DELIVERED)
"""The states of an order that goes well, in order."""

LANDS: Mapping[Step, State] = {
    Step.CLAIM: State.PICKING,
    Step.PACK: State.PACKED,
    Step.HAND_OVER: State.HANDED_OVER,
    Step.DELIVER: State.DELIVERED,
}
"""Where each fact from the floor and the carrier takes an order."""

BY_APPOINTMENT = "appointment"
"""The service of an order whose day a person agrees with the customer, and promises in the ledger."""

CLOSED = frozenset({State.DELIVERED, State.CANCELLED})

NOT_CARRIED = frozenset({"no-lane"})
"""Why promises declines an order that nothing carries; its other reasons mean another day or a later one."""

AWAITING_STOCK = "awaiting-stock"
"""Why it declines one that is late for want of goods, and that keeps its promise."""

INSTEAD: Mapping[State, str] = {
    State.PICKING: "The parcel is already being picked; return it free of charge once it arrives.",
    State.PACKED: "The parcel is already packed; return it free of charge once it arrives.",
    State.HANDED_OVER: "The parcel is already on its way; refuse it at the door or return it free of charge.",
    State.DELIVERED: "The parcel was already delivered; return it free of charge.",
}
"""What a customer can do who is too late to cancel."""


class Check(StrEnum):
    """What must be there before work starts. `cleared` means no open hold and is never stored."""

    PAYMENT_SECURED = "payment_secured"
    STOCK = "stock"
    PROMISE = "promise"
    CLEARED = "cleared"


class HoldReason(StrEnum):
    FRAUD = "fraud"
    ADDRESS = "address"
    PAYMENT = "payment"
    STOCK = "stock"
    ITEMS = "items"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Hold:
    """One open hold. The note is for staff: it is in no event and on no customer's page."""

    hold_id: UUID
    reason: HoldReason
    owner: str
    note: str
    held_at: datetime


class Status(StrEnum):
    """What became of a change that was asked for."""

    PENDING = "pending"
    AGREED = "agreed"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Substitute:
    """An item that is as good, of which so many are there."""

    instead_of: str
    sku: str
    description: str
    available: int


@dataclass(frozen=True, slots=True)
class Expected:
    """Units that a supplier said will come."""

    sku: str
    expected_at: datetime
    quantity: int


@dataclass(frozen=True, slots=True)
class Instead:
    """What there is in place of goods that an amendment wanted and that are not there."""

    substitutes: tuple[Substitute, ...] = ()
    expected: tuple[Expected, ...] = ()


@dataclass(frozen=True, slots=True)
class Amendment:
    """A change of an order that was asked for: `wanted` is the whole order as it would be, `before` its body as it stood. `paid_minor` was paid in
    addition. `prepared` and `dated`: fulfilment, and whoever promises dates, have agreed; the date is None where the one that stands still stands.
    `refund_minor` is owed once it is decided, by the promise `refund_id`."""

    amendment_id: UUID
    wanted: Submission
    before: bytes
    paid_minor: int
    payment_reference: str | None
    refund_id: UUID
    reason: str
    requested_by: str
    requested_at: datetime
    status: Status = Status.PENDING
    prepared: bool = False
    dated: bool = False
    due_at: datetime | None = None
    hand_over_by: datetime | None = None
    carrier_service: str | None = None
    refusal: str | None = None
    sentence: str | None = None
    decided_at: datetime | None = None
    refund_minor: int = 0
    instead: Instead | None = None


@dataclass(frozen=True)
class Order:
    """One order, one row: fields are columns, but for the open holds and the amendment. `holds` are in order of placing. Change it by `amended`."""

    order_id: UUID
    order_ref: str
    channel: str
    external_ref: str
    customer_id: UUID
    address_id: UUID
    guest: bool
    site: str
    placed_at: datetime
    currency: str
    goods_minor: int
    charges_minor: int
    total_minor: int
    service: str
    quote_id: UUID | None
    chosen_on: date | None
    signature_required: bool
    po_box: bool
    country: str
    postcode_prefix: str
    zone: str
    language: str
    payment_state: str
    payment_reference: str
    """The shop's own of what was authorised or captured last: where a refund goes."""
    state: State
    version: int
    said_version: int
    """How many events were said of it: the version of the last one. `version` moves with silent changes too."""
    checks: frozenset[Check]
    announced: bool
    """False while the order waits for its items: nobody else has heard of it."""
    work_version: int = 0
    """The newest version of fulfilment's work that was heard."""
    promise_id: UUID | None = None
    due_at: datetime | None = None
    hand_over_by: datetime | None = None
    carrier_service: str | None = None
    """Of the promise: never what really carries the parcel."""
    declined_sentence: str | None = None
    answer_by: datetime | None = None
    cancel_request_id: UUID | None = None
    cancel_reason: str | None = None
    cancel_requested_by: str | None = None
    cancel_requested_at: datetime | None = None
    cancel_refusal: str | None = None
    released_at: datetime | None = None
    picking_at: datetime | None = None
    packed_at: datetime | None = None
    handed_over_at: datetime | None = None
    delivered_at: datetime | None = None
    cancelled_at: datetime | None = None
    paid_minor: int = 0
    """What was authorised or captured in all, whatever the total is by now."""
    returned_minor: int = 0
    """What of it was promised back because the order was amended."""
    holds: tuple[Hold, ...] = ()
    amendment: Amendment | None = None
    """The one that is pending; in the transaction that decides it, as it was decided."""

    @property
    def cancel_requested(self) -> bool:
        """Whether fulfilment still has to decide a cancel."""
        return self.cancel_request_id is not None and self.cancel_refusal is None and self.state is not State.CANCELLED

    @property
    def amending(self) -> Amendment | None:
        """The amendment that is not decided yet."""
        return self.amendment if self.amendment and self.amendment.status is Status.PENDING else None

    @property
    def destination(self) -> Destination:
        return Destination(self.country, self.postcode_prefix, self.zone)


_FIELDS = frozenset(each.name for each in fields(Order))


def order_of(columns: Mapping[str, Any]) -> Order:
    """The order with these fields, all of them, at once: `Order(...)` sets one after the other, which takes ten times as long. Hence no slots."""
    assert len(columns) == len(_FIELDS), f"too many fields or too few for an order: {', '.join(columns.keys() ^ _FIELDS)}"
    order = object.__new__(Order)
    order.__dict__.update(columns)
    return order


def amended(order: Order, **changed: Any) -> Order:
    """The order with these fields changed, as `dataclasses.replace` would: an order is changed nine times on its way to the floor."""
    return order_of({**order.__dict__, **changed})


def undone(amendment: Amendment, reason: str, sentence: str, at: datetime, instead: Instead | None = None) -> Amendment:
    """The amendment as it ends when somebody says no: the order stays as it was."""
    return replace(amendment, status=Status.UNDONE, refusal=reason, sentence=sentence, decided_at=at, instead=instead)


@dataclass(frozen=True, slots=True)
class Promised:
    """What a release takes from the promise that stands. Where a person promised the day, fulfilment knows the departure: it holds the place."""

    promise_id: UUID
    due_at: datetime
    hand_over_by: datetime | None = None
    carrier_service: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The order as it now is, and what is said about it, in order."""

    order: Order
    events: tuple[OrderEvent, ...] = ()


class TransitionRefused(Refusal):
    """The order's state does not allow the step."""

    slug = "transition-refused"


class TooLateToCancel(Refusal):
    slug = "too-late-to-cancel"


class OrderClosed(Refusal):
    slug = "order-closed"


class PaymentDiffers(Refusal):
    slug = "payment-differs"


class OrderUnknown(Refusal):
    slug = "unknown-order"
    status = 404


class HoldUnknown(Refusal):
    slug = "unknown-hold"
    status = 404


class HoldOfTheSystem(Refusal):
    slug = "hold-lifts-itself"


def move(order: Order, step: Step, at: datetime) -> Order:
    """The order after the step. Raises TransitionRefused where the table has no such step."""
    following = TRANSITIONS[order.state].get(step)
    if following is None:
        raise TransitionRefused(
            f"An order that is {spoken(order.state)} takes no step '{spoken(step)}': read the order before trying again.",
            state=order.state.value,
            version=order.version,
        )
    reached: dict[str, Any] = {f"{following.value}_at": at}
    return amended(order, state=following, **reached)


def has_reached(state: State, wanted: State) -> bool:
    """Whether the order stands at `wanted` or later on the way, or will never get there."""
    if state in CLOSED or state is wanted:
        return True
    return wanted in WAY and WAY.index(state) >= WAY.index(wanted)


def missing_checks(order: Order) -> frozenset[Check]:
    """Which of the required checks are not there yet."""
    there = order.checks if order.holds else order.checks | {Check.CLEARED}
    return frozenset(Check) - there


def spoken(name: str) -> str:
    """A state or step as a person says it."""
    return name.replace("_", " ")
