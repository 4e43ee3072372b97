"""What stands before parsing: an id and a trace for each request, limits on what is read at all, on how much one asks, and on how much at once."""

import asyncio
import logging
import re
import time
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from itertools import chain
from typing import cast
from urllib.parse import parse_qsl, unquote_to_bytes

import prometheus_client
import structlog
from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.kit import metrics
from services.kit.http.headers import by_name
from services.kit.http.limits import Capacity, Peers
from services.kit.http.problems import Problem
from services.kit.http.turns import Turn, Turns
from services.kit.ids import uuid7
from services.kit.settings import KitSettings
from services.kit.trace import child_of, valid_traceparent
from services.kit.values import Cause

_log, _beneath = structlog.get_logger("http"), logging.getLogger("http")
_ADDRESS_LIMIT, _HEADERS_LIMIT = 4_096, 16_384
_DISCARD_LIMIT, _DISCARD_SECONDS = 16 * 2**20, 5.0
"""How much of a body that is too large is read for nothing: who still writes when the connection is closed sees a reset instead of the answer."""

_SINGLE = frozenset(
    {b"authorization", b"content-type", b"content-length", b"content-encoding", b"idempotency-key", b"host", b"if-match", b"traceparent"}
)
_PLAIN_PATH = re.compile(rb"(?:/[A-Za-z0-9_:-]+)+")
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
        id, headers = identify(scope), by_name(scope)
        measured = _Measured(scope, send, self._service, id)
        try:
            await self._refuse(scope, headers)
            await self._serve(scope, receive, measured, _has_body(headers))
        except Problem as problem:
            if problem.status == 413 and _worth_discarding(headers):
                await _discard(receive)
            await problem.response(id)(scope, receive, measured)

    async def _refuse(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """Raises Problem where the request is not read any further."""
        if (problem := _unfit(scope, headers, self._body_limit)) is not None:
            raise problem
        scope["state"]["address"] = address = self._peers.address(scope)
        await self._capacity.take("address", address)
        self._turns.refuse_above()

    async def _serve(self, scope: Scope, receive: Receive, measured: "_Measured", has_body: bool) -> None:
        """A body is awaited without a place: who sends slowly keeps nobody waiting. Raises Problem."""

        async def give_up(was_read: bool) -> None:
            if was_read:
                metrics.HTTP_REFUSED.labels(self._service, "late").inc()
            late = Problem(504, headers={"connection": "close", "retry-after": "1"})
            await measured.answer_instead(late if was_read else Problem(408, headers={"connection": "close"}), receive)

        turn = Turn(self._turns, self.body_seconds, self._seconds, give_up)
        scope["state"]["turn"] = turn
        try:
            if not has_body:
                await turn.take()
            await self._app(scope, _Capped(receive, self._body_limit, turn), measured)
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
            count(self._service, self._scope, message["status"], time.perf_counter() - self._started)
            present = {name.lower() for name, _ in message["headers"]}
            ours = ((b"x-request-id", self._request_id.encode()), *_SAFETY)
            message["headers"] = [*message["headers"], *((name, value) for name, value in ours if name not in present)]
        await self._send(message)


def count(service: str, scope: Scope, status: int, seconds: float) -> None:
    """Count an answer and how long it took."""
    method, route = scope["method"], scope.get("route_path", "unmatched")
    requests, durations = _counters(service, method, route, status)
    requests.inc()
    durations.observe(seconds)
    if _beneath.isEnabledFor(logging.DEBUG):  # what stands between takes longer than to count
        _log.debug("request", method=method, route=route, status=status, milliseconds=round(seconds * 1000, 1))


@lru_cache(4_096)
def _counters(service: str, method: str, route: str, status: int) -> tuple[prometheus_client.Counter, prometheus_client.Histogram]:
    """Found once: to find them by their labels takes longer than to count."""
    return metrics.HTTP_REQUESTS.labels(service, method, route, str(status)), metrics.HTTP_SECONDS.labels(service, route)


def identify(scope: Scope) -> str:
    """Give the request an id and a place in its trace, and have every line of the log in its task say so. Returns the id."""
    id, given = uuid7(), by_name(scope).get(b"traceparent", b"").decode("ascii", "replace")
    told = str(id)
    scope.setdefault("state", {}).update(request_id=told, cause=Cause(id, id, child_of(given if valid_traceparent(given) else None)))
    structlog.contextvars.bind_contextvars(request_id=told)  # in the request's own task, and ends with it
    return told


def _unfit(scope: Scope, headers: Mapping[bytes, bytes], body_limit: int) -> Problem | None:
    """Why the request is not read any further, None where it may be."""
    path, query = scope.get("raw_path") or scope["path"].encode(), scope["query_string"]
    if len(path) + len(query) > _ADDRESS_LIMIT:
        return Problem(414)
    if sum(map(len, chain.from_iterable(scope["headers"]))) - len(headers.get(b"authorization", b"")) > _HEADERS_LIMIT:
        return Problem(431)
    single = [name for name, _ in scope["headers"] if name in _SINGLE]
    if len(set(single)) < len(single):
        return Problem(400, "repeated-header", "A header that may stand once stands twice: send each once.")
    if not _PLAIN_PATH.fullmatch(path) and (_TRICKS.search(path) or not _readable(path)):
        return Problem(400)
    if query and (problem := _unfit_query(query)) is not None:
        return problem
    length = headers.get(b"content-length", b"0")
    if not length.isdigit():
        return Problem(400)
    return Problem(413, headers={"connection": "close"}) if int(length[:20]) > body_limit else None


def _unfit_query(query: bytes) -> Problem | None:
    if not _readable(query):
        return Problem(400)
    repeated = Counter(name for name, _ in parse_qsl(query.decode("ascii", "replace"), keep_blank_values=True))
    if any(times > 1 for times in repeated.values()):
        return Problem(400, "repeated-parameter", "A query parameter stands twice: send each once.")
    return None


def _readable(raw: bytes) -> bool:
    """Whether the text is UTF-8 without control characters, once it is unescaped."""
    try:
        return _CONTROLS.search(unquote_to_bytes(raw).decode()) is None
    except UnicodeDecodeError:
        return False


def _has_body(headers: Mapping[bytes, bytes]) -> bool:
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0").strip(b"0") != b""


class _Capped:
    """The body as it comes, until it passes the limit: then Problem (413), whatever length was announced. Its end is handed on once the request has
    its turn: Problem (503) where it gets none."""

    def __init__(self, receive: Receive, limit: int, turn: Turn) -> None:
        self._receive, self._limit, self._turn, self._read = receive, limit, turn, 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._read += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if self._read > self._limit:
            if not whole:
                await _discard(self._receive)
            raise Problem(413, headers={"connection": "close"})
        if whole:
            await self._turn.take()
        return message


def _worth_discarding(headers: Mapping[bytes, bytes]) -> bool:
    """Not where the client asked first whether to send it at all, nor where it would be cut off anyway."""
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
