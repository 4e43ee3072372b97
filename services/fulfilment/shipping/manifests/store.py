"""Manifests in PostgreSQL. Every method of `Manifests` is one transaction: the carrier is called between them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.fulfilment.shipping.dock.domain import Manifest, ManifestState
from services.fulfilment.shipping.labels.ports import ManifestRequest
from services.kit.database import Database
from services.kit.values import NotFound

_FREEZE = """
update manifests set state = 'closing', closed_by = $2, tried_at = clock_timestamp() where manifest_id = $1 returning *"""
_NUMBERS = """
select l.tracking_number from parcels p join labels l on l.parcel_id = p.parcel_id and l.state = 'bought'
where p.manifest_id = $1 order by l.tracking_number"""
_TRANSMITTED = """
update manifests set state = 'transmitted', confirmation = $2, transmitted_at = $3, problem = null where manifest_id = $1 and state = 'closing'"""
_UNSETTLED = """
update manifests set tried_at = clock_timestamp() where manifest_id in (
    select manifest_id from manifests where state = 'closing' and tried_at < clock_timestamp() - make_interval(secs => $1)
    limit 20 for update skip locked)
returning manifest_id"""


@dataclass(frozen=True, slots=True)
class Manifests:
    """The port `ManifestBook`. `site` limits whoever works at one site to it."""

    database: Database
    site: str | None = None

    async def freeze(self, manifest_id: UUID, by: str) -> tuple[Manifest, ManifestRequest]:
        async with self.database.transaction() as work:
            row = await work.connection.fetchrow("select * from manifests where manifest_id = $1 for update", manifest_id)
            if row is None or self.site not in (None, row["site"]):
                raise NotFound
            if row["state"] == ManifestState.OPEN:
                row = await work.connection.fetchrow(_FREEZE, manifest_id, by)
            numbers = await work.connection.fetch(_NUMBERS, manifest_id)
        request = ManifestRequest(manifest_id, row["site"], row["ship_on"], tuple(number["tracking_number"] for number in numbers))
        return manifest_of(row), request

    async def transmitted(self, manifest_id: UUID, confirmation: str) -> Manifest:
        async with self.database.transaction() as work:
            await work.connection.execute(_TRANSMITTED, manifest_id, confirmation, work.now)
            return manifest_of(await work.connection.fetchrow("select * from manifests where manifest_id = $1", manifest_id))

    async def refused(self, manifest_id: UUID, why: str) -> None:
        async with self.database.transaction() as work:
            await work.connection.execute("update manifests set problem = $2 where manifest_id = $1 and state = 'closing'", manifest_id, why)

    async def unsettled(self, older_than_seconds: int) -> list[UUID]:
        return [row["manifest_id"] for row in await self.database.pool.fetch(_UNSETTLED, older_than_seconds)]


def manifest_of(row: Any) -> Manifest:
    """A row of `manifests`."""
    return Manifest(row["manifest_id"], row["carrier"], row["site"], row["ship_on"], ManifestState(row["state"]), row["confirmation"])
