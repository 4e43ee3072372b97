"""Which days can be promised for an order: looked up, nothing is held by it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.fulfilment.duties.domain import Dates, Offer, by_day, offers, with_dates, with_room
from services.fulfilment.duties.lacking import lacking
from services.fulfilment.shipping.domain import Rates
from services.fulfilment.shipping.schedule import store as schedules
from services.fulfilment.shipping.store import find_shipment
from services.kit.database import Transaction

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
    lacks, there_at = await lacking(work, order_id, shipment.site)
    because = "stock" if lacks else None
    if lacks and there_at is None:
        return Dates(order_id, (), because, reason=_NOBODY_KNOWS)
    made = offers(shipment, (await schedules.load(work)).values(), there_at or work.now, rates)
    days = by_day(with_room(made, await _taken(work, order_id, made)), limit)
    return Dates(order_id, days, because, there_at, None if days else _NO_PLACE)


async def _taken(work: Transaction, order_id: UUID, made: Sequence[Offer]) -> dict[tuple[str, datetime], int]:
    """How many places of these departures others have: one that the order has already is there for it."""
    counted = [offer for offer in made if offer.places_left is not None]
    keys = [offer.carrier_service for offer in counted], [offer.departs_at for offer in counted]
    rows = await work.connection.fetch(_TAKEN, *keys, order_id)
    return {(row["carrier_service"], row["departs_at"]): row["taken"] for row in rows}
