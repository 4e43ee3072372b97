"""The loader's pages: the departures of a site with their trailers, and one trailer: load by scan, close, tell the carrier, hand over."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response

from services.fulfilment.pages import look
from services.fulfilment.pages.queries import manifests_of, waiting_pull_backs, zone_of
from services.fulfilment.shipping.dock import queries
from services.fulfilment.shipping.dock.api import Id, LoadListBody, ScanBody, SiteQuery
from services.fulfilment.shipping.dock.store import Dock
from services.fulfilment.shipping.manifests import handlers as manifests
from services.fulfilment.shipping.manifests.store import Manifests
from services.fulfilment.shipping.settings import account_of, database_of, shipping_settings
from services.kit.database import Transaction
from services.kit.http import Caller, Principal, Problem, Routes, Strict, cause_of, page
from services.kit.http.forms import Fields, fit
from services.kit.http.routing import Access
from services.kit.values import NotFound

_LOADERS: Access = {"loader": "own"}
_TRAILER = {"load_list_id": "load list"}


class _Load(Strict):
    """`code` is what was read: the barcode of the label, or the parcel's id typed in."""

    scan_id: Id
    code: Annotated[str, Field(min_length=1, max_length=64)]

    def body(self) -> ScanBody:
        try:
            return ScanBody(scan_id=self.scan_id, parcel_id=UUID(self.code))
        except ValueError:
            return ScanBody(scan_id=self.scan_id, barcode=self.code)


class _Close(Strict):
    """`without` stands for what was shown to stay behind, empty before anything was."""

    without: Annotated[str, Field(max_length=64)] = ""


class _Manifest(Strict):
    manifest_id: Id


@dataclass(frozen=True, slots=True)
class _At:
    """Where a step is done, and by whom."""

    request: Request
    caller: Principal
    load_list_id: UUID


_Step = Callable[[_At, Mapping[str, str]], Awaitable[str | None]]
"""Does what a form asks for; returns what the page asks back where that comes first."""

router = Routes()


@router.get("/dock", **page(access=_LOADERS, owner={"site": "site"}))
async def get_dock(request: Request, caller: Caller, site: Annotated[SiteQuery | None, Query()] = None) -> Response:
    if caller.site is not None and site not in (None, caller.site):
        raise NotFound
    return await _departures(request, caller.site or site)


@router.post("/dock", **page(access=_LOADERS))
async def post_dock(request: Request, caller: Caller, fields: Fields) -> Response:
    """Open a trailer for a departure."""
    try:
        body = fit(LoadListBody, {name: text for name, text in fields.items() if name != "do"})
        async with database_of(request).transaction() as work:
            opened = await _dock(work, caller).open_list(body.load_list_id, body.carrier_service, body.departs_at, caller.subject)
        return look.go(f"/dock/{opened.load_list_id}")
    except look.REFUSED as error:
        return await _departures(request, caller.site, look.refusal(error))


@router.get("/dock/{load_list_id}", **page(access=_LOADERS, owner=_TRAILER))
async def get_trailer(
    request: Request,
    caller: Caller,
    load_list_id: UUID,
    done: Annotated[str, Query(max_length=16)] = "",
    ask: Annotated[str, Query(max_length=16)] = "",
    typing: bool = False,
) -> Response:
    return await _trailer(_At(request, caller, load_list_id), done=done, ask=ask, typing=typing)


@router.post("/dock/{load_list_id}", **page(access=_LOADERS, owner=_TRAILER))
async def post_trailer(request: Request, caller: Caller, load_list_id: UUID, fields: Fields) -> Response:
    """One step; refused, the page says why and what to do. A trailer that is not there is no page."""
    at, name, rest = _At(request, caller, load_list_id), fields.get("do", ""), {key: text for key, text in fields.items() if key != "do"}
    try:
        ask = await look.step_of(_STEPS, name)(at, rest)
        return look.go(f"/dock/{load_list_id}?ask={ask}" if ask else f"/dock/{load_list_id}?done={name}")
    except look.REFUSED as error:
        return await _trailer(at, problem=look.refusal(error))


async def _load(at: _At, fields: Mapping[str, str]) -> None:
    async with database_of(at.request).transaction() as work:
        await _dock(work, at.caller).load(fit(_Load, fields).body().scan(at.load_list_id, at.caller.subject))


async def _unload(at: _At, fields: Mapping[str, str]) -> None:
    async with database_of(at.request).transaction() as work:
        await _dock(work, at.caller).unload(fit(ScanBody, fields).scan(at.load_list_id, at.caller.subject))


async def _close(at: _At, fields: Mapping[str, str]) -> str | None:
    """Closed once nothing stays behind that the loader was not shown; else it is shown first."""
    shown = fit(_Close, fields).without
    async with database_of(at.request).transaction() as work:
        dock = _dock(work, at.caller)
        await dock.load_list(at.load_list_id, lock=True)
        left = await queries.left_behind(work, at.load_list_id)
        if left and shown != _mark(left):
            return "again" if shown else "close"
        await dock.close(at.load_list_id)
    return None


async def _reopen(at: _At, fields: Mapping[str, str]) -> None:
    async with database_of(at.request).transaction() as work:
        await _dock(work, at.caller).reopen(at.load_list_id)


async def _tell_carrier(at: _At, fields: Mapping[str, str]) -> None:
    book = Manifests(database_of(at.request), at.caller.site)
    await manifests.close_manifest(fit(_Manifest, fields).manifest_id, at.caller.subject, book, account_of(at.request))


async def _hand_over(at: _At, fields: Mapping[str, str]) -> None:
    async with database_of(at.request).transaction() as work:
        await _dock(work, at.caller).hand_over(at.load_list_id, cause_of(at.request))


_STEPS: Mapping[str, _Step] = MappingProxyType(
    {"load": _load, "unload": _unload, "close": _close, "reopen": _reopen, "manifest": _tell_carrier, "hand-over": _hand_over}
)


async def _departures(request: Request, site: str | None, problem: Problem | None = None) -> Response:
    async with database_of(request).transaction() as work:
        rows = await queries.board(work, site, shipping_settings().rates) if site else []
        zone, now, waiting = await zone_of(work, site), work.now, await waiting_pull_backs(work, site)
    return look.draw("dock", problem, site=site, rows=rows, zone=zone, now=now, waiting=waiting)


async def _trailer(at: _At, *, done: str = "", ask: str = "", typing: bool = False, problem: Problem | None = None) -> Response:
    async with database_of(at.request).transaction() as work:
        found = await queries.load_list(work, at.load_list_id)
        if found is None or at.caller.site not in (None, found[0]):
            raise NotFound
        site, view = found
        left = await queries.left_behind(work, at.load_list_id)
        listed = await manifests_of(work, [parcel.manifest_id for parcel in view.parcels])
        board = await queries.board(work, site, shipping_settings().rates) if view.trailer.state == "open" else []
        zone, now = await zone_of(work, site), work.now
    key = view.trailer.carrier_service, view.trailer.departs_at
    row = next((each for each in board if (each.carrier_service, each.departs_at) == key), None)
    told = {"view": view, "trailer": view.trailer, "row": row, "site": site, "who": at.caller, "zone": zone, "now": now, "done": done}
    if left and ask:
        return look.draw("left_behind", problem, left=left, mark=_mark(left), ask=ask, **told)
    untold = [each for each in listed if each.state != "transmitted"]
    reopens = all(each.state == "open" for each in listed)
    return look.draw("trailer", problem, untold=untold, left=left, reopens=reopens, typing=typing, **told)


def _mark(left: Sequence[queries.LeftBehind]) -> str:
    """Another one for anything else that stays behind, and for anything else that was promised with it."""
    told = sorted(f"{each.order_id} {each.parcel_id} {[one.customer_text for one in each.promised]}" for each in left)
    return sha256("\n".join(told).encode()).hexdigest()


def _dock(work: Transaction, caller: Principal) -> Dock:
    return Dock(work, caller.site)
