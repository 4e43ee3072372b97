"""What stands before parsing: an id and a trace for each request, limits on what is read at all, on how much one asks, and on how much at once."""

import asyncio
import re
import time
from collections import Counter
from functools import lru_cache
from typing import cast
from urllib.parse import parse_qsl, unquote_to_bytes

import prometheus_client
import structlog
from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.kit import metrics
from services.kit.http.limits import Capacity, Peers
from services.kit.http.problems import Problem
from services.kit.http.turns import Turn, Turns
from services.kit.ids import uuid7
from services.kit.settings import KitSettings
from services.kit.trace import child_of, valid_traceparent
from services.kit.values import Cause

_log = structlog.get_logger("http")
_ADDRESS_LIMIT, _HEADERS_LIMIT = 4_096, 16_384
_DISCARD_LIMIT, _DISCARD_SECONDS = 16 * 2**20, 5.0
"""How much of a body that is too large is read for nothing: who still writes when the connection is closed sees a reset instead of the answer."""

_SINGLE = frozenset(
    {b"authorization", b"content-type", b"content-length", b"content-encoding", b"idempotency-key", b"host", b"if-match", b"traceparent"}
)
_TRICKS = re.compile(rb"//|[;\\]|%2f|%5c|%3b|(?:^|/)(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_SAFETY = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"),
)


def cause_of(request: Request) -> Cause:
    """What an event said because of this request names as its cause."""
    return cast(Cause, request.state.cause)


class Front:
    """ASGI middleware around the whole application."""

    body_seconds = 30.0
    """How long a body may take to arrive."""

    def __init__(self, app: ASGIApp, service: str, settings: KitSettings, capacity: Capacity) -> None:
        self._app, self._service, self._body_limit, self._seconds = app, service, settings.body_limit_bytes, settings.request_seconds
        self._capacity, self._peers, self._turns = capacity, Peers(settings.trusted_proxies), Turns(service, settings.requests_in_hand)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        id = _identify(scope)
        structlog.contextvars.bind_contextvars(request_id=id)  # in the request's own task, and ends with it
        measured = _Measured(scope, send, self._service, id)
        try:
            await self._refuse(scope)
            await self._serve(scope, receive, measured)
        except Problem as problem:
            if problem.status == 413 and _worth_discarding(scope):
                await _discard(receive)
            await problem.response(id)(scope, receive, measured)

    async def _refuse(self, scope: Scope) -> None:
        """Raises Problem where the request is not read any further."""
        if (problem := _unfit(scope, self._body_limit)) is not None:
            raise problem
        scope["state"]["address"] = address = self._peers.address(scope)
        await self._capacity.take("address", address)
        self._turns.refuse_above()

    async def _serve(self, scope: Scope, receive: Receive, measured: "_Measured") -> None:
        """A body is awaited without a place: who sends slowly keeps nobody waiting. Raises Problem."""

        async def give_up() -> None:
            metrics.HTTP_REFUSED.labels(self._service, "late").inc()
            await measured.answer_instead(Problem(504, headers={"connection": "close", "retry-after": "1"}), receive)

        turn = Turn(self._turns, self._seconds, give_up)
        scope["state"]["turn"] = turn
        try:
            if not _has_body(scope):
                await turn.take()
            await self._app(scope, _capped(receive, self._body_limit, self.body_seconds, turn), measured)
        except asyncio.CancelledError:
            if not await turn.was_given_up():
                raise
        finally:
            turn.finish()


class _Measured:
    """Sends on, with our headers, and counts the answer."""

    def __init__(self, scope: Scope, send: Send, service: str, request_id: str) -> None:
        self._scope, self._send, self._service, self._request_id, self._started = scope, send, service, request_id, time.perf_counter()
        self._begun = self._over = False

    async def answer_instead(self, problem: Problem, receive: Receive) -> None:
        """Send this, unless an answer has begun, and nothing more of what the application sends."""
        if not self._begun:
            await problem.response(self._request_id)(self._scope, receive, self)
        self._over = True

    async def __call__(self, message: Message) -> None:
        if self._over:
            return
        self._begun = True
        if message["type"] == "http.response.start":
            self._count(message["status"])
            present = {name.lower() for name, _ in message["headers"]}
            ours = ((b"x-request-id", self._request_id.encode()), *_SAFETY)
            message["headers"] = [*message["headers"], *((name, value) for name, value in ours if name not in present)]
        await self._send(message)

    def _count(self, status: int) -> None:
        route, took = self._scope.get("route_path", "unmatched"), time.perf_counter() - self._started
        requests, seconds = _counters(self._service, self._scope["method"], route, status)
        requests.inc()
        seconds.observe(took)
        _log.debug("request", method=self._scope["method"], route=route, status=status, milliseconds=round(took * 1000, 1))


@lru_cache(4_096)
def _counters(service: str, method: str, route: str, status: int) -> tuple[prometheus_client.Counter, prometheus_client.Histogram]:
    """Found once: to find them by their labels takes longer than to count."""
    return metrics.HTTP_REQUESTS.labels(service, method, route, str(status)), metrics.HTTP_SECONDS.labels(service, route)


def _identify(scope: Scope) -> str:
    id = uuid7()
    given = dict(scope["headers"]).get(b"traceparent", b"").decode("ascii", "replace")
    trace = child_of(given if valid_traceparent(given) else None)
    scope.setdefault("state", {}).update(request_id=str(id), cause=Cause(id, id, trace))
    return str(id)


def _unfit(scope: Scope, body_limit: int) -> Problem | None:
    """Why the request is not read any further, None where it may be."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    path = scope.get("raw_path") or scope["path"].encode()
    if len(path) + len(scope["query_string"]) > _ADDRESS_LIMIT:
        return Problem(414)
    if sum(len(name) + len(value) for name, value in headers if name != b"authorization") > _HEADERS_LIMIT:
        return Problem(431)
    if any(count > 1 for name, count in Counter(name for name, _ in headers).items() if name in _SINGLE):
        return Problem(400, "repeated-header", "A header that may stand once stands twice: send each once.")
    if _TRICKS.search(path) or not _readable(path) or not _readable(scope["query_string"]):
        return Problem(400)
    repeated = Counter(name for name, _ in parse_qsl(scope["query_string"].decode("ascii", "replace"), keep_blank_values=True))
    if any(count > 1 for count in repeated.values()):
        return Problem(400, "repeated-parameter", "A query parameter stands twice: send each once.")
    length = dict(headers).get(b"content-length", b"0")
    if not length.isdigit():
        return Problem(400)
    return Problem(413, headers={"connection": "close"}) if int(length[:20]) > body_limit else None


def _readable(raw: bytes) -> bool:
    """Whether the text is UTF-8 without control characters, once it is unescaped."""
    try:
        return _CONTROLS.search(unquote_to_bytes(raw).decode()) is None
    except UnicodeDecodeError:
        return False


def _has_body(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0").strip(b"0") != b""


def _capped(receive: Receive, limit: int, seconds: float, turn: Turn) -> Receive:
    """The body as it comes, until it passes the limit: then Problem (413), whatever length was announced; or until time is up: Problem (408). Its end
    is handed on once the request has its turn: Problem (503) where it gets none."""
    read, whole = 0, False
    last = asyncio.get_running_loop().time() + seconds

    async def capped() -> Message:
        nonlocal read, whole
        try:
            async with asyncio.timeout_at(None if whole else last):
                message = await receive()
        except TimeoutError:
            raise Problem(408, headers={"connection": "close"}) from None
        read, whole = read + len(message.get("body", b"")), not message.get("more_body", False)
        if read > limit:
            if not whole:
                await _discard(receive)
            raise Problem(413, headers={"connection": "close"})
        if whole:
            await turn.take()
        return message

    return capped


def _worth_discarding(scope: Scope) -> bool:
    """Not where the client asked first whether to send it at all, nor where it would be cut off anyway."""
    headers = dict(scope["headers"])
    return b"expect" not in headers and int(headers[b"content-length"][:20]) <= _DISCARD_LIMIT


async def _discard(receive: Receive) -> None:
    """Read on to the end of the body and keep nothing of it, within bounds."""
    read = 0
    try:
        async with asyncio.timeout(_DISCARD_SECONDS):
            while read < _DISCARD_LIMIT:
                message = await receive()
                read += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return
