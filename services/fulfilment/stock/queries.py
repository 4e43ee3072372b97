"""What stock tells those who plan and pick: the shelves of a SKU, what moved last, and what could be had in its place."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from services.fulfilment.stock.domain import Expected, Instead, Place, Substitute
from services.kit.database import Transaction
from services.kit.values import NotFound

_BINS = """
select shelves.site, bin, on_hand, reserved, quarantined from shelves left join bins using (site, sku)
where sku = $1 and ($2::text is null or shelves.site = $2) order by shelves.site, bin"""

_MOVEMENTS = """
select id, kind, site, bin, on_hand, reserved, order_id, reference, moved_by, moved_at from stock_movements
where sku = $1 and ($2::text is null or site = $2) order by id desc limit $3"""

_ITEM = "select sku, description, barcode, weight_grams, length_mm, width_mm, height_mm, may_fly, withdrawn from items where sku = $1"

_SUBSTITUTES = """
select w.site, w.sku, s.substitute, i.description, sum(b.on_hand - b.reserved)::int as available
from unnest($1::text[], $2::text[]) as w (site, sku) join substitutes s using (sku) join items i on i.sku = s.substitute
join bins b on b.sku = s.substitute and b.site = w.site and not b.quarantined
where not i.withdrawn group by 1, 2, 3, 4, s.rank having sum(b.on_hand - b.reserved) > 0 order by s.rank"""

_EXPECTED = """
select w.site, w.sku, e.expected_at, e.quantity from unnest($1::text[], $2::text[]) as w (site, sku)
cross join lateral (
    select expected_at, quantity from expected_receipts where site = w.site and sku = w.sku and expected_at > $3 order by expected_at limit 3) e
order by e.expected_at"""


async def instead(work: Transaction, places: Collection[Place], now: datetime) -> dict[Place, Instead]:
    """What could be had in place of these items, at their sites."""
    named = [site for site, _ in places], [sku for _, sku in places]
    as_good, later = await work.read((_SUBSTITUTES, named), (_EXPECTED, [*named, now]))
    substitutes: dict[Place, list[Substitute]] = {place: [] for place in places}
    for row in as_good:
        substitutes[row["site"], row["sku"]].append(Substitute(row["substitute"], row["description"], row["available"]))
    expected: dict[Place, list[Expected]] = {place: [] for place in places}
    for row in later:
        expected[row["site"], row["sku"]].append(Expected(row["expected_at"], row["quantity"]))
    return {place: Instead(tuple(substitutes[place]), tuple(expected[place])) for place in places}


async def stock(work: Transaction, sku: str, site: str | None, movements: int) -> dict[str, Any]:
    """The item, its books per site with each bin, and the newest movements first. Raises NotFound when nobody ever listed or stored it."""
    item = await work.connection.fetchrow(_ITEM, sku)
    rows = await work.connection.fetch(_BINS, sku, site)
    if item is None and not rows:
        raise NotFound
    sites: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        bins = sites.setdefault(row["site"], [])
        if row["bin"] is not None:
            bins.append({name: row[name] for name in ("bin", "on_hand", "reserved", "quarantined")})
    moved = await work.connection.fetch(_MOVEMENTS, sku, site, movements)
    books = [{"site": name, **_sums(bins), "bins": bins} for name, bins in sites.items()]
    return {"sku": sku, "item": dict(item) if item else None, "sites": books, "movements": [dict(row) for row in moved]}


def _sums(bins: list[dict[str, Any]]) -> dict[str, int]:
    on_hand, reserved = sum(bin["on_hand"] for bin in bins), sum(bin["reserved"] for bin in bins)
    held = sum(bin["on_hand"] - bin["reserved"] for bin in bins if bin["quarantined"])
    return {"on_hand": on_hand, "reserved": reserved, "held": held, "available": on_hand - reserved - held}
