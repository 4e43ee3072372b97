"""A promise as its entries make it: what was said stands still, the verdict is given once, what was done only grows.

The verdict and what was done are two things: a cable that comes two days late is broken and done.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Verdict(StrEnum):
    OPEN = "open"
    KEPT = "kept"
    BROKEN = "broken"
    RELEASED = "released"
    VOID = "void"


class Fulfilment(StrEnum):
    """How much of it was done, whatever the verdict."""

    NONE = "none"
    PART = "part"
    DONE = "done"


class Risk(StrEnum):
    """Why an open promise may break. Customers are told of `late` and `short` alone."""

    UNACKNOWLEDGED = "unacknowledged"
    LATE = "late"
    SHORT = "short"


class Kind(StrEnum):
    """What is promised."""

    DELIVERY_DATE = "delivery_date"
    GIFT = "gift"
    REFUND = "refund"
    CREDIT = "credit"
    CALL_BACK = "call_back"
    CALL_AHEAD = "call_ahead"
    ANSWER_BY = "answer_by"
    SEND_INFORMATION = "send_information"
    FOLLOW_UP = "follow_up"
    SUPPLIERS_DATE = "suppliers_date"
    FREE_TEXT = "free_text"


class Department(StrEnum):
    """Who can be bound to act."""

    WAREHOUSE = "warehouse"
    DELIVERY = "delivery"
    PAYMENTS = "payments"
    MESSAGES = "messages"
    CARE = "care"
    LOYALTY = "loyalty"


@dataclass(frozen=True, slots=True)
class Duty:
    """What a department must do for a promise: `evidence` is the type of what shows that it did."""

    department: Department
    action: str
    evidence: str
    sku: str | None = None
    amount_minor: int | None = None
    received: bool = False
    seen: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """What was said (a local date or time), where, by which calendar and time zone data, and the instant that follows from it."""

    said: str
    zone: str
    calendar: str
    tzdata: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Promise:
    """How one promise stands after its entry `seq`. `words` is the salted hash of the sentence that was said, 32 bytes."""

    promise_id: UUID
    seq: int
    customer_id: UUID
    order_id: UUID | None
    kind: Kind
    words: bytes
    due_at: datetime
    zone: str
    quantity: int
    amount_minor: int
    currency: str | None
    tariff: str | None
    cause: UUID | None
    replaces: UUID | None
    rides_with: UUID | None
    verdict: Verdict
    settled_at: datetime | None
    settled_by: str | None
    settled_seq: int | None
    """The entry that gave the verdict, by whom, and from when it counts."""
    fulfilment: Fulfilment
    done: int
    at_risk: tuple[Risk, ...]
    told: bool
    """Whether the customer was told of it: from then on it cannot be void."""
    duties: tuple[Duty, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """It was promised."""

    customer_id: UUID
    order_id: UUID | None
    kind: Kind
    words: bytes
    due: Due
    quantity: int
    amount_minor: int
    currency: str | None
    tariff: str | None
    extra: str | None
    cause: UUID | None
    replaces: UUID | None
    rides_with: UUID | None
    duties: tuple[Duty, ...]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A department has it in its view and its work; `seen`: the person who will do it has read it."""

    department: Department
    seen: bool


@dataclass(frozen=True, slots=True)
class Evidenced:
    """Something of it was done. `id` is the source's own, `quantity` how much of it; `at` when, as the source says."""

    type: str
    id: str
    quantity: int
    at: datetime


@dataclass(frozen=True, slots=True)
class AtRisk:
    """The reasons why it may break, all of them: none clears it."""

    reasons: tuple[Risk, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """The customer is told, by this channel; written before it is sent."""

    channel: str


@dataclass(frozen=True, slots=True)
class Broken:
    """Its due instant passed. `found_at` is when that was noticed; it broke at `due_at`."""

    due_at: datetime
    found_at: datetime


@dataclass(frozen=True, slots=True)
class Released:
    """The customer no longer wants it. `consent` is the salted hash of how they said so; `asked_by_us` counts like a break."""

    consent: bytes
    asked_by_us: bool


@dataclass(frozen=True, slots=True)
class Voided:
    """A clerical mistake, before anybody was told."""

    reason: bytes


@dataclass(frozen=True, slots=True)
class Corrected:
    """Evidence that came late shows it was kept: the verdict that the entry `seq` gave is mended."""

    seq: int
    evidence: Evidenced


Fact = Made | Acknowledged | Evidenced | AtRisk | Told | Broken | Released | Voided | Corrected
"""What an entry says of its promise."""


def made(promise_id: UUID, fact: Made) -> Promise:
    """The promise right after it was made."""
    return Promise(
        promise_id=promise_id, seq=1, customer_id=fact.customer_id, order_id=fact.order_id, kind=fact.kind, words=fact.words, due_at=fact.due.at,
        zone=fact.due.zone, quantity=fact.quantity, amount_minor=fact.amount_minor, currency=fact.currency, tariff=fact.tariff, cause=fact.cause,
        replaces=fact.replaces, rides_with=fact.rides_with, verdict=Verdict.OPEN, settled_at=None, settled_by=None, settled_seq=None,
        fulfilment=Fulfilment.NONE, done=0, at_risk=(), told=False, duties=fact.duties,
    )  # fmt: skip


def after(promise: Promise, fact: Fact, department: str, at: datetime) -> Promise:
    """The promise once the next entry, said by this department and recorded at `at`, stands. Raises ValueError for a second `Made`."""
    seq = promise.seq + 1
    match fact:
        case Acknowledged():
            return replace(promise, seq=seq, duties=tuple(_acknowledged(duty, fact) for duty in promise.duties))
        case Evidenced():
            return _done(promise, seq, fact, department)
        case AtRisk():
            return replace(promise, seq=seq, at_risk=fact.reasons)
        case Told():
            return replace(promise, seq=seq, told=True)
        case Broken():
            return _settled(replace(promise, seq=seq), Verdict.BROKEN, fact.due_at, department)
        case Released():
            return _settled(replace(promise, seq=seq), Verdict.RELEASED, at, department)
        case Voided():
            return _settled(replace(promise, seq=seq), Verdict.VOID, at, department)
        case Corrected():
            return _settled(_grown(promise, seq, fact.evidence), Verdict.KEPT, fact.evidence.at, department)
        case Made():
            raise ValueError("a promise is made once")


def completes(promise: Promise, evidence: Evidenced) -> bool:
    """Whether with this nothing of it is left to do."""
    return promise.done + evidence.quantity >= promise.quantity


def _done(promise: Promise, seq: int, evidence: Evidenced, department: str) -> Promise:
    grown = _grown(promise, seq, evidence)
    if promise.verdict is Verdict.OPEN and grown.fulfilment is Fulfilment.DONE and evidence.at <= promise.due_at:
        return _settled(grown, Verdict.KEPT, evidence.at, department)
    return grown


def _settled(promise: Promise, verdict: Verdict, at: datetime, department: str) -> Promise:
    return replace(promise, verdict=verdict, settled_at=at, settled_by=department, settled_seq=promise.seq, at_risk=())


def _grown(promise: Promise, seq: int, evidence: Evidenced) -> Promise:
    done = min(promise.quantity, promise.done + evidence.quantity)
    return replace(promise, seq=seq, done=done, fulfilment=Fulfilment.DONE if done == promise.quantity else Fulfilment.PART)


def _acknowledged(duty: Duty, fact: Acknowledged) -> Duty:
    if duty.department is not fact.department:
        return duty
    return replace(duty, received=True, seen=duty.seen or fact.seen)
