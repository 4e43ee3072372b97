"""Holds in PostgreSQL. A hold is locked by its promise's id before all else, so that it is made once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.fulfilment.duties.domain import Hold, HoldState, Wanted
from services.fulfilment.duties.lacking import lacking
from services.fulfilment.stock.queries import instead as stock_instead
from services.kit.database import Database, Transaction

_HOLDS = """
select promise_id, order_id, sku, quantity, due_at, state, line, carrier_service, departs_at from promise_holds """
_ALONE = "select pg_advisory_xact_lock(hashtextextended('hold ' || $1::text, 0))"
_ADD = """
insert into promise_holds (promise_id, order_id, sku, quantity, due_at, state, line, carrier_service, departs_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)"""
_STATE = "update promise_holds set state = $2 where promise_id = any($1::uuid[])"
_UNSURE = """
select promise_id from promise_holds where state = 'held' and held_at < clock_timestamp() - $1::interval order by held_at limit 100"""
_SITE = "select site from wants where order_id = $1"

_DIFFERING = """
select h.promise_id from promise_holds h join promise_view v using (promise_id) cross join lateral (select v.made::jsonb as said) s
left join lateral (
    select duty ->> 'sku' as sku from jsonb_array_elements(said -> 'duties') duty where duty ->> 'department' = 'warehouse' limit 1) d on true
left join lateral (
    select sum(l.quantity)::int as quantity, min(l.sku) as least, max(l.sku) as most
    from pick_tasks t join pick_lines l using (task_id) where t.order_id = h.order_id and l.line = h.line) picked on true
where h.state = 'confirmed' and v.verdict = 'open' and (
    (h.order_id, h.quantity, h.sku) is distinct from ((said ->> 'order_id')::uuid, (said ->> 'quantity')::int, d.sku)
    or (picked.least, picked.most) is distinct from (h.sku, h.sku) and picked.quantity is not null
    or picked.quantity > h.quantity or (picked.quantity < h.quantity and not v.standing::jsonb -> 'at_risk' ? 'short'))"""


@dataclass(frozen=True, slots=True)
class Holds:
    """The holds of one transaction."""

    work: Transaction

    async def find(self, promise_id: UUID) -> Hold | None:
        """What is held for the promise; nobody else holds for it until the commit."""
        await self.work.connection.execute(_ALONE, str(promise_id))
        return next(iter(await self.of_promises([promise_id])), None)

    async def of_promises(self, ids: Collection[UUID]) -> list[Hold]:
        """Of these promises, locked, in the order of their orders."""
        rows = await self.work.connection.fetch(_HOLDS + "where promise_id = any($1::uuid[]) order by order_id, promise_id for update", sorted(ids))
        return [_hold(row) for row in rows]

    async def orders_of(self, ids: Collection[UUID]) -> list[UUID]:
        """The orders that these promises were made with, not locked."""
        rows = await self.work.connection.fetch("select distinct order_id from promise_holds where promise_id = any($1::uuid[])", sorted(ids))
        return [row["order_id"] for row in rows]

    async def add(self, hold: Hold) -> None:
        wanted = hold.wanted
        row = wanted.promise_id, wanted.order_id, wanted.sku, wanted.quantity, wanted.due_at, hold.state.value
        await self.work.connection.execute(_ADD, *row, hold.line, hold.carrier_service, hold.departs_at)

    def put(self, ids: Sequence[UUID], state: HoldState) -> None:
        """These are in this state from now on."""
        if ids:
            self.work.write(_STATE, ids, state.value)

    async def site_of(self, order_id: UUID) -> str | None:
        """Where the order is picked."""
        site: str | None = await self.work.connection.fetchval(_SITE, order_id)
        return site

    async def goods_at(self, order_id: UUID, site: str) -> datetime | None:
        """From when on the order's own goods are there: now where all are set apart, None where nobody said when what it lacks comes."""
        lacks, there_at = await lacking(self.work, order_id, site)
        return there_at if lacks else self.work.now

    async def instead(self, site: str, sku: str, quantity: int, now: datetime) -> dict[str, list[dict[str, Any]]]:
        """What could be promised in place of goods that are not there: what is as good, and when more comes."""
        found = await stock_instead(self.work, [(site, sku)], now)
        return found[site, sku].told(quantity)


async def unsure(work: Transaction, longer_than: timedelta) -> list[UUID]:
    """Promises of which nobody has heard whether they were made, though that takes no time."""
    return [row["promise_id"] for row in await work.connection.fetch(_UNSURE, longer_than)]


async def differing(database: Database) -> list[UUID]:
    """The open promises whose hold, or whose line to pick, is not what the view says. Where a shelf was short, less to pick is right."""
    return [row["promise_id"] for row in await database.pool.fetch(_DIFFERING)]


def _hold(row: Any) -> Hold:
    wanted = Wanted(row["promise_id"], row["order_id"], row["sku"], row["quantity"], row["due_at"])
    return Hold(wanted, HoldState(row["state"]), row["line"], row["carrier_service"], row["departs_at"])
