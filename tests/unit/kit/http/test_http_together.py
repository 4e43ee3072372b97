"""Several requests in one: each is answered as it would be alone, as soon as its own answer is there, and learns by itself that none comes."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from starlette.responses import Response

from services.kit.http import Routes, answer, create_app, operation, together
from services.kit.http.near import Answered, Behind, Near, NoAnswer, NotReached
from services.kit.http.together import PATH, Together
from services.kit.settings import KitSettings
from tests.support.browsing import served
from tests.unit.kit.http.conftest import MINE, OTHERS, routes

Bearer = Callable[..., dict[str, str]]
LIMIT = 60_000
ASKED = [
    ("GET", f"/v1/things/{MINE}", "care", b""),
    ("GET", f"/v1/things/{OTHERS}", "customer", b""),
    ("GET", "/v1/things/not-an-id", "care", b""),
    ("GET", f"/v1/things/{MINE}", "picker", b""),
    ("GET", f"/v1/things/{MINE}", None, b""),
    ("GET", "/v1/things?size=3", "care", b""),
    ("POST", "/v1/keyed", "storefront", b"{}"),
    ("POST", "/v1/late", "care", b"{}"),
    ("POST", "/v1/things", "care", b"{]"),
    ("POST", "/v1/things", "care", b'{"name": 7}'),
    ("DELETE", "/v1/things", "care", b""),
    ("GET", "/v1/away", None, b""),
    ("GET", "/v1/broken", None, b""),
    ("GET", "/v1/%C3%A4%2e%2e", "care", b""),
]


@pytest.fixture
def slow() -> asyncio.Event:
    """What the slow one waits for."""
    return asyncio.Event()


@pytest.fixture
def behind(app: FastAPI, settings: KitSettings, slow: asyncio.Event) -> FastAPI:
    """The toy application, with a slow operation, that takes several requests in one. `app` made the keys."""
    more = Routes()

    @more.get("/v1/slow", **operation(access="public"))
    async def get_slow() -> Response:
        await slow.wait()
        return answer({})

    return create_app("toy", [routes(), more, together.routes("toy")], KitSettings(var=settings.var, body_limit_bytes=LIMIT))


@asynccontextmanager
async def asking(address: str, bearer: Bearer, role: str = "service") -> AsyncIterator[Together]:
    process = Together(Near(address, most=20), lambda: bearer(role), LIMIT)
    yield process
    await process.close()


async def _ask(process: Behind, bearer: Bearer, method: str, path: str, role: str | None, body: bytes) -> Answered:
    headers = [(b"content-type", b"application/json"), (b"idempotency-key", b"k-1")]
    if role:
        headers.append((b"authorization", bearer(role)["authorization"].encode()))
    return await process.ask(method, path.encode(), headers, body)


OF_THE_FRONT = {
    b"x-content-type-options",
    b"referrer-policy",
    b"content-security-policy",
    b"date",
    b"content-length",
    b"transfer-encoding",
    b"server",
}
"""Headers that the front of whoever asks gives to what it answers, or that are drawn anew."""


def _seen(answered: Answered) -> tuple[int, object, object]:
    """All of it but what is drawn anew at each request."""
    names = [name for name, _ in answered.headers]
    assert names.count(b"x-request-id") == 1
    kept = {name: value for name, value in answered.headers if name not in {b"x-request-id", *OF_THE_FRONT}}
    body = answered.body.partition(b'"instance"')[0]
    return answered.status, kept, body


async def test_each_of_several_is_answered_as_it_is_alone(behind: FastAPI, bearer: Bearer) -> None:
    async with served(behind) as address, asking(address, bearer) as process:
        alone = [_seen(await _ask(process, bearer, *asked)) for asked in ASKED]
        posts = _counted(behind)
        several = await asyncio.gather(*(_ask(process, bearer, *asked) for asked in ASKED))
    assert [_seen(answered) for answered in several] == alone
    assert {answered[0] for answered in alone} == {200, 400, 401, 403, 404, 405, 409, 422, 500, 503}
    assert posts == [len(ASKED)]


def _counted(app: FastAPI) -> list[int]:
    """How many requests came in each one, from now on."""
    seen = list[int]()
    straight = app.state.straight

    async def count(scope, receive, send):  # type: ignore[no-untyped-def]  # ASGI's
        seen[-1] += 1
        await straight(scope, receive, send)

    async def begin(scope, receive, send):  # type: ignore[no-untyped-def]  # ASGI's
        if scope["path"] == PATH:
            seen.append(0)
        await asgi(scope, receive, send)

    asgi, app.middleware_stack, app.state.straight = app.middleware_stack, begin, count
    return seen


async def test_nobody_waits_for_the_answer_of_a_slow_one(behind: FastAPI, bearer: Bearer, slow: asyncio.Event) -> None:
    async with served(behind) as address, asking(address, bearer) as process:
        late = asyncio.create_task(_ask(process, bearer, "GET", "/v1/slow", None, b""))
        others = await asyncio.gather(*(_ask(process, bearer, *ASKED[0]) for _ in range(5)))
        assert {each.status for each in others} == {200}
        assert not late.done()
        slow.set()
        assert (await late).status == 200


async def test_who_gives_up_takes_nothing_from_the_others(behind: FastAPI, bearer: Bearer, slow: asyncio.Event) -> None:
    async with served(behind) as address, asking(address, bearer) as process:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await asyncio.gather(_ask(process, bearer, "GET", "/v1/slow", None, b""), _ask(process, bearer, "GET", "/v1/slow", None, b""))
        assert (await _ask(process, bearer, *ASKED[0])).status == 200
        slow.set()
        assert [each.status for each in await asyncio.gather(*(_ask(process, bearer, *ASKED[0]) for _ in range(3)))] == [200] * 3


async def test_more_than_go_in_one_go_in_several_and_a_large_one_goes_alone(behind: FastAPI, bearer: Bearer) -> None:
    async with served(behind) as address, asking(address, bearer) as process:
        await _ask(process, bearer, *ASKED[0])
        posts = _counted(behind)
        given = await asyncio.gather(*(_ask(process, bearer, *ASKED[0]) for _ in range(70)))
        assert {each.status for each in given} == {200}
        assert (len(posts), sum(posts)) == (2, 70)
        large = await asyncio.gather(*(_ask(process, bearer, "POST", "/v1/things", "care", b'"%s"' % (b"x" * 20_000)) for _ in range(2)))
        assert {each.status for each in large} == {422}
        assert len(posts) == 2


async def test_who_is_no_service_of_ours_sends_none_in_one(behind: FastAPI, bearer: Bearer) -> None:
    async with served(behind) as address, asking(address, bearer, "care") as process:
        assert await _all(process, bearer) == [NoAnswer] * 3
        nobody = Together(Near(address, most=1), dict, LIMIT)
        assert await _all(nobody, bearer) == [NoAnswer] * 3
        await nobody.close()


async def test_that_nobody_is_there_is_told_apart_from_an_answer_that_does_not_come(bearer: Bearer, app: FastAPI) -> None:
    async with asking("http://127.0.0.1:1", bearer) as process:
        assert await _all(process, bearer) == [NotReached] * 3
    busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    async with saying(busy) as address, asking(address, bearer) as process:
        assert await _all(process, bearer) == [NotReached] * 3
    part = together._encode([(1, Answered(200, [], b"{}"))])  # as the other side does
    begun = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + struct.pack(">I", len(part)) + part
    for broken in (begun, begun + b"\x00\x00\x01", begun + b"\x00\x00\x01\x00"):
        async with saying(broken) as address, asking(address, bearer) as process:
            assert await _all(process, bearer) == [NoAnswer, 200, NoAnswer]


async def _all(process: Together, bearer: Bearer) -> list[object]:
    given = await asyncio.gather(*(_ask(process, bearer, *ASKED[0]) for _ in range(3)), return_exceptions=True)
    return [each.status if isinstance(each, Answered) else type(each) for each in given]


@asynccontextmanager
async def saying(answered: bytes) -> AsyncIterator[str]:
    """The address of a server that reads one request, says this, and hangs up."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(length)
        writer.write(answered)
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_what_is_no_list_of_requests_is_refused(behind: FastAPI, bearer: Bearer) -> None:
    async with served(behind) as address:
        near = Near(address, most=1)
        headers = [(name.encode(), value.encode()) for name, value in bearer("service").items()]
        for body in (b"", b"{}", b"\x93\x01\x02\x03"):
            assert (await near.ask("POST", PATH.encode(), headers, body)).status == 400
        await near.close()


def test_the_route_is_not_described(behind: FastAPI) -> None:
    assert PATH not in behind.openapi()["paths"]
