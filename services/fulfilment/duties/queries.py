"""Which days can be promised for an order: looked up, nothing is held by it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.fulfilment.duties.domain import Dates, Expected, Lack, Offer, by_day, goods_at, offers, with_dates, with_room
from services.fulfilment.shipping.domain import Rates
from services.fulfilment.shipping.schedule import store as schedules
from services.fulfilment.shipping.store import find_shipment
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
_TAKEN = """
select d.carrier_service, d.departs_at, d.taken - (
    select count(*) from promise_holds h
    where h.order_id = $3 and h.state <> 'freed' and (h.carrier_service, h.departs_at) = (d.carrier_service, d.departs_at)) as taken
from departures d join unnest($1::text[], $2::timestamptz[]) as w (carrier_service, departs_at) using (carrier_service, departs_at)"""

_NOBODY_KNOWS = "Nobody said when what is missing comes: ask the supplier and note what is expected, or promise an answer by a day."
_NO_PLACE = "No departure of the next two weeks with a free place goes there: promise an answer by a day, or a credit."


async def dates_of(work: Transaction, order_id: UUID, limit: int, rates: Rates) -> Dates:
    """The days that can be promised for the whole order. Raises NotFound, or a Refusal where its departure is not changed any more."""
    shipment = with_dates(await find_shipment(work, order_id))
    lacks = [lack for lack in await _lacks(work, order_id) if lack.to_come]
    there_at = goods_at(lacks, await _expected(work, shipment.site, lacks)) if lacks else None
    because = "stock" if lacks else None
    if lacks and there_at is None:
        return Dates(order_id, (), because, reason=_NOBODY_KNOWS)
    made = offers(shipment, (await schedules.load(work)).values(), there_at or work.now, rates)
    days = by_day(with_room(made, await _taken(work, order_id, made)), limit)
    return Dates(order_id, days, because, there_at, None if days else _NO_PLACE)


async def _lacks(work: Transaction, order_id: UUID) -> list[Lack]:
    return [Lack(*row) for row in await work.connection.fetch(_LACKS, order_id)]


async def _expected(work: Transaction, site: str, lacks: Sequence[Lack]) -> list[Expected]:
    """What is expected of these SKUs from now on, the earliest first."""
    rows = await work.connection.fetch(_EXPECTED, site, [lack.sku for lack in lacks], work.now)
    return [Expected(*row) for row in rows]


async def _taken(work: Transaction, order_id: UUID, made: Sequence[Offer]) -> dict[tuple[str, datetime], int]:
    """How many places of these departures others have: one that the order has already is there for it."""
    counted = [offer for offer in made if offer.places_left is not None]
    keys = [offer.carrier_service for offer in counted], [offer.departs_at for offer in counted]
    rows = await work.connection.fetch(_TAKEN, *keys, order_id)
    return {(row["carrier_service"], row["departs_at"]): row["taken"] for row in rows}
