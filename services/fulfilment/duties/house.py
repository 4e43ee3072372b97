"""All that a hold touches, in one transaction: the floor, the shelves, the departures."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from services.fulfilment.duties.store import Holds
from services.fulfilment.floor.domain.task import Pace
from services.fulfilment.floor.store import FloorSql
from services.fulfilment.settings import fulfilment_settings
from services.fulfilment.shipping.settings import shipping_settings
from services.fulfilment.shipping.store import ShippingStore
from services.fulfilment.stock.store import StockSql
from services.fulfilment.work import WorkLog
from services.kit.database import Transaction

_GIVE_BACK = """
update departures d set taken = d.taken - given.count
from (select carrier_service, departs_at, count(*)::int as count from unnest($1::text[], $2::timestamptz[]) as key (carrier_service, departs_at)
      group by 1, 2) given
where d.carrier_service = given.carrier_service and d.departs_at = given.departs_at and d.places is not null"""


@dataclass(frozen=True, slots=True)
class HouseSql:
    """The stores of one unit of work. Who opened it flushes the log, last."""

    holds: Holds
    floor: FloorSql
    stock: StockSql
    shipping: ShippingStore
    pace: Pace

    async def give_back(self, places: Sequence[tuple[str, datetime]]) -> None:
        """These places on departures are free again."""
        if places:
            keys = sorted(places)
            await self.holds.work.connection.execute(_GIVE_BACK, [key[0] for key in keys], [key[1] for key in keys])


@asynccontextmanager
async def at_work(work: Transaction) -> AsyncIterator[HouseSql]:
    """The house for the block; what was said in it is versioned last."""
    log, settings = WorkLog(work), fulfilment_settings()
    shipping = ShippingStore(work, log, shipping_settings().rates)
    yield HouseSql(Holds(work), FloorSql(work, log, settings.lease), StockSql(work, log), shipping, settings.pace)
    await log.flush()
