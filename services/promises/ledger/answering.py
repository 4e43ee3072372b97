"""What the writer's answers look like on the wire: a receipt, byte for byte the same each time it is given, or a problem that says what to do."""

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from starlette.responses import Response

from services.kit.http import Problem, answer
from services.kit.promise.line import Line
from services.kit.promise.state import Acknowledged, Fact, Released, Voided
from services.kit.values import NotFound
from services.promises.ledger.batch import Answer, Asked, AskedErasure
from services.promises.ledger.domain.commands import Acknowledge, Make, Release, ShowEvidence, Void
from services.promises.ledger.messages import Erasure, Receipt


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """An entry was recorded at `position`; `state_digest` and `leaf_hash` in hexadecimal."""

    position: int
    promise_id: UUID
    seq: int
    recorded_at: datetime
    state_digest: str
    leaf_hash: str


@dataclass(frozen=True, slots=True)
class UnchangedView:
    """Nothing was recorded, since it is so already."""

    promise_id: UUID
    seq: int
    unchanged: bool = True


@dataclass(frozen=True, slots=True)
class ErasureView:
    """From `position` on nothing personal is kept of the customer, of whom the ledger holds so many promises."""

    customer_id: UUID
    position: int
    promises: int
    erased_at: datetime


def erasure_view(erasure: Erasure) -> ErasureView:
    return ErasureView(erasure.customer_id, erasure.position, erasure.promises, erasure.erased_at)


def erasure_response(asked: AskedErasure, given: Answer) -> Response:
    """The answer to an erasure. Raises Problem."""
    if given.refused is not None:
        raise _refused(given)
    assert given.erasure is not None, "an erasure is refused or done"
    if given.reused:
        raise _key_reused({"position": given.erasure.position, "differs": ["customer_id"]})
    view = erasure_view(given.erasure)
    headers = {"location": f"/v1/customers/{view.customer_id}/erasure"}
    if given.replayed and (asked.scope, asked.key) == (given.erasure.scope, given.erasure.key):
        headers["idempotency_replayed"] = "true"
    return answer(view, 200 if given.replayed else 201, **headers)


def receipt_view(receipt: Receipt) -> ReceiptView:
    return ReceiptView(receipt.position, receipt.promise_id, receipt.seq, receipt.recorded_at, receipt.state_digest.hex(), receipt.leaf_hash.hex())


def response_to(asked: Asked, given: Answer, first: Line | None = None) -> Response:
    """The answer to one command. `first` is the entry that its key stands for, where it stands for another command. Raises Problem, NotFound."""
    if given.reused:
        raise _reused(asked, given, first)
    if given.refused is not None:
        raise _refused(given)
    if given.unchanged is not None:
        return answer(UnchangedView(asked.promise_id, given.unchanged), etag=f'"{given.unchanged}"')
    if given.receipt is None:
        raise NotFound
    told = receipt_view(given.receipt)
    headers = {"etag": f'"{told.seq}"', "location": f"/v1/promises/{told.promise_id}"}
    return answer(told, 200, idempotency_replayed="true", **headers) if given.replayed else answer(told, 201, **headers)


def _reused(asked: Asked, given: Answer, first: Line | None) -> Problem:
    return _key_reused({} if first is None else {"position": first.position, "differs": _differs(asked, first)})


def _refused(given: Answer) -> Problem:
    assert given.refused is not None, "only a no is told as one"
    replayed = {"idempotency-replayed": "true"} if given.replayed else {}
    return Problem(given.refused.status, given.refused.slug, given.refused.sentence, headers=replayed, extra=given.refused.facts)


def _key_reused(extra: dict[str, object]) -> Problem:
    return Problem(422, "key-reused", "This Idempotency-Key was used for another request: send a new one.", extra=extra)


def _differs(asked: Asked, first: Line) -> list[str]:
    """The names of what is asked otherwise than before. Texts are told apart by nobody: each has a salt of its own."""
    before, wanted = first.fact(), _would_be(asked)
    if type(before) is not type(wanted) or wanted is None:
        return ["kind"]
    old, new = asdict(before), asdict(wanted)
    found = [name for name, value in new.items() if old[name] != value and name not in ("words", "consent", "reason", "tariff")]
    return found + (["promise_id"] if first.promise_id != asked.promise_id else []) or ["words"]


def _would_be(asked: Asked) -> Fact | None:
    match asked.command:
        case Make(made=made):
            return made
        case Acknowledge(department=department, seen=seen):
            return Acknowledged(department, seen)
        case ShowEvidence(evidence=evidence):
            return evidence
        case Release(consent=consent, asked_by_us=asked_by_us):
            return Released(consent, asked_by_us)
        case Void(reason=reason):
            return Voided(reason)
    return None
