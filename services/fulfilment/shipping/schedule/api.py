"""Carrier services over HTTP: a planner puts one in whole, everybody in the house may read them."""

from datetime import date
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import Header, Path, Query, Request
from pydantic import AfterValidator, Field, model_validator
from starlette.responses import Response

from services.fulfilment.shipping.schedule import store
from services.fulfilment.shipping.schedule.messages import CarrierServiceScheduled, DepartureWire, LaneWire
from services.fulfilment.shipping.settings import database_of
from services.kit.http import Caller, Currency, MoneyMinor, Parsed, Problem, Routes, Strict, answer, cause_of, operation
from services.kit.http.routing import Access
from services.kit.values import NotFound

_PLANNERS: Access = {"planner": "all", "admin": "all"}
_STAFF: Access = {"picker": "all", "loader": "all", "driver": "all", "care": "all", "planner": "all", "admin": "all", "service": "all"}


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no such time zone: send its IANA name, as America/New_York") from None
    return name


def _plausible_day(day: date) -> date:
    if not 2000 <= day.year < 2100:
        raise ValueError("a day lies between the years 2000 and 2100")
    return day


Code = Annotated[str, Path(pattern="^[a-z0-9][a-z0-9-]{0,31}$")]
Slug = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,31}$")]
Site = Annotated[str, Field(pattern="^[A-Z0-9]{1,16}$")]
Zone = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_known_zone)]
LocalTime = Annotated[str, Field(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Weekday = Annotated[int, Field(ge=1, le=7)]
Day = Annotated[date, AfterValidator(_plausible_day)]


class DepartureBody(Strict):
    """A weekly departure; 1 is Monday; `places` null: as many parcels as come."""

    weekday: Weekday
    at: LocalTime
    places: Annotated[int, Field(ge=0, le=1_000_000)] | None = None


class LaneBody(Strict):
    """Where the service goes, how long it takes, what a label costs."""

    country: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    postcode_prefix: Annotated[str, Field(pattern="^[A-Z0-9 -]{0,8}$")]
    transit_days: Annotated[int, Field(ge=0, le=60)]
    deliver_by: LocalTime
    delivers_on: Annotated[list[Weekday], Field(min_length=1, max_length=7)]
    destination_zone: Zone
    label_minor: MoneyMinor
    currency: Currency


class CarrierServiceBody(Strict):
    """A carrier service, whole: what is left out is not there any more."""

    carrier: Slug
    site: Site
    service: Literal["standard", "overnight"]
    zone: Zone
    withdrawn: bool = False
    by_air: bool
    departures: Annotated[list[DepartureBody], Field(max_length=100)]
    closed_on: Annotated[list[Day], Field(max_length=400)] = Field(default_factory=list)
    lanes: Annotated[list[LaneBody], Field(max_length=2000)]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        times = [(each.weekday, each.at) for each in self.departures]
        places = [(each.country, each.postcode_prefix.replace(" ", "")) for each in self.lanes]
        if len(set(times)) < len(times) or len(set(places)) < len(places) or len(set(self.closed_on)) < len(self.closed_on):
            raise ValueError("a departure, a closed day or a lane stands twice: send each once")
        return self

    def scheduled(self, code: str) -> CarrierServiceScheduled:
        departures = [DepartureWire(each.weekday, each.at, each.places) for each in sorted(self.departures, key=lambda d: (d.weekday, d.at))]
        lanes = [LaneWire(**each.model_dump() | {"delivers_on": sorted(set(each.delivers_on))}) for each in self.lanes]
        closed_on = sorted(self.closed_on)
        return CarrierServiceScheduled(
            code, self.carrier, self.site, self.service, self.zone, self.withdrawn, self.by_air, departures, closed_on, lanes
        )


router = Routes()


@router.put(
    "/v1/carrier-services/{code}",
    **operation(access=_PLANNERS, owner={"code": "carrier service"}, body=CarrierServiceBody, answers={200: "Changed.", 201: "Put in."}),
)
async def put_carrier_service(
    request: Request,
    code: Code,
    body: Annotated[CarrierServiceBody, Parsed(CarrierServiceBody)],
    caller: Caller,
    if_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Without If-Match the last one who writes wins; with it nothing is overwritten that was not read. The same again changes and says nothing."""
    schedule = body.scheduled(code)
    async with database_of(request).transaction() as work:
        present = await store.find(work, code, lock=True)
        if if_match is not None and (present is None or if_match != _etag(present.version)):
            raise Problem(412, "stale", "The carrier service was changed in between: read it again, and change what it is now.")
        version = present.version + 1 if present else 1
        if present is None or present.schedule != schedule:
            await store.save(work, schedule, version, caller.subject, cause_of(request))
        else:
            version = present.version
    return answer(schedule, 200 if present else 201, etag=_etag(version))


@router.get("/v1/carrier-services/{code}", **operation(access=_STAFF, owner={"code": "carrier service"}))
async def get_carrier_service(request: Request, code: Code) -> Response:
    async with database_of(request).transaction() as work:
        present = await store.find(work, code)
    if present is None:
        raise NotFound
    return answer(present.schedule, etag=_etag(present.version))


@router.get("/v1/carrier-services", **operation(access=_STAFF))
async def list_carrier_services(request: Request, site: Annotated[str | None, Query(pattern="^[A-Z0-9]{1,16}$")] = None) -> Response:
    """What is there, by code, without lanes."""
    async with database_of(request).transaction() as work:
        present = await store.every(work, site)
    names = ("carrier_service", "carrier", "site", "service", "zone", "withdrawn", "by_air", "departures", "closed_on")
    return answer([{name: getattr(each.schedule, name) for name in names} | {"version": each.version} for each in present])


def _etag(version: int) -> str:
    return f'"{version}"'
