"""The driver's run sheet over HTTP: look, start a stop, hand over by scan, or say why not. What a device kept while it had no network is sent later,
with when it happened and how far its clock was ahead."""

from datetime import datetime, timedelta
from typing import Annotated, Self
from uuid import UUID

from fastapi import Request
from pydantic import Field, model_validator
from starlette.responses import Response

from services.fulfilment.shipping.settings import database_of
from services.fulfilment.shipping.van.domain import Missed
from services.fulfilment.shipping.van.store import Vans
from services.kit.database import Transaction
from services.kit.http import Caller, Instant, Parsed, Principal, Routes, Strict, answer, cause_of, operation
from services.kit.http.routing import Access

_DRIVERS: Access = {"driver": "own"}
_WATCHERS: Access = {"driver": "own", "loader": "own", "care": "all", "planner": "all", "admin": "all"}
_VAN = {"load_list_id": "load list"}
_STOP = _VAN | {"order_id": "order"}

Id = Annotated[UUID, Field(strict=False)]


class DoneAtTheDoor(Strict):
    """`scan_id` is made by the device and kept through retries; `at` is when it happened by its clock, now where nothing is said."""

    scan_id: Id
    at: Instant | None = None
    clock_ahead_ms: Annotated[int, Field(ge=-86_400_000, le=86_400_000)] = 0

    def when(self, now: datetime) -> datetime:
        return (self.at or now) - timedelta(milliseconds=self.clock_ahead_ms)


class HandOverBody(DoneAtTheDoor):
    """The barcode on the label, or the parcel's id."""

    parcel_id: Id | None = None
    barcode: Annotated[str, Field(min_length=1, max_length=64)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.parcel_id is None) == (self.barcode is None):
            raise ValueError("send parcel_id or barcode, and not both")
        return self


class MissedBody(DoneAtTheDoor):
    reason: Missed


router = Routes()


@router.get("/v1/run-sheets", **operation(access=_WATCHERS))
async def get_run_sheets(request: Request, caller: Caller) -> Response:
    """Vans that still have something to hand over."""
    async with database_of(request).transaction() as work:
        return answer({"run_sheets": await _vans(work, caller).sheets()})


@router.get("/v1/run-sheets/{load_list_id}", **operation(access=_WATCHERS, owner=_VAN))
async def get_run_sheet(request: Request, load_list_id: UUID, caller: Caller) -> Response:
    async with database_of(request).transaction() as work:
        return answer(await _vans(work, caller).sheet(load_list_id))


@router.post("/v1/run-sheets/{load_list_id}/stops/{order_id}/start", **operation(access=_DRIVERS, owner=_STOP))
async def post_start(request: Request, load_list_id: UUID, order_id: UUID, caller: Caller) -> Response:
    async with database_of(request).transaction() as work:
        return answer(await _vans(work, caller).start(load_list_id, order_id, caller.subject))


@router.post("/v1/run-sheets/{load_list_id}/stops/{order_id}/hand-over", **operation(access=_DRIVERS, owner=_STOP, body=HandOverBody))
async def post_hand_over(
    request: Request, load_list_id: UUID, order_id: UUID, body: Annotated[HandOverBody, Parsed(HandOverBody)], caller: Caller
) -> Response:
    async with database_of(request).transaction() as work:
        parcel = body.parcel_id or body.barcode or ""
        told = body.scan_id, parcel, body.when(work.now), cause_of(request)
        return answer(await _vans(work, caller).hand_over(load_list_id, order_id, *told))


@router.post("/v1/run-sheets/{load_list_id}/stops/{order_id}/missed", **operation(access=_DRIVERS, owner=_STOP, body=MissedBody))
async def post_missed(
    request: Request, load_list_id: UUID, order_id: UUID, body: Annotated[MissedBody, Parsed(MissedBody)], caller: Caller
) -> Response:
    async with database_of(request).transaction() as work:
        told = body.scan_id, body.reason, body.when(work.now), cause_of(request)
        return answer(await _vans(work, caller).miss(load_list_id, order_id, *told))


def _vans(work: Transaction, caller: Principal) -> Vans:
    return Vans(work, caller.site if caller.scope == "own" else None)
