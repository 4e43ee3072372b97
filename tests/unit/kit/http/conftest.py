"""A small application with one route of each kind, and tokens for it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response

from services.kit import logs, tokens
from services.kit.http import (
    Caller,
    Currency,
    IdempotencyKey,
    Instant,
    MoneyMinor,
    PageSize,
    Parsed,
    Quantity,
    Routes,
    ShortText,
    Sku,
    Strict,
    answer,
    cause_of,
    create_app,
    operation,
    page,
)
from services.kit.settings import KitSettings
from services.kit.values import NotFound, Refusal

MINE = UUID("019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a01")
OTHERS = UUID("019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a02")
CANARY = "canary-7Q"


class Line(Strict):
    sku: Sku
    quantity: Quantity


class Thing(Strict):
    """A thing."""

    name: ShortText
    price_minor: MoneyMinor
    currency: Currency
    wanted_at: Instant
    lines: list[Line]


class TooLate(Refusal):
    slug = "too-late"


def routes() -> Routes:
    router = Routes()

    @router.post("/v1/things", **operation(access={"storefront": "own", "care": "all"}, body=Thing, answers={201: Thing}))
    async def post_thing(request: Request, body: Annotated[Thing, Parsed(Thing)], caller: Caller) -> Response:
        return answer(body, 201, location=f"/v1/things/{caller.subject}", correlation=str(cause_of(request).correlation_id))

    @router.post("/v1/keyed", **operation(access={"storefront": "own"}, idempotent=True))
    async def post_keyed(key: IdempotencyKey) -> Response:
        return answer({"key": key})

    @router.get("/v1/things/{thing_id}", **operation(access={"customer": "own", "care": "all"}, owner={"thing_id": "thing"}))
    async def get_thing(thing_id: UUID, caller: Caller) -> Response:
        if thing_id != MINE and caller.scope == "own":
            raise NotFound
        return answer({"scope": caller.scope})

    @router.get("/v1/things", **operation(access={"care": "all"}))
    async def list_things(size: PageSize = 10, q: str = "") -> Response:
        return answer({"size": size})

    @router.post("/v1/late", **operation(access={"care": "all"}))
    async def late() -> Response:
        raise TooLate("The truck has left: promise the next one.", left_at="08:00")

    @router.post("/v1/traced", **operation(access={"service": "all"}))
    async def traced(request: Request) -> Response:
        return answer(cause_of(request))

    @router.get("/v1/broken", **operation(access="public"))
    async def broken() -> Response:
        raise ValueError(CANARY)

    @router.get("/v1/away", **operation(access="public"))
    async def away() -> Response:
        raise ConnectionRefusedError(CANARY)

    return router


def html() -> Routes:
    router = Routes()

    @router.get("/o/{token}", **page(access="public"))
    async def order(token: str) -> Response:
        if token != "known":
            raise NotFound
        return HTMLResponse("<p>On its way.</p>")

    return router


@pytest.fixture(autouse=True)
def _logs() -> None:
    logs.configure("error")


@pytest.fixture
def settings(tmp_path: Path) -> KitSettings:
    return KitSettings(var=tmp_path, body_limit_bytes=2_000)


@pytest.fixture
def app(settings: KitSettings) -> FastAPI:
    tokens.signing_key(settings.var / "keys")
    return create_app("toy", [routes()], settings, pages=[html()])


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://toy") as client:
        yield client


@pytest.fixture
def bearer(settings: KitSettings) -> Callable[..., dict[str, str]]:
    """The header Authorization for a role."""

    def headers(role: str = "care", subject: str = "s-1") -> dict[str, str]:
        given = tokens.token(settings.var / "keys", role, issuer=settings.token_issuer, audience=settings.token_audience, subject=subject)
        return {"authorization": f"Bearer {given}"}

    return headers


@pytest.fixture
def thing() -> dict[str, object]:
    return {
        "name": "Ann O'Brien",
        "price_minor": 1299,
        "currency": "GBP",
        "wanted_at": "2026-11-22T08:00:00Z",
        "lines": [{"sku": "85123A", "quantity": 2}],
    }
