"""Messages over HTTP, for staff: what was sent to whom and why, how each message reads; and the one that people write, to give what was promised."""

from typing import Annotated, Literal, cast
from uuid import UUID

from fastapi import Query, Request
from pydantic import AfterValidator, Field
from starlette.responses import Response

from services.kit.database import Database, Transaction
from services.kit.http import Caller, IdempotencyKey, PageSize, Parsed, Problem, Routes, ShortText, Strict, answer, fingerprint_of, once, operation
from services.kit.http.routing import Access
from services.kit.values import NotFound
from services.notifications import queries
from services.notifications.domain import Intent, State
from services.notifications.rendering import letter, render
from services.notifications.settings import Settings
from services.notifications.telling.store import record_information

_SENDERS: Access = {"care": "all", "service": "all"}
_STAFF: Access = {"care": "all", "planner": "all", "admin": "all"}
_SAMPLES = {"en": "Your order will be at your door by Thursday 26 November.", "de": "Ihre Bestellung ist bis Donnerstag, 26. November, bei Ihnen."}


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("a text says something")
    return text


class InformationBody(Strict):
    """What the customer is mailed, between a greeting and where to reach us."""

    subject: Annotated[ShortText, Field(max_length=120)]
    text: Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(_said)]


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


@router.post(
    "/v1/promises/{promise_id}/information",
    **operation(
        access=_SENDERS,
        owner={"promise_id": "promise"},
        body=InformationBody,
        answers={202: "It will be sent, and the promise kept by it."},
        idempotent=True,
    ),
)
async def post_information(
    request: Request, promise_id: UUID, body: Annotated[InformationBody, Parsed(InformationBody)], caller: Caller, key: IdempotencyKey
) -> Response:
    """Send what was promised: a promise of the kind send_information."""

    async def do(work: Transaction) -> Response:
        message_id = await record_information(work, promise_id, body.subject, body.text)
        return answer({"message_id": message_id}, 202, location=f"/v1/messages/{message_id}")

    scope = f"{caller.role}:{caller.subject}"
    return await once(database_of(request), scope=scope, key=key, fingerprint=fingerprint_of(request, body), do=do)
