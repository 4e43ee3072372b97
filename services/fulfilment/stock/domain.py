"""What the shelves hold and who it is set apart for. An order gets all of its units or none; nothing is ever promised twice.

Decisions return movements; a shelf is only ever changed by a movement, so the log and the shelf agree by construction. What a batch makes of every
line is a named tuple: made in a third of a dataclass's time.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from services.kit.values import Cause, Refusal

Place = tuple[str, str]
"""Site and SKU: the grain of a shelf."""


MOST_PER_BIN = 10_000_000
_MOST_OFFERED = 5

PROMISED_FROM = 1_000_001
"""Lines from this number on are goods that were promised beside the order: no line of an order itself has such a number."""


class UnknownItem(Refusal):
    slug = "unknown-sku"


class UnknownStock(Refusal):
    slug = "not-found"
    status = 404


class BelowReserved(Refusal):
    slug = "below-reserved"


class BinFull(Refusal):
    slug = "bin-full"


class IdReused(Refusal):
    slug = "id-reused"
    status = 422


class Kind(StrEnum):
    """Why units moved. `unpick` is an undone pick, `clear` the end of a quarantine."""

    RECEIPT = "receipt"
    RESERVE = "reserve"
    RELEASE = "release"
    PICK = "pick"
    UNPICK = "unpick"
    ADJUST = "adjust"
    QUARANTINE = "quarantine"
    CLEAR = "clear"


class WantState(StrEnum):
    SHORT = "short"
    RESERVED = "reserved"
    PICKED = "picked"
    RELEASED = "released"


class Bin(NamedTuple):
    """Units of one SKU in one bin. A quarantined bin gives nothing to new orders until it is counted."""

    bin: str
    on_hand: int = 0
    reserved: int = 0
    quarantined: bool = False

    @property
    def free(self) -> int:
        return 0 if self.quarantined else self.on_hand - self.reserved

    @property
    def held(self) -> int:
        return self.on_hand - self.reserved if self.quarantined else 0


@dataclass(frozen=True, slots=True)
class Shelf:
    """All bins of one SKU at one site. `version` is the last one said of it."""

    site: str
    sku: str
    version: int = 0
    bins: tuple[Bin, ...] = ()

    @property
    def available(self) -> int:
        return sum([bin.free for bin in self.bins])

    def bin(self, name: str) -> Bin:
        """The bin of that name, empty when nothing ever lay there."""
        for bin in self.bins:
            if bin.bin == name:
                return bin
        return Bin(name)


class Movement(NamedTuple):
    """One row of the log. `on_hand` and `reserved` are differences; `reference` is the receipt, task or count behind it."""

    kind: Kind
    site: str
    sku: str
    bin: str
    on_hand: int = 0
    reserved: int = 0
    order_id: UUID | None = None
    reference: UUID | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    line: int
    sku: str
    quantity: int


class Part(NamedTuple):
    """Units of one order line set apart in one bin."""

    line: int
    sku: str
    bin: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Want:
    """What an order needs, and what of it is set apart. `ripe`: stock came, it is to be tried again. `heard_version`: the order's own version."""

    order_id: UUID
    site: str
    placed_at: datetime
    lines: tuple[Line, ...]
    state: WantState
    cause: Cause
    parts: tuple[Part, ...] = ()
    ripe: bool = False
    heard_version: int = 0

    @property
    def places(self) -> set[Place]:
        return {(self.site, line.sku) for line in self.lines}

    @property
    def ordered(self) -> tuple[Line, ...]:
        """The lines of the order itself."""
        return tuple(line for line in self.lines if line.line < PROMISED_FROM)


@dataclass(frozen=True, slots=True)
class Missing:
    sku: str
    wanted: int
    available: int


class Substitute(NamedTuple):
    """An item that is as good, and how many of it are free."""

    sku: str
    description: str
    available: int


class Expected(NamedTuple):
    """What a supplier said will be on the shelf."""

    expected_at: datetime
    quantity: int


@dataclass(frozen=True, slots=True)
class Instead:
    """What could be had in place of an item: what is as good, the best first, and when more comes."""

    substitutes: tuple[Substitute, ...] = ()
    expected: tuple[Expected, ...] = ()

    def told(self, quantity: int) -> dict[str, list[dict[str, Any]]]:
        """What of it helps whoever wants that many, as it is shown."""
        enough = [each._asdict() for each in self.substitutes if each.available >= quantity][:_MOST_OFFERED]
        return {"substitutes": enough, "expected": [{"expected_at": at.isoformat(), "quantity": units} for at, units in self.expected]}


@dataclass(frozen=True, slots=True)
class StockReserved:
    order_id: UUID
    site: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class StockShort:
    order_id: UUID
    site: str
    missing: tuple[Missing, ...]


@dataclass(frozen=True, slots=True)
class StockChanged:
    sku: str
    site: str
    on_hand: int
    reserved: int
    held: int
    available: int


def move(shelf: Shelf, movement: Movement) -> Shelf:
    """The shelf after the movement. A movement that would leave more reserved than on hand is a bug, and is refused loudly."""
    old = shelf.bin(movement.bin)
    quarantined = movement.kind is Kind.QUARANTINE or (old.quarantined and movement.kind is not Kind.CLEAR)
    new = Bin(old.bin, old.on_hand + movement.on_hand, old.reserved + movement.reserved, quarantined)
    if not new.on_hand >= new.reserved >= 0:
        raise AssertionError(f"{movement.kind} leaves {new.reserved} reserved of {new.on_hand} of {shelf.sku} in bin {new.bin} of {shelf.site}")
    return Shelf(shelf.site, shelf.sku, shelf.version, (*[bin for bin in shelf.bins if bin.bin != new.bin], new))


def choose(shelf: Shelf, quantity: int) -> list[tuple[str, int]]:
    """Bins and units for the quantity: one bin where one has it all (the fullest), else the fullest first, so that the walk is short.

    Returns less than asked when the shelf holds less.
    """
    chosen = []
    for bin in sorted(shelf.bins, key=lambda bin: (-bin.free, bin.bin)) if len(shelf.bins) > 1 else shelf.bins:
        if quantity and bin.free > 0:
            chosen.append((bin.bin, min(quantity, bin.free)))
            quantity -= chosen[-1][1]
    return chosen


def lacking(want: Want) -> list[Line]:
    """What is not yet set apart, per line."""
    if not want.parts:
        return list(want.lines)
    have = Counter[int]()
    for part in want.parts:
        have[part.line] += part.quantity
    return [replace(line, quantity=line.quantity - have[line.line]) for line in want.lines if line.quantity > have[line.line]]


def missing(want: Want, shelves: Mapping[Place, Shelf], earmarked: Mapping[Place, int]) -> list[Missing]:
    """The SKUs of which there is too little, summed over the order's lines. `earmarked` units wait for an older order and do not count."""
    needs: dict[str, int] = {}
    for line in lacking(want):
        needs[line.sku] = needs.get(line.sku, 0) + line.quantity
    found = []
    for sku, wanted in sorted(needs.items()):
        place = (want.site, sku)
        available = max(0, shelves[place].available - earmarked.get(place, 0))
        if available < wanted:
            found.append(Missing(sku, wanted, available))
    return found


def set_apart(want: Want, shelves: Mapping[Place, Shelf]) -> list[Part]:
    """Bins for all that is lacking. Call it only when nothing is `missing`."""
    seen = {place: shelves[place] for place in want.places}
    lines, parts = lacking(want), []
    of_one_sku_each = len(lines) == len({line.sku for line in lines})
    for line in lines:
        place = (want.site, line.sku)
        for bin, quantity in choose(seen[place], line.quantity):
            parts.append(Part(line.line, line.sku, bin, quantity))
            if not of_one_sku_each:
                seen[place] = move(seen[place], reserving(want, parts[-1]))
    return parts


def reserving(want: Want, part: Part) -> Movement:
    return Movement(Kind.RESERVE, want.site, part.sku, part.bin, reserved=part.quantity, order_id=want.order_id)


def releasing(want: Want, part: Part) -> Movement:
    return Movement(Kind.RELEASE, want.site, part.sku, part.bin, reserved=-part.quantity, order_id=want.order_id)


def picking_movements(want: Want, task_id: UUID, by: str) -> list[Movement]:
    """Every unit set apart leaves the shelf, in one step: on hand and reserved go down together."""
    return [Movement(Kind.PICK, want.site, part.sku, part.bin, -part.quantity, -part.quantity, want.order_id, task_id, by) for part in want.parts]


def unpicking_movements(want: Want, task_id: UUID, by: str) -> list[Movement]:
    """The pick undone: the units are set apart again where they lay."""
    return [Movement(Kind.UNPICK, want.site, part.sku, part.bin, part.quantity, part.quantity, want.order_id, task_id, by) for part in want.parts]


def counting(shelf: Shelf, bin: str, counted: int, count_id: UUID, by: str) -> list[Movement]:
    """What a count changes: the units on hand, and the end of a quarantine. Raises BelowReserved."""
    old = shelf.bin(bin)
    if counted < old.reserved:
        raise BelowReserved(
            f"Bin {bin} has {old.reserved} units of {shelf.sku} set apart for orders: pick or put those short first, then count again.",
            reserved=old.reserved,
            counted=counted,
        )
    moved = [Movement(Kind.ADJUST, shelf.site, shelf.sku, bin, counted - old.on_hand, reference=count_id, by=by)]
    if old.quarantined:
        moved.append(Movement(Kind.CLEAR, shelf.site, shelf.sku, bin, reference=count_id, by=by))
    return moved


def refuse_overfull(shelf: Shelf) -> None:
    """Raises BinFull beyond what a bin can hold in our books: a mistake of the keyboard."""
    if any(bin.on_hand > MOST_PER_BIN for bin in shelf.bins):
        raise BinFull(f"A bin of {shelf.sku} would hold more than {MOST_PER_BIN} units: check the quantity.", sku=shelf.sku)


def changed(shelf: Shelf) -> StockChanged:
    bins = shelf.bins
    on_hand, reserved, held = sum(bin.on_hand for bin in bins), sum(bin.reserved for bin in bins), sum(bin.held for bin in bins)
    return StockChanged(shelf.sku, shelf.site, on_hand, reserved, held, on_hand - reserved - held)


def receiving(site: str, lines: Sequence[tuple[str, str, int]], receipt_id: UUID, by: str) -> list[Movement]:
    """`lines`: SKU, bin, units."""
    return [Movement(Kind.RECEIPT, site, sku, bin, quantity, reference=receipt_id, by=by) for sku, bin, quantity in lines]
