"""The customer's order page, opened by the secret in its address. Any other address is the same page that says there is nothing here."""

from pathlib import Path
from typing import cast

from fastapi import FastAPI, Request
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.responses import RedirectResponse, Response

from services.kit.database import Database
from services.kit.http import Guesses, Routes, address_of, cause_of, page
from services.kit.http.pages import CachedFiles, render, static_address, templates
from services.kit.ids import uuid7
from services.kit.promise.duties import report_told
from services.kit.values import NotFound
from services.orders import handlers, queries
from services.orders.domain import TooLateToCancel
from services.orders.handlers import Reach
from services.orders.presenting import present, too_late
from services.orders.promised import untold
from services.orders.settings import Settings
from services.orders.speaking import Speaker
from services.orders.store import PostgresStore

_HERE = Path(__file__).parent
_STATIC = _HERE / "static"
_PREFIX = "/order-static"
_TOO_MANY_MISSES = "Too many wrong links were tried from where you are: wait a minute, then open the link just as it stands in our message."
_CHANNEL = "page"
"""What the ledger notes as the way in which a customer is told here."""
_misses = Guesses("order-link", 10, 60, _TOO_MANY_MISSES)
_environment = templates(_HERE / "templates")

router = Routes()


def install(app: FastAPI, settings: Settings) -> None:
    """Serve the page's style, and let the page know how a customer reaches a person."""
    app.mount(_PREFIX, CachedFiles(directory=_STATIC), name="order-static")
    app.state.shop = settings


@router.get("/o/", **page(access="public"))
async def get_no_order() -> Response:
    raise NotFound


@router.get("/o/{token}", **page(access="public"))
async def get_order_page(request: Request, token: str) -> Response:
    return await _page(request, token, await _found(request, token))


@router.post("/o/{token}/cancel", **page(access="public"))
async def post_order_cancel(request: Request, token: str) -> Response:
    """The form's body is empty and not read: the secret in the address is all there is to know."""
    found = await _found(request, token)
    try:
        async with _database(request).transaction() as work:
            store, cause = PostgresStore(work), cause_of(request)
            await handlers.cancel(store, found.order.order_id, Reach(), uuid7(), "the customer asked on the order page", "customer", cause)
    except TooLateToCancel:
        return await _page(request, token, await _found(request, token), status=409)
    return _back(token)


@router.get("/o/{token}/cancel", **page(access="public"))
async def get_order_cancel(request: Request, token: str) -> Response:
    """Where a refused cancel leaves the browser, opened again."""
    await _found(request, token)
    return _back(token)


def _back(token: str) -> Response:
    """To the order's page, which may be loaded again without asking for anything twice."""
    return RedirectResponse(f"/o/{token}", status_code=303, headers={"cache-control": "no-store"})


async def _found(request: Request, token: str) -> queries.Found:
    """What the secret opens. Who misses too often is refused; who has a link never is."""
    found = await queries.order_by_link(_reads(request), token)
    if found is None:
        await _misses.count(_database(request), address_of(request))
        raise NotFound
    return found


async def _page(request: Request, token: str, found: queries.Found, status: int = 200) -> Response:
    """With 409, the page says why the cancel that was just asked for cannot work."""
    held = await queries.held_of(_reads(request), found.order)
    await _note_told(request, held)
    changes = await queries.amendments_of(_reads(request), found.order.order_id, most=1)
    shown = present(found, held, _database(request).clock.now(), changes[0] if changes else None)
    if status == 409:
        shown["notice"] = too_late(found.order, Speaker(shown["language"], found.order.zone))
    style = static_address("order.css", _STATIC, _PREFIX)
    response = render(_environment, "order.html", status, shop=request.app.state.shop, style=style, link=f"/o/{token}", **shown)
    response.headers["x-robots-tag"] = "noindex, nofollow"
    return response


async def _note_told(request: Request, held: queries.Held) -> None:
    """What is shown for the first time is noted before it is shown: from then on it cannot be void."""
    if first := untold(held.rows):
        async with _database(request).transaction() as work:
            report_told(work, first, _CHANNEL)


def _reads(request: Request) -> AsyncEngine:
    return cast(AsyncEngine, request.app.state.reads)


def _database(request: Request) -> Database:
    return cast(Database, request.app.state.database)
