"""What an order lacks, and when it comes, by what suppliers said: looked up, nothing is held by it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.fulfilment.duties.domain import Expected, Lack, goods_at
from services.kit.database import Transaction

# What older orders wait for counts: stock that comes goes to the oldest first.
_LACKS = """
with ours as (select * from wants where order_id = $1 and state = 'short'),
needed as (
    select n.sku, sum(n.quantity) - coalesce((select sum(r.quantity) from reservations r where r.order_id = $1 and r.sku = n.sku), 0) as wanted
    from ours, unnest(ours.skus, ours.quantities) n (sku, quantity) group by n.sku)
select needed.sku, needed.wanted,
    coalesce((
        select sum(b.on_hand - b.reserved) from bins b where b.site = ours.site and b.sku = needed.sku and not b.quarantined), 0) as free,
    coalesce((
        select sum(n.quantity - coalesce((
            select sum(r.quantity) from reservations r where r.order_id = w.order_id and r.line = n.line), 0))
        from wants w cross join unnest(w.lines, w.skus, w.quantities) n (line, sku, quantity)
        where w.state = 'short' and w.site = ours.site and w.skus && array[needed.sku] and n.sku = needed.sku
            and (w.placed_at, w.order_id) < (ours.placed_at, ours.order_id)), 0)::bigint as ahead
from needed cross join ours where needed.wanted > 0"""
_EXPECTED = """
select sku, quantity, expected_at from expected_receipts where site = $1 and sku = any($2::text[]) and expected_at > $3
order by expected_at, expected_receipt_id"""


async def lacking(work: Transaction, order_id: UUID, site: str) -> tuple[list[Lack], datetime | None]:
    """What must come before the order has its goods, and when the last of it is there, by what suppliers said."""
    lacks = [lack for lack in await _lacks(work, order_id) if lack.to_come]
    return lacks, goods_at(lacks, await _expected(work, site, lacks)) if lacks else None


async def _lacks(work: Transaction, order_id: UUID) -> list[Lack]:
    return [Lack(*row) for row in await work.connection.fetch(_LACKS, order_id)]


async def _expected(work: Transaction, site: str, lacks: Sequence[Lack]) -> list[Expected]:
    """What is expected of these SKUs from now on, the earliest first."""
    rows = await work.connection.fetch(_EXPECTED, site, [lack.sku for lack in lacks], work.now)
    return [Expected(*row) for row in rows]
