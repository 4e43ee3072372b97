"""HTML pages in the look of Kept: templates, static files with their content's hash in the address, error pages."""

import hashlib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from services.kit.http.problems import Problem

_KIT = Path(__file__).parents[1]
STATIC = _KIT / "static"


def templates(*folders: Path) -> Environment:
    """The templates of these folders, and the kit's below them (`frame.html`). Everything is escaped; a name that is missing is an error."""
    loader = ChoiceLoader([FileSystemLoader(folder) for folder in (*folders, _KIT / "templates")])
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals["static"] = static_address
    environment.filters["instant"] = instant
    return environment


def instant(at: datetime) -> Markup:
    """An instant for a reader whose zone is not known: in UTC, and `live.js`, where it runs, says it in theirs."""
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), f"{at.astimezone(UTC):%a %-d %b, %H:%M} UTC")


def render(environment: Environment, name: str, status: int = 200, /, **told: Any) -> Response:
    """A page. Never cached: what it says may change with the next event."""
    return HTMLResponse(environment.get_template(name).render(**told), status, {"cache-control": "no-store"})


def with_forms(response: Response) -> Response:
    """The page, whose forms say which origin sends them: told to name no referrer, a browser would call that `null`."""
    response.headers["referrer-policy"] = "same-origin"
    return response


@cache
def static_address(name: str, folder: Path = STATIC, prefix: str = "/static") -> str:
    """Where a static file is found. The address changes with the content, so that a browser may keep it for a year."""
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()[:12]
    return f"{prefix}/{name}?v={digest}"


class CachedFiles(StaticFiles):
    """Static files that a browser may keep, since their address names their content."""

    def file_response(self, full_path: Any, stat_result: Any, scope: Scope, status_code: int = 200) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        named = scope["query_string"].startswith(b"v=")
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if named else "public, max-age=60"
        return response


def install(app: FastAPI) -> None:
    """Serve the kit's static files, and answer people's errors with a page."""
    app.mount("/static", CachedFiles(directory=STATIC), name="static")
    error_pages(app, templates())


def error_pages(app: FastAPI, environment: Environment, **told: Any) -> None:
    """Draw people's errors with these templates' `error.html`, which is told `problem`, `reference` and what is given here.

    A service with a shop's name or number to show keeps an `error.html` of its own, which extends `problem.html` and fills its block `contact`.
    """

    def draw_error(request: Request, problem: Problem) -> Response:
        response = render(environment, "error.html", problem.status, problem=problem, reference=request.state.request_id, **told)
        response.headers.update({"x-request-id": request.state.request_id, **problem.headers})
        return response

    app.state.draw_error = draw_error
