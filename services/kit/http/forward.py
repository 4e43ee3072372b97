"""Operations that another process of the service does: its callers know one address, and the bytes go there and back as they are.

The policy is checked on both sides. Who sends a command with a key may send it again whatever happened on the way.
"""

from fastapi import Request
from fastapi.routing import iter_route_contexts
from starlette.responses import Response

from services.kit.http.body import body_of
from services.kit.http.near import Behind, NoAnswer, NotReached
from services.kit.http.problems import Problem
from services.kit.http.routing import Guarded, Routes

_THERE = frozenset({b"authorization", b"content-type", b"content-encoding", b"accept", b"idempotency-key", b"if-match", b"traceparent"})
_BACK = frozenset(
    {b"content-type", b"cache-control", b"etag", b"location", b"retry-after", b"idempotency-replayed", b"www-authenticate", b"x-request-id"}
)


def forwarding(routes: Routes, process: Behind) -> Routes:
    """The same operations as `routes`, with the same policy and description, each answered by that process."""
    forwarded = Routes()

    async def forward(request: Request) -> Response:
        return await _forward(request, process)

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


async def _forward(request: Request, process: Behind) -> Response:
    scope = request.scope
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    headers = [(name, value) for name, value in scope["headers"] if name in _THERE]
    try:
        given = await process.ask(scope["method"], target, headers, await body_of(request))
    except NotReached:
        raise Problem(503, headers={"retry-after": "1"}) from None
    except NoAnswer:
        raise Problem(504, headers={"retry-after": "1"}) from None
    answered = Response(given.body, given.status)
    answered.raw_headers += [(name, value) for name, value in given.headers if name in _BACK]
    return answered
