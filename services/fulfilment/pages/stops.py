"""The driver's pages: the vans of the day, and one van: the next stop first, what to hand over there in the customer's own words."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response

from services.fulfilment.pages import look
from services.fulfilment.pages.queries import zone_of
from services.fulfilment.shipping.settings import database_of
from services.fulfilment.shipping.van.api import Id, MissedBody
from services.fulfilment.shipping.van.domain import Missed, RunSheet, Stop, StopState
from services.fulfilment.shipping.van.store import Vans
from services.kit.database import Transaction
from services.kit.http import Caller, Principal, Problem, Routes, Strict, cause_of, page
from services.kit.http.forms import Fields, fit
from services.kit.http.routing import Access

_DRIVERS: Access = {"driver": "own"}
_VAN = {"load_list_id": "load list"}
_GONE = "This stop is not in this van: look at the list again."


class _Door(Strict):
    order_id: Id


class _HandOver(Strict):
    """`code` is what was read off the parcel, or its id where the button was pressed."""

    scan_id: Id
    code: Annotated[str, Field(min_length=1, max_length=64)]

    @property
    def parcel(self) -> UUID | str:
        try:
            return UUID(self.code)
        except ValueError:
            return self.code


@dataclass(frozen=True, slots=True)
class _At:
    """At which door a step is done, and by whom."""

    request: Request
    caller: Principal
    load_list_id: UUID
    order_id: UUID


_Step = Callable[[Vans, _At, Mapping[str, str]], Awaitable[Stop]]

router = Routes()


@router.get("/stops", **page(access=_DRIVERS))
async def get_vans(request: Request, caller: Caller) -> Response:
    async with database_of(request).transaction() as work:
        sheets, now = await _vans(work, caller).sheets(), work.now
        zone = await zone_of(work, caller.site or (sheets[0].site if sheets else None))
    return look.draw("vans", sheets=sheets, zone=zone, now=now)


@router.get("/stops/{load_list_id}", **page(access=_DRIVERS, owner=_VAN))
async def get_stops(
    request: Request,
    caller: Caller,
    load_list_id: UUID,
    stop: Annotated[UUID | None, Query()] = None,
    done: Annotated[str, Query(max_length=16)] = "",
) -> Response:
    return await _show(request, caller, load_list_id, stop, done=done)


@router.post("/stops/{load_list_id}", **page(access=_DRIVERS, owner=_VAN))
async def post_stops(request: Request, caller: Caller, load_list_id: UUID, fields: Fields) -> Response:
    """One step at a door; refused, the page says why and what to do, at the same door. A van that is not there is no page."""
    name, rest = fields.get("do", ""), {key: text for key, text in fields.items() if key not in ("do", "order_id")}
    order_id: UUID | None = None
    try:
        order_id = fit(_Door, {"order_id": fields.get("order_id", "")}).order_id
        step = look.step_of(_STEPS, name)
        async with database_of(request).transaction() as work:
            after = await step(_vans(work, caller), _At(request, caller, load_list_id, order_id), rest)
        stays = f"&stop={order_id}" if after.state is StopState.STARTED else ""
        return look.go(f"/stops/{load_list_id}?done={name}{stays}")
    except look.REFUSED as error:
        return await _show(request, caller, load_list_id, order_id, problem=look.refusal(error, _GONE))


async def _start(vans: Vans, at: _At, fields: Mapping[str, str]) -> Stop:
    return await vans.start(at.load_list_id, at.order_id, at.caller.subject)


async def _hand_over(vans: Vans, at: _At, fields: Mapping[str, str]) -> Stop:
    body = fit(_HandOver, fields)
    return await vans.hand_over(at.load_list_id, at.order_id, body.scan_id, body.parcel, vans.work.now, cause_of(at.request))


async def _miss(vans: Vans, at: _At, fields: Mapping[str, str]) -> Stop:
    body = fit(MissedBody, fields)
    return await vans.miss(at.load_list_id, at.order_id, body.scan_id, body.reason, vans.work.now, cause_of(at.request))


_STEPS: Mapping[str, _Step] = MappingProxyType({"start": _start, "hand-over": _hand_over, "missed": _miss})


async def _show(
    request: Request, caller: Principal, load_list_id: UUID, asked: UUID | None, *, done: str = "", problem: Problem | None = None
) -> Response:
    async with database_of(request).transaction() as work:
        sheet = await _vans(work, caller).sheet(load_list_id)
        zone, now = await zone_of(work, sheet.site), work.now
    now_at = _next(sheet, asked)
    later = [each for each in sheet.stops if each is not now_at and each.state is not StopState.DONE]
    told = {"sheet": sheet, "stop": now_at, "later": later, "reasons": list(Missed), "who": caller, "zone": zone, "now": now, "done": done}
    return look.draw("stops", problem, over=sum(each.state is StopState.DONE for each in sheet.stops), **told)


def _next(sheet: RunSheet, asked: UUID | None) -> Stop | None:
    """The stop to show: the one that was asked for, else where the driver stands, else the next door, those that were missed last; None after all."""
    order = {StopState.STARTED: 0, StopState.WAITING: 1}
    left = sorted((each for each in sheet.stops if each.state in order), key=lambda each: (order[each.state], each.missed is not None, each.number))
    return next((each for each in sheet.stops if each.order_id == asked), left[0] if left else None)


def _vans(work: Transaction, caller: Principal) -> Vans:
    return Vans(work, caller.site)
