"""Staging, trailers and the hand-over in PostgreSQL. Locks: the load list, then shipments, then parcels, then the manifest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.fulfilment.duties.reports import report_seen
from services.fulfilment.holds import is_held, refuse_held, refuse_held_load
from services.fulfilment.shipping.dock.domain import (
    ListState,
    LoadList,
    Manifest,
    OtherContent,
    new_list,
    refuse_hand_over,
    refuse_load,
    refuse_other_list,
    refuse_reopen,
    refuse_stage,
    refuse_unload,
    ship_on,
)
from services.fulfilment.shipping.labels.domain import Label, Parcel
from services.fulfilment.shipping.labels.store import label_of, parcel_of
from services.fulfilment.shipping.manifests.store import manifest_of
from services.fulfilment.shipping.messages import HandedOver
from services.fulfilment.shipping.schedule import store as schedules
from services.fulfilment.shipping.schedule.domain import OWN
from services.fulfilment.shipping.tracking.store import Tracking
from services.fulfilment.work import WorkLog
from services.kit.database import Transaction
from services.kit.ids import uuid7
from services.kit.promise.state import Department
from services.kit.values import Cause, NotFound

_LIST = "select * from load_lists where load_list_id = $1"
_NEW_LIST = """
insert into load_lists (load_list_id, site, carrier_service, departs_at, state, opened_by, opened_at) values ($1, $2, $3, $4, 'open', $5, $6)
on conflict (load_list_id) do nothing"""
_PARCEL = "select * from parcels where parcel_id = $1 for update"
_BY_BARCODE = "select parcel_id from labels where barcode = $1 and state = 'bought'"
_LABEL = "select * from labels where parcel_id = $1 and state in ('wanted', 'bought', 'voiding')"
_STAGE = "update parcels set state = 'staged', staging_lane = $2 where parcel_id = $1"
_LOAD = "update parcels set state = 'loaded', load_list_id = $2 where parcel_id = $1"
_UNLOAD = """
update parcels set load_list_id = null, state = case when staging_lane is null then 'packed' else 'staged' end,
    manifest_id = (select manifest_id from manifests where manifests.manifest_id = parcels.manifest_id and state <> 'open')
where parcel_id = $1 and state = 'loaded'"""
_SCAN = """
insert into load_scans (scan_id, load_list_id, parcel_id, kind, scanned_by, scanned_at) values ($1, $2, $3, $4, $5, $6)
on conflict (scan_id) do nothing returning scan_id"""
_SCANNED = "select load_list_id, parcel_id, kind from load_scans where scan_id = $1"
_CLOSE = "update load_lists set state = 'closed', closed_at = $2 where load_list_id = $1"
_REOPEN = "update load_lists set state = 'open', closed_at = null where load_list_id = $1"
_UNLISTED = "select count(*) from parcels where load_list_id = $1 and manifest_id is null"
_TO_MANIFEST = "update parcels set manifest_id = $2 where load_list_id = $1 and state = 'loaded' and manifest_id is null"
_OFF_MANIFEST = "update parcels set manifest_id = null where load_list_id = $1 and state = 'loaded'"
_OPEN_MANIFEST = """
insert into manifests (manifest_id, carrier, site, ship_on, state, opened_at) values ($1, $2, $3, $4, 'open', $5) on conflict do nothing"""
_FIND_MANIFEST = "select * from manifests where carrier = $1 and site = $2 and ship_on = $3 and state = 'open' for update"
_MANIFESTS_OF = """
select * from manifests where manifest_id in (select manifest_id from parcels where load_list_id = $1) order by manifest_id for update"""
_LOCK_SHIPMENTS_OF = """
select s.* from shipments s where s.order_id in (select order_id from parcels where load_list_id = $1) order by s.order_id for update"""
_HAND_OVER = """
update parcels p set state = 'handed_over', handed_over_at = $2 from labels l
where p.load_list_id = $1 and p.state = 'loaded' and l.parcel_id = p.parcel_id and l.state = 'bought'
returning p.order_id, p.parcel_id, p.manifest_id, l.carrier_service"""
_LEFT = "update load_lists set state = 'handed_over', handed_over_at = $2 where load_list_id = $1"
_SHIPPED = """
update shipments s set state = 'handed_over' where s.order_id = any($1::uuid[]) and s.state = 'released'
and not exists (select 1 from parcels p where p.order_id = s.order_id and p.state not in ('handed_over', 'delivered'))"""


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan at a trailer. `parcel` is what was scanned: the parcel's id, or the barcode on its label."""

    scan_id: UUID
    load_list_id: UUID
    parcel: UUID | str
    by: str


@dataclass(frozen=True, slots=True)
class Dock:
    """What a loader does, in one transaction. `site` limits whoever works at one site to it: all else is not found."""

    work: Transaction
    site: str | None

    async def stage(self, parcel_id: UUID, lane: str) -> Parcel:
        """The parcel stands in this lane. May run twice, and move it to another lane."""
        parcel, label = await self._parcel(parcel_id)
        refuse_stage(parcel, label)
        await refuse_held(self.work, parcel.order_id)
        await self.work.connection.execute(_STAGE, parcel_id, lane)
        return await self._reread(parcel_id)

    async def open_list(self, load_list_id: UUID, code: str, departs_at: datetime, by: str) -> LoadList:
        """The trailer's load list; the one that is there when the same was asked before."""
        service = (await schedules.load(self.work, [code])).get(code)
        wanted = new_list(load_list_id, service if service and self.site in (None, service.site) else None, code, departs_at)
        await self.work.connection.execute(_NEW_LIST, load_list_id, wanted.site, code, departs_at, by, self.work.now)
        present = await self.load_list(load_list_id)
        refuse_other_list(wanted, present)
        return present

    async def load(self, scan: Scan) -> Parcel:
        """The parcel is in the trailer. A repeated scan id changes nothing."""
        load_list = await self.load_list(scan.load_list_id, lock=True)
        parcel, label = await self._parcel(await self._scanned_parcel(scan.parcel))
        if not await self._first(scan, parcel.parcel_id, "load"):
            return parcel
        refuse_load(load_list, parcel, label)
        await refuse_held(self.work, parcel.order_id)
        await self.work.connection.execute(_LOAD, parcel.parcel_id, load_list.load_list_id)
        return await self._reread(parcel.parcel_id)

    async def unload(self, scan: Scan) -> Parcel:
        """The parcel is out of the trailer again. A repeated scan id changes nothing.

        It stays on a manifest that the carrier may have: that is never amended, and covers the parcel in whichever trailer it goes.
        """
        load_list = await self.load_list(scan.load_list_id, lock=True)
        parcel, _ = await self._parcel(await self._scanned_parcel(scan.parcel))
        if not await self._first(scan, parcel.parcel_id, "unload"):
            return parcel
        refuse_unload(load_list, parcel, held=await is_held(self.work, parcel.order_id))
        await self._manifests(load_list.load_list_id)  # locked: whether the parcel stays on one is decided by its state
        await self.work.connection.execute(_UNLOAD, parcel.parcel_id)
        return await self._reread(parcel.parcel_id)

    async def close(self, load_list_id: UUID) -> list[Manifest]:
        """The trailer takes nothing more, and its parcels stand on the carrier's open manifest of the day. May run twice."""
        load_list = await self.load_list(load_list_id, lock=True)
        if load_list.state is ListState.OPEN:
            await refuse_held_load(self.work, load_list_id)
            if await self.work.connection.fetchval(_UNLISTED, load_list_id):
                manifest = await self._open_manifest(load_list)
                await self.work.connection.execute(_TO_MANIFEST, load_list_id, manifest.manifest_id)
            await self.work.connection.execute(_CLOSE, load_list_id, self.work.now)
        return await self._manifests(load_list_id)

    async def reopen(self, load_list_id: UUID) -> LoadList:
        """The trailer takes parcels again, which leave the manifest while that is open. May run twice."""
        load_list = await self.load_list(load_list_id, lock=True)
        refuse_reopen(load_list, await self._manifests(load_list_id))
        await self.work.connection.execute(_OFF_MANIFEST, load_list_id)
        await self.work.connection.execute(_REOPEN, load_list_id)
        return await self.load_list(load_list_id)

    async def hand_over(self, load_list_id: UUID, cause: Cause) -> int:
        """The carrier has the trailer: says so of each parcel in it, once. Returns how many parcels are in it."""
        load_list = await self.load_list(load_list_id, lock=True)
        refuse_hand_over(load_list, await self._manifests(load_list_id))
        if load_list.state is ListState.CLOSED:
            await refuse_held_load(self.work, load_list_id)
            await self._leave(load_list, cause)
        return int(await self.work.connection.fetchval("select count(*) from parcels where load_list_id = $1", load_list_id))

    async def load_list(self, load_list_id: UUID, *, lock: bool = False) -> LoadList:
        """The load list. Raises NotFound."""
        row = await self.work.connection.fetchrow(_LIST + (" for update" if lock else ""), load_list_id)
        if row is None or self.site not in (None, row["site"]):
            raise NotFound
        return LoadList(row["load_list_id"], row["site"], row["carrier_service"], row["departs_at"], ListState(row["state"]))

    async def _leave(self, load_list: LoadList, cause: Cause) -> None:
        log, connection, load_list_id = WorkLog(self.work), self.work.connection, load_list.load_list_id
        shipments = {row["order_id"]: row for row in await connection.fetch(_LOCK_SHIPMENTS_OF, load_list_id)}
        rows = await connection.fetch(_HAND_OVER, load_list_id, self.work.now)
        await connection.execute(_LEFT, load_list_id, self.work.now)
        await connection.execute(_SHIPPED, sorted(shipments))
        causes = {id: Cause(cause.id, story["correlation_id"], story["traceparent"]) for id, story in shipments.items()}
        for row in sorted(rows, key=lambda row: (row["order_id"], row["parcel_id"])):
            said = HandedOver(row["order_id"], row["parcel_id"], row["carrier_service"], row["manifest_id"], self.work.now)
            log.say(said, causes[row["order_id"]])
        await Tracking(self.work, log).hear_again([row["parcel_id"] for row in rows], causes)
        service = (await schedules.load(self.work, [load_list.carrier_service]))[load_list.carrier_service]
        if service.carrier != OWN:  # our own driver reads it at the door
            report_seen(self.work, sorted(shipments), Department.DELIVERY)
        await log.flush()

    async def _open_manifest(self, load_list: LoadList) -> Manifest:
        service = (await schedules.load(self.work, [load_list.carrier_service]))[load_list.carrier_service]
        key = (service.carrier, load_list.site, ship_on(service, load_list.departs_at))
        row = None
        while row is None:  # the one that was open may be closed by another between the two statements: then a new one is opened
            await self.work.connection.execute(_OPEN_MANIFEST, uuid7(), *key, self.work.now)
            row = await self.work.connection.fetchrow(_FIND_MANIFEST, *key)
        return manifest_of(row)

    async def _manifests(self, load_list_id: UUID) -> list[Manifest]:
        return [manifest_of(row) for row in await self.work.connection.fetch(_MANIFESTS_OF, load_list_id)]

    async def _scanned_parcel(self, scanned: UUID | str) -> UUID:
        if isinstance(scanned, UUID):
            return scanned
        rows: Sequence[Any] = await self.work.connection.fetch(_BY_BARCODE, scanned)
        if len(rows) != 1:
            raise NotFound
        return UUID(str(rows[0]["parcel_id"]))

    async def _parcel(self, parcel_id: UUID) -> tuple[Parcel, Label | None]:
        row = await self.work.connection.fetchrow(_PARCEL, parcel_id)
        if row is None or self.site not in (None, row["site"]):
            raise NotFound
        label = await self.work.connection.fetchrow(_LABEL, parcel_id)
        return parcel_of(row), label_of(label) if label else None

    async def _reread(self, parcel_id: UUID) -> Parcel:
        return (await self._parcel(parcel_id))[0]

    async def _first(self, scan: Scan, parcel_id: UUID, kind: str) -> bool:
        """Whether this scan id is new. Raises OtherContent where it stands for another scan."""
        row = (scan.scan_id, scan.load_list_id, parcel_id, kind, scan.by, self.work.now)
        if await self.work.connection.fetchval(_SCAN, *row) is not None:
            return True
        before = await self.work.connection.fetchrow(_SCANNED, scan.scan_id)
        if (before["load_list_id"], before["parcel_id"], before["kind"]) != (scan.load_list_id, parcel_id, kind):
            raise OtherContent("This scan_id stands for another scan: send a new one.", scan_id=scan.scan_id)
        return False
