"""A process of ours is asked over connections that stay open; who is not answered learns whether anything was sent."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop

from services.kit.http.near import Answered, Behind, Near, NoAnswer, NotReached

CHUNKED = b'HTTP/1.1 201 Created\r\nETag: "3"\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n3\r\n:1}\r\n0\r\n\r\n'
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Other:
    """A server of the test's own: how many connections it took, and what it read."""

    def __init__(self, speak: Callable[["Other", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> None:
        self.connections, self.read, self._speak = 0, list[bytes](), speak

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._speak(self, reader, writer)
        finally:
            writer.close()

    async def next(self, reader: asyncio.StreamReader, body: int = 0) -> bool:
        try:
            self.read.append(await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(body))
        except asyncio.IncompleteReadError:
            return False
        return True


@asynccontextmanager
async def listening(other: Other) -> AsyncIterator[Behind]:
    server = await asyncio.start_server(other, "127.0.0.1", 0)
    async with server:
        process = Near(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", most=2)
        yield process
        await process.close()


async def _get(process: Behind) -> Answered:
    return await process.ask("GET", b"/", [], b"")


async def _echo(other: Other, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await other.next(reader):
        writer.write(WHOLE)


def test_a_request_and_its_answer_come_through_whole_also_in_pieces() -> None:
    async def in_pieces(other: Other, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await other.next(reader, body=5)
        for at in range(len(CHUNKED)):
            writer.write(CHUNKED[at : at + 1])
            await writer.drain()

    async def ask() -> None:
        other = Other(in_pieces)
        async with listening(other) as process:
            answered = await process.ask("POST", b"/a?b=%20c", [(b"if-match", b'"2"')], b"hello")
        assert (answered.status, dict(answered.headers)[b"etag"], answered.body) == (201, b'"3"', b'{"a":1}')
        head, _, body = other.read[0].partition(b"\r\n\r\n")
        first, *headers = head.split(b"\r\n")
        assert (first, body) == (b"POST /a?b=%20c HTTP/1.1", b"hello")
        assert {b'if-match: "2"', b"content-length: 5"} < {header.lower() for header in headers}

    uvloop.run(ask())


async def test_a_connection_serves_one_request_after_the_other_and_no_more_are_made_than_allowed() -> None:
    other = Other(_echo)
    async with listening(other) as process:
        assert [(await _get(process)).status for _ in range(3)] == [200] * 3
        assert other.connections == 1
        await asyncio.gather(*(_get(process) for _ in range(20)))
        assert other.connections == 2


async def test_a_connection_that_ended_meanwhile_is_not_used_again() -> None:
    async def once(other: Other, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await other.next(reader)
        writer.write(WHOLE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    other = Other(once)
    async with listening(other) as process:
        assert [(await _get(process)).status for _ in range(3)] == [200] * 3
    assert other.connections == 3


async def test_an_answer_that_does_not_come_is_told_apart_from_a_request_that_was_not_sent() -> None:
    async def hangs_up(other: Other, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await other.next(reader)
        writer.write(WHOLE[:20])

    async with listening(Other(hangs_up)) as process:
        with pytest.raises(NoAnswer):
            await _get(process)
    nobody = Near("http://127.0.0.1:1", most=1)
    with pytest.raises(NotReached):
        await _get(nobody)
    await nobody.close()


async def test_the_answer_of_who_gave_up_is_given_to_nobody_else() -> None:
    gave_up = asyncio.Event()

    async def slow(other: Other, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await other.next(reader):
            number = len(other.read)
            if number == 1:
                await gave_up.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)

    async with listening(Other(slow)) as process:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await _get(process)
        gave_up.set()
        assert (await _get(process)).body == b"2"
