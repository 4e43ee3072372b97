"""Operations that another process of the service does: its callers know one address, and the bytes go there and back as they are.

The policy is checked on both sides. Who sends a command with a key may send it again whatever happened on the way.
"""

import httpx
from fastapi import Request
from fastapi.routing import iter_route_contexts
from starlette.responses import Response

from services.kit.http.problems import Problem
from services.kit.http.routing import Guarded, Routes

_THERE = ("authorization", "content-type", "content-encoding", "accept", "idempotency-key", "if-match", "traceparent")
_BACK = ("content-type", "cache-control", "etag", "location", "retry-after", "idempotency-replayed", "www-authenticate", "x-request-id")


def forwarding(routes: Routes, address: str, transport: httpx.AsyncBaseTransport) -> Routes:
    """The same operations as `routes`, with the same policy and description, each answered by the process at the address."""
    forwarded = Routes()

    async def forward(request: Request) -> Response:
        return await _forward(request, address, transport)

    for context in iter_route_contexts(routes.routes):
        route = context.original_route
        assert isinstance(route, Guarded)
        forwarded.add_api_route(
            route.path, forward, methods=sorted(route.methods or ()), name=route.name, responses=route.responses, response_model=None,
            status_code=route.status_code, openapi_extra=_described(route), include_in_schema=route.include_in_schema,
        )  # fmt: skip
    return forwarded


def _described(route: Guarded) -> dict[str, object]:
    """What OpenAPI tells of it, the path's parameters included: the handler here has none that they could be read from."""
    extra = dict(route.openapi_extra or {})
    parameters = list(extra.get("parameters", ()))
    parameters += [
        {"name": field.alias, "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}} for field in route.dependant.path_params
    ]
    return extra | ({"parameters": parameters} if parameters else {})


async def _forward(request: Request, address: str, transport: httpx.AsyncBaseTransport) -> Response:
    headers = {name: request.headers[name] for name in _THERE if name in request.headers}
    path, query = request.scope["raw_path"].decode(), request.scope["query_string"].decode()
    asked = httpx.Request(request.method, f"{address}{path}{'?' if query else ''}{query}", headers=headers, content=await request.body())
    try:
        given = await transport.handle_async_request(asked)
        content = await given.aread()
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
        raise Problem(503, headers={"retry-after": "1"}) from None
    except httpx.TransportError:
        raise Problem(504, headers={"retry-after": "1"}) from None
    return Response(content, given.status_code, {name: given.headers[name] for name in _BACK if name in given.headers})
