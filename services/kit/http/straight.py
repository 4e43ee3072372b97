"""Requests whose route can answer them by itself go straight to it; all others go through FastAPI, which answers the same and takes longer."""

from collections.abc import Sequence

from fastapi import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from services.kit.http.problems import answer_to
from services.kit.http.routing import Guarded


class Straight:
    """ASGI middleware, the innermost."""

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self._app, self._routes = app, dict[tuple[str, int], list[Guarded]]()
        for route in (each for each in routes if isinstance(each, Guarded)):
            for method in route.methods or ():
                self._routes.setdefault((method, route.path.count("/")), []).append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._route(scope) if scope["type"] == "http" else None
        if route is None or route.straight is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        request = Request(scope, receive, send)
        try:
            response = await route.straight(request)
        except Exception as error:  # noqa: BLE001  # each becomes a problem, as FastAPI would have it
            response = await answer_to(request, error)
        await response(scope, receive, send)

    def _route(self, scope: Scope) -> Guarded | None:
        """The first that fits, as the router would find it."""
        path = scope["path"]
        for route in self._routes.get((scope["method"], path.count("/")), ()):
            if found := route.path_regex.match(path):
                scope["path_params"] = found.groupdict()
                return route
        return None
