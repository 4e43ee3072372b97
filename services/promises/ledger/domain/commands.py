"""What may be asked of the ledger, and what it answers: one fact to record, or a refusal that says what can be done instead.

A decision looks at the promise alone. Whether a department can carry it out is asked beforehand; whether the same was asked before, by key.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from services.kit.promise.state import (
    Acknowledged,
    AtRisk,
    Broken,
    Corrected,
    Department,
    Erased,
    Evidenced,
    Fact,
    Made,
    Promise,
    Released,
    Risk,
    Told,
    Verdict,
    Voided,
    completes,
    unacknowledged,
)
from services.kit.values import NotFound, Refusal
from services.promises.ledger.domain.kinds import SHAPES, WITHOUT_GOODS, breaks_at


class AlreadyThere(Refusal):
    slug = "promise-exists"


class NobodyMustAct(Refusal):
    slug = "nobody-must-act"


class NothingHeld(Refusal):
    slug = "nothing-held"


class CannotBeHeld(Refusal):
    """What those who would hold it say."""

    def __init__(self, slug: str, sentence: str, facts: Mapping[str, object]) -> None:
        super().__init__(sentence, **facts)
        self.slug = slug


class GivenUp(Refusal):
    slug = "given-up"


class PreviewChanged(Refusal):
    slug = "preview-changed"


class AlreadyDue(Refusal):
    slug, status = "already-due", 409


class AlreadySettled(Refusal):
    """Whoever comes second is told the verdict, when it was given, and by whom: all of them the same."""

    slug = "already-settled"


class OpenPromises(Refusal):
    """Passes once they are settled, so that nothing is remembered of it."""

    slug = "open-promises"


class CustomerErased(Refusal):
    """Nothing is kept of an erased customer any more, this refusal included."""

    slug = "customer-erased"


class WasErased(Refusal):
    """With the customer's salt gone nobody can tell whether it is the same request."""

    slug, status = "erased", 410


class Stale(Refusal):
    slug, status = "stale", 412


class NotTheirDuty(Refusal):
    slug = "not-their-duty"


class NoSuchEvidence(Refusal):
    slug = "wrong-evidence"


class FromTheFuture(Refusal):
    slug = "evidence-from-the-future"


class AlreadyTold(Refusal):
    slug = "already-told"


class NotYetDue(Refusal):
    slug = "not-yet-due"


class NothingToMend(Refusal):
    slug = "nothing-to-mend"


@dataclass(frozen=True, slots=True)
class Make:
    """Promise it. Refused where no department must act, where it is due already, where it is not what was `agreed` to (the digest of a preview that
    was looked at; `preview` is that of what is promised now), and where goods are promised that nobody has `held`; `cannot` is why."""

    made: Made
    agreed: str | None = None
    preview: str | None = None
    held: bool = False
    cannot: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """This department has received it, or the person who will do it has seen it."""

    department: Department
    seen: bool


@dataclass(frozen=True, slots=True)
class ShowEvidence:
    """Something of it was done. On a broken promise, evidence that proves "on time" mends the verdict. `mends` is the seq of the entry that is to be
    mended, where the caller means to: then all that would not mend it is refused."""

    evidence: Evidenced
    mends: int | None = None


@dataclass(frozen=True, slots=True)
class PutAtRisk:
    """Raise the reason, or clear it."""

    reason: Risk
    raised: bool


@dataclass(frozen=True, slots=True)
class Tell:
    """The customer is about to be told."""

    channel: str


@dataclass(frozen=True, slots=True)
class Break:
    """Its due instant has passed, and so has the time that evidence may take to arrive."""


@dataclass(frozen=True, slots=True)
class Release:
    """The customer agreed. `consent` is the salted hash of how."""

    consent: bytes
    asked_by_us: bool


@dataclass(frozen=True, slots=True)
class Void:
    """It was a mistake of the person who typed. `reason` is its salted hash."""

    reason: bytes


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Whoever holds goods for it wants to know whether it was promised. Where not, it never will be, under this id."""


@dataclass(frozen=True, slots=True)
class Erase:
    """Forget its words, with all else that is known of its customer."""


Command = Make | Acknowledge | ShowEvidence | PutAtRisk | Tell | Break | Release | Void | GiveUp | Erase


def decide(promise: Promise | None, command: Command, now: datetime, if_match: int | None = None) -> Fact | None:
    """The fact to record; None where nothing would change. Raises a Refusal, or NotFound.

    The verdict is looked at before `if_match`, so that all who lose a race are told the same.
    """
    if isinstance(command, Make):
        return _make(promise, command, now)
    if isinstance(command, GiveUp):
        _refuse_unknown(promise)
        return None
    if promise is None:
        raise NotFound
    if isinstance(command, Erase):
        insist_on_settled([promise])
        return None if promise.stands.erased else Erased()
    if promise.stands.verdict is not Verdict.OPEN and not isinstance(command, ShowEvidence | Acknowledge | Tell):
        raise _settled(promise)
    if if_match is not None and if_match != promise.seq:
        raise Stale("It has changed since you read it: read it again, and decide again.", seq=promise.seq)
    match command:
        case Acknowledge():
            return _acknowledge(promise, command)
        case ShowEvidence():
            return _show(promise, command, now)
        case PutAtRisk():
            return _put_at_risk(promise, command)
        case Tell():
            return None if promise.stands.told else Told(command.channel)
        case Break():
            return _break(promise, now)
        case Release():
            return Released(command.consent, command.asked_by_us)
        case Void():
            return _void(promise, command)


def insist_on_settled(promises: Iterable[Promise]) -> None:
    """Raises OpenPromises, which names those of these that are open."""
    still = sorted(str(promise.promise_id) for promise in promises if promise.stands.verdict is Verdict.OPEN)
    if still:
        raise OpenPromises("Promises to them are open: release or void them, or wait until they are settled, and ask again.", promises=still)


def _make(promise: Promise | None, command: Make, now: datetime) -> Made:
    if promise is not None:
        raise AlreadyThere("A promise with this id is there: make a new id for a new promise, or read this one.", seq=promise.seq)
    if not command.made.duties:
        raise NobodyMustAct("No department must act on it, so nobody would: name a duty, or promise what has an owner.", departments=list(Department))
    if command.made.due.at <= now:
        raise AlreadyDue("It would be due already: promise a later instant.", now=_written(now), due_at=_written(command.made.due.at))
    if command.agreed not in (None, command.preview):
        raise PreviewChanged("What would be promised is not what you looked at: look at it again, and send its digest.", preview=command.preview)
    if command.cannot is not None:
        raise command.cannot
    if SHAPES[command.made.kind].held and not command.held:
        raise NothingHeld("Nobody holds the goods or the place on the van for it: promise what needs neither.", instead=list(WITHOUT_GOODS))
    return command.made


def _refuse_unknown(promise: Promise | None) -> None:
    if promise is None:
        raise GivenUp("It was not promised in time, and what was held for it is free again: promise it anew, with a new promise_id.")


def _acknowledge(promise: Promise, command: Acknowledge) -> Fact | None:
    if not any(duty.department == command.department for duty in promise.said.duties):
        owners = sorted({duty.department for duty in promise.said.duties})
        raise NotTheirDuty("This department has no duty in it: only those who have may acknowledge it.", departments=owners)
    if command.department in (promise.stands.seen if command.seen else promise.stands.received):
        return None
    return Acknowledged(command.department, command.seen)


def _show(promise: Promise, command: ShowEvidence, now: datetime) -> Fact | None:
    evidence, types = command.evidence, sorted({promise.said.kept_by, *(duty.evidence for duty in promise.said.duties)})
    if evidence.id in promise.stands.shown:
        return None
    if evidence.type not in types:
        raise NoSuchEvidence("That does not show that it was kept: send evidence of a type that its duties name.", types=types)
    if evidence.at > now:
        raise FromTheFuture("It has not happened yet by our clock: correct the device's clock, and send it again.", now=_written(now))
    if promise.stands.verdict in (Verdict.RELEASED, Verdict.VOID):
        raise _settled(promise)
    mended = promise.stands.settled_seq if promise.stands.verdict is Verdict.BROKEN else None
    if mended and evidence.at <= promise.said.due.at and completes(promise.said, promise.stands, evidence) and command.mends in (None, mended):
        return Corrected(mended, evidence)
    if command.mends is not None:
        raise NothingToMend("This does not show that a verdict was wrong: send it as evidence, or what proves it done in time.", broken_by_seq=mended)
    return evidence


def awaits_departments(promise: Promise) -> bool:
    """Whether some department has yet to say that it has the promise, and nobody was warned of it."""
    stands = promise.stands
    return stands.verdict is Verdict.OPEN and Risk.UNACKNOWLEDGED not in stands.at_risk and bool(unacknowledged(promise.said, stands))


def may_be_late(promise: Promise) -> bool:
    """Whether it is open and nobody was warned that it may be late."""
    return promise.stands.verdict is Verdict.OPEN and Risk.LATE not in promise.stands.at_risk


def _put_at_risk(promise: Promise, command: PutAtRisk) -> Fact | None:
    if command == PutAtRisk(Risk.UNACKNOWLEDGED, raised=True) and not awaits_departments(promise):
        return None
    reasons = {*promise.stands.at_risk, command.reason} if command.raised else {*promise.stands.at_risk} - {command.reason}
    return None if reasons == {*promise.stands.at_risk} else AtRisk(tuple(sorted(reasons)))


def _break(promise: Promise, now: datetime) -> Broken:
    if now <= breaks_at(promise):
        raise NotYetDue("It can still be kept, or shown to have been.", due_at=_written(promise.said.due.at))
    return Broken(promise.said.due.at, now)


def _void(promise: Promise, command: Void) -> Voided:
    if promise.stands.told:
        raise AlreadyTold("The customer was told: it can be released with their consent, or replaced by a new promise beside it.", seq=promise.seq)
    return Voided(command.reason)


def _settled(promise: Promise) -> AlreadySettled:
    return AlreadySettled(
        f"It is {promise.stands.verdict} already, and a verdict is given once: make a new promise beside it.",
        verdict=promise.stands.verdict.value,
        settled_at=_written(promise.stands.settled_at) if promise.stands.settled_at else None,
        settled_by=promise.stands.settled_by,
    )


def _written(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
