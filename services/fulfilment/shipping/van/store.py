"""Run sheets in PostgreSQL: a van's load list by doors. Locks: the load list, then what a carrier's event locks."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.fulfilment.domain import Promised
from services.fulfilment.duties.reports import promised, report_seen
from services.fulfilment.shipping.labels.domain import Address
from services.fulfilment.shipping.schedule.domain import OWN
from services.fulfilment.shipping.tracking.domain import Aside, Kind, Said
from services.fulfilment.shipping.tracking.store import Tracking
from services.fulfilment.shipping.van.domain import (
    AlreadyHandedOver,
    Carried,
    Missed,
    RunSheet,
    Stop,
    StopState,
    handed_over,
    numbered,
    refuse_start,
)
from services.fulfilment.work import WorkLog
from services.kit.database import Transaction
from services.kit.promise.state import Department
from services.kit.values import Cause, NotFound

_VANS = """
select l.load_list_id, l.site, l.carrier_service, l.departs_at, l.state from load_lists l join carrier_services c on c.code = l.carrier_service
where c.schedule ->> 'carrier' = 'own' """
_OPEN = """
and ($1::text is null or l.site = $1) and exists (select from parcels p where p.load_list_id = l.load_list_id and p.state <> 'delivered')
order by l.departs_at, l.load_list_id limit 100"""
_DOORS = """
select p.order_id, p.parcel_id, p.state, b.barcode, b.tracking_number, v.started_by, v.started_at, v.missed,
    (select address from address_books a, jsonb_array_elements(a.addresses) as address
     where a.customer_id = s.customer_id and address ->> 'address_id' = s.address_id::text) as address
from parcels p join shipments s using (order_id) left join labels b on b.parcel_id = p.parcel_id and b.state = 'bought'
left join van_stops v on v.load_list_id = p.load_list_id and v.order_id = p.order_id
where p.load_list_id = $1 order by p.order_id, p.parcel_id"""
_START = """
insert into van_stops (load_list_id, order_id, started_by, started_at) values ($1, $2, $3, $4)
on conflict (load_list_id, order_id) do update set missed = null returning xmax = 0"""
_MISS = "update van_stops set missed = $3 where load_list_id = $1 and order_id = $2"
_SAID = "select parcel_id from carrier_events where carrier = 'own' and event_id = $1"


@dataclass(frozen=True, slots=True)
class Vans:
    """What a driver does, in one transaction. `site` limits whoever works at one site to it: all else is not found."""

    work: Transaction
    site: str | None

    async def sheets(self) -> list[RunSheet]:
        """The vans that still have something to hand over, the next to leave first, without their stops."""
        return [_sheet(row, ()) for row in await self.work.connection.fetch(_VANS + _OPEN, self.site)]

    async def sheet(self, load_list_id: UUID, *, lock: bool = False) -> RunSheet:
        """The van's stops. Raises NotFound."""
        row = await self.work.connection.fetchrow(_VANS + "and l.load_list_id = $1" + (" for update of l" if lock else ""), load_list_id)
        if row is None or self.site not in (None, row["site"]):
            raise NotFound
        doors: dict[UUID, list[Any]] = {}
        for door in await self.work.connection.fetch(_DOORS, load_list_id):
            doors.setdefault(door["order_id"], []).append(door)
        told = await promised(self.work, doors)
        return _sheet(row, numbered([_stop(order_id, rows, told.get(order_id, ())) for order_id, rows in doors.items()]))

    async def start(self, load_list_id: UUID, order_id: UUID, by: str) -> Stop:
        """The driver is at the door, and has read what goes there. May run twice; after a stop that was missed it is tried again."""
        sheet = await self.sheet(load_list_id, lock=True)
        _find(sheet, order_id)
        refuse_start(sheet)
        await self.work.connection.execute(_START, load_list_id, order_id, by, self.work.now)
        report_seen(self.work, [order_id], Department.DELIVERY)
        return _find(await self.sheet(load_list_id), order_id)

    async def hand_over(self, load_list_id: UUID, order_id: UUID, scan_id: UUID, parcel: UUID | str, at: datetime, cause: Cause) -> Stop:
        """The customer has the parcel since `at`. A repeated scan id changes nothing. Raises what `handed_over` does."""
        found = handed_over(_find(await self.sheet(load_list_id, lock=True), order_id), parcel)
        before = await self.work.connection.fetchval(_SAID, str(scan_id))
        if before != found.parcel_id:
            await self._hear(Said(str(scan_id), found.tracking_number or "", Kind.DELIVERED, at), found, cause)
        return _find(await self.sheet(load_list_id), order_id)

    async def miss(self, load_list_id: UUID, order_id: UUID, scan_id: UUID, why: Missed, at: datetime, cause: Cause) -> Stop:
        """Nobody took it: it stays in the van, and the stop may be started again. May run twice."""
        stop = _find(await self.sheet(load_list_id, lock=True), order_id)
        left = [each for each in stop.parcels if each.state != "delivered"]
        for number, each in enumerate(left):
            await self._hear(Said(f"{scan_id}-{number}", each.tracking_number or "", Kind.EXCEPTION, at), each, cause)
        await self.work.connection.execute(_MISS, load_list_id, order_id, why.value)
        return _find(await self.sheet(load_list_id), order_id)

    async def _hear(self, said: Said, parcel: Carried, cause: Cause) -> None:
        if parcel.state == "delivered":
            raise AlreadyHandedOver("This parcel was handed over before: look at the stop again.", parcel_id=parcel.parcel_id)
        log = WorkLog(self.work)
        aside = await Tracking(self.work, log).hear(OWN, said, cause)
        assert aside is not Aside.UNKNOWN_TRACKING_NUMBER, "a parcel in a van of ours has our label"
        await log.flush()
        await self.work.write_now()


def _sheet(row: Any, stops: tuple[Stop, ...]) -> RunSheet:
    return RunSheet(row["load_list_id"], row["site"], row["carrier_service"], row["departs_at"], row["state"], stops)


def _find(sheet: RunSheet, order_id: UUID) -> Stop:
    for stop in sheet.stops:
        if stop.order_id == order_id:
            return stop
    raise NotFound


def _stop(order_id: UUID, rows: list[Any], told: tuple[Promised, ...]) -> Stop:
    first = rows[0]
    carried = tuple(Carried(row["parcel_id"], row["barcode"], row["tracking_number"], row["state"]) for row in rows)
    is_done = all(each.state == "delivered" for each in carried)
    state = StopState.DONE if is_done else StopState.STARTED if first["started_at"] and not first["missed"] else StopState.WAITING
    missed = Missed(first["missed"]) if first["missed"] else None
    return Stop(0, order_id, state, first["started_by"], first["started_at"], missed, _address(first["address"]), carried, told)


def _address(found: Any) -> Address | None:
    names = ("name", "line1", "line2", "city", "region", "postcode", "country")
    return Address(*(found.get(name) for name in names)) if found else None
