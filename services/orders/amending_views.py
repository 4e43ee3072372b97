"""A change of an order as its readers see it: what it would make of each line, what became of it, and what is given back. No address is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from services.orders.domain import Instead
from services.orders.messages import LineWire, differences
from services.orders.tables import AmendmentRow


class _Lines(msgspec.Struct, frozen=True):
    lines: list[LineWire]
    total_minor: int


_lines_of = msgspec.json.Decoder(_Lines).decode


@dataclass(frozen=True, slots=True)
class LineChange:
    """One line that differs; None on the side where there is no such line."""

    line: int
    before: LineWire | None
    after: LineWire | None


@dataclass(frozen=True, slots=True)
class RefundView:
    """What is owed back, by which promise; `promised_at` is None until the ledger has it. `not_promised`: why a person must see to it."""

    promise_id: UUID
    amount_minor: int
    promised_at: datetime | None
    not_promised: str | None


@dataclass(frozen=True, slots=True)
class AmendmentView:
    """`status`: pending, agreed or undone; `reason` and `sentence` say why it was undone, `instead` what there is in place of goods that lack.
    `fields` names all that differs, lines apart, never what it
    holds; `asked_because` are the asker's own words."""

    amendment_id: UUID
    order_id: UUID
    status: str
    reason: str | None
    sentence: str | None
    instead: Instead | None
    asked_because: str
    requested_by: str
    requested_at: datetime
    decided_at: datetime | None
    lines: Sequence[LineChange]
    fields: Sequence[str]
    total_before_minor: int
    total_minor: int
    paid_minor: int
    currency: str
    due_at: datetime | None
    refund: RefundView | None


def amendment_view(row: AmendmentRow, currency: str) -> AmendmentView:
    before, after = _lines_of(row.before), _lines_of(row.body)
    apart = ("lines", "total_minor", "payment.amount_minor")
    return AmendmentView(
        amendment_id=row.amendment_id,
        order_id=row.order_id,
        status=row.status,
        reason=row.refusal,
        sentence=row.sentence,
        instead=msgspec.json.decode(row.instead, type=Instead) if row.instead else None,
        asked_because=row.reason,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        decided_at=row.decided_at,
        lines=_changes(before.lines, after.lines),
        fields=[name for name in differences(row.before.encode(), row.body.encode()) if name not in apart],
        total_before_minor=before.total_minor,
        total_minor=after.total_minor,
        paid_minor=row.paid_minor,
        currency=currency,
        due_at=row.due_at,
        refund=RefundView(row.refund_id, row.refund_minor, row.promised_at, row.not_promised) if row.refund_minor else None,
    )


def _changes(before: Sequence[LineWire], after: Sequence[LineWire]) -> list[LineChange]:
    old, new = {line.line: line for line in before}, {line.line: line for line in after}
    return [LineChange(number, old.get(number), new.get(number)) for number in sorted(old.keys() | new.keys()) if old.get(number) != new.get(number)]
