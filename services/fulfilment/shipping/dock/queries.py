"""What people see at the dock: the next departures with what is still missing, trailers with their parcels, open manifests."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from services.fulfilment.domain import Promised
from services.fulfilment.duties.reports import lacking, promised
from services.fulfilment.shipping.domain import Phase, Rates
from services.fulfilment.shipping.schedule import store as schedules
from services.fulfilment.shipping.schedule.domain import CarrierService, Departure, departures_within
from services.kit.database import Transaction

_AHEAD = timedelta(hours=24)
_MOST_PER_SERVICE = 5
_PLANNED = """
select s.carrier_service, s.hand_over_by, coalesce(p.state, 'to_pick') as state, count(*)::int as parcels, sum(s.lines)::int as lines,
    max(s.lines)::int as longest
from shipments s left join parcels p using (order_id)
where s.site = $1 and s.state = 'released' and s.hand_over_by is not null group by 1, 2, 3"""
_TRAILERS = """
select l.*, (select count(*)::int from parcels p where p.load_list_id = l.load_list_id) as parcels from load_lists l
where l.site = $1 and l.departs_at >= $2 order by l.departs_at, l.opened_at"""
_LIST = """
select l.*, (select count(*)::int from parcels p where p.load_list_id = l.load_list_id) as parcels from load_lists l where l.load_list_id = $1"""
_IN_LIST = """
select p.parcel_id, p.order_id, p.state, p.staging_lane, p.manifest_id, l.barcode from parcels p
left join labels l on l.parcel_id = p.parcel_id and l.state = 'bought' where p.load_list_id = $1 order by p.parcel_id"""
_MISSING = """
select p.parcel_id, p.order_id, p.state, p.staging_lane, p.manifest_id, l.barcode from parcels p
join labels l on l.parcel_id = p.parcel_id and l.state = 'bought' and l.carrier_service = $2 join shipments s on s.order_id = p.order_id
where p.site = $1 and p.state in ('packed', 'staged') and (s.hand_over_by <= $3) = $4 order by p.staging_lane, p.parcel_id limit 500"""
_LEFT_BEHIND = """
select s.order_id, p.parcel_id, p.state, p.staging_lane, l.barcode from load_lists t
join shipments s on s.site = t.site and s.carrier_service = t.carrier_service and s.state = 'released'
left join parcels p on p.order_id = s.order_id left join labels l on l.parcel_id = p.parcel_id and l.state = 'bought'
where t.load_list_id = $1 and t.state = 'open'
    and (p.load_list_id = $1 or s.hand_over_by <= t.departs_at and coalesce(p.state in ('packed', 'staged'), true))
order by s.hand_over_by, s.order_id, p.parcel_id"""
_MANIFESTS = """
select m.manifest_id, m.carrier, m.site, m.ship_on, m.state, m.transmitted_at, m.confirmation, m.problem,
    (select count(*)::int from parcels p where p.manifest_id = m.manifest_id) as parcels
from manifests m where m.site = $1 and (m.state <> 'transmitted' or m.ship_on >= $2) order by m.ship_on desc, m.opened_at desc limit 100"""


@dataclass(frozen=True, slots=True)
class Trailer:
    """One load list with how many parcels stand in it."""

    load_list_id: UUID
    carrier_service: str
    departs_at: datetime
    state: str
    parcels: int


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One departure: what it is to take, and how far that is. `slack_seconds`: to spare after the longest single order still to be done;
    `work_seconds`: all the work that is left. `missing`: planned and not in a trailer yet, `late` those whose work no longer fits."""

    carrier_service: str
    carrier: str
    service: str
    departs_at: datetime
    planned: int
    to_pick: int
    packed: int
    staged: int
    loaded: int
    missing: int
    late: int
    work_seconds: int
    slack_seconds: int | None
    trailers: tuple[Trailer, ...]


@dataclass(frozen=True, slots=True)
class ListedParcel:
    """A parcel in a trailer, or one that is still missing there; `promised` is what was promised with it, in the customer's words."""

    parcel_id: UUID
    order_id: UUID
    state: str
    staging_lane: str | None
    manifest_id: UUID | None
    barcode: str | None
    promised: tuple[Promised, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """What is to go by the departure of a trailer, and is in none: a parcel, or an order of which there is none yet, whose `parcel_id` is None; or a
    parcel that is `loaded`, without what was `promised` with it."""

    order_id: UUID
    parcel_id: UUID | None
    state: str | None
    staging_lane: str | None
    barcode: str | None
    promised: tuple[Promised, ...] = ()


@dataclass(frozen=True, slots=True)
class ListView:
    """A trailer with its parcels. While it is open: the labelled ones that have to be in it and are not, and those ready ahead of their own
    departure, which may go along."""

    trailer: Trailer
    parcels: tuple[ListedParcel, ...]
    missing: tuple[ListedParcel, ...]
    ready_early: tuple[ListedParcel, ...]


@dataclass(frozen=True, slots=True)
class ManifestView:
    """A carrier's manifest. `problem`: why the carrier has not taken it yet."""

    manifest_id: UUID
    carrier: str
    site: str
    ship_on: date
    state: str
    transmitted_at: datetime | None
    confirmation: str | None
    problem: str | None
    parcels: int


async def board(work: Transaction, site: str, rates: Rates) -> list[BoardRow]:
    """The departures of the next 24 hours, soonest first, and later ones that somebody is already waiting for are under the first that fits."""
    services = [service for service in (await schedules.load(work)).values() if service.site == site]
    planned = await work.connection.fetch(_PLANNED, site)
    trailers = [_trailer(row) for row in await work.connection.fetch(_TRAILERS, site, work.now)]
    rows = [row for service in services for row in _rows_of(service, planned, trailers, work.now, rates)]
    return sorted(rows, key=lambda row: (row.departs_at, row.carrier_service))


async def load_list(work: Transaction, load_list_id: UUID) -> tuple[str, ListView] | None:
    """The site and the trailer, None where there is none."""
    row = await work.connection.fetchrow(_LIST, load_list_id)
    if row is None:
        return None
    within = await _listed(work, _IN_LIST, load_list_id)
    waiting = [
        await _listed(work, _MISSING, row["site"], row["carrier_service"], row["departs_at"], is_due) if row["state"] == "open" else ()
        for is_due in (True, False)
    ]
    return row["site"], ListView(_trailer(row), within, *waiting)


async def left_behind(work: Transaction, load_list_id: UUID) -> tuple[LeftBehind, ...]:
    """What this trailer would leave behind if it were closed now; nothing where it is closed. What was promised with stands first."""
    rows = await work.connection.fetch(_LEFT_BEHIND, load_list_id)
    orders = [row["order_id"] for row in rows]
    told, lack = await promised(work, orders), await lacking(work, orders)
    words = {row["order_id"]: (*(told.get(row["order_id"], ()) if row["state"] != "loaded" else ()), *lack.get(row["order_id"], ())) for row in rows}
    left = [LeftBehind(**dict(row), promised=words[row["order_id"]]) for row in rows]
    return tuple(sorted((each for each in left if each.state != "loaded" or each.promised), key=lambda each: not each.promised))


async def _listed(work: Transaction, statement: str, *arguments: object) -> tuple[ListedParcel, ...]:
    rows = await work.connection.fetch(statement, *arguments)
    told = await promised(work, [row["order_id"] for row in rows])
    return tuple(ListedParcel(**dict(row), promised=told.get(row["order_id"], ())) for row in rows)


async def manifests(work: Transaction, site: str) -> list[ManifestView]:
    """The manifests that are not transmitted, and those of the last day, newest first."""
    since = (work.now - timedelta(days=1)).date()
    return [ManifestView(**dict(row)) for row in await work.connection.fetch(_MANIFESTS, site, since)]


def _rows_of(service: CarrierService, planned: Sequence[Any], trailers: Sequence[Trailer], now: datetime, rates: Rates) -> Iterable[BoardRow]:
    since = None
    for departure in departures_within(service, now, now + _AHEAD, _MOST_PER_SERVICE):
        mine = [
            row
            for row in planned
            if row["carrier_service"] == service.code
            and row["hand_over_by"] <= departure.departs_at
            and (since is None or row["hand_over_by"] > since)
        ]
        own = tuple(each for each in trailers if each.carrier_service == service.code and each.departs_at == departure.departs_at)
        yield _row(service, departure, mine, own, now, rates)
        since = departure.departs_at


def _row(
    service: CarrierService, departure: Departure, planned: Sequence[Any], trailers: tuple[Trailer, ...], now: datetime, rates: Rates
) -> BoardRow:
    count = {state: sum(row["parcels"] for row in planned if row["state"] == state) for state in ("to_pick", "packed", "staged", "loaded")}
    work, late, longest = timedelta(), 0, timedelta()
    for row in planned:
        phase = {"to_pick": Phase.TO_PICK, "loaded": Phase.LOADED}.get(row["state"], Phase.PACKED)
        single = rates.remaining(row["longest"], phase)
        work += rates.remaining(0, phase) * row["parcels"] + timedelta(seconds=rates.seconds_per_line if phase is Phase.TO_PICK else 0) * row["lines"]
        longest = max(longest, single)
        late += row["parcels"] if phase is not Phase.LOADED and now + single > row["hand_over_by"] else 0
    missing = count["to_pick"] + count["packed"] + count["staged"]
    slack = int((departure.departs_at - now - longest).total_seconds()) if missing else None
    return BoardRow(
        service.code, service.carrier, service.service, departure.departs_at, missing + count["loaded"], count["to_pick"], count["packed"],
        count["staged"], count["loaded"], missing, late, int(work.total_seconds()), slack, trailers,
    )  # fmt: skip


def _trailer(row: Any) -> Trailer:
    return Trailer(row["load_list_id"], row["carrier_service"], row["departs_at"], row["state"], row["parcels"])
