"""A promise as its entries make it: what was said stands still, the verdict is given once, what was done only grows.

The verdict and what was done are two things: a cable that comes two days late is broken and done.
"""

from collections.abc import Callable
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
    """What a department must do for a promise: `evidence` is the type of what shows that it did its part."""

    department: Department
    action: str
    evidence: str
    sku: str | None = None
    amount_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """What was said (a local date or time), where, by which calendar and time zone data, and the instant that follows from it."""

    said: str
    zone: str
    calendar: str
    tzdata: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """It was promised. `words` is the salted hash of the sentence that was said, 32 bytes, `language` the one it was said in; `kept_by` the type of
    evidence that keeps it (a cable is not given by being picked); `order_minor` what the order was worth, above which nothing is paid for a break."""

    customer_id: UUID
    order_id: UUID | None
    kind: Kind
    words: bytes
    language: str
    due: Due
    kept_by: str
    quantity: int
    amount_minor: int
    currency: str | None
    order_minor: int | None
    tariff: str | None
    extra: str | None
    cause: UUID | None
    replaces: UUID | None
    rides_with: UUID | None
    duties: tuple[Duty, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of a promise."""

    verdict: Verdict = Verdict.OPEN
    settled_at: datetime | None = None
    settled_by: str | None = None
    settled_seq: int | None = None
    """The entry that gave the verdict, by whom, and from when it counts."""
    fulfilment: Fulfilment = Fulfilment.NONE
    done: int = 0
    shown: tuple[str, ...] = ()
    """Ids of the evidence that was seen."""
    at_risk: tuple[Risk, ...] = ()
    told: bool = False
    """Whether the customer was told of it: from then on it cannot be void."""
    received: tuple[Department, ...] = ()
    seen: tuple[Department, ...] = ()
    """Which departments have it in their view and their work, and where the person who will do it has read it."""
    erased: bool = False
    """Whether its words are gone: then no view may hold them any more."""


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise after its entry `seq`: what was said stands still, how it stands does not."""

    promise_id: UUID
    seq: int
    said: Made
    stands: Standing = Standing()


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


@dataclass(frozen=True, slots=True)
class Erased:
    """Its customer's personal data was erased: its words, reasons and consents are gone, in the ledger and in every view."""


Fact = Made | Acknowledged | Evidenced | AtRisk | Told | Broken | Released | Voided | Corrected | Erased
"""What an entry says of its promise."""


def after(promise: Promise, fact: Fact, department: str, at: datetime) -> Promise:
    """The promise once the next entry, said by this department and recorded at `at`, stands. Raises ValueError for a second `Made`."""
    seq = promise.seq + 1
    return Promise(promise.promise_id, seq, promise.said, stands_after(promise.stands, lambda: promise.said, fact, seq, department, at))


def stands_after(stands: Standing, said: Callable[[], Made], fact: Fact, seq: int, department: str, at: datetime) -> Standing:
    """How a promise stands once its entry `seq` does, as in `after`; what was said is asked for only where it matters. Raises ValueError for a second
    `Made`."""
    match fact:
        case Acknowledged():
            return _acknowledged(stands, said, fact)
        case Evidenced():
            return _shown(stands, said(), fact, department, seq)
        case AtRisk():
            return replace(stands, at_risk=fact.reasons)
        case Told():
            return replace(stands, told=True)
        case Broken():
            return _settled(stands, Verdict.BROKEN, fact.due_at, department, seq)
        case Released():
            return _settled(stands, Verdict.RELEASED, at, department, seq)
        case Voided():
            return _settled(stands, Verdict.VOID, at, department, seq)
        case Corrected():
            return _settled(_grown(stands, said(), fact.evidence), Verdict.KEPT, fact.evidence.at, department, seq)
        case Erased():
            return replace(stands, erased=True)
        case Made():
            raise ValueError("a promise is made once")


def completes(said: Made, stands: Standing, evidence: Evidenced) -> bool:
    """Whether with this nothing of it is left to do."""
    return evidence.type == said.kept_by and stands.done + evidence.quantity >= said.quantity


def unacknowledged(said: Made, stands: Standing) -> list[Department]:
    """The departments that must act for it and have not said that they have it."""
    return sorted({duty.department for duty in said.duties} - {*stands.received})


def _acknowledged(stands: Standing, said: Callable[[], Made], fact: Acknowledged) -> Standing:
    """Half of all entries say this: `replace`, which looks at the definition of every field, would take twice as long."""
    known = Standing(
        stands.verdict, stands.settled_at, stands.settled_by, stands.settled_seq, stands.fulfilment, stands.done, stands.shown, stands.at_risk,
        stands.told, _with(stands.received, fact.department), _with(stands.seen, fact.department) if fact.seen else stands.seen, stands.erased,
    )  # fmt: skip
    clears = Risk.UNACKNOWLEDGED in stands.at_risk and not unacknowledged(said(), known)
    return _without(known, Risk.UNACKNOWLEDGED) if clears else known


def _with(departments: tuple[Department, ...], department: Department) -> tuple[Department, ...]:
    return tuple(sorted({*departments, department})) if departments else (department,)


def _without(stands: Standing, risk: Risk) -> Standing:
    return replace(stands, at_risk=tuple(reason for reason in stands.at_risk if reason is not risk))


def _settled(stands: Standing, verdict: Verdict, at: datetime, department: str, seq: int) -> Standing:
    return replace(stands, verdict=verdict, settled_at=at, settled_by=department, settled_seq=seq, at_risk=())


def _shown(stands: Standing, said: Made, evidence: Evidenced, department: str, seq: int) -> Standing:
    grown = _grown(stands, said, evidence)
    in_time = completes(said, stands, evidence) and evidence.at <= said.due.at
    return _settled(grown, Verdict.KEPT, evidence.at, department, seq) if in_time and stands.verdict is Verdict.OPEN else grown


def _grown(stands: Standing, said: Made, evidence: Evidenced) -> Standing:
    shown = (*stands.shown, evidence.id)
    if evidence.type != said.kept_by:
        return replace(stands, shown=shown)
    done = min(said.quantity, stands.done + evidence.quantity)
    fulfilment = Fulfilment.DONE if done == said.quantity else Fulfilment.PART
    return replace(stands, done=done, fulfilment=fulfilment, shown=shown)
