"""Stock over HTTP: receipts and counts by planners, the books of a SKU for whoever serves an order."""

from typing import Annotated, cast
from uuid import UUID

from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response

from services.fulfilment.stock import queries
from services.fulfilment.stock.handlers import count, receive
from services.fulfilment.stock.store import StockSql
from services.fulfilment.work import WorkLog
from services.kit.database import Database
from services.kit.http import Caller, Parsed, Problem, Quantity, Routes, Sku, Strict, answer, cause_of, operation
from services.kit.http.routing import Access

Site = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[A-Za-z0-9-]+$")]
BinName = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9./-]+$")]

_SITE = {"site": "site"}
_PLANNERS: Access = {"planner": "all", "admin": "all"}
_READERS: Access = {"planner": "all", "admin": "all", "care": "all", "picker": "all", "service": "all"}


class ReceiptLine(Strict):
    sku: Sku
    bin: BinName
    quantity: Quantity


class Receipt(Strict):
    """Units that arrived at a site. The sender makes receipt_id; sent again, it books nothing more."""

    receipt_id: UUID
    site: Site
    lines: Annotated[list[ReceiptLine], Field(min_length=1, max_length=1000)]


class Count(Strict):
    """What somebody counted in a bin. Ends a quarantine of it."""

    count_id: UUID
    site: Site
    sku: Sku
    bin: BinName
    counted: Annotated[int, Field(ge=0, le=1_000_000)]


router = Routes()


@router.post("/v1/stock/receipts", **operation(access=_PLANNERS, owner=_SITE, body=Receipt, answers={201: "Booked, now or before."}))
async def post_receipt(request: Request, body: Annotated[Receipt, Parsed(Receipt)], caller: Caller) -> Response:
    refuse_other_site(caller.site, body.site)
    lines = [(line.sku, line.bin, line.quantity) for line in body.lines]
    async with database_of(request).transaction() as work:
        await receive(StockSql(work, WorkLog(work)), body.receipt_id, body.site, lines, caller.subject, cause_of(request))
    return answer({"receipt_id": body.receipt_id, "site": body.site, "units": sum(quantity for _, _, quantity in lines)}, 201)


@router.post("/v1/stock/counts", **operation(access=_PLANNERS, owner=_SITE, body=Count, answers={201: "Booked, now or before."}))
async def post_count(request: Request, body: Annotated[Count, Parsed(Count)], caller: Caller) -> Response:
    refuse_other_site(caller.site, body.site)
    async with database_of(request).transaction() as work:
        store = StockSql(work, WorkLog(work))
        await count(store, body.count_id, body.site, body.sku, body.bin, body.counted, caller.subject, cause_of(request))
        await work.write_now()
        return answer(await queries.stock(work, body.sku, body.site, 10), 201)


@router.get("/v1/stock/{sku}", **operation(access=_READERS, owner={"sku": "item"}))
async def get_stock(
    request: Request, sku: str, caller: Caller, site: Annotated[Site | None, Query()] = None, movements: Annotated[int, Query(ge=0, le=100)] = 20
) -> Response:
    async with database_of(request).transaction() as work:
        return answer(await queries.stock(work, sku, caller.site or site, movements))


def database_of(request: Request) -> Database:
    """The process's database, which the application's lifespan opens."""
    return cast(Database, request.app.state.database)


def refuse_other_site(own: str | None, asked: str) -> None:
    """Raises Problem (403) where somebody who works at one site speaks for another."""
    if own not in (None, asked):
        raise Problem(403)
