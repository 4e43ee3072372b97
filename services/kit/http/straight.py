"""Requests whose route can answer them by itself go straight to it; all others go through FastAPI, which answers the same and takes longer."""

from collections.abc import Sequence

from fastapi import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from services.kit.http.problems import answer_to
from services.kit.http.routing import Guarded

_ANY = "{}"
"""The end of a path that ends in a parameter."""


class Straight:
    """ASGI middleware, between the front and FastAPI."""

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self._app, self._routes = app, dict[tuple[str, int, str], list[Guarded]]()
        guarded = [each for each in routes if isinstance(each, Guarded)]
        for method, length, end in {(method, *_shape(route.path)) for route in guarded for method in route.methods or ()}:
            fit = [each for each in guarded if method in (each.methods or ()) and _shape(each.path) in ((length, end), (length, _ANY))]
            self._routes[method, length, end] = fit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope, receive, send)) if scope["type"] == "http" else None
        await (response or self._app)(scope, receive, send)

    async def _answer(self, request: Request) -> Response | None:
        """What the route answers, a problem where it raises; None where FastAPI has to."""
        route = self._route(request.scope)
        if route is None or route.straight is None:
            return None
        request.scope["route"] = route
        try:
            return await route.straight(request)
        except Exception as error:  # noqa: BLE001  # each becomes a problem, as FastAPI would have it
            return await answer_to(request, error)

    def _route(self, scope: Scope) -> Guarded | None:
        """The first that fits, as the router would find it."""
        path, method = scope["path"], scope["method"]
        length, end = _shape(path)
        fit = self._routes.get((method, length, end)) or self._routes.get((method, length, _ANY)) or []
        for route in fit:
            if found := route.path_regex.match(path):
                scope["path_params"] = found.groupdict()
                return route
        return None


def _shape(path: str) -> tuple[int, str]:
    """How many parts a path has, and the last one: few routes have both in common."""
    end = path.rpartition("/")[2]
    return path.count("/"), _ANY if "{" in end else end
