"""What only the pages show: the zone of a site, the last scans of a task, the task of a parcel, the manifests of a trailer, where the
units of a pull-back are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from services.fulfilment.amending.domain import PullBack
from services.kit.database import Transaction

_ZONE = "select schedule ->> 'zone' from carrier_services where site = $1 and not withdrawn order by code limit 1"
_SCANS = """
select s.scan_id, s.code, s.verdict, s.scanned_by, s.recorded_at, s.undone_at is not null as undone, coalesce(i.description, '') as description
from scans s left join pick_lines l on l.task_id = s.task_id and l.position = s.position left join items i on i.sku = l.sku
where s.task_id = $1 order by s.id desc limit 10"""
_TASK = "select task_id from pick_tasks where parcel_id = $1"
_MANIFESTS = "select manifest_id, state, problem from manifests where manifest_id = any($1::uuid[]) order by manifest_id"

_WAITING = "select count(*)::int from pull_backs where done_at is null and ($1::text is null or site = $1)"
_OF_TASK = "select pull_back_id from pull_backs where task_id = $1 and done_at is null order by since, pull_back_id"
_PULLED = """
select p.pull_back_id, p.order_id, p.task_id, p.site, p.sku, p.bin, p.quantity, p.since, p.done_at, p.done_by,
    coalesce(i.description, '') as description, coalesce((select sum(l.quantity) from unnest(w.skus, w.quantities) as l (sku, quantity)
    where l.sku = p.sku and w.state <> 'released'), 0)::int as stay,
    coalesce(w.state = 'released', false) as is_cancelled, t.claimed_by as in_hands_of, s.scanned_by as last_seen_by, s.recorded_at as last_seen_at
from pull_backs p left join items i using (sku) left join wants w using (order_id) left join pick_tasks t using (task_id)
left join lateral (select scanned_by, recorded_at from scans where task_id = p.task_id and verdict = 'picked' order by id desc limit 1) s on true
where p.pull_back_id = any($1::uuid[]) order by p.since, p.pull_back_id"""


@dataclass(frozen=True, slots=True)
class PulledBack:
    """Units to be put back, and what one has to know to find them: in whose hands the order is, else who scanned last for it. `stay`: how many of
    the item the order wants now."""

    units: PullBack
    description: str
    stay: int
    is_cancelled: bool
    in_hands_of: str | None
    last_seen_by: str | None
    last_seen_at: datetime | None


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


async def waiting_pull_backs(work: Transaction, site: str | None) -> int:
    """How many wait to be put back at this site, None for all sites."""
    return int(await work.connection.fetchval(_WAITING, site))


async def pulled_back(work: Transaction, ids: Sequence[UUID]) -> Sequence[PulledBack]:
    """These pull-backs, the longest waiting first."""
    names = [each.name for each in fields(PullBack)]
    rows = [dict(row) for row in await work.connection.fetch(_PULLED, ids)]
    return [PulledBack(PullBack(**{name: row.pop(name) for name in names}), **row) for row in rows]


async def pulled_out_of(work: Transaction, task_id: UUID) -> Sequence[PulledBack]:
    """What lies in the tote of this task and is to be put back."""
    rows = await work.connection.fetch(_OF_TASK, task_id)
    return await pulled_back(work, [row["pull_back_id"] for row in rows]) if rows else ()
