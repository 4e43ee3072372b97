"""Requests that wait for another process of ours at the same moment go to it in one, and each is answered as soon as its own answer is there.

One request over HTTP costs both processes more than most commands do. Who is alone is asked for as ever.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import unquote

import msgspec
import structlog
from fastapi import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from services.kit.http.front import count, identify
from services.kit.http.near import Answered, Headers, Near, NoAnswer, NotReached
from services.kit.http.problems import Problem
from services.kit.http.routing import Routes, operation
from services.kit.http.turns import step_aside

log = structlog.get_logger(__name__)

PATH = "/v1/together"
_MOST = 64
_GATHER_SECONDS = 0.004
_WAIT_SECONDS = 60.0

_tasks = set[asyncio.Task[None]]()
"""Requests that are being answered: the loop alone would not keep them alive."""


class Asked(NamedTuple):
    """`target` is path and query."""

    method: str
    target: bytes
    headers: Headers
    body: bytes


_encode = msgspec.msgpack.Encoder().encode
_read_asked = msgspec.msgpack.Decoder(list[Asked]).decode
_read_answered = msgspec.msgpack.Decoder(list[tuple[int, Answered]]).decode
"""Each with the place of what was asked."""


class Together:
    """A process behind (`services.kit.http.near.Behind`) that has `routes` of ours, and takes bodies of `most_bytes`. `sign` gives the headers that
    tell who we are."""

    def __init__(self, near: Near, sign: Callable[[], Mapping[str, str]], most_bytes: int) -> None:
        self._near, self._sign, self._most_bytes = near, sign, most_bytes
        self._waiting, self._bytes = list[tuple[Asked, asyncio.Future[Answered]]](), 0
        self._under_way = set[asyncio.Task[None]]()

    async def ask(self, method: str, target: bytes, headers: Headers, body: bytes) -> Answered:
        """Raises NotReached or NoAnswer."""
        loop, size = asyncio.get_running_loop(), sum(map(len, (target, body, *itertools.chain(*headers))))
        if size > self._most_bytes // 4:
            return await self._near.ask(method, target, headers, body)
        answered: asyncio.Future[Answered] = loop.create_future()
        self._waiting.append((Asked(method, target, headers, body), answered))
        self._bytes += size
        if len(self._waiting) == _MOST or self._bytes > self._most_bytes // 2:
            self._go()
        elif len(self._waiting) == 1:
            loop.call_later(_GATHER_SECONDS if self._under_way else 0, self._go)
        return await answered

    async def close(self) -> None:
        """What is under way comes to nothing."""
        for task in self._under_way:
            task.cancel()
        await self._near.close()

    def _go(self) -> None:
        some, self._waiting, self._bytes = self._waiting, [], 0
        if some:
            task = asyncio.get_running_loop().create_task(self._carry(some))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _carry(self, some: Sequence[tuple[Asked, "asyncio.Future[Answered]"]]) -> None:
        left = {place: answered for place, (_, answered) in enumerate(some)}
        ended: Exception = NoAnswer("it ended before all were answered")
        try:
            if len(some) == 1:
                _settle(left[0], await self._near.ask(*some[0][0]))
                return
            async for part in self._near.parts(PATH, self._sign(), _encode([asked for asked, _ in some])):
                for place, given in _read_answered(part):
                    _settle(left[place], given)
        except (NotReached, NoAnswer) as error:
            log.warning("requests were not answered by the process behind", reason=str(error))
            ended = error
        finally:
            for answered in left.values():
                if not answered.done():
                    answered.set_exception(type(ended)(str(ended)))


def _settle(answered: "asyncio.Future[Answered]", given: Answered) -> None:
    """Unless whoever waited gave up."""
    if not answered.done():
        answered.set_result(given)


def routes(service: str) -> Routes:
    """What a process must have that is asked by `Together`, which passes on what its own front let through: each request is admitted, measured and
    answered as if it had come alone."""
    router = Routes()

    @router.post(PATH, **operation(access={"service": "all"}) | {"include_in_schema": False})
    async def post_together(request: Request) -> Response:
        try:
            asked = _read_asked(await request.body())
        except msgspec.DecodeError:
            raise Problem(400) from None
        step_aside(request, _WAIT_SECONDS)
        return _Parts(_answers(request, service, asked))

    return router


class _Parts(Response):
    """Sent as they come. Whether somebody still listens is nothing to wait for beside it: what was asked is done either way."""

    media_type = "application/octet-stream"

    def __init__(self, parts: AsyncIterator[bytes]) -> None:
        self.status_code, self.background, self._parts = 200, None, parts
        self.raw_headers = [(b"content-type", self.media_type.encode())]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for part in self._parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _answers(request: Request, service: str, asked: Sequence[Asked]) -> AsyncIterator[bytes]:
    """Those that are there, again and again."""
    done = asyncio.Queue[tuple[int, Answered]]()
    for place, each in enumerate(asked):
        task = asyncio.create_task(_answer(request, service, place, each, done))
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
    left = len(asked)
    while left:
        some = [await done.get()]
        while not done.empty():
            some.append(done.get_nowait())
        left -= len(some)
        part = _encode(some)
        yield len(part).to_bytes(4) + part


async def _answer(request: Request, service: str, place: int, asked: Asked, done: "asyncio.Queue[tuple[int, Answered]]") -> None:
    began, scope = time.perf_counter(), _scope(request, asked)
    id = identify(scope)
    sent = list[Message]()
    unread: list[Message] = [{"type": "http.request", "body": asked.body}]

    async def receive() -> Message:
        if not unread:
            await asyncio.Event().wait()  # nobody hangs up on one of several
        return unread.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    try:
        await request.app.state.straight(scope, receive, send)
    finally:
        status, headers = (sent[0]["status"], sent[0]["headers"]) if sent else (500, [])
        count(service, scope, status, time.perf_counter() - began)
        told = headers if any(name == b"x-request-id" for name, _ in headers) else [*headers, (b"x-request-id", id.encode())]
        done.put_nowait((place, Answered(status, told, b"".join(each.get("body", b"") for each in sent))))


def _scope(request: Request, asked: Asked) -> Scope:
    path, _, query = asked.target.partition(b"?")
    whole = {name: request.scope.get(name) for name in ("type", "asgi", "http_version", "server", "client", "scheme", "root_path", "app")}
    return whole | {
        "method": asked.method, "path": unquote(path.decode("ascii")), "raw_path": path, "query_string": query, "headers": asked.headers,
        "state": {"address": request.state.address},
    }  # fmt: skip
