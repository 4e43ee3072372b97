"""What only the pages show: the zone of a site, the last scans of a task, the task of a parcel, the manifests of a trailer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from services.kit.database import Transaction

_ZONE = "select schedule ->> 'zone' from carrier_services where site = $1 and not withdrawn order by code limit 1"
_SCANS = """
select s.scan_id, s.code, s.verdict, s.scanned_by, s.recorded_at, s.undone_at is not null as undone, coalesce(i.description, '') as description
from scans s left join pick_lines l on l.task_id = s.task_id and l.position = s.position left join items i on i.sku = l.sku
where s.task_id = $1 order by s.id desc limit 10"""
_TASK = "select task_id from pick_tasks where parcel_id = $1"
_MANIFESTS = "select manifest_id, state, problem from manifests where manifest_id = any($1::uuid[]) order by manifest_id"


@dataclass(frozen=True, slots=True)
class LastScan:
    """One scan as people remember it. `description` is the item's, empty where it was none of the task's."""

    scan_id: UUID
    code: str
    verdict: str
    scanned_by: str
    recorded_at: datetime
    undone: bool
    description: str

    @property
    def state(self) -> str:
        """As the style names it."""
        return "quiet" if self.undone else "kept" if self.verdict == "picked" else "broken"


@dataclass(frozen=True, slots=True)
class Listed:
    """A manifest that parcels of a trailer stand on. `problem`: why the carrier has not taken it yet."""

    manifest_id: UUID
    state: str
    problem: str | None


async def zone_of(work: Transaction, site: str | None) -> ZoneInfo:
    """The zone in which this site reckons, UTC where nothing leaves from it."""
    return ZoneInfo(await work.connection.fetchval(_ZONE, site) or "UTC")


async def last_scans(work: Transaction, task_id: UUID) -> Sequence[LastScan]:
    """The last ten scans of the task, the newest first."""
    return [LastScan(**dict(row)) for row in await work.connection.fetch(_SCANS, task_id)]


async def task_of(work: Transaction, parcel_id: UUID) -> UUID | None:
    """The task whose goods are in this parcel, None where it was unpacked."""
    found: UUID | None = await work.connection.fetchval(_TASK, parcel_id)
    return found


async def manifests_of(work: Transaction, ids: Iterable[UUID | None]) -> Sequence[Listed]:
    """These manifests, in the order of their ids."""
    rows = await work.connection.fetch(_MANIFESTS, sorted({id for id in ids if id is not None}))
    return [Listed(**dict(row)) for row in rows]
