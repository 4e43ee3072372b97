"""The ledger's pages: whether all departments hold the same promises, and what is promised and not yet paid.

Anybody may look at the agreement: it names no customer, no amount and no word that was said, and a proof is worth more the more people see it. What
is owed is for those who may read it over HTTP as well. Sign-in has no page here: a proxy in front of the browser adds the token, or the cookie of
fulfilment's sign-in on the same host holds it (docs/decisions/0011-who-may-call.md).
"""

from pathlib import Path
from typing import cast

from fastapi import FastAPI, Request
from starlette.responses import Response

from services.kit.database import Database
from services.kit.http import Routes, page
from services.kit.http.pages import CachedFiles, render, static_address, templates
from services.promises.ledger import owing, presenting, queries
from services.promises.ledger.board import board

_HERE = Path(__file__).parent
_STATIC = _HERE / "static"
_PREFIX = "/ledger-static"
_NEXT = 10
_environment = templates(_HERE / "templates")

router = Routes()


def install(app: FastAPI) -> None:
    """Serve the pages' style."""
    app.mount(_PREFIX, CachedFiles(directory=_STATIC), name="ledger-static")


@router.get("/agreement", **page(access="public"))
async def get_agreement_page(request: Request) -> Response:
    return _page("agreement", presenting.present(await board(_database(request))))


@router.get("/liability", **page(access={"planner": "all", "admin": "all"}))
async def get_liability_page(request: Request) -> Response:
    async with _database(request).transaction() as work:
        size, _ = await queries.head(work.connection)
        owed = await queries.liability(work.connection, work.now)
        next_due = await queries.to_pay(work.connection, _NEXT)
    return _page("liability", owing.present(owed, next_due, size, work.now))


def _page(name: str, shown: dict[str, object]) -> Response:
    return render(_environment, f"{name}.html", style=static_address("ledger.css", _STATIC, _PREFIX), here=f"/{name}", **shown)


def _database(request: Request) -> Database:
    return cast(Database, request.app.state.database)
