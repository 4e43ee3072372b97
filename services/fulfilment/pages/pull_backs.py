"""What changed orders no longer want: the list of pull-backs, and one of them: where its units are, a scan that they are in hand, and the scan of the
shelf that they lie on again. The first scan changes nothing, so that whoever goes away in between leaves nothing behind."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response

from services.fulfilment.amending import queries as amending
from services.fulfilment.amending.api import PutAway, put_away
from services.fulfilment.amending.domain import refuse_wrong
from services.fulfilment.amending.store import PullBacksSql
from services.fulfilment.pages import look
from services.fulfilment.pages.queries import PulledBack, pulled_back, waiting_pull_backs, zone_of
from services.fulfilment.shipping.settings import database_of
from services.kit.database import Transaction
from services.kit.http import Caller, Principal, Problem, Routes, Strict, page
from services.kit.http.forms import Fields, fit
from services.kit.http.routing import Access
from services.kit.values import NotFound

_PICKERS: Access = {"picker": "own"}
_READERS: Access = {"picker": "own", "loader": "own"}
_ONE = {"pull_back_id": "pull-back"}
_AT_ONCE = 50


class _InHand(Strict):
    """What was read of the item."""

    code: Annotated[str, Field(min_length=1, max_length=64)]


router = Routes()


@router.get("/pull-backs", **page(access=_READERS))
async def get_pull_backs(request: Request, caller: Caller, after: Annotated[UUID | None, Query()] = None) -> Response:
    async with database_of(request).transaction() as work:
        rows = await amending.open_pull_backs(work, caller.site, after, _AT_ONCE)
        waiting, zone, now = await waiting_pull_backs(work, caller.site), await zone_of(work, caller.site), work.now
    further = rows[-1]["pull_back_id"] if len(rows) == _AT_ONCE else None
    return look.draw("pull_backs", rows=rows, waiting=waiting, further=further, who=caller, zone=zone, now=now)


@router.get("/pull-backs/{pull_back_id}", **page(access=_READERS, owner=_ONE))
async def get_pull_back(
    request: Request, caller: Caller, pull_back_id: UUID, code: str = "", done: Annotated[str, Query(max_length=16)] = "", typing: bool = False
) -> Response:
    """`code` is what was scanned of the item, empty before."""
    return await _show(request, caller, pull_back_id, code if caller.role == "picker" else "", done=done, typing=typing)


@router.post("/pull-backs/{pull_back_id}", **page(access=_PICKERS, owner=_ONE))
async def post_pull_back(request: Request, caller: Caller, pull_back_id: UUID, fields: Fields) -> Response:
    """The units lie on their shelf again. Refused, the page says why, at the same place; what another did meanwhile is told, and counts."""
    try:
        after = await put_away(request, caller, pull_back_id, fit(PutAway, fields))
        if after.done_by != caller.subject:
            sentence = f"{after.done_by} has put these units back already: what you hold is something else. Give it to the shift lead."
            raise Problem(409, "done-by-another", sentence)
        return look.go(f"/pull-backs/{pull_back_id}?done=put-back")
    except look.REFUSED as error:
        return await _show(request, caller, pull_back_id, fields.get("code", ""), problem=look.refusal(error))


async def _show(
    request: Request, caller: Principal, pull_back_id: UUID, code: str, *, done: str = "", typing: bool = False, problem: Problem | None = None
) -> Response:
    async with database_of(request).transaction() as work:
        found = next(iter(await pulled_back(work, [pull_back_id])), None)
        if found is None or caller.site not in (None, found.units.site):
            raise NotFound
        wrong = await _not_in_hand(work, found, code) if code else None
        zone, waiting = await zone_of(work, found.units.site), await waiting_pull_backs(work, caller.site)
        others = await amending.open_pull_backs(work, caller.site, None, 2)
    screen = "done" if found.units.done_at else "put" if code and not wrong else "take"
    following = next((each["pull_back_id"] for each in others if each["pull_back_id"] != pull_back_id), None)
    told = {"pulled": found, "screen": screen, "code": code, "typing": typing, "done": done, "waiting": waiting, "next": following}
    return look.draw("pull_back", problem or wrong, who=caller, zone=zone, **told)


async def _not_in_hand(work: Transaction, pulled: PulledBack, code: str) -> Problem | None:
    """Why what was scanned is not what is to be put back; nothing where that is done already."""
    if pulled.units.done_at:
        return None
    try:
        items = await PullBacksSql(work).items(pulled.units.site, fit(_InHand, {"code": code}).code)
        refuse_wrong(pulled.units, items, pulled.units.bin)
    except look.REFUSED as error:
        return look.refusal(error)
    return None
