"""The dock over HTTP: stage, load, close, hand over; each step may be undone until the carrier has been told."""

from typing import Annotated, Self
from uuid import UUID

from fastapi import Query, Request
from pydantic import Field, model_validator
from starlette.responses import Response

from services.fulfilment.shipping.dock import queries
from services.fulfilment.shipping.dock.store import Dock, Scan
from services.fulfilment.shipping.labels.domain import CarrierSilent
from services.fulfilment.shipping.manifests import handlers
from services.fulfilment.shipping.manifests.store import Manifests
from services.fulfilment.shipping.settings import account_of, database_of, shipping_settings
from services.kit.database import Transaction
from services.kit.http import Caller, Instant, Parsed, Principal, Problem, Routes, Strict, answer, cause_of, operation
from services.kit.http.routing import Access
from services.kit.values import NotFound

_LOAD_LIST = {"load_list_id": "load list"}
_LOADERS: Access = {"loader": "own"}
_STAGERS: Access = {"loader": "own", "picker": "own"}
_WATCHERS: Access = {"loader": "own", "picker": "own", "care": "all", "planner": "all", "admin": "all"}

Id = Annotated[UUID, Field(strict=False)]
SiteQuery = Annotated[str, Query(pattern="^[A-Z0-9]{1,16}$")]


class StageBody(Strict):
    """The staging lane as it is written on the floor."""

    lane: Annotated[str, Field(pattern="^[A-Z0-9-]{1,16}$")]


class LoadListBody(Strict):
    """A trailer for one departure of one carrier service. The id is made by whoever opens it."""

    load_list_id: Id
    carrier_service: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,31}$")]
    departs_at: Instant


class ScanBody(Strict):
    """One scan at a trailer: the barcode of the label, or the parcel's id. `scan_id` is made by the scanner and kept through retries."""

    scan_id: Id
    parcel_id: Id | None = None
    barcode: Annotated[str, Field(min_length=1, max_length=64)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.parcel_id is None) == (self.barcode is None):
            raise ValueError("send parcel_id or barcode, and not both")
        return self

    def scan(self, load_list_id: UUID, by: str) -> Scan:
        return Scan(self.scan_id, load_list_id, self.parcel_id or self.barcode or "", by)


router = Routes()


@router.get("/v1/departures", **operation(access=_WATCHERS, owner={"site": "site"}))
async def get_departures(request: Request, site: SiteQuery, caller: Caller) -> Response:
    _at(caller, site)
    async with database_of(request).transaction() as work:
        return answer({"site": site, "now": work.now, "departures": await queries.board(work, site, shipping_settings().rates)})


@router.post("/v1/parcels/{parcel_id}/stage", **operation(access=_STAGERS, owner={"parcel_id": "parcel"}, body=StageBody))
async def post_stage(request: Request, parcel_id: UUID, body: Annotated[StageBody, Parsed(StageBody)], caller: Caller) -> Response:
    async with database_of(request).transaction() as work:
        return answer(await _dock(work, caller).stage(parcel_id, body.lane))


@router.post(
    "/v1/load-lists",
    **operation(access=_LOADERS, owner={"carrier_service": "carrier service"}, body=LoadListBody, answers={201: "The trailer's load list is open."}),
)
async def post_load_list(request: Request, body: Annotated[LoadListBody, Parsed(LoadListBody)], caller: Caller) -> Response:
    async with database_of(request).transaction() as work:
        opened = await _dock(work, caller).open_list(body.load_list_id, body.carrier_service, body.departs_at, caller.subject)
    return answer(opened, 201, location=f"/v1/load-lists/{opened.load_list_id}")


@router.get("/v1/load-lists/{load_list_id}", **operation(access=_WATCHERS, owner=_LOAD_LIST))
async def get_load_list(request: Request, load_list_id: UUID, caller: Caller) -> Response:
    async with database_of(request).transaction() as work:
        found = await queries.load_list(work, load_list_id)
    if found is None or (caller.scope == "own" and caller.site not in (None, found[0])):
        raise NotFound
    return answer(found[1])


@router.post("/v1/load-lists/{load_list_id}/loads", **operation(access=_LOADERS, owner=_LOAD_LIST | {"parcel_id": "parcel"}, body=ScanBody))
async def post_load(request: Request, load_list_id: UUID, body: Annotated[ScanBody, Parsed(ScanBody)], caller: Caller) -> Response:
    async with database_of(request).transaction() as work:
        return answer(await _dock(work, caller).load(body.scan(load_list_id, caller.subject)))


@router.post("/v1/load-lists/{load_list_id}/unload", **operation(access=_LOADERS, owner=_LOAD_LIST | {"parcel_id": "parcel"}, body=ScanBody))
async def post_unload(request: Request, load_list_id: UUID, body: Annotated[ScanBody, Parsed(ScanBody)], caller: Caller) -> Response:
    async with database_of(request).transaction() as work:
        return answer(await _dock(work, caller).unload(body.scan(load_list_id, caller.subject)))


@router.post("/v1/load-lists/{load_list_id}/close", **operation(access=_LOADERS, owner=_LOAD_LIST))
async def post_close(request: Request, load_list_id: UUID, caller: Caller) -> Response:
    """Answers the ids of the manifests that the carrier has to be told next; none for an empty trailer."""
    async with database_of(request).transaction() as work:
        manifests = await _dock(work, caller).close(load_list_id)
    return answer({"load_list_id": load_list_id, "state": "closed", "manifests": [each.manifest_id for each in manifests]})


@router.post("/v1/load-lists/{load_list_id}/reopen", **operation(access=_LOADERS, owner=_LOAD_LIST))
async def post_reopen(request: Request, load_list_id: UUID, caller: Caller) -> Response:
    async with database_of(request).transaction() as work:
        return answer(await _dock(work, caller).reopen(load_list_id))


@router.post("/v1/load-lists/{load_list_id}/hand-over", **operation(access=_LOADERS, owner=_LOAD_LIST))
async def post_hand_over(request: Request, load_list_id: UUID, caller: Caller) -> Response:
    async with database_of(request).transaction() as work:
        parcels = await _dock(work, caller).hand_over(load_list_id, cause_of(request))
    return answer({"load_list_id": load_list_id, "state": "handed_over", "parcels": parcels})


@router.get("/v1/manifests", **operation(access=_WATCHERS, owner={"site": "site"}))
async def get_manifests(request: Request, site: SiteQuery, caller: Caller) -> Response:
    _at(caller, site)
    async with database_of(request).transaction() as work:
        return answer(await queries.manifests(work, site))


@router.post("/v1/manifests/{manifest_id}/close", **operation(access=_LOADERS, owner={"manifest_id": "manifest"}))
async def post_close_manifest(request: Request, manifest_id: UUID, caller: Caller) -> Response:
    book = Manifests(database_of(request), caller.site)
    try:
        return answer(await handlers.close_manifest(manifest_id, caller.subject, book, account_of(request)))
    except CarrierSilent as refusal:
        raise Problem(refusal.status, refusal.slug, refusal.sentence, headers={"retry-after": "10"}, extra=refusal.facts) from refusal


def _dock(work: Transaction, caller: Principal) -> Dock:
    return Dock(work, caller.site)


def _at(caller: Principal, site: str) -> None:
    if caller.scope == "own" and caller.site not in (None, site):
        raise NotFound
