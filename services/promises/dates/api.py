"""The dates promised for an order over HTTP, as they stand. Nothing here changes one: they are made and settled by events."""

from typing import cast
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from services.kit.database import Database
from services.kit.http import Caller, Routes, answer, operation
from services.kit.http.routing import Access
from services.kit.values import NotFound
from services.promises.dates import queries

_READERS: Access = {"customer": "own", "care": "all", "planner": "all", "admin": "all"}

router = Routes()


@router.get("/v1/orders/{order_id}/promises", **operation(access=_READERS, owner={"order_id": "order"}))
async def get_promises_of_order(request: Request, order_id: UUID, caller: Caller) -> Response:
    async with _database(request).transaction() as work:
        view = await queries.promises_of(work.connection, order_id, behind=caller.scope == "all")
    if view is None or (caller.scope == "own" and caller.subject != str(view.customer_id)):
        raise NotFound
    return answer(view)


def _database(request: Request) -> Database:
    return cast(Database, request.app.state.database)
