"""One of our own processes asked over connections that stay open: HTTP/1.1, requests and answers whole, at a fifth of what httpx itself takes for it.

What it raises is what httpx raises: ConnectError where nothing was sent, any other TransportError where it may have been done. How long it may take
is for whoever asks to say, who cancels it.
"""

import asyncio

import httptools
import httpx

_LARGEST_ANSWER = 16 * 2**20


def near(address: str, *, most: int) -> httpx.AsyncBaseTransport:
    """To the process at this address; by httpx itself where it is not plain HTTP."""
    url = httpx.URL(address)
    if url.scheme == "http":
        return Near(url.host, url.port or 80, most=most)
    return httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=most, max_keepalive_connections=most), trust_env=False)


class Near(httpx.AsyncBaseTransport):
    """Up to `most` connections; whoever finds none free waits."""

    def __init__(self, host: str, port: int, *, most: int) -> None:
        self._host, self._port = host, port
        self._places, self._idle = asyncio.Semaphore(most), list[_Connection]()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        async with self._places:
            connection = await self._connection()
            try:
                answered = await connection.ask(_written(request))
            except BaseException:
                connection.close()  # what is still to come would be taken for the next answer
                raise
            if not connection.ends:
                self._idle.append(connection)
            return answered

    async def aclose(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _connection(self) -> "_Connection":
        while self._idle:
            connection = self._idle.pop()
            if not connection.ends:
                return connection
        try:
            _, made = await asyncio.get_running_loop().create_connection(_Connection, self._host, self._port)
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        return made


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self) -> None:
        self.ends = False
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[httpx.Response] | None = None
        self._reset()

    async def ask(self, written: bytes) -> httpx.Response:
        """The whole answer. Raises httpx.RemoteProtocolError where there is none."""
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
        self._headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > _LARGEST_ANSWER:
            self._fail("the answer does not end")
            self.close()

    def on_message_complete(self) -> None:
        self.ends = self.ends or not self._parser.should_keep_alive()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(httpx.Response(self._parser.get_status_code(), headers=self._headers, content=bytes(self._body)))

    def _reset(self) -> None:
        self._parser, self._headers, self._body = httptools.HttpResponseParser(self), list[tuple[bytes, bytes]](), bytearray()

    def _fail(self, why: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(httpx.RemoteProtocolError(why))


def _written(request: httpx.Request) -> bytes:
    head = [b"%b %b HTTP/1.1" % (request.method.encode(), request.url.raw_path), *(b"%b: %b" % each for each in request.headers.raw)]
    return b"\r\n".join(head) + b"\r\n\r\n" + request.content
