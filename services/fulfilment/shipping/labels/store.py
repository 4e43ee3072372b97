"""Parcels and labels in PostgreSQL. Every method of `Labels` is one transaction: a carrier is called between them, never inside one.

Locks: the shipment, then the parcel, then its label.
"""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services.fulfilment.holds import refuse_held
from services.fulfilment.shipping.domain import Rates, Shipment
from services.fulfilment.shipping.labels.domain import (
    Address,
    AddressMissing,
    BoughtLabel,
    Label,
    LabelRequest,
    LabelState,
    Parcel,
    ParcelState,
    carrier_service_of,
    refuse_relabel,
    refuse_void,
)
from services.fulfilment.shipping.messages import ParcelLabelled
from services.fulfilment.shipping.schedule.domain import CarrierService
from services.fulfilment.shipping.store import ShippingStore
from services.fulfilment.work import WorkLog
from services.kit.database import Database, Transaction
from services.kit.values import Cause, Money, NotFound

_ORDER_OF = "select order_id from parcels where parcel_id = $1"
_PARCEL = "select * from parcels where parcel_id = $1"
_LOCK_PARCEL = f"{_PARCEL} for update"
_LIVE_LABEL = "select * from labels where parcel_id = $1 and state in ('wanted', 'bought', 'voiding') for update"
_LABEL = "select * from labels where reference = $1"
_LOCK_LABEL = f"{_LABEL} for update"
_ADDRESS = """
select address from address_books b, jsonb_array_elements(b.addresses) as address
where b.customer_id = $1 and address ->> 'address_id' = $2::text"""
_WANT = """
insert into labels (reference, parcel_id, carrier, carrier_service, state, wanted_by, wanted_at, cause_id, correlation_id, traceparent)
select $1::text || case when count(*) = 0 then '' else '-' || (count(*) + 1)::text end, $2, $3, $4, 'wanted', $5, $6, $7, $8, $9
from labels where parcel_id = $2 returning *"""
_BOUGHT = """
update labels set state = 'bought', tracking_number = $2, barcode = $3, zpl = $4, amount_minor = $5, currency = $6, problem = null
where reference = $1 returning *"""
_REFUSED = "update labels set state = 'refused', problem = $2 where reference = $1 and state = 'wanted'"
_VOIDING = "update labels set state = 'voiding', tried_at = clock_timestamp() where reference = $1 returning *"
_END_VOID = "update labels set state = $2 where reference = $1 and state = 'voiding'"
_TO_BENCH = "update parcels set state = 'packed', staging_lane = null where parcel_id = $1 and state in ('packed', 'staged')"
_CLOSED = "select m.state <> 'open' from manifests m join parcels p using (manifest_id) where p.parcel_id = $1"
_UNSETTLED = """
update labels set tried_at = clock_timestamp() where reference in (
    select reference from labels where state in ('wanted', 'voiding') and tried_at < clock_timestamp() - make_interval(secs => $1)
    order by tried_at limit 50 for update skip locked)
returning *"""


@dataclass(frozen=True, slots=True)
class Labels:
    """The port `LabelBook`."""

    database: Database
    rates: Rates = field(default_factory=Rates)

    async def want(self, parcel_id: UUID, by: str, cause: Cause) -> tuple[Label, bool]:
        async with self.database.transaction() as work:
            shipment, services = await self._shipment(work, parcel_id)
            parcel, label = await _locked(work, parcel_id)
            if label is not None:
                refuse_relabel(parcel, label)
                return label, False
            await refuse_held(work, parcel.order_id)
            service, _ = carrier_service_of(shipment, services)
            await _address(work, shipment)
            story = shipment.cause if shipment else cause
            row = (str(parcel_id), parcel_id, service.carrier, service.code, by, work.now, cause.id, story.correlation_id, story.traceparent)
            return label_of(await work.connection.fetchrow(_WANT, *row)), True

    async def request_of(self, reference: str) -> LabelRequest:
        async with self.database.transaction() as work:
            label = label_of(await work.connection.fetchrow(_LABEL, reference))
            shipment, services = await self._shipment(work, label.parcel_id)
            service, lane = carrier_service_of(shipment, services, label.carrier_service)
            parcel = parcel_of(await work.connection.fetchrow(_PARCEL, label.parcel_id))
            address = await _address(work, shipment)
        closed_on = tuple(sorted(service.closed_on))
        return LabelRequest(reference, label.carrier, label.carrier_service, parcel.site, parcel.weight_grams, address, lane, closed_on)

    async def bought(self, reference: str, bought: BoughtLabel) -> Label:
        async with self.database.transaction() as work:
            label = label_of(await work.connection.fetchrow(_LOCK_LABEL, reference))
            if label.state is not LabelState.WANTED:
                return label
            price = bought.price
            row = (reference, bought.tracking_number, bought.barcode, bought.zpl, price.amount_minor, price.currency)
            recorded = label_of(await work.connection.fetchrow(_BOUGHT, *row))
            order_id = await work.connection.fetchval(_ORDER_OF, label.parcel_id)
            log = WorkLog(work)
            said = ParcelLabelled(order_id, label.parcel_id, label.carrier_service, price.amount_minor, price.currency, work.now)
            log.say(said, label.cause)
            await log.flush()
        return recorded

    async def refused(self, reference: str, why: str) -> None:
        async with self.database.transaction() as work:
            await work.connection.execute(_REFUSED, reference, why)

    async def begin_void(self, parcel_id: UUID) -> Label:
        async with self.database.transaction() as work:
            parcel, label = await _locked(work, parcel_id)
            if label is None or label.state is not LabelState.VOIDING:
                refuse_void(parcel, label, bool(await work.connection.fetchval(_CLOSED, parcel_id)))
            await work.connection.execute(_TO_BENCH, parcel_id)
            return label_of(await work.connection.fetchrow(_VOIDING, label.reference if label else ""))

    async def end_void(self, reference: str, *, void: bool) -> None:
        async with self.database.transaction() as work:
            await work.connection.execute(_END_VOID, reference, "void" if void else "bought")

    async def unsettled(self, older_than_seconds: int) -> list[Label]:
        return [label_of(row) for row in await self.database.pool.fetch(_UNSETTLED, older_than_seconds)]

    async def _shipment(self, work: Transaction, parcel_id: UUID) -> tuple[Shipment | None, dict[str, CarrierService]]:
        order_id = await work.connection.fetchval(_ORDER_OF, parcel_id)
        if order_id is None:
            raise NotFound
        book = await ShippingStore(work, WorkLog(work), self.rates).open_book({order_id}, ())
        return book.shipments.get(order_id), dict(book.services)


async def _locked(work: Transaction, parcel_id: UUID) -> tuple[Parcel, Label | None]:
    row = await work.connection.fetchrow(_LOCK_PARCEL, parcel_id)
    if row is None:
        raise NotFound
    label = await work.connection.fetchrow(_LIVE_LABEL, parcel_id)
    return parcel_of(row), label_of(label) if label else None


async def _address(work: Transaction, shipment: Shipment | None) -> Address:
    address = shipment.address if shipment else None
    found = await work.connection.fetchval(_ADDRESS, address[0], str(address[1])) if address else None
    if found is None:
        raise AddressMissing("The customer's address is not here yet: ask for the label again in a few seconds.")
    fields = ("name", "line1", "line2", "city", "region", "postcode", "country")
    return Address(*(found.get(name) for name in fields))


def parcel_of(row: Any) -> Parcel:
    """A row of `parcels`."""
    return Parcel(
        row["parcel_id"], row["order_id"], row["site"], row["carton"], row["weight_grams"], ParcelState(row["state"]), row["staging_lane"],
        row["load_list_id"], row["manifest_id"], row["packed_at"],
    )  # fmt: skip


def label_of(row: Any) -> Label:
    """A row of `labels`."""
    price = Money(row["amount_minor"], row["currency"]) if row["currency"] else None
    bought = BoughtLabel(row["tracking_number"], row["barcode"], row["zpl"] or "", price) if price else None
    cause = Cause(row["cause_id"], row["correlation_id"], row["traceparent"])
    state = LabelState(row["state"])
    return Label(row["reference"], row["parcel_id"], row["carrier"], row["carrier_service"], state, bought, row["problem"], cause)
