"""What happens to stock when an order is placed, ends, or can be tried again. Everything works on open books; who opened them records them."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from services.fulfilment.domain import OrderPlaced, Says
from services.fulfilment.stock.domain import (
    PROMISED_FROM,
    Line,
    Movement,
    Part,
    StockReserved,
    StockShort,
    UnknownItem,
    Want,
    WantState,
    choose,
    counting,
    missing,
    receiving,
    refuse_overfull,
    releasing,
    reserving,
    set_apart,
)
from services.fulfilment.stock.ports import Books, StockStore
from services.kit.values import Cause, Heard


def place(books: Books, heard: Heard[OrderPlaced], says: Says) -> None:
    """Set apart all the order needs, or nothing. May run twice: an order that is known stays as it is."""
    order = heard.data
    if order.order_id in books.wants:
        return
    lines = tuple(Line(line.line, line.sku, line.quantity) for line in order.lines)
    want = Want(order.order_id, order.site, order.placed_at, lines, WantState.SHORT, heard.cause, heard_version=heard.version)
    for at in want.places:
        books.shelf(at)
    lack = missing(want, books.shelves, books.earmarked)
    if not lack:
        reserve(books, want, says)
        return
    # Units that only an earmark keeps from this order may be left over once the older order was tried: it is tried after that one.
    ripe = not missing(want, books.shelves, {})
    books.keep(replace(want, ripe=ripe))
    says.say(StockShort(want.order_id, want.site, tuple(lack)), want.cause)


def retry(books: Books, want: Want, says: Says) -> list[Part]:
    """Try a want again after stock came. Returns the parts that were set apart now; none when it is still short."""
    if missing(want, books.shelves, {}):
        books.keep(replace(want, ripe=False))
        return []
    return reserve(books, want, says)


def reserve(books: Books, want: Want, says: Says) -> list[Part]:
    parts = set_apart(want, books.shelves)
    books.apply([reserving(want, part) for part in parts], want.cause)
    together = _merged((*want.parts, *parts)) if want.parts else tuple(parts)
    books.keep(replace(want, parts=together, state=WantState.RESERVED, ripe=False))
    says.say(StockReserved(want.order_id, want.site, want.ordered), want.cause)
    return parts


def add(books: Books, want: Want, line: Line, cause: Cause) -> list[Part]:
    """Set apart one more line for the order: all of it, or none, where no part is returned. The shelf is locked."""
    shelf = books.shelf((want.site, line.sku))
    if free_at(books, want.site, line.sku) < line.quantity:
        return []
    parts = [Part(line.line, line.sku, bin, quantity) for bin, quantity in choose(shelf, line.quantity)]
    books.apply([reserving(want, part) for part in parts], cause)
    books.keep(replace(want, lines=(*want.lines, line), parts=(*want.parts, *parts)))
    return parts


def drop(books: Books, want: Want, number: int, cause: Cause) -> None:
    """The order no longer has this line: what was set apart for it is free. May run twice."""
    parts = [part for part in want.parts if part.line == number]
    if want.state in (WantState.SHORT, WantState.RESERVED):
        books.apply([releasing(want, part) for part in parts], cause)
    kept = tuple(part for part in want.parts if part.line != number)
    books.keep(replace(want, lines=tuple(line for line in want.lines if line.line != number), parts=kept))


def free_at(books: Books, site: str, sku: str) -> int:
    """The units that nobody has and no older order waits for."""
    return max(0, books.shelf((site, sku)).available - books.earmarked.get((site, sku), 0))


def release(books: Books, want: Want, cause: Cause) -> None:
    """Everything set apart for the order is free again. May run twice. Units already picked stay with the parcel."""
    if want.state in (WantState.SHORT, WantState.RESERVED):
        books.apply([releasing(want, part) for part in want.parts], cause)
        books.keep(replace(want, parts=(), state=WantState.RELEASED, ripe=False))


def give_up(books: Books, want: Want, part: Part, quantity: int, quarantine: Movement, cause: Cause) -> list[Part]:
    """A bin lacks `quantity` units of a part: it is set aside for a count, and the units are looked for in other bins.

    Returns the parts found elsewhere. When these do not make up for all of it, the want is short, and the rest stays set apart; what was promised
    beside the order does not stop it: the order goes on without.
    """
    books.apply([releasing(want, part._replace(quantity=quantity)), quarantine], cause)
    left = [part._replace(quantity=part.quantity - quantity)] if part.quantity > quantity else []
    want = replace(want, parts=tuple(left + [other for other in want.parts if other != part]))
    if missing(want, books.shelves, books.earmarked):
        books.keep(_without(want, part.line, quantity) if part.line >= PROMISED_FROM else replace(want, state=WantState.SHORT))
        return []
    parts = set_apart(want, books.shelves)
    books.apply([reserving(want, found) for found in parts], cause)
    books.keep(replace(want, parts=_merged((*want.parts, *parts))))
    return parts


def _without(want: Want, number: int, quantity: int) -> Want:
    """The want with so many units less in this line."""
    lines = tuple(replace(line, quantity=line.quantity - quantity) if line.line == number else line for line in want.lines)
    return replace(want, lines=tuple(line for line in lines if line.quantity))


def _merged(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """One part per line and bin."""
    sums: dict[tuple[int, str, str], int] = {}
    for part in parts:
        key = (part.line, part.sku, part.bin)
        sums[key] = sums.get(key, 0) + part.quantity
    return tuple(Part(line, sku, bin, quantity) for (line, sku, bin), quantity in sums.items())


async def receive(store: StockStore, receipt_id: UUID, site: str, lines: Sequence[tuple[str, str, int]], by: str, cause: Cause) -> None:
    """Units (SKU, bin, quantity) onto the shelves, once per receipt_id. Raises UnknownItem, or IdReused for another content."""
    content = {"site": site, "lines": [list(line) for line in lines]}
    if not await store.book_paper(receipt_id, "receipt", content, by):
        return
    unknown = await store.unknown({sku for sku, _, _ in lines})
    if unknown:
        raise UnknownItem(f"The catalogue does not list {', '.join(unknown[:5])}: list the item first, or correct the SKU.", skus=unknown)
    books = await store.open([], {(site, sku) for sku, _, _ in lines})
    books.apply(receiving(site, lines, receipt_id, by), cause)
    for shelf in books.shelves.values():
        refuse_overfull(shelf)
    await store.record(books)


async def count(store: StockStore, count_id: UUID, site: str, sku: str, bin: str, counted: int, by: str, cause: Cause) -> None:
    """What was counted in a bin is what it holds, and a quarantine of it ends; once per count_id. Raises UnknownItem, BelowReserved or IdReused."""
    content = {"site": site, "sku": sku, "bin": bin, "counted": counted}
    if not await store.book_paper(count_id, "count", content, by):
        return
    if await store.unknown({sku}):
        raise UnknownItem(f"The catalogue does not list {sku}: list the item first, or correct the SKU.", skus=[sku])
    books = await store.open([], {(site, sku)})
    books.apply(counting(books.shelf((site, sku)), bin, counted, count_id, by), cause)
    await store.record(books)
