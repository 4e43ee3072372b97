"""Holds over HTTP, for the ledger of promises, which asks before it promises; and which days can be promised, for those who ask it."""

from typing import Annotated
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from services.fulfilment.duties import handlers
from services.fulfilment.duties.domain import DATES_OFFERED, Wanted
from services.fulfilment.duties.house import at_work
from services.fulfilment.duties.queries import dates_of
from services.fulfilment.shipping.settings import database_of, shipping_settings
from services.kit.http import Instant, PageSize, Parsed, Quantity, Routes, Sku, Strict, answer, cause_of, operation


class HoldBody(Strict):
    """What the promise needs: goods beside the order, where a SKU is named, else a place on a departure that is at the door by `due_at`."""

    order_id: UUID
    sku: Sku | None = None
    quantity: Quantity = 1
    due_at: Instant


router = Routes()


@router.put(
    "/v1/promise-holds/{promise_id}",
    **operation(access={"service": "all"}, body=HoldBody, answers={200: "Held, now or before, until the promise is made or given up."}),
)
async def put_hold(request: Request, promise_id: UUID, body: Annotated[HoldBody, Parsed(HoldBody)]) -> Response:
    wanted = Wanted(promise_id, body.order_id, body.sku, body.quantity, body.due_at)
    async with database_of(request).transaction() as work, at_work(work) as house:
        held = await handlers.hold(house, wanted, cause_of(request))
    return answer(held)


@router.get(
    "/v1/orders/{order_id}/dates",
    **operation(access={"care": "all", "planner": "all", "admin": "all", "storefront": "all", "service": "all"}, owner={"order_id": "order"}),
)
async def get_dates(request: Request, order_id: UUID, limit: PageSize = DATES_OFFERED) -> Response:
    """The days that can be promised for the whole order, the soonest first, each with the departure that keeps it. Nothing is held by asking."""
    async with database_of(request).transaction() as work:
        return answer(await dates_of(work, order_id, limit, shipping_settings().rates))
