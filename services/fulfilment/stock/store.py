"""The books in SQL: shelves locked in one order by everybody, each table written once per unit of work."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.fulfilment.domain import ItemListed, WorkEvent
from services.fulfilment.stock.domain import Bin, IdReused, Line, Movement, Part, Place, Shelf, Want, WantState, changed
from services.fulfilment.stock.ports import Books
from services.fulfilment.work import WorkLog
from services.kit.database import Transaction
from services.kit.values import Cause

STOCK_TOPIC = "fulfilment.stock.v1"

_MAKE_SHELVES = """
insert into shelves (site, sku, version) select site, sku, 0 from unnest($1::text[], $2::text[]) as place (site, sku) order by site, sku
on conflict do nothing"""

_LOCK_SHELVES = """
select site, sku, version from shelves where (site, sku) in (
    select * from unnest($1::text[], $2::text[]) union select site, unnest(skus) from wants where order_id = any($3::uuid[]))
order by site, sku for update"""

_BINS = "select site, sku, bin, on_hand, reserved, quarantined from bins where (site, sku) in (select * from unnest($1::text[], $2::text[]))"

_WANTS = """
select order_id, site, placed_at, to_json(lines)::text as lines, to_json(skus)::text as skus, to_json(quantities)::text as quantities,
    state, ripe, heard_version, cause_id, correlation_id, traceparent
from wants where order_id = any($1::uuid[]) order by order_id for update"""

_PARTS = "select order_id, line, sku, bin, quantity from reservations where order_id = any($1::uuid[]) order by order_id, line, bin"

_EARMARKED = """
select want.site, needed.sku, sum(needed.quantity) as quantity
from wants want, unnest(want.skus, want.quantities) as needed (sku, quantity)
where want.ripe and (want.site, needed.sku) in (select * from unnest($1::text[], $2::text[])) group by want.site, needed.sku"""

_WRITE_SHELVES = """
update shelves set version = new.version from unnest($1::text[], $2::text[], $3::bigint[]) as new (site, sku, version)
where shelves.site = new.site and shelves.sku = new.sku"""

_WRITE_BINS = """
insert into bins (site, sku, bin, on_hand, reserved, quarantined)
select * from unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::int[], $6::boolean[])
on conflict (site, sku, bin) do update
set on_hand = excluded.on_hand, reserved = excluded.reserved, quarantined = excluded.quarantined"""

_WRITE_MOVEMENTS = """
insert into stock_movements (kind, site, sku, bin, on_hand, reserved, order_id, reference, moved_by, moved_at)
select *, $10::timestamptz
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::int[], $7::uuid[], $8::uuid[], $9::text[])"""

_WRITE_WANTS = """
insert into wants (order_id, site, placed_at, lines, skus, quantities, state, ripe, heard_version, cause_id, correlation_id, traceparent)
select order_id, site, placed_at, lines, skus, quantities, state, ripe, heard_version, cause_id, correlation_id, traceparent
from json_populate_recordset(null::wants, $1::json)
on conflict (order_id) do update set lines = excluded.lines, skus = excluded.skus, quantities = excluded.quantities, state = excluded.state,
    ripe = excluded.ripe, heard_version = excluded.heard_version"""

_CHANGE_WANTS = """
update wants set state = new.state, ripe = new.ripe, heard_version = new.heard_version
from unnest($1::uuid[], $2::text[], $3::boolean[], $4::bigint[]) as new (order_id, state, ripe, heard_version) where wants.order_id = new.order_id"""

_DROP_PARTS = """
delete from reservations where (order_id, line, bin) in (select * from unnest($1::uuid[], $2::int[], $3::text[]))"""

_WRITE_PARTS = """
insert into reservations (order_id, line, bin, sku, quantity) select * from unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::int[])
on conflict (order_id, line, bin) do update set sku = excluded.sku, quantity = excluded.quantity"""

_RIPEN = """
update wants set ripe = true where order_id in (
    select order_id from wants where state = 'short' and not ripe and site = $1 and skus && $2::text[] order by order_id for update)"""

_RIPE = "select order_id from wants where ripe order by placed_at, order_id limit 250"

_LIST_ITEMS = """
insert into items (sku, description, barcode, weight_grams, length_mm, width_mm, height_mm, may_fly, withdrawn, version)
select * from unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::int[], $6::int[], $7::int[], $8::boolean[], $9::boolean[], $10::bigint[])
on conflict (sku) do update set description = excluded.description, barcode = excluded.barcode, weight_grams = excluded.weight_grams,
    length_mm = excluded.length_mm, width_mm = excluded.width_mm, height_mm = excluded.height_mm, may_fly = excluded.may_fly,
    withdrawn = excluded.withdrawn, version = excluded.version where items.version <= excluded.version"""

_BOOK_PAPER = """
insert into stock_papers (paper_id, kind, content, booked_by, booked_at) values ($1, $2, $3, $4, $5) on conflict do nothing returning true"""

_INCREASING = frozenset({"receipt", "release", "unpick", "adjust", "clear"})


class StockSql:
    """Shelves, wants and items of one transaction."""

    def __init__(self, work: Transaction, log: WorkLog) -> None:
        self._work, self._log, self._connection = work, log, work.connection

    def say(self, event: WorkEvent, cause: Cause, *, at: datetime | None = None) -> None:
        self._log.say(event, cause, at=at)

    async def open(self, orders: Iterable[UUID], places: Iterable[Place] = (), read: Iterable[UUID] = ()) -> Books:
        """The books of these orders and places; of the orders in `read` the shelves are left alone.

        The shelves are locked first, so that what is read after them is true until the commit.
        """
        ids, wanted = sorted(set(orders)), set(places)
        asked = sorted({*ids, *read})
        if not asked and not wanted:
            return Books({}, {})
        versions = await self._lock_shelves(ids, wanted) if ids or wanted else {}
        named = [site for site, _ in versions], [sku for _, sku in versions]
        wants, stored, earmarks = await self._work.read((_WANTS, [asked]), (_BINS, named), (_EARMARKED, named))
        bins: dict[Place, list[Bin]] = {place: [] for place in versions}
        for row in stored:
            bins[row["site"], row["sku"]].append(Bin(row["bin"], row["on_hand"], row["reserved"], row["quarantined"]))
        shelves = {place: Shelf(*place, version, tuple(bins[place])) for place, version in versions.items()}
        return Books(shelves, await self._with_parts(wants), Counter({(row["site"], row["sku"]): row["quantity"] for row in earmarks}))

    async def _lock_shelves(self, orders: Sequence[UUID], places: Set[Place]) -> dict[Place, int]:
        """The version of each shelf, by its place."""
        named = [site for site, _ in places], [sku for _, sku in places]
        locked = await self._connection.fetch(_LOCK_SHELVES, *named, orders)
        if not places <= {(row["site"], row["sku"]) for row in locked}:
            await self._connection.execute(_MAKE_SHELVES, *named)
            locked = await self._connection.fetch(_LOCK_SHELVES, *named, orders)
        return {(row["site"], row["sku"]): row["version"] for row in locked}

    async def _with_parts(self, rows: Sequence[Any]) -> dict[UUID, Want]:
        parts: dict[UUID, list[Part]] = {row["order_id"]: [] for row in rows}
        for order_id, *part in await self._connection.fetch(_PARTS, list(parts)) if rows else ():
            parts[order_id].append(Part(*part))
        return {row["order_id"]: _want(row, parts[row["order_id"]]) for row in rows}

    async def record(self, books: Books) -> None:
        """Write what the books changed, and say each shelf's new state once."""
        if books.changed:
            self._write_wants(books)
        if books.movements:
            self._work.write(_WRITE_MOVEMENTS, *_columns(books.movements), self._work.now)
            self._write_shelves(books)
            await self._ripen(books.movements)

    def _write_wants(self, books: Books) -> None:
        wants, loaded = [books.wants[order] for order in books.changed], books.loaded
        whole = [want for want in wants if want.order_id not in loaded or want.lines != loaded[want.order_id].lines]
        if whole:
            self._work.write(_WRITE_WANTS, msgspec.json.encode([_row(want) for want in whole]).decode())
        if len(whole) < len(wants):
            same = [want for want in wants if want.order_id in loaded and want.lines == loaded[want.order_id].lines]
            self._work.write(_CHANGE_WANTS, *_columns([(want.order_id, want.state.value, want.ripe, want.heard_version) for want in same]))
        self._write_parts([want for want in wants if want.order_id not in loaded or want.parts != loaded[want.order_id].parts], loaded)

    def _write_parts(self, wants: Sequence[Want], loaded: Mapping[UUID, Want]) -> None:
        dropped, written = [], []
        for want in wants:
            old, new = _by_key(loaded[want.order_id].parts if want.order_id in loaded else ()), _by_key(want.parts)
            dropped += [(want.order_id, *key) for key in old.keys() - new.keys()]
            written += [(want.order_id, *key, part.sku, part.quantity) for key, part in new.items() if part != old.get(key)]
        if dropped:
            self._work.write(_DROP_PARTS, *_columns(sorted(dropped)))
        if written:
            self._work.write(_WRITE_PARTS, *_columns(written))

    def _write_shelves(self, books: Books) -> None:
        touched = {(m.site, m.sku, m.bin) for m in books.movements}
        bins = [(site, sku, bin, books.shelves[site, sku].bin(bin)) for site, sku, bin in sorted(touched)]
        rows = [(site, sku, name, bin.on_hand, bin.reserved, bin.quarantined) for site, sku, name, bin in bins]
        self._work.write(_WRITE_BINS, *_columns(rows))
        shelves = [books.shelves[place] for place in sorted(books.causes)]
        self._work.write(_WRITE_SHELVES, *_columns([(shelf.site, shelf.sku, shelf.version + 1) for shelf in shelves]))
        for shelf in shelves:
            cause, key = books.causes[shelf.site, shelf.sku], f"{shelf.site}:{shelf.sku}"
            self._work.say(STOCK_TOPIC, "fulfilment.StockChanged.v1", changed(shelf), key=key, cause=cause, version=shelf.version + 1)

    async def _ripen(self, movements: Sequence[Movement]) -> None:
        """Where units became free, the wants that miss them are to be tried again, those just written too. The shelves are locked: no want can
        slip past."""
        grown: dict[str, set[str]] = {}
        for movement in movements:
            if movement.kind.value in _INCREASING:
                grown.setdefault(movement.site, set()).add(movement.sku)
        if grown:
            await self._work.write_now()
        for site, skus in sorted(grown.items()):
            await self._connection.execute(_RIPEN, site, sorted(skus))

    async def ripe(self) -> list[UUID]:
        """Orders to be tried again, oldest first, up to 250."""
        return [row["order_id"] for row in await self._connection.fetch(_RIPE)]

    async def list_items(self, items: Sequence[tuple[ItemListed, int]]) -> None:
        """Keep the newest version of each item. Not queued: shipping reads them for the same batch."""
        newest = {item.sku: (item, version) for item, version in sorted(items, key=lambda listed: listed[1])}
        rows = [
            (i.sku, i.description, i.barcode, i.weight_grams, i.length_mm, i.width_mm, i.height_mm, i.may_fly, i.withdrawn, version)
            for i, version in (newest[sku] for sku in sorted(newest))
        ]
        if rows:
            await self._connection.execute(_LIST_ITEMS, *_columns(rows))

    async def book_paper(self, paper_id: UUID, kind: str, content: Mapping[str, Any], by: str) -> bool:
        """False when this very paper was booked before. Raises IdReused when the id stands for another content."""
        if await self._connection.fetchval(_BOOK_PAPER, paper_id, kind, content, by, self._work.now):
            return True
        booked = await self._connection.fetchrow("select kind, content from stock_papers where paper_id = $1", paper_id)
        if (booked["kind"], booked["content"]) != (kind, content):
            raise IdReused("This id was used for another receipt or count: make a new one.")
        return False

    async def unknown(self, skus: Iterable[str]) -> list[str]:
        """Which of them the catalogue does not list, sorted."""
        asked = sorted(set(skus))
        known = await self._connection.fetch("select sku from items where sku = any($1::text[])", asked)
        return sorted(set(asked) - {row["sku"] for row in known})


def _want(row: Any, parts: Sequence[Part]) -> Want:
    columns = [msgspec.json.decode(row[name]) for name in ("lines", "skus", "quantities")]
    lines = tuple(Line(*line) for line in zip(*columns, strict=True))
    cause = Cause(row["cause_id"], row["correlation_id"], row["traceparent"])
    state = WantState(row["state"])
    return Want(row["order_id"], row["site"], row["placed_at"], lines, state, cause, tuple(parts), row["ripe"], row["heard_version"])


def _row(want: Want) -> dict[str, object]:
    return {
        "order_id": want.order_id, "site": want.site, "placed_at": want.placed_at, "lines": [line.line for line in want.lines],
        "skus": [line.sku for line in want.lines], "quantities": [line.quantity for line in want.lines], "state": want.state, "ripe": want.ripe,
        "heard_version": want.heard_version, "cause_id": want.cause.id, "correlation_id": want.cause.correlation_id,
        "traceparent": want.cause.traceparent,
    }  # fmt: skip


def _by_key(parts: Iterable[Part]) -> dict[tuple[int, str], Part]:
    """What is set apart for an order, by the key of its row."""
    return {(part.line, part.bin): part for part in parts}


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
