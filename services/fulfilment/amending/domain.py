"""Whether an order can still be changed, which units that takes, and what becomes of units, picks and books once it is agreed.

Units are set apart for a change beside the order's own, until orders says whether it is agreed. Nothing that somebody picked is forgotten: what the
new lines still want stays picked, and what they do not want leaves the books as picked and is put away again by hand, as a pull-back.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from services.fulfilment.floor.domain.refusals import UnknownCode, WrongBin, WrongItem
from services.fulfilment.floor.domain.task import Item, Pace, PickLine, Spot, Task, TaskState, belongs, remaining, walk
from services.fulfilment.shipping.domain import Shipment, ShipmentState
from services.fulfilment.stock.domain import PROMISED_FROM, Kind, Line, Missing, Movement, Part, Want, WantState, lacking


class AmendmentState(StrEnum):
    """`prepared`: units are set apart for it, and nobody works on the order. `undone`: they are free again."""

    PREPARED = "prepared"
    REFUSED = "refused"
    COMMITTED = "committed"
    UNDONE = "undone"


class Reason(StrEnum):
    """Why an order cannot be changed, as `AmendmentRefused` says it."""

    NOT_IN_STOCK = "not-in-stock"
    LABELLED = "labelled"
    HANDED_OVER = "handed-over"
    ORDER_ENDED = "order-ended"


_INSTEAD = {
    Reason.ORDER_ENDED: "The order was cancelled: place a new order.",
    Reason.HANDED_OVER: "The carrier has the parcel: have it sent back, or place another order for what is missing.",
    Reason.LABELLED: "The parcel has its label: have the label voided first, then ask for the change again.",
}


@dataclass(frozen=True, slots=True)
class AmendmentPrepared:
    """What the change needs is set apart, and nobody works on the order."""

    order_id: UUID
    amendment_id: UUID
    prepared_at: datetime


@dataclass(frozen=True, slots=True)
class AmendmentRefused:
    """Nothing changed. `substitutes` and `expected` say what there is in place of goods that are not there."""

    order_id: UUID
    amendment_id: UUID
    reason: Reason
    sentence: str
    substitutes: Sequence[Mapping[str, Any]] = ()
    expected: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Amendment:
    """One change and what was answered to it. `apart` are the units set apart for it while it is prepared, on no line yet: 0."""

    state: AmendmentState
    site: str
    answer: AmendmentPrepared | AmendmentRefused
    decided_at: datetime
    apart: tuple[Part, ...] = ()

    @property
    def key(self) -> tuple[UUID, UUID]:
        """The order and the change."""
        return self.answer.order_id, self.answer.amendment_id


@dataclass(frozen=True, slots=True)
class PullBack:
    """Units that somebody picked and the order no longer wants: off the books of their bin until they lie there again."""

    pull_back_id: UUID
    order_id: UUID
    task_id: UUID
    site: str
    sku: str
    bin: str
    quantity: int
    since: datetime
    done_at: datetime | None = None
    done_by: str | None = None


class Lot(NamedTuple):
    """Units of the order in one place: in the tote, or still in their bin. `line` is the one they were set apart for, 0 for none yet."""

    line: int
    sku: str
    bin: str
    quantity: int
    in_tote: bool

    @property
    def part(self) -> Part:
        return Part(*self[:4])


@dataclass(frozen=True, slots=True)
class Arranged:
    """What an agreed change makes of an order. `picks` are the units in the tote by line and bin, `pulled` those that go back to their bins."""

    want: Want
    movements: list[Movement]
    picks: Counter[tuple[int, str]]
    pulled: list[Part]


def too_late(want: Want, shipment: Shipment | None) -> Reason | None:
    """Why nothing can be changed any more, whatever is asked for."""
    if want.state is WantState.RELEASED or (shipment and shipment.state is ShipmentState.CANCELLED):
        return Reason.ORDER_ENDED
    if shipment and shipment.state in (ShipmentState.HANDED_OVER, ShipmentState.DELIVERED):
        return Reason.HANDED_OVER
    return Reason.LABELLED if shipment and shipment.labelled else None


def instead_of(reason: Reason) -> str:
    """The sentence that says what can be done."""
    return _INSTEAD[reason]


def not_there(lack: Sequence[Missing]) -> str:
    """The sentence that says which goods are not there."""
    told = "; ".join(f"of {each.sku} {each.wanted} more are needed and {each.available} are free" for each in lack[:3])
    return f"{told[0].upper()}{told[1:]}: take a substitute, wait until more comes, or leave that line as it is."


def needed(want: Want, lines: Iterable[Line]) -> Counter[str]:
    """Units by SKU that these lines want beyond what is set apart for the order's own."""
    needs, has = Counter[str](), Counter[str]()
    for line in lines:
        needs[line.sku] += line.quantity
    for part in want.parts:
        if part.line < PROMISED_FROM:
            has[part.sku] += part.quantity
    return needs - has


def earmarked_for(want: Want) -> Counter[str]:
    """Units by SKU that came for this order and wait until it is tried again."""
    own = Counter[str]()
    for line in want.lines if want.ripe else ():
        own[line.sku] += line.quantity
    return own


def rearrange(want: Want, task: Task | None, apart: Iterable[Part], lines: Sequence[Line]) -> Arranged:
    """The order with these lines in place of its own; what was promised beside it stays. Every unit it has is given to a line, let go, or pulled
    back; it is picked where all that it wants is in the tote, and short where the units do not suffice."""
    given, left = _share(_lots(want, task, apart), lines)
    promised = [part for part in want.parts if part.line >= PROMISED_FROM]
    beside = tuple(line for line in want.lines if line.line >= PROMISED_FROM)
    after = replace(want, lines=(*lines, *beside), parts=(*_merged(given), *promised), ripe=False)
    in_tote = [lot.part for lot in given if lot.in_tote]
    all_picked = task is not None and len(in_tote) == len(given) and not any(stop.left for stop in task.lines if stop.line >= PROMISED_FROM)
    after = replace(after, state=WantState.SHORT if lacking(after) else WantState.PICKED if all_picked else WantState.RESERVED)
    reference = task.task_id if task else None
    moved = [_moved(Kind.RELEASE, want, lot.part, 0, -1, reference) for lot in left if not lot.in_tote]
    pulled = [lot.part for lot in left if lot.in_tote]
    if want.state is not WantState.PICKED:
        off = [*pulled, *(after.parts if after.state is WantState.PICKED else ())]
        moved += [_moved(Kind.PICK, want, part, -1, -1, reference) for part in off]
    elif after.state is not WantState.PICKED:
        moved += [_moved(Kind.UNPICK, want, part, 1, 1, reference) for part in (*in_tote, *promised)]
    picks = Counter[tuple[int, str]]()
    for part in in_tote:
        picks[part.line, part.bin] += part.quantity
    return Arranged(after, moved, picks, pulled)


def changed_task(task: Task, arranged: Arranged, pace: Pace, now: datetime) -> Task:
    """The task of the order as it is now. Stops that stay keep their place, new ones come behind them; a carton is opened where something is to come
    out of it or to go into it."""
    wanted = {(part.line, part.sku, part.bin): part.quantity for part in arranged.want.parts}
    lines = []
    for stop in task.lines:
        quantity = wanted.pop((stop.line, stop.sku, stop.bin), 0)
        if stop.line >= PROMISED_FROM:
            lines.append(stop)
        elif quantity:
            lines.append(stop._replace(quantity=quantity, picked=arranged.picks[stop.line, stop.bin]))
    last = max((stop.position for stop in task.lines), default=0)
    new = walk([Spot(*key, quantity) for key, quantity in wanted.items() if key[0] < PROMISED_FROM], last + 1)
    lines += [stop._replace(picked=arranged.picks[stop.line, stop.bin]) for stop in new]
    states = {WantState.SHORT: TaskState.SHORT, WantState.PICKED: TaskState.PICKED, WantState.RESERVED: TaskState.READY}
    state = states[arranged.want.state]
    changed = remaining(replace(task, lines=tuple(lines), hold=None), pace)
    if task.state is TaskState.PACKED and state is TaskState.PICKED and not arranged.pulled:
        return changed
    bare = replace(changed, parcel_id=None, carton=None, weight_grams=None, packed_by=None, packed_at=None)
    return replace(bare, state=state, picked_at=(task.picked_at or now) if state is TaskState.PICKED else None)


def outdated(before: Sequence[PickLine], after: Sequence[PickLine]) -> list[int]:
    """The stops of which units were taken away again: their scans stand for nothing any more."""
    picked = {stop.position: stop.picked for stop in after}
    return [stop.position for stop in before if stop.picked > picked.get(stop.position, 0)]


def refuse_wrong(pull_back: PullBack, items: Sequence[Item], bin: str) -> None:
    """Raises UnknownCode, WrongItem or WrongBin where these are not the units, or not where they go. `items` are all that answer to what was
    scanned."""
    if not items:
        raise UnknownCode("No item has this code: scan the item's own barcode, or type its SKU.")
    if pull_back.sku not in {item.sku for item in items}:
        item = items[0]
        sentence = f"This is {item.description or item.sku} ({item.sku}): {belongs(item)}. To be put away is {pull_back.sku}."
        raise WrongItem(sentence, sku=item.sku, description=item.description, bins=item.bins)
    if bin != pull_back.bin:
        sentence = f"{pull_back.sku} goes back into bin {pull_back.bin}, not into this one."
        raise WrongBin(sentence, sku=pull_back.sku, bin=pull_back.bin)


def putting_away(pull_back: PullBack, by: str) -> list[Movement]:
    """The pick undone, and the units free."""
    at = pull_back.site, pull_back.sku, pull_back.bin
    who = pull_back.order_id, pull_back.task_id, by
    return [
        Movement(Kind.UNPICK, *at, pull_back.quantity, pull_back.quantity, *who),
        Movement(Kind.RELEASE, *at, 0, -pull_back.quantity, *who),
    ]


def _lots(want: Want, task: Task | None, apart: Iterable[Part]) -> list[Lot]:
    """All units of the order's own lines, and those set apart for the change."""
    picked = Counter[tuple[int, str]]()
    for stop in task.lines if task else ():
        picked[stop.line, stop.bin] += stop.picked
    lots = []
    for part in want.parts:
        if part.line < PROMISED_FROM:
            in_tote = part.quantity if want.state is WantState.PICKED else min(part.quantity, picked[part.line, part.bin])
            lots += [Lot(*part[:3], in_tote, True), Lot(*part[:3], part.quantity - in_tote, False)]
    return [lot for lot in (*lots, *(Lot(*part, False) for part in apart)) if lot.quantity]


def _share(lots: Sequence[Lot], lines: Sequence[Line]) -> tuple[list[Lot], list[Lot]]:
    """What each line gets, and what is left over: first what is in the tote, and each line its own before another's."""
    left: dict[tuple[str, bool], list[Lot]] = {}
    for lot in lots:
        left.setdefault((lot.sku, lot.in_tote), []).append(lot)
    wants, given = {line.line: line.quantity for line in lines}, []
    for in_tote, own in ((True, True), (True, False), (False, True), (False, False)):
        for line in lines:
            there = left.get((line.sku, in_tote), []) if wants[line.line] else []
            for place, lot in enumerate(there):
                quantity = min(lot.quantity, wants[line.line]) if lot.line == line.line or not own else 0
                if quantity:
                    given.append(lot._replace(line=line.line, quantity=quantity))
                    there[place] = lot._replace(quantity=lot.quantity - quantity)
                    wants[line.line] -= quantity
    return given, [lot for there in left.values() for lot in there if lot.quantity]


def _merged(lots: Iterable[Lot]) -> list[Part]:
    """One part per line and bin."""
    sums: dict[tuple[int, str, str], int] = {}
    for lot in lots:
        sums[lot[:3]] = sums.get(lot[:3], 0) + lot.quantity
    return [Part(*key, quantity) for key, quantity in sums.items()]


def _moved(kind: Kind, want: Want, part: Part, on_hand: int, reserved: int, reference: UUID | None) -> Movement:
    units = part.quantity
    return Movement(kind, want.site, part.sku, part.bin, on_hand * units, reserved * units, want.order_id, reference)
