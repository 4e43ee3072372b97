"""Messages over HTTP, for staff: what was sent to whom and why, and how each message reads. Nothing here sends."""

from typing import Annotated, Literal, cast
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import Response

from services.kit.database import Database
from services.kit.http import PageSize, Problem, Routes, answer, operation
from services.kit.http.routing import Access
from services.kit.values import NotFound
from services.notifications import queries
from services.notifications.domain import Intent, State
from services.notifications.rendering import letter, render
from services.notifications.settings import Settings

_STAFF: Access = {"care": "all", "planner": "all", "admin": "all"}
_SAMPLES = {"en": "Your order will be at your door by Thursday 26 November.", "de": "Ihre Bestellung ist bis Donnerstag, 26. November, bei Ihnen."}

router = Routes()


def database_of(request: Request) -> Database:
    """The process's database, which the application's lifespan opens."""
    return cast(Database, request.app.state.database)


def settings_of(request: Request) -> Settings:
    """The process's settings, for the names and numbers that stand on messages."""
    return cast(Settings, request.app.state.settings)


@router.get("/v1/messages/preview", **operation(access=_STAFF))
async def get_preview(request: Request, intent: Annotated[Intent, Query()], language: Annotated[Literal["en", "de"], Query()]) -> Response:
    """The message as a made-up customer would get it: subject, text and html."""
    filled = letter(settings_of(request), name="Ada Byron", order_ref="VCMR-R6G1", words=_SAMPLES[language], path="/o/sample")
    return answer({"intent": intent, "language": language, "rendered": render(intent, language, filled)})


@router.get("/v1/messages", **operation(access=_STAFF, owner={"order_id": "order"}))
async def get_messages(request: Request, order_id: UUID | None = None, state: State | None = None, limit: PageSize = 50) -> Response:
    """Those of an order in the order they were recorded, or the newest in a state (`unknown` is what a person must look after)."""
    if (order_id is None) == (state is None):
        raise Problem(422, "order-or-state", "Say either order_id or state: all messages of an order, or the newest in a state.")
    async with database_of(request).transaction() as work:
        sql = work.connection
        found = await queries.of_order(sql, order_id) if order_id else await queries.in_state(sql, str(state), limit)
    return answer({"messages": found})


@router.get("/v1/messages/{message_id}", **operation(access=_STAFF, owner={"message_id": "message"}))
async def get_message(request: Request, message_id: UUID) -> Response:
    async with database_of(request).transaction() as work:
        found = await queries.one(work.connection, message_id)
    if found is None:
        raise NotFound
    return answer(found)
