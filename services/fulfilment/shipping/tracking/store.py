"""Carriers' events in PostgreSQL: every one kept, each applied once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from services.fulfilment.duties.reports import report_done
from services.fulfilment.shipping.messages import ParcelDelivered
from services.fulfilment.shipping.tracking.domain import Aside, Kind, Said, Tracked, heard
from services.fulfilment.work import WorkLog
from services.kit.clock import record_now
from services.kit.database import Transaction
from services.kit.promise.state import Department
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
_TAKE_UP = """
update carrier_events set set_aside = null where parcel_id = any($1::uuid[]) and set_aside = 'not-handed-over'
returning parcel_id, event_id, tracking_number, kind, occurred_at"""
_TRACK = """
update parcels set tracking = $2, tracked_at = $3, exception_at = $4, delivered_at = $5,
    state = case when $5::timestamptz is null then state else 'delivered' end
where parcel_id = $1"""
_OPEN = "select exists (select 1 from parcels where order_id = $1 and state <> 'delivered')"
_ARRIVED = "update shipments set state = 'delivered' where order_id = $1 and state = 'handed_over'"
_ERASE_LABELS = "update labels set zpl = null where parcel_id = $1"


@dataclass(frozen=True, slots=True)
class Tracking:
    """Carriers' words, in one transaction. Who opened the transaction flushes the log."""

    work: Transaction
    log: WorkLog

    async def is_new(self, carrier: str, message_id: str) -> bool:
        """Whether this webhook was never heard before. Forgets those too old to be replayed."""
        today = record_now().date()
        await self.work.connection.execute(_FORGET, today - timedelta(days=_KEEP_DAYS))
        return await self.work.connection.fetchval(_FIRST, carrier, message_id, today) is not None

    async def hear(self, carrier: str, said: Said, cause: Cause) -> Aside | None:
        """Apply the event; says ParcelDelivered once per parcel. Returns why it was set aside, None where it was not."""
        order_id = await self.work.connection.fetchval(_ORDER_OF, carrier, said.tracking_number)
        shipment = await self.work.connection.fetchrow(_LOCK_SHIPMENT, order_id)
        row = await self.work.connection.fetchrow(_LOCK_PARCEL, carrier, said.tracking_number)
        before = _tracked(row) if row else None
        after = heard(before, said)
        aside = after if isinstance(after, Aside) else None
        parcel_id = before.parcel_id if before else None
        kept = (carrier, said.event_id, said.tracking_number, said.kind.value, said.occurred_at, self.work.now, parcel_id, aside)
        is_first = await self.work.connection.fetchval(_KEEP, *kept) is not None
        if is_first and before is not None and isinstance(after, Tracked):
            await self._apply(before, after, said, Cause(cause.id, shipment["correlation_id"], shipment["traceparent"]))
        return aside

    async def hear_again(self, parcel_ids: Sequence[UUID], causes: Mapping[UUID, Cause]) -> None:
        """Apply what was set aside because these parcels, now handed over and locked, were not yet. `causes` by order."""
        for row in await self.work.connection.fetch(_TAKE_UP, list(parcel_ids)):
            before = _tracked(await self.work.connection.fetchrow("select * from parcels where parcel_id = $1", row["parcel_id"]))
            said = Said(row["event_id"], row["tracking_number"], Kind(row["kind"]), row["occurred_at"])
            after = heard(before, said)
            if isinstance(after, Tracked):
                await self._apply(before, after, said, causes[before.order_id])

    async def _apply(self, before: Tracked, after: Tracked, said: Said, cause: Cause) -> None:
        if after == before:
            return
        row = (after.parcel_id, after.status, after.tracked_at, after.exception_at, after.delivered_at)
        await self.work.connection.execute(_TRACK, *row)
        if after.delivered_at and not before.delivered_at:
            last = not await self.work.connection.fetchval(_OPEN, after.order_id)
            await self.work.connection.execute(_ERASE_LABELS, after.parcel_id)
            report_done(self.work, after.order_id, Department.DELIVERY, "hand_over_scan", said.event_id, said.occurred_at)
            if last:
                await self.work.connection.execute(_ARRIVED, after.order_id)
            self.log.say(ParcelDelivered(after.order_id, after.parcel_id, said.occurred_at, said.event_id, last), cause)


def _tracked(row: Any) -> Tracked:
    with_carrier = row["state"] in ("handed_over", "delivered")
    return Tracked(row["parcel_id"], row["order_id"], with_carrier, row["tracking"], row["tracked_at"], row["exception_at"], row["delivered_at"])
