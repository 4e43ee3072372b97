"""Pull-backs over HTTP: units that changed orders no longer want, and the scan that shows they lie in their bin again."""

from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response

from services.fulfilment.amending import handlers, queries
from services.fulfilment.amending.domain import PullBack
from services.fulfilment.amending.store import PullBacksSql
from services.fulfilment.floor.domain.refusals import IdTaken
from services.fulfilment.floor.ports import Who
from services.fulfilment.shipping.settings import database_of
from services.fulfilment.stock.api import BinName, Site
from services.fulfilment.stock.store import StockSql
from services.fulfilment.work import WorkLog
from services.kit.http import Caller, PageSize, Parsed, Principal, Routes, Strict, answer, cause_of, operation


class PutAway(Strict):
    """The device makes scan_id; sent again, it changes nothing more. `code` is what was read of the item, or a SKU typed in; `bin` where it lies."""

    scan_id: UUID
    code: Annotated[str, Field(min_length=1, max_length=64)]
    bin: BinName


router = Routes()


@router.get("/v1/pull-backs", **operation(access={"picker": "own", "planner": "all", "admin": "all"}, owner={"site": "site"}))
async def get_pull_backs(
    request: Request,
    caller: Caller,
    site: Annotated[Site | None, Query()] = None,
    after: Annotated[UUID | None, Query()] = None,
    limit: PageSize = 50,
) -> Response:
    async with database_of(request).transaction() as work:
        found = await queries.open_pull_backs(work, caller.site or site, after, limit)
    return answer({"pull_backs": found, "after": found[-1]["pull_back_id"] if len(found) == limit else None})


@router.post("/v1/pull-backs/{pull_back_id}/done", **operation(access={"picker": "own"}, owner={"pull_back_id": "pull-back"}, body=PutAway))
async def post_done(request: Request, pull_back_id: UUID, body: Annotated[PutAway, Parsed(PutAway)], caller: Caller) -> Response:
    return answer(await put_away(request, caller, pull_back_id, body))


async def put_away(request: Request, caller: Principal, pull_back_id: UUID, body: PutAway) -> PullBack:
    """The pull-back as it is then, by whomever it was done. Raises NotFound, what refuses the scan, and IdTaken."""
    told = pull_back_id, body.scan_id, body.code, body.bin
    try:
        async with database_of(request).transaction() as work:
            stock = StockSql(work, WorkLog(work))
            return await handlers.put_away(PullBacksSql(work), stock, Who(caller.subject, caller.site), *told, cause_of(request))
    except asyncpg.UniqueViolationError:
        raise IdTaken("This scan_id stands for another scan: make a new one.") from None
