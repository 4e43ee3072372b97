"""The picker's page: one question per screen. Claim, read what was promised, walk and scan, say that a shelf is short, pack, label."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Literal, TypeVar
from uuid import UUID

from fastapi import Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from services.fulfilment.floor import handlers, queries
from services.fulfilment.floor.api import ClaimNext, Fence, Fenced, OneScan, Pack, Short, Unpack, desk_of
from services.fulfilment.floor.domain.events import Reason
from services.fulfilment.floor.domain.refusals import StaleClaim
from services.fulfilment.floor.domain.task import Carton, TaskState
from services.fulfilment.floor.messages import TaskView
from services.fulfilment.floor.ports import Who
from services.fulfilment.pages import look
from services.fulfilment.pages.queries import LastScan, PulledBack, last_scans, pulled_out_of, task_of, waiting_pull_backs, zone_of
from services.fulfilment.shipping.labels import handlers as labelling
from services.fulfilment.shipping.labels.queries import ParcelView
from services.fulfilment.shipping.labels.queries import parcel as parcel_view
from services.fulfilment.shipping.labels.store import Labels
from services.fulfilment.shipping.settings import account_of, database_of, shipping_settings
from services.kit.http import Caller, Principal, Problem, Routes, Strict, cause_of, page
from services.kit.http.forms import Fields, fit
from services.kit.http.routing import Access
from services.kit.values import NotFound

_PICKERS: Access = {"picker": "own"}
_GONE = "This is not in your hands any more: claim the next order."
T = TypeVar("T", bound=BaseModel)
At = Literal["", "walk", "type", "short", "none"]
_Step = Callable[[Request, Principal, Mapping[str, str]], Awaitable[str]]
"""Does what a form asks for, and returns where to go on."""


class _Task(Strict):
    task_id: UUID


class _Undo(Strict):
    scan_id: UUID
    fence: Fence


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the page rests on: the task in this picker's hands, else the parcel that was just packed."""

    task: TaskView | None
    parcel: ParcelView | None
    packed: UUID | None
    scans: Sequence[LastScan]
    pulled: Sequence[PulledBack]


router = Routes()


@router.get("/floor", **page(access=_PICKERS))
async def get_floor(
    request: Request,
    caller: Caller,
    at: Annotated[At, Query()] = "",
    done: Annotated[str, Query(max_length=16)] = "",
    parcel: Annotated[UUID | None, Query()] = None,
) -> Response:
    return await _show(request, caller, at, done=done, parcel_id=parcel)


@router.post("/floor", **page(access=_PICKERS))
async def post_floor(request: Request, caller: Caller, fields: Fields) -> Response:
    """One step; refused, the page says why and what to do, at the same place."""
    name, rest = fields.get("do", ""), {key: text for key, text in fields.items() if key != "do"}
    try:
        return look.go(await look.step_of(_STEPS, name)(request, caller, rest))
    except look.REFUSED as error:
        at: At = "short" if name == "short" else "walk"
        return await _show(request, caller, at, problem=look.refusal(error, _GONE), typed=rest)


async def _claim(request: Request, caller: Principal, fields: Mapping[str, str]) -> str:
    wanted = fit(ClaimNext, fields)
    if caller.site not in (None, wanted.site):
        raise Problem(403)
    async with desk_of(request) as desk:
        task = await handlers.claim_next(desk.floor, _who(caller), wanted.site, wanted.claim_id, cause_of(request))
    return "/floor" if task else "/floor?at=none"


async def _scan(request: Request, caller: Principal, fields: Mapping[str, str]) -> str:
    task_id, body = _of_task(OneScan, fields)
    async with desk_of(request) as desk:
        (verdict,) = await handlers.scan(desk.floor, desk.stock, _who(caller), task_id, [body.scan(body.fence)], cause_of(request))
    if verdict.verdict != handlers.PICKED:
        facts = dict(verdict.answer)
        raise Problem(verdict.status, verdict.verdict, str(facts.pop("detail")), extra=facts)
    return "/floor?at=walk&done=scan"


async def _undo(request: Request, caller: Principal, fields: Mapping[str, str]) -> str:
    task_id, body = _of_task(_Undo, fields)
    async with desk_of(request) as desk:
        await handlers.undo_scan(desk.floor, desk.stock, _who(caller), task_id, body.scan_id, body.fence, cause_of(request))
    return "/floor?at=walk&done=undo"


async def _short(request: Request, caller: Principal, fields: Mapping[str, str]) -> str:
    task_id, body = _of_task(Short, fields)
    told = body.fence, body.report_id, body.line, body.found, body.reason
    async with desk_of(request) as desk:
        after = await handlers.come_up_short(desk.floor, desk.stock, _who(caller), task_id, *told, cause_of(request))
    return f"/floor?at=walk&done={'aside' if after.state is TaskState.SHORT else 'short'}"


async def _put_back(request: Request, caller: Principal, fields: Mapping[str, str]) -> str:
    """Pressed again it is put back already, and so it is where somebody took it over."""
    task_id, body = _of_task(Fenced, fields)
    with suppress(StaleClaim):
        async with desk_of(request) as desk:
            await handlers.put_back(desk.floor, _who(caller), task_id, body.fence)
    return "/floor?done=put-back"


async def _pack(request: Request, caller: Principal, fields: Mapping[str, str]) -> str:
    task_id, body = _of_task(Pack, fields)
    told = body.fence, body.carton, body.weight_grams, body.parcel_id, body.weight_confirmed
    async with desk_of(request) as desk:
        await handlers.pack(desk.floor, desk.parcels, _who(caller), task_id, *told, cause_of(request))
    return f"/floor?done=pack&parcel={body.parcel_id}"


async def _unpack(request: Request, caller: Principal, fields: Mapping[str, str]) -> str:
    task_id, body = _of_task(Unpack, fields)
    async with desk_of(request) as desk:
        await handlers.unpack(desk.floor, desk.parcels, _who(caller), task_id, body.parcel_id)
    return "/floor?done=unpack"


async def _label(request: Request, caller: Principal, fields: Mapping[str, str]) -> str:
    parcel_id, database = fit(Unpack, fields).parcel_id, database_of(request)
    async with database.transaction() as work:
        seen = await parcel_view(work, parcel_id)
    if seen is None or caller.site not in (None, seen.site):
        raise NotFound
    await labelling.buy(parcel_id, caller.subject, cause_of(request), Labels(database, shipping_settings().rates), account_of(request))
    return f"/floor?done=label&parcel={parcel_id}"


_STEPS: Mapping[str, _Step] = MappingProxyType(
    {
        "claim": _claim, "scan": _scan, "undo": _undo, "short": _short, "put-back": _put_back, "pack": _pack, "unpack": _unpack, "label": _label,
    }
)  # fmt: skip


async def _show(
    request: Request, caller: Principal, at: At, *, done: str = "", parcel_id: UUID | None = None, problem: Problem | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:  # fmt: skip
    typed = typed or {}
    async with database_of(request).transaction() as work:
        held = await queries.many(work, queries.Wanted(caller.site, None, caller.subject, None, 1))
        about = None if held else parcel_id or _parcel_in(typed)
        parcel = await parcel_view(work, about) if about else None
        if parcel and caller.site not in (None, parcel.site):
            parcel = None
        packed = await task_of(work, parcel.parcel_id) if parcel else None
        beside = (await last_scans(work, held[0].task_id), await pulled_out_of(work, held[0].task_id)) if held else ((), ())
        seen = _Seen(held[0] if held else None, parcel, packed, *beside)
        waiting = await waiting_pull_backs(work, caller.site)
        zone = await zone_of(work, seen.task.site if seen.task else caller.site)
    told = {"seen": seen, "task": seen.task, "parcel": parcel, "who": caller, "zone": zone, "done": done, "typed": typed}
    return look.draw(
        "floor", problem, screen=_screen(seen, at), pulled=seen.pulled, waiting=waiting, cartons=list(Carton), reasons=list(Reason), **told
    )


def _screen(seen: _Seen, at: At) -> str:
    """The one question that is asked now."""
    task = seen.task
    if task is None:
        return "parcel" if seen.parcel else "none" if at == "none" else "idle"
    if task.state is TaskState.PICKED:
        return "pack"
    if task.next is None:
        return "nothing"
    if at in ("type", "short"):
        return at
    return "promised" if at == "" and task.promised and not task.progress.units_picked else "walk"


def _parcel_in(typed: Mapping[str, str]) -> UUID | None:
    """The parcel that a refused step was about."""
    try:
        return UUID(typed.get("parcel_id", ""))
    except ValueError:
        return None


def _of_task(model: type[T], fields: Mapping[str, str]) -> tuple[UUID, T]:
    """Which task the form is of, and the rest of it as the body of the JSON route."""
    rest = dict(fields)
    return fit(_Task, {"task_id": rest.pop("task_id", "")}).task_id, fit(model, rest)


def _who(caller: Principal) -> Who:
    return Who(caller.subject, caller.site)
