"""What stock tells those who plan and pick: the shelves of a SKU, and what moved last."""

from typing import Any

from services.kit.database import Transaction
from services.kit.values import NotFound

_BINS = """
select shelves.site, bin, on_hand, reserved, quarantined from shelves left join bins using (site, sku)
where sku = $1 and ($2::text is null or shelves.site = $2) order by shelves.site, bin"""

_MOVEMENTS = """
select id, kind, site, bin, on_hand, reserved, order_id, reference, moved_by, moved_at from stock_movements
where sku = $1 and ($2::text is null or site = $2) order by id desc limit $3"""

_ITEM = "select sku, description, barcode, weight_grams, length_mm, width_mm, height_mm, may_fly, withdrawn from items where sku = $1"


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
