"""Carriers' events in PostgreSQL: every one kept, each applied once."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from services.fulfilment.shipping.messages import ParcelDelivered
from services.fulfilment.shipping.tracking.domain import Aside, Said, Tracked, heard
from services.fulfilment.work import WorkLog
from services.kit.clock import record_now
from services.kit.database import Transaction
from services.kit.values import Cause

_KEEP_DAYS = 2
"""A replay is refused by its age after 5 minutes; ids are kept far longer than that, whatever midnight does."""

_FIRST = "insert into webhook_messages (carrier, message_id, day) values ($1, $2, $3) on conflict do nothing returning message_id"
_FORGET = "delete from webhook_messages where day < $1"
_ORDER_OF = """
select p.order_id from labels l join parcels p using (parcel_id) where l.carrier = $1 and l.tracking_number = $2"""
_LOCK_SHIPMENT = "select * from shipments where order_id = $1 for update"
_LOCK_PARCEL = """
select p.* from parcels p where p.parcel_id = (select parcel_id from labels where carrier = $1 and tracking_number = $2) for update"""
_KEEP = """
insert into carrier_events (carrier, event_id, tracking_number, kind, occurred_at, received_at, parcel_id, set_aside)
values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (carrier, event_id) do nothing returning event_id"""
_TRACK = """
update parcels set tracking = $2, tracked_at = $3, exception_at = $4, delivered_at = $5,
    state = case when $5::timestamptz is null then state else 'delivered' end
where parcel_id = $1"""
_OPEN = "select exists (select 1 from parcels where order_id = $1 and state <> 'delivered')"
_ARRIVED = "update shipments set state = 'delivered' where order_id = $1 and state = 'handed_over'"
_ERASE_LABELS = "update labels set zpl = null where parcel_id = $1"


@dataclass(frozen=True, slots=True)
class Tracking:
    """One carrier's word, in one transaction."""

    work: Transaction
    carrier: str

    async def is_new(self, message_id: str) -> bool:
        """Whether this webhook was never heard before. Forgets those too old to be replayed."""
        today = record_now().date()
        await self.work.connection.execute(_FORGET, today - timedelta(days=_KEEP_DAYS))
        return await self.work.connection.fetchval(_FIRST, self.carrier, message_id, today) is not None

    async def hear(self, said: Said, cause: Cause) -> Aside | None:
        """Apply the event; says ParcelDelivered once per parcel. Returns why it was set aside, None where it was not."""
        connection = self.work.connection
        order_id = await connection.fetchval(_ORDER_OF, self.carrier, said.tracking_number)
        shipment = await connection.fetchrow(_LOCK_SHIPMENT, order_id)
        row = await connection.fetchrow(_LOCK_PARCEL, self.carrier, said.tracking_number)
        before = _tracked(row) if row else None
        after = heard(before, said)
        parcel_id = before.parcel_id if before else None
        aside = after if isinstance(after, Aside) else None
        kept = (self.carrier, said.event_id, said.tracking_number, said.kind.value, said.occurred_at, self.work.now, parcel_id, aside)
        if await connection.fetchval(_KEEP, *kept) is None or isinstance(after, Aside):
            return aside
        if before is not None and after != before:
            await connection.execute(_TRACK, after.parcel_id, after.status, after.tracked_at, after.exception_at, after.delivered_at)
            if after.delivered_at and not before.delivered_at:
                await self._arrived(after, said, Cause(cause.id, shipment["correlation_id"], shipment["traceparent"]))
        return None

    async def _arrived(self, parcel: Tracked, said: Said, cause: Cause) -> None:
        last = not await self.work.connection.fetchval(_OPEN, parcel.order_id)
        await self.work.connection.execute(_ERASE_LABELS, parcel.parcel_id)
        if last:
            await self.work.connection.execute(_ARRIVED, parcel.order_id)
        log = WorkLog(self.work)
        log.say(ParcelDelivered(parcel.order_id, parcel.parcel_id, said.occurred_at, said.event_id, last), cause)
        await log.flush()


def _tracked(row: Any) -> Tracked:
    with_carrier = row["state"] in ("handed_over", "delivered")
    return Tracked(row["parcel_id"], row["order_id"], with_carrier, row["tracking"], row["tracked_at"], row["exception_at"], row["delivered_at"])
