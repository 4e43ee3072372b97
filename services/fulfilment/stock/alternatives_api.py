"""What can be promised where there is none: what is as good as an item, and what a supplier said will come. Put in by planners."""

from typing import Annotated
from uuid import UUID

from fastapi import Request
from pydantic import Field
from starlette.responses import Response

from services.fulfilment.stock.api import Site, database_of, refuse_other_site
from services.kit.http import Caller, Instant, Parsed, Quantity, Routes, Sku, Strict, answer, operation
from services.kit.http.routing import Access

_PLANNERS: Access = {"planner": "all", "admin": "all"}

_FORGET = "delete from substitutes where sku = $1"
_NAME = (
    "insert into substitutes (sku, substitute, rank) select $1, substitute, rank from unnest($2::text[]) with ordinality as named (substitute, rank)"
)
_EXPECT = """
insert into expected_receipts (expected_receipt_id, site, sku, quantity, expected_at, noted_by, noted_at) values ($1, $2, $3, $4, $5, $6, $7)
on conflict (expected_receipt_id) do update set site = excluded.site, sku = excluded.sku, quantity = excluded.quantity,
    expected_at = excluded.expected_at, noted_by = excluded.noted_by, noted_at = excluded.noted_at"""
_ARRIVED = "delete from expected_receipts where expected_receipt_id = $1"


class SubstitutesBody(Strict):
    """SKUs that are as good, the best first: all of them, what is left out is none any more."""

    substitutes: Annotated[list[Sku], Field(max_length=20)]


class ExpectedReceiptBody(Strict):
    """What a supplier said will be on the shelf, and when."""

    site: Site
    sku: Sku
    quantity: Quantity
    expected_at: Instant


router = Routes()


@router.put("/v1/items/{sku}/substitutes", **operation(access=_PLANNERS, body=SubstitutesBody))
async def put_substitutes(request: Request, sku: Sku, body: Annotated[SubstitutesBody, Parsed(SubstitutesBody)]) -> Response:
    as_good = list(dict.fromkeys(each for each in body.substitutes if each != sku))
    async with database_of(request).transaction() as work:
        await work.connection.execute("select pg_advisory_xact_lock(hashtextextended('substitutes ' || $1, 0))", sku)
        await work.connection.execute(_FORGET, sku)
        await work.connection.execute(_NAME, sku, as_good)
    return answer({"sku": sku, "substitutes": as_good})


@router.put("/v1/stock/expected-receipts/{expected_receipt_id}", **operation(access=_PLANNERS, owner={"site": "site"}, body=ExpectedReceiptBody))
async def put_expected(
    request: Request, expected_receipt_id: UUID, body: Annotated[ExpectedReceiptBody, Parsed(ExpectedReceiptBody)], caller: Caller
) -> Response:
    """Put in again under its id, it is changed: the date moved, or the quantity."""
    refuse_other_site(caller.site, body.site)
    async with database_of(request).transaction() as work:
        row = (expected_receipt_id, body.site, body.sku, body.quantity, body.expected_at, caller.subject, work.now)
        await work.connection.execute(_EXPECT, *row)
    return answer({"expected_receipt_id": expected_receipt_id, **body.model_dump()})


@router.delete("/v1/stock/expected-receipts/{expected_receipt_id}", **operation(access=_PLANNERS, answers={204: "It is not expected any more."}))
async def delete_expected(request: Request, expected_receipt_id: UUID) -> Response:
    """It came, or will not come. May run twice."""
    async with database_of(request).transaction() as work:
        await work.connection.execute(_ARRIVED, expected_receipt_id)
    return Response(status_code=204, headers={"cache-control": "no-store"})
