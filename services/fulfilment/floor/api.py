"""The floor over HTTP: claim, scan, come up short, pack. Every step names the fence of the claim it is done under; a lost claim's steps are
refused, saying who has the task now.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, cast
from uuid import UUID

import asyncpg
from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response

from services.fulfilment.floor import handlers, queries
from services.fulfilment.floor.domain.events import Reason
from services.fulfilment.floor.domain.refusals import IdTaken
from services.fulfilment.floor.domain.task import Carton, Task, TaskState
from services.fulfilment.floor.ports import Scan, Verdict, Who
from services.fulfilment.floor.store import FloorSql
from services.fulfilment.settings import fulfilment_settings
from services.fulfilment.shipping.domain import NewParcel
from services.fulfilment.shipping.store import add_parcel, drop_parcel
from services.fulfilment.stock.api import BinName, Site
from services.fulfilment.stock.store import StockSql
from services.fulfilment.work import WorkLog
from services.kit.database import Database, Transaction
from services.kit.http import Caller, Instant, PageSize, Parsed, Principal, Problem, Quantity, Routes, Strict, answer, cause_of, operation
from services.kit.http.routing import Access

_PICKERS: Access = {"picker": "own"}
_SEERS: Access = {"picker": "own", "planner": "all", "admin": "all", "service": "all"}
_TASK = {"task_id": "task"}
_PLANNERS: Access = {"planner": "all", "admin": "all"}

Code = Annotated[str, Field(min_length=1, max_length=64)]
Fence = Annotated[int, Field(ge=1, le=2**62)]


class ClaimNext(Strict):
    """The device makes claim_id; sent again, it gets the same task."""

    claim_id: UUID
    site: Site


class Claim(Strict):
    claim_id: UUID


class Fenced(Strict):
    fence: Fence


class ScanBody(Strict):
    """The device makes scan_id; sent again, it gets the same verdict. `code` is what was read, or a SKU typed in."""

    scan_id: UUID
    code: Code
    quantity: Quantity
    bin: BinName | None = None
    device: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    occurred_at: Instant | None = None

    def scan(self, fence: int) -> Scan:
        return Scan(self.scan_id, fence, self.code, self.quantity, self.bin, self.device, self.occurred_at)


class OneScan(ScanBody):
    fence: Fence


class ScanBatch(Strict):
    """Scans that a device kept while it had no network, in the order they were made."""

    fence: Fence
    scans: Annotated[list[ScanBody], Field(min_length=1, max_length=100)]


class Short(Strict):
    """`found`: how many units the bin gives, scanned ones included. The device makes report_id; sent again, it changes nothing more."""

    report_id: UUID
    fence: Fence
    line: Annotated[int, Field(ge=1, le=2_000_000)]
    found: Annotated[int, Field(ge=0, le=1_000_000)]
    reason: Reason


class Pack(Strict):
    """The packer makes parcel_id; sent again, it packs nothing twice. `weight_confirmed`: the scale was looked at twice."""

    parcel_id: UUID
    fence: Fence
    carton: Carton
    weight_grams: Annotated[int, Field(ge=1, le=1_000_000)]
    weight_confirmed: bool = False


class Unpack(Strict):
    parcel_id: UUID


@dataclass(frozen=True, slots=True)
class ParcelsSql:
    """The pack station's way to shipping, in the same transaction."""

    work: Transaction

    async def add(self, task: Task) -> None:
        """The packed order's parcel, to be labelled."""
        if task.parcel_id is None or task.carton is None or task.weight_grams is None:
            raise AssertionError(f"task {task.task_id} is not packed")
        await add_parcel(self.work, NewParcel(task.parcel_id, task.order_id, task.site, task.carton.value, task.weight_grams))

    async def drop(self, parcel_id: UUID) -> bool:
        """The parcel is unpacked again. False once it is labelled."""
        return await drop_parcel(self.work, parcel_id)


@dataclass(frozen=True, slots=True)
class Desk:
    """The stores of one command."""

    work: Transaction
    floor: FloorSql
    stock: StockSql

    @property
    def parcels(self) -> ParcelsSql:
        return ParcelsSql(self.work)


router = Routes()


@router.post(
    "/v1/pick-tasks:claim-next", **operation(access=_PICKERS, owner={"site": "site"}, body=ClaimNext, answers={200: "The task.", 204: "None waits."})
)
async def post_claim_next(request: Request, body: Annotated[ClaimNext, Parsed(ClaimNext)], caller: Caller) -> Response:
    if caller.site not in (None, body.site):
        raise Problem(403)
    async with desk_of(request) as desk:
        task = await handlers.claim_next(desk.floor, _who(caller), body.site, body.claim_id, cause_of(request))
        return answer(await queries.view(desk.work, task)) if task else Response(status_code=204, headers={"cache-control": "no-store"})


@router.post("/v1/pick-tasks/{task_id}/claim", **operation(access=_PICKERS, owner=_TASK, body=Claim))
async def post_claim(request: Request, task_id: UUID, body: Annotated[Claim, Parsed(Claim)], caller: Caller) -> Response:
    async with desk_of(request) as desk:
        return await _shown(desk, await handlers.claim(desk.floor, _who(caller), task_id, body.claim_id, cause_of(request)))


@router.post("/v1/pick-tasks/{task_id}/heartbeat", **operation(access=_PICKERS, owner=_TASK, body=Fenced))
async def post_heartbeat(request: Request, task_id: UUID, body: Annotated[Fenced, Parsed(Fenced)], caller: Caller) -> Response:
    async with desk_of(request) as desk:
        return await _shown(desk, await handlers.heartbeat(desk.floor, _who(caller), task_id, body.fence))


@router.post("/v1/pick-tasks/{task_id}/put-back", **operation(access=_PICKERS, owner=_TASK, body=Fenced))
async def post_put_back(request: Request, task_id: UUID, body: Annotated[Fenced, Parsed(Fenced)], caller: Caller) -> Response:
    async with desk_of(request) as desk:
        return await _shown(desk, await handlers.put_back(desk.floor, _who(caller), task_id, body.fence))


@router.post("/v1/pick-tasks/{task_id}/take-back", **operation(access=_PLANNERS, owner=_TASK, body=Fenced))
async def post_take_back(request: Request, task_id: UUID, body: Annotated[Fenced, Parsed(Fenced)], caller: Caller) -> Response:
    async with desk_of(request) as desk:
        return await _shown(desk, await handlers.take_back(desk.floor, _who(caller), task_id, body.fence))


@router.post("/v1/pick-tasks/{task_id}/scans", **operation(access=_PICKERS, owner=_TASK, body=OneScan))
async def post_scan(request: Request, task_id: UUID, body: Annotated[OneScan, Parsed(OneScan)], caller: Caller) -> Response:
    async with desk_of(request) as desk:
        (verdict,) = await handlers.scan(desk.floor, desk.stock, _who(caller), task_id, [body.scan(body.fence)], cause_of(request))
    if verdict.verdict != handlers.PICKED:
        facts = dict(verdict.answer)
        raise Problem(verdict.status, verdict.verdict, str(facts.pop("detail")), extra=facts)
    return answer(_told(verdict))


@router.post("/v1/pick-tasks/{task_id}/scans:batch", **operation(access=_PICKERS, owner=_TASK, body=ScanBatch))
async def post_scans(request: Request, task_id: UUID, body: Annotated[ScanBatch, Parsed(ScanBatch)], caller: Caller) -> Response:
    scans = [each.scan(body.fence) for each in body.scans]
    async with desk_of(request) as desk:
        verdicts = await handlers.scan(desk.floor, desk.stock, _who(caller), task_id, scans, cause_of(request))
    return answer({"verdicts": [_told(verdict) for verdict in verdicts]})


@router.post("/v1/pick-tasks/{task_id}/scans/{scan_id}/undo", **operation(access=_PICKERS, owner=_TASK | {"scan_id": "scan"}, body=Fenced))
async def post_undo(request: Request, task_id: UUID, scan_id: UUID, body: Annotated[Fenced, Parsed(Fenced)], caller: Caller) -> Response:
    async with desk_of(request) as desk:
        return await _shown(desk, await handlers.undo_scan(desk.floor, desk.stock, _who(caller), task_id, scan_id, body.fence, cause_of(request)))


@router.post("/v1/pick-tasks/{task_id}/short", **operation(access=_PICKERS, owner=_TASK, body=Short))
async def post_short(request: Request, task_id: UUID, body: Annotated[Short, Parsed(Short)], caller: Caller) -> Response:
    told = body.fence, body.report_id, body.line, body.found, body.reason
    async with desk_of(request) as desk:
        return await _shown(desk, await handlers.come_up_short(desk.floor, desk.stock, _who(caller), task_id, *told, cause_of(request)))


@router.post("/v1/pick-tasks/{task_id}/pack", **operation(access=_PICKERS, owner=_TASK, body=Pack))
async def post_pack(request: Request, task_id: UUID, body: Annotated[Pack, Parsed(Pack)], caller: Caller) -> Response:
    told = body.fence, body.carton, body.weight_grams, body.parcel_id, body.weight_confirmed
    async with desk_of(request) as desk:
        return await _shown(desk, await handlers.pack(desk.floor, desk.parcels, _who(caller), task_id, *told, cause_of(request)))


@router.post("/v1/pick-tasks/{task_id}/unpack", **operation(access=_PICKERS, owner=_TASK, body=Unpack))
async def post_unpack(request: Request, task_id: UUID, body: Annotated[Unpack, Parsed(Unpack)], caller: Caller) -> Response:
    async with desk_of(request) as desk:
        return await _shown(desk, await handlers.unpack(desk.floor, desk.parcels, _who(caller), task_id, body.parcel_id))


@router.get("/v1/pick-tasks", **operation(access=_SEERS, owner={"site": "site"}))
async def get_tasks(
    request: Request,
    caller: Caller,
    site: Annotated[Site | None, Query()] = None,
    state: Annotated[TaskState | None, Query()] = None,
    after: Annotated[UUID | None, Query()] = None,
    limit: PageSize = 50,
) -> Response:
    wanted = queries.Wanted(caller.site or site, state, _own(caller), after, limit)
    async with _database(request).transaction() as work:
        tasks = await queries.many(work, wanted)
    return answer({"tasks": tasks, "after": tasks[-1].task_id if len(tasks) == limit else None})


@router.get("/v1/pick-tasks/{task_id}", **operation(access=_SEERS, owner=_TASK))
async def get_task(request: Request, task_id: UUID, caller: Caller) -> Response:
    async with _database(request).transaction() as work:
        return answer(await queries.one(work, task_id, caller.site, _own(caller)))


@router.get("/v1/pick-tasks/{task_id}/scans", **operation(access=_PLANNERS, owner=_TASK))
async def get_scans(request: Request, task_id: UUID, caller: Caller) -> Response:
    async with _database(request).transaction() as work:
        return answer(await queries.audit(work, task_id, caller.site))


@asynccontextmanager
async def desk_of(request: Request) -> AsyncIterator[Desk]:
    """One command, one transaction; what was said is versioned last."""
    try:
        async with _database(request).transaction() as work:
            log = WorkLog(work)
            yield Desk(work, FloorSql(work, log, fulfilment_settings().lease), StockSql(work, log))
            await log.flush()
    except asyncpg.UniqueViolationError:
        raise IdTaken("An id in this request stands for something else already: make a new one.") from None


def _database(request: Request) -> Database:
    return cast(Database, request.app.state.database)


def _who(caller: Principal) -> Who:
    return Who(caller.subject, caller.site)


def _own(caller: Principal) -> str | None:
    return caller.subject if caller.scope == "own" else None


async def _shown(desk: Desk, task: Task) -> Response:
    return answer(await queries.view(desk.work, task))


def _told(verdict: Verdict) -> dict[str, object]:
    return {"scan_id": verdict.scan.scan_id, "status": verdict.status, "verdict": verdict.verdict, **verdict.answer}
