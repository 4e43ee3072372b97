"""Shipments, upgrade slots, places and addresses in PostgreSQL, and what the other parts of fulfilment call: slots freed, parcels added.

Locks within shipping: shipments (by order), slots (by upgrade), departures (by service and instant), then parcels.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.fulfilment.domain import WorkEvent
from services.fulfilment.shipping.domain import NewParcel, Phase, Rates, Shipment, ShipmentState, Slot, SlotRefusal, SlotState
from services.fulfilment.shipping.ports import Book, DepartureKey, Places
from services.fulfilment.shipping.schedule import store as schedules
from services.fulfilment.work import WorkLog
from services.kit.database import Transaction
from services.kit.values import Cause, Heard

__all__ = ["NewParcel", "ShippingStore", "add_parcel", "drop_parcel", "find_shipment", "free_slots"]

_LOCK_TASKS = "select 1 from pick_tasks where order_id = any($1::uuid[]) order by order_id for update"
_LOCK_SHIPMENTS = "select * from shipments where order_id = any($1::uuid[]) order by order_id for update"
_SHIPMENT = "select * from shipments where order_id = $1"
_LOCK_SLOTS = """
select upgrade_id, order_id, carrier_service, country, postcode_prefix, wanted_at, cause_id, correlation_id, traceparent, state, departs_at, reason
from upgrade_slots where order_id = any($1::uuid[]) or upgrade_id = any($2::uuid[]) order by upgrade_id for update"""
_PROGRESS = """
select p.order_id, bool_and(p.state in ('loaded', 'handed_over', 'delivered')) as loaded, bool_or(l.reference is not null) as labelled
from parcels p left join labels l on l.parcel_id = p.parcel_id and l.state in ('wanted', 'bought', 'voiding')
where p.order_id = any($1::uuid[]) group by p.order_id"""
_MAY_FLY = """
select sku from items where sku = any($1::text[]) and may_fly
and (cardinality($3::uuid[]) > 0 or exists (select from upgrade_slots where order_id = any($2::uuid[])))"""
_OPEN_DEPARTURES = """
insert into departures as d (carrier_service, departs_at, places) select * from unnest($1::text[], $2::timestamptz[], $3::int[])
on conflict (carrier_service, departs_at) do nothing"""
_LOCK_DEPARTURES = """
select d.carrier_service, d.departs_at, d.taken from departures d
join unnest($1::text[], $2::timestamptz[]) as w (carrier_service, departs_at) using (carrier_service, departs_at)
order by d.carrier_service, d.departs_at for update of d"""
_SAVE_PLACES = """
update departures d set places = greatest(w.places, w.taken), taken = w.taken
from unnest($1::text[], $2::timestamptz[], $3::int[], $4::int[]) as w (carrier_service, departs_at, places, taken)
where d.carrier_service = w.carrier_service and d.departs_at = w.departs_at"""
_SAVE_SHIPMENTS = """
insert into shipments as s (order_id, customer_id, address_id, site, country, postcode_prefix, lines, skus, order_version, state, short_of_stock,
    due_at, carrier_service, hand_over_by, promised_service, promised_by, told_for, cause_id, correlation_id, traceparent)
select order_id, customer_id, address_id, site, country, postcode_prefix, lines, string_to_array(skus, chr(31)), order_version, state, short_of_stock,
    due_at, carrier_service, hand_over_by, promised_service, promised_by, told_for, cause_id, correlation_id, traceparent
from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::int[], $8::text[], $9::bigint[], $10::text[], $11::bool[],
    $12::timestamptz[], $13::text[], $14::timestamptz[], $15::text[], $16::timestamptz[], $17::timestamptz[], $18::uuid[], $19::uuid[], $20::text[])
as w (order_id, customer_id, address_id, site, country, postcode_prefix, lines, skus, order_version, state, short_of_stock,
    due_at, carrier_service, hand_over_by, promised_service, promised_by, told_for, cause_id, correlation_id, traceparent)
on conflict (order_id) do update set customer_id = excluded.customer_id, address_id = excluded.address_id, site = excluded.site,
    country = excluded.country, postcode_prefix = excluded.postcode_prefix, lines = excluded.lines, skus = excluded.skus,
    order_version = excluded.order_version, state = excluded.state,
    short_of_stock = excluded.short_of_stock, due_at = excluded.due_at, carrier_service = excluded.carrier_service,
    hand_over_by = excluded.hand_over_by, promised_service = excluded.promised_service, promised_by = excluded.promised_by,
    told_for = excluded.told_for, cause_id = excluded.cause_id, correlation_id = excluded.correlation_id, traceparent = excluded.traceparent"""
_SAVE_SLOTS = """
insert into upgrade_slots as s (upgrade_id, order_id, carrier_service, postcode_prefix, country, state, departs_at, reason, wanted_at,
    cause_id, correlation_id, traceparent)
select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::text[], $9::timestamptz[],
    $10::uuid[], $11::uuid[], $12::text[])
on conflict (upgrade_id) do update set state = excluded.state, departs_at = excluded.departs_at, reason = excluded.reason"""
_SEE_CUSTOMERS = """
insert into address_books as b (customer_id, version, addresses)
select customer_id, version, addresses::jsonb from unnest($1::uuid[], $2::bigint[], $3::text[]) as w (customer_id, version, addresses)
on conflict (customer_id) do update set version = excluded.version, addresses = excluded.addresses where excluded.version > b.version"""
_WAITING_WANTS = """
select w.order_id, w.upgrade_id from upgrade_slots w where w.state = 'wanted' and w.wanted_at <= $1 order by w.wanted_at, w.upgrade_id limit 250"""
_LATE = """
select s.order_id from shipments s
left join lateral (
    select bool_and(p.state in ('loaded', 'handed_over', 'delivered')) as loaded from parcels p where p.order_id = s.order_id) p on true
where s.state = 'released' and s.hand_over_by is not null and p.loaded is not true and s.told_for is distinct from s.hand_over_by
  and s.hand_over_by < $1::timestamptz + make_interval(secs => $4::int + s.lines * $2::int + $3::int)  -- before its parcels are looked for
  and s.hand_over_by < $1::timestamptz + make_interval(secs => $4::int + case when p.loaded is null then s.lines * $2::int + $3::int else 0 end)
order by s.hand_over_by, s.order_id limit 250"""
_CANCEL = "update shipments set state = 'cancelled' where order_id = any($1::uuid[]) and state in ('placed', 'released')"
_FREE_SLOTS = "update upgrade_slots set state = 'freed' where upgrade_id = any($1::uuid[]) and state in ('reserved', 'granted')"
_GIVE_BACK = """
update departures d set taken = d.taken - w.count from
(select carrier_service, departs_at, count(*)::int as count from upgrade_slots where upgrade_id = any($1::uuid[]) group by 1, 2) w
where d.carrier_service = w.carrier_service and d.departs_at = w.departs_at"""
_ADD_PARCEL = """
insert into parcels (parcel_id, order_id, site, carton, weight_grams, state, packed_at) values ($1, $2, $3, $4, $5, 'packed', $6)
on conflict (parcel_id) do nothing"""
_DROP_PARCEL = """
delete from parcels p where p.parcel_id = $1 and p.state in ('packed', 'staged')
and not exists (select 1 from labels l where l.parcel_id = p.parcel_id and l.state in ('wanted', 'bought', 'voiding'))
returning parcel_id"""


@dataclass(slots=True)
class ShippingStore:
    """The port of shipping's handlers in one transaction. Who opened the transaction flushes the log."""

    work: Transaction
    log: WorkLog
    rates: Rates = field(default_factory=Rates)

    @property
    def now(self) -> datetime:
        return self.work.now

    async def open_book(self, order_ids: Collection[UUID], upgrade_ids: Collection[UUID], skus: Collection[str] = ()) -> Book:
        orders = sorted(order_ids)
        if upgrade_ids:  # an upgrade may move a pick task, and tasks are locked before all else
            await self.work.connection.fetch(_LOCK_TASKS, orders)
        rows = await self.work.connection.fetch(_LOCK_SHIPMENTS, orders)
        upgrades, asked = sorted(upgrade_ids), sorted({sku for row in rows for sku in row["skus"]}.union(skus))
        slots, parcels, current, flying = await self.work.read(
            (_LOCK_SLOTS, (orders, upgrades)), (_PROGRESS, [orders]), (schedules.CURRENT, [None]), (_MAY_FLY, (asked, orders, upgrades))
        )
        progress = {row["order_id"]: row for row in parcels}
        shipments = {row["order_id"]: _shipment(row, progress.get(row["order_id"])) for row in rows}
        may_fly = frozenset(row["sku"] for row in flying)
        return Book(await schedules.known(self.work, current), shipments, {row["upgrade_id"]: _slot(row) for row in slots}, may_fly)

    async def lock_places(self, book: Book, wanted: Mapping[DepartureKey, int | None]) -> None:
        keys = sorted(wanted)
        services, instants = [key[0] for key in keys], [key[1] for key in keys]
        locked = await self.work.connection.fetch(_LOCK_DEPARTURES, services, instants)
        if len(locked) < len(keys):
            await self.work.connection.execute(_OPEN_DEPARTURES, services, instants, [wanted[key] for key in keys])
            locked = await self.work.connection.fetch(_LOCK_DEPARTURES, services, instants)
        for row in locked:
            key = row["carrier_service"], row["departs_at"]
            book.places[key] = Places(wanted[key], row["taken"])

    async def record(self, book: Book) -> None:
        moved = book.moved()
        if moved:
            from services.fulfilment.floor.store import move_tasks  # here, since the floor's store calls this one as well

            await move_tasks(self.work, moved)
        self._save(_SAVE_SHIPMENTS, [_shipment_row(shipment) for shipment in book.changed_shipments()])
        self._save(_SAVE_SLOTS, [_slot_row(slot) for slot in book.changed_slots()])
        self._save(_SAVE_PLACES, [(*key, places.limit, places.taken) for key, places in sorted(book.places.items())])

    def _save(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        if rows:
            self.work.write(statement, *(list(column) for column in zip(*rows, strict=True)))

    async def see_customers(self, seen: Iterable[tuple[UUID, int, list[Mapping[str, Any]]]]) -> None:
        newest: dict[UUID, tuple[int, list[Mapping[str, Any]]]] = {}
        for customer_id, version, addresses in seen:
            if customer_id not in newest or newest[customer_id][0] < version:
                newest[customer_id] = version, addresses
        rows = [(id, version, msgspec.json.encode(addresses).decode()) for id, (version, addresses) in sorted(newest.items())]
        self._save(_SEE_CUSTOMERS, rows)

    def say(self, event: WorkEvent, cause: Cause) -> None:
        self.log.say(event, cause)

    def set_aside(self, heard: Heard[Any], reason: str, sentence: str) -> None:
        self.work.set_aside(heard, reason, sentence)

    async def waiting_wants(self) -> list[tuple[UUID, UUID]]:
        """Up to 250 wants (order id, upgrade id) that waited for their order too long, the oldest first; their pick tasks are locked."""
        rows = await self.work.connection.fetch(_WAITING_WANTS, self.now - self.rates.unknown_order_after)
        await self.work.connection.fetch(_LOCK_TASKS, sorted({row["order_id"] for row in rows}))
        return [(row["order_id"], row["upgrade_id"]) for row in rows]

    async def late(self) -> list[UUID]:
        """Up to 250 orders whose departure can no longer be made and who were not told so; their pick tasks are locked."""
        rates = self.rates
        rows = await self.work.connection.fetch(_LATE, self.now, rates.seconds_per_line, rates.pack_seconds, rates.dock_seconds)
        order_ids = [row["order_id"] for row in rows]
        await self.work.connection.fetch(_LOCK_TASKS, sorted(order_ids))
        return order_ids


async def find_shipment(work: Transaction, order_id: UUID) -> Shipment | None:
    """The order's way out as it stands, not locked."""
    row = await work.connection.fetchrow(_SHIPMENT, order_id)
    progress = await work.connection.fetchrow(_PROGRESS, [order_id]) if row else None
    return _shipment(row, progress) if row else None


async def free_slots(work: Transaction, order_ids: Collection[UUID]) -> None:
    """The orders are cancelled: their places are free again. May run twice."""
    orders = sorted(order_ids)
    await work.connection.fetch(_LOCK_SHIPMENTS, orders)
    await work.connection.execute(_CANCEL, orders)
    slots = await work.connection.fetch(_LOCK_SLOTS, orders, [])
    held = [row["upgrade_id"] for row in slots if row["state"] in (SlotState.RESERVED, SlotState.GRANTED)]
    if held:
        keys = sorted({(row["carrier_service"], row["departs_at"]) for row in slots if row["upgrade_id"] in held})
        await work.connection.fetch(_LOCK_DEPARTURES, [key[0] for key in keys], [key[1] for key in keys])
        await work.connection.execute(_GIVE_BACK, held)
        await work.connection.execute(_FREE_SLOTS, held)


async def add_parcel(work: Transaction, parcel: NewParcel) -> None:
    """The carton stands on the bench, ready for its label. May run twice."""
    row = (parcel.parcel_id, parcel.order_id, parcel.site, parcel.carton, parcel.weight_grams, work.now)
    await work.connection.execute(_ADD_PARCEL, *row)


async def drop_parcel(work: Transaction, parcel_id: UUID) -> bool:
    """The carton is opened again; False, and nothing done, once a label was asked for or bought (void it first)."""
    await work.connection.execute("select 1 from parcels where parcel_id = $1 for update", parcel_id)
    return await work.connection.fetchval(_DROP_PARCEL, parcel_id) is not None


def _shipment(row: Any, progress: Any) -> Shipment:
    phase = Phase.TO_PICK if progress is None else Phase.LOADED if progress["loaded"] else Phase.PACKED
    address = (row["customer_id"], row["address_id"]) if row["address_id"] else None
    return Shipment(
        row["order_id"], row["site"], row["lines"], tuple(row["skus"]), row["order_version"], _cause(row), ShipmentState(row["state"]), address,
        row["country"], row["postcode_prefix"], row["short_of_stock"], row["due_at"], row["carrier_service"], row["hand_over_by"],
        row["promised_service"], row["promised_by"], row["told_for"], phase, bool(progress and progress["labelled"]),
    )  # fmt: skip


def _shipment_row(shipment: Shipment) -> tuple[object, ...]:
    s, (customer_id, address_id) = shipment, shipment.address or (None, None)
    return (
        s.order_id, customer_id, address_id, s.site, s.country, s.postcode_prefix, s.lines, "\x1f".join(s.skus), s.version, s.state.value,
        s.short_of_stock, s.due_at, s.carrier_service, s.hand_over_by, s.promised_service, s.promised_by, s.told_for,
        s.cause.id, s.cause.correlation_id, s.cause.traceparent,
    )  # fmt: skip


def _slot(row: Any) -> Slot:
    reason = SlotRefusal(row["reason"]) if row["reason"] else None
    return Slot(
        row["upgrade_id"], row["order_id"], row["carrier_service"], row["country"], row["postcode_prefix"], row["wanted_at"], _cause(row),
        SlotState(row["state"]), row["departs_at"], reason,
    )  # fmt: skip


def _slot_row(slot: Slot) -> tuple[object, ...]:
    s, reason = slot, slot.reason.value if slot.reason else None
    return (
        s.upgrade_id, s.order_id, s.carrier_service, s.postcode_prefix, s.country, s.state.value, s.departs_at, reason, s.wanted_at,
        s.cause.id, s.cause.correlation_id, s.cause.traceparent,
    )  # fmt: skip


def _cause(row: Any) -> Cause:
    return Cause(row["cause_id"], row["correlation_id"], row["traceparent"])
