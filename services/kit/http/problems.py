"""Every error of the edge as problem+json (RFC 9457), or as a page where a person is reading.

A problem says what can be done instead. It never holds what was submitted, a stack, or SQL.
"""

import socket
from collections.abc import Iterable, Mapping
from typing import Any, cast

import asyncpg
import msgspec
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response

from services.kit.transient import is_transient
from services.kit.values import NotFound, Refusal

_log = structlog.get_logger("http")

_DEPENDENCIES: tuple[type[Exception], ...] = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

_HTTP = {
    400: ("bad-request", "The request cannot be read: check its address, its headers and its body."),
    401: ("unauthenticated", "Sign in first: send a valid bearer token."),
    403: ("forbidden", "Your role may not do this: ask someone whose role may."),
    404: (NotFound.slug, NotFound().sentence),
    405: ("method-not-allowed", "This address does not take that method: use one that the header Allow names."),
    406: ("not-acceptable", "Only another format can be sent: change the header Accept, or leave it out."),
    408: ("request-timeout", "The request did not come to its end in time: send it again, all at once."),
    413: ("too-large", "The body is larger than what is taken here: send less at once."),
    414: ("address-too-long", "The address is longer than what is taken here: shorten its query."),
    415: ("unsupported-media-type", "Only UTF-8 JSON is taken here: send it with Content-Type: application/json and no Content-Encoding."),
    429: ("too-many-requests", "Too many requests: wait as long as the header Retry-After says."),
    431: ("headers-too-large", "The headers are larger than what is taken here: send fewer or shorter ones."),
    500: ("internal", "Something went wrong on our side, and we have a record of it: try again, or tell us the instance."),
    503: ("unavailable", "Something this needs is away at the moment, and nothing was done: send the same request again shortly."),
    504: ("timed-out", "It took too long and was given up; whether it was done is not known: send the same request again, with the same key or id."),
}

_SAFE_MESSAGES = (
    "missing", "greater_than", "less_than", "string_too_", "too_short", "too_long", "literal_error", "enum", "string_pattern_mismatch", "value_error",
    "int_from_float", "timezone_aware", "finite_number", "multiple_of", "_type",
)  # fmt: skip


class Problem(Exception):
    """An answer other than success that is not the domain's: `extra` stands beside the fixed members, `headers` beside the fixed headers."""

    def __init__(
        self, status: int, slug: str = "", detail: str = "", *, headers: Mapping[str, str] | None = None, extra: Mapping[str, object] | None = None
    ) -> None:
        usual_slug, usual_detail = _HTTP.get(status, _HTTP[400])
        super().__init__(slug or usual_slug)
        self.status, self.slug, self.detail = status, slug or usual_slug, detail or usual_detail
        self.headers, self.extra = dict(headers or {}), dict(extra or {})

    def members(self, request_id: str) -> dict[str, Any]:
        """The members of the problem document, in the order people read them."""
        fixed = {
            "type": f"urn:kept:problem:{self.slug}",
            "title": self.slug.replace("-", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "instance": f"urn:uuid:{request_id}",
        }
        return fixed | {name: value for name, value in self.extra.items() if name not in fixed}

    def response(self, request_id: str) -> Response:
        """The answer on the wire. Never cached."""
        headers = {"cache-control": "no-store", "x-request-id": request_id, "x-content-type-options": "nosniff", **self.headers}
        return Response(msgspec.json.encode(self.members(request_id)), self.status, headers, "application/problem+json")


def problem_of(error: Exception) -> Problem:
    """The problem that an exception becomes; the details of the unexpected stay here."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Refusal):
        headers = {"retry-after": "1"} if error.status == 503 else {}
        return Problem(error.status, error.slug, error.sentence, headers=headers, extra=error.facts)
    if isinstance(error, RequestValidationError):
        return _invalid_parameters(error)
    if isinstance(error, HTTPException):
        return Problem(error.status_code, headers=error.headers)
    if _is_away(error):
        return Problem(503, headers={"retry-after": "1"})
    return Problem(500)


def validation_problem(errors: Iterable[Mapping[str, Any]], known: frozenset[str]) -> Problem:
    """422 with a JSON pointer and a sentence per error. `known` are the field names a pointer may show; any other is the sender's own text."""
    places = [{"pointer": _pointer(error, known), "detail": _sentence(error)} for error in errors]
    return Problem(422, "invalid", "Some fields do not fit: correct what `errors` names, and send it again.", extra={"errors": places[:100]})


def install(app: FastAPI) -> None:
    """Answer every exception of this application with a problem."""
    for kind in (Problem, Refusal, RequestValidationError, HTTPException, *_DEPENDENCIES, Exception):
        app.add_exception_handler(kind, answer_to)


def _is_away(error: Exception) -> bool:
    """Whether a dependency is away, overloaded or lost a race, so that nothing was done. A missing file is none of these."""
    if isinstance(error, OSError):
        return type(error) is OSError or isinstance(error, ConnectionError | TimeoutError | socket.gaierror)
    return is_transient(error)


async def answer_to(request: Request, error: Exception) -> Response:
    """The problem that it is to whoever asked, or a page of it where a person reads."""
    problem = problem_of(error)
    if problem.status == 405:
        problem.headers = {"allow": ", ".join(sorted(_methods(request)))}
    if problem.status == 500:
        _log.error("request failed", method=request.method, route=request.scope.get("route_path"), exc_info=error)
    if problem.status == 503:
        _log.warning("request refused: a dependency is away", method=request.method, error=type(error).__name__)
    draw = getattr(request.app.state, "draw_error", None)
    if draw is not None and wants_page(request):
        return cast(Response, draw(request, problem))
    return problem.response(request.state.request_id)


def _methods(request: Request) -> set[str]:
    """Every method that the address takes, over all routes (the router names only those of the first that fits)."""
    contexts = [each for each in iter_route_contexts(request.app.routes) if hasattr(each, "path_regex") and each.path_regex.match(request.url.path)]
    return {method for each in contexts for method in each.methods or ()}


def wants_page(request: Request) -> bool:
    """Whether a person reads the answer: the route is a page, or no route was met and the browser asks for HTML."""
    media = getattr(request.scope.get("route"), "produces", None)
    return media == "text/html" if media else "text/html" in request.headers.get("accept", "")


def _invalid_parameters(error: RequestValidationError) -> Problem:
    """A path that does not parse names nothing: the same 404 as for any other thing that is not there."""
    errors = error.errors()
    if any(each["loc"][0] == "path" for each in errors):
        return problem_of(NotFound())
    return validation_problem(errors, frozenset(str(part) for each in errors for part in each["loc"][:2]))


def _pointer(error: Mapping[str, Any], known: frozenset[str]) -> str:
    parts = error["loc"][:-1] if error["type"] == "extra_forbidden" else error["loc"]
    return "".join(f"/{part if isinstance(part, int) or part in known else '*'}" for part in parts)


def _sentence(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "A field here is not known: leave it out."
    if any(part in error["type"] for part in _SAFE_MESSAGES):
        return f"{str(error['msg']).removeprefix('Value error, ')}."
    return "The value does not fit."
