"""What callers send to the ledger: shapes and single fields. What it comes to is `asking`'s."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import UUID7, AfterValidator, Field, StringConstraints, model_validator

from services.kit.http import Currency, Instant, MoneyMinor, Quantity, ShortText, Sku, Strict
from services.kit.promise.state import Department, Kind
from services.kit.zones import known_zones
from services.promises.ledger.domain.due import is_said
from services.promises.ledger.domain.kinds import SHAPES, Needs
from services.promises.ledger.domain.words import LONGEST, fault_of


def _sayable(text: str) -> str:
    if fault := fault_of(text):
        raise ValueError(fault.removesuffix("."))
    return text


def _zone(name: str) -> str:
    if name not in known_zones():
        raise ValueError("no such time zone: send a name of the IANA database such as Europe/Berlin")
    return name


def _said(text: str) -> str:
    if not is_said(text):
        raise ValueError("send a day that the calendar has, as 2026-11-29, or a local time, as 2026-11-29T18:00")
    return text


Sentence = Annotated[str, Field(min_length=1, max_length=LONGEST), AfterValidator(_sayable)]
Thing = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_sayable)]
Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
EvidenceType = Annotated[str, StringConstraints(pattern="^[a-z][a-z_]{0,31}$")]
Key = Annotated[str, StringConstraints(pattern=r"^[\x21\x23-\x7e]{1,255}$")]
Seq = Annotated[int, Field(ge=1, le=2**31 - 1)]


class DueBody(Strict):
    """A local day ("by the 29th": its end where it is kept) or a local time to the minute."""

    said: Annotated[str, Field(min_length=10, max_length=16), AfterValidator(_said)]
    zone: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_zone)]


class PromiseBody(Strict):
    """What is promised to whom. Without `customer_text` the ledger finds the words for it; `thing` is what it is about, in the customer's words.
    `department` says whose duty a promise in free text is; `order_minor` what the order was worth, above which no break is paid; `preview` is the
    digest of the preview that was looked at."""

    customer_id: UUID
    order_id: UUID | None = None
    kind: Kind
    language: Annotated[str, Field(pattern="^[a-z]{2}$")] = "en"
    customer_text: Sentence | None = None
    thing: Thing | None = None
    due: DueBody
    quantity: Quantity = 1
    sku: Sku | None = None
    amount_minor: Annotated[MoneyMinor, Field(ge=1)] | None = None
    currency: Currency | None = None
    order_minor: MoneyMinor | None = None
    department: Department | None = None
    rides_with: UUID | None = None
    distinct_from: UUID | None = None
    preview: Digest | None = None

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> Self:
        given: dict[Needs, object] = {Needs.SKU: self.sku, Needs.AMOUNT: self.amount_minor and self.currency, Needs.DEPARTMENT: self.department}
        given[Needs.THING], given[Needs.ORDER] = self.thing or self.customer_text, self.order_id
        missing = sorted(need for need in SHAPES[self.kind].needs if not given[need])
        if missing:
            raise ValueError(f"a promise of this kind also says {' and '.join(missing)}")
        if self.kind is Kind.FREE_TEXT and self.customer_text is None:
            raise ValueError("a promise in free text also says customer_text")
        return self


class NewPromiseBody(PromiseBody):
    """Whoever promises makes promise_id, a UUIDv7: sent again, it is the same promise."""

    promise_id: UUID7
    replaces: UUID | None = None


class KeyedPromiseBody(NewPromiseBody):
    """One of a batch, with the key that its request would carry alone."""

    key: Key


class BatchBody(Strict):
    promises: Annotated[list[KeyedPromiseBody], Field(min_length=1, max_length=100)]


class ReplacementBody(PromiseBody):
    """A new promise in place of one that stands. With `consent`, how the customer agreed, the old one is released; without it, both stand."""

    promise_id: UUID7
    consent: Sentence | None = None


class AcknowledgementBody(Strict):
    """The department has it in its work, or (`seen`) the person who will do it has read it."""

    department: Department
    seen: bool = False


class EvidenceBody(Strict):
    """Something of it was done. `id` is the source's own, and counts once; `clock_ahead_ms` is how far the device's clock was found ahead."""

    id: ShortText
    type: EvidenceType
    quantity: Quantity = 1
    at: Instant
    clock_ahead_ms: Annotated[int, Field(ge=-86_400_000, le=86_400_000)] = 0


class CorrectionBody(Strict):
    """Evidence that shows the verdict of the entry `seq` to be wrong: it was done in time."""

    seq: Seq
    evidence: EvidenceBody


class ReleaseBody(Strict):
    """How the customer agreed; `asked_by_us`: it was our wish, which is paid like a break."""

    consent: Sentence
    asked_by_us: bool = False


class VoidBody(Strict):
    """Why it was a mistake to record it."""

    reason: Sentence
