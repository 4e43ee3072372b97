"""What people see of a parcel."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.kit.database import Transaction

_PARCEL = """
select p.parcel_id, p.order_id, p.site, p.state, p.carton, p.weight_grams, p.staging_lane, p.load_list_id, p.manifest_id,
    coalesce(l.carrier_service, s.carrier_service) as carrier_service, s.hand_over_by, l.state as label, l.tracking_number, l.barcode,
    (select x.problem from labels x where x.parcel_id = p.parcel_id and x.state = 'refused' order by x.wanted_at desc limit 1) as label_problem,
    p.packed_at, p.handed_over_at, p.tracking, p.tracked_at, p.exception_at, p.delivered_at
from parcels p left join shipments s using (order_id)
left join labels l on l.parcel_id = p.parcel_id and l.state in ('wanted', 'bought', 'voiding')
where p.parcel_id = $1"""


@dataclass(frozen=True, slots=True)
class ParcelView:
    """One parcel with its live label. `label` None: none is there; `label_problem`: what the carrier said when it last refused one."""

    parcel_id: UUID
    order_id: UUID
    site: str
    state: str
    carton: str
    weight_grams: int
    staging_lane: str | None
    load_list_id: UUID | None
    manifest_id: UUID | None
    carrier_service: str | None
    hand_over_by: datetime | None
    label: str | None
    tracking_number: str | None
    barcode: str | None
    label_problem: str | None
    packed_at: datetime
    handed_over_at: datetime | None
    tracking: str
    tracked_at: datetime | None
    exception_at: datetime | None
    delivered_at: datetime | None


async def parcel(work: Transaction, parcel_id: UUID) -> ParcelView | None:
    """The parcel, None where there is none."""
    row = await work.connection.fetchrow(_PARCEL, parcel_id)
    return ParcelView(**dict(row)) if row else None
