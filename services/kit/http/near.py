"""One of our own processes asked over connections that stay open: HTTP/1.1, requests and answers whole, bytes as they are.

How long an answer may take is for whoever asks to say, who cancels it.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import httptools
import httpx

Headers = Sequence[tuple[bytes, bytes]]

_LARGEST_ANSWER = 16 * 2**20


class NotReached(ConnectionError):
    """Nothing was sent."""


class NoAnswer(ConnectionError):
    """It may have been done."""


class Answered(NamedTuple):
    """What came back. Names of headers in lower case."""

    status: int
    headers: Headers
    body: bytes


class Behind(Protocol):
    """Whoever is asked."""

    async def ask(self, method: str, target: bytes, headers: Headers, body: bytes) -> Answered:
        """`target` is path and query. Raises NotReached or NoAnswer."""

    async def close(self) -> None: ...


def behind(address: str, *, most: int) -> Behind:
    """The process at this address, over up to `most` connections; through httpx where it is not plain HTTP."""
    url = httpx.URL(address)
    if url.scheme == "http":
        return Near(url.host, url.port or 80, most=most)
    limits = httpx.Limits(max_connections=most, max_keepalive_connections=most)
    return Through(httpx.AsyncHTTPTransport(limits=limits, trust_env=False), address)


class Near:
    """Up to `most` connections; whoever finds none free waits."""

    def __init__(self, host: str, port: int, *, most: int) -> None:
        self._address = host, port
        self._head = b"\r\nhost: %b:%d\r\n" % (host.encode(), port)
        self._places, self._idle = asyncio.Semaphore(most), list[_Connection]()

    async def ask(self, method: str, target: bytes, headers: Headers, body: bytes) -> Answered:
        lines = b"".join(b"%b: %b\r\n" % each for each in headers)
        written = b"%b %b HTTP/1.1%b%bcontent-length: %d\r\n\r\n%b" % (method.encode(), target, self._head, lines, len(body), body)
        async with self._places:
            connection = await self._connection()
            try:
                answered = await connection.ask(written)
            except BaseException:
                connection.close()  # what is still to come would be taken for the next answer
                raise
            if not connection.ends:
                self._idle.append(connection)
            return answered

    async def close(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _connection(self) -> "_Connection":
        while self._idle:
            connection = self._idle.pop()
            if not connection.ends:
                return connection
        try:
            _, made = await asyncio.get_running_loop().create_connection(_Connection, *self._address)
        except OSError as error:
            raise NotReached(str(error)) from error
        return made


class Through:
    """The same by a transport of httpx, which knows more than plain HTTP."""

    def __init__(self, transport: httpx.AsyncBaseTransport, address: str) -> None:
        self._transport, self._address = transport, address

    async def ask(self, method: str, target: bytes, headers: Headers, body: bytes) -> Answered:
        request = httpx.Request(method, self._address + target.decode(), headers=list(headers), content=body)
        try:
            given = await self._transport.handle_async_request(request)
            return Answered(given.status_code, [(name.lower(), value) for name, value in given.headers.raw], await given.aread())
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotReached(str(error)) from error
        except httpx.TransportError as error:
            raise NoAnswer(str(error)) from error

    async def close(self) -> None:
        await self._transport.aclose()


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self) -> None:
        self.ends = False
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answered] | None = None
        self._reset()

    async def ask(self, written: bytes) -> Answered:
        """The whole answer. Raises NoAnswer."""
        assert self._transport is not None, "a connection that was made"
        self._reset()
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(written)
        return await self._answer

    def close(self) -> None:
        self.ends = True
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # asyncio hands over a Transport
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.ends = True
        self._fail("the connection ended before the answer did")

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(str(error))
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > _LARGEST_ANSWER:
            self._fail("the answer does not end")
            self.close()

    def on_message_complete(self) -> None:
        self.ends = self.ends or not self._parser.should_keep_alive()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answered(self._parser.get_status_code(), self._headers, bytes(self._body)))

    def _reset(self) -> None:
        self._parser, self._headers, self._body = httptools.HttpResponseParser(self), list[tuple[bytes, bytes]](), bytearray()

    def _fail(self, why: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(NoAnswer(why))
