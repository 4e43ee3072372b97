"""Makes a service's HTTP application: problems for every error, a policy for every route, no documentation pages, one look for all pages."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.telemetry import TelemetryConfig
from starlette.responses import Response
from starlette.types import ASGIApp

from services.kit.http import pages as looks
from services.kit.http import problems
from services.kit.http.front import Front
from services.kit.http.keys import keys_of
from services.kit.http.limits import Capacity
from services.kit.http.replies import answer
from services.kit.http.revoked import Revoked
from services.kit.http.routing import Guarded, Routes, operation, refuse_unguarded, refuse_unowned
from services.kit.http.signin import SignIn
from services.kit.http.straight import Straight
from services.kit.settings import KitSettings

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
_NONE: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
"""Metrics and traces are our own (`services.kit.http.front`)."""


def create_app(
    service: str, routers: Sequence[APIRouter], settings: KitSettings, *, lifespan: Lifespan | None = None, pages: Sequence[APIRouter] = ()
) -> FastAPI:
    """The application of a service's api process. `pages` are routers that answer HTML; with them come /static and error pages.

    Raises ValueError where a route says nothing of who may call it, or where a role sees its own alone and the route does not say own what.
    """

    @asynccontextmanager
    async def guarded(app: FastAPI) -> AsyncIterator[None]:
        refuse_unguarded(app.routes)
        async with (lifespan or _nothing)(app):
            yield

    app = _Application(
        title=f"Kept: {service}", version="1", openapi_url=None, docs_url=None, redoc_url=None, lifespan=guarded, redirect_slashes=False,
        telemetry=_NONE,
    )  # fmt: skip
    app.router.route_class = Guarded
    revoked = Revoked(lambda: getattr(app.state, "database", None))
    app.state.signin = SignIn(keys_of(settings), settings.token_issuer, settings.token_audience, revoked)
    problems.install(app)
    for router in (*routers, *pages, _description()):
        app.router.routes.extend(router.routes)  # not nested, as `include_router` would: each level is matched anew at every request
    if pages:
        looks.install(app)
    app.state.capacity = Capacity(service, settings)
    app.front = lambda behind: Front(behind, service, settings, app.state.capacity)
    refuse_unguarded(app.routes)
    refuse_unowned(app.routes)
    return app


class _Application(FastAPI):
    """FastAPI with what is ours before all of its own layers: most requests are answered before they come to them."""

    front: Callable[[ASGIApp], ASGIApp]

    def build_middleware_stack(self) -> ASGIApp:
        self.state.straight = Straight(super().build_middleware_stack(), self.router.routes)
        return self.front(self.state.straight)


@asynccontextmanager
async def _nothing(_: FastAPI) -> AsyncIterator[None]:
    yield


def _description() -> Routes:
    router = Routes()

    @router.get("/openapi.json", **operation(access="public") | {"include_in_schema": False})
    async def openapi(request: Request) -> Response:
        return answer(describe(request.app))

    return router


def describe(app: FastAPI) -> dict[str, Any]:
    """The application's OpenAPI document, with the models of bodies among its components."""
    if app.openapi_schema is None:
        document = app.openapi()
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "at+jwt"}}
        schemas["Problem"] = _PROBLEM_SCHEMA
        for each in (operation for path in document["paths"].values() for operation in path.values()):
            for media in each.get("requestBody", {}).get("content", {}).values():
                schemas.update(media["schema"].pop("$defs", {}))
    return app.openapi_schema or {}


_PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri"},
        "errors": {"type": "array", "items": {"type": "object", "required": ["pointer", "detail"]}},
    },
}
