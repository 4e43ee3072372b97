"""One of our own processes asked over connections that stay open: requests and answers whole, bytes as they are.

By aiohttp, to which a request costs a small part of what it costs httpx. How long an answer may take is for whoever asks to say, who cancels it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import httpx

if TYPE_CHECKING:
    import aiohttp

Headers = Sequence[tuple[bytes, bytes]]


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


class Near:
    """Up to `most` connections to the process at this address; whoever finds none free waits."""

    def __init__(self, address: str, *, most: int) -> None:
        self._address, self._most = address, most
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, method: str, target: bytes, headers: Headers, body: bytes) -> Answered:
        import aiohttp
        from yarl import URL

        url = URL(self._address + target.decode(), encoded=True)
        told = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        try:
            async with self._opened().request(method, url, headers=told, data=body, allow_redirects=False) as given:
                return Answered(given.status, [(name.lower(), value) for name, value in given.raw_headers], await given.read())
        except aiohttp.ClientConnectorError as error:
            raise NotReached(str(error)) from error
        except aiohttp.ClientError as error:
            raise NoAnswer(str(error)) from error

    async def parts(self, target: str, headers: Mapping[str, str], body: bytes) -> AsyncIterator[bytes]:
        """What is answered with 200 to this POST, part by part as it is sent, each behind its length in 4 bytes. Raises NotReached, also where the
        process was too busy to begin, or NoAnswer, also in the middle."""
        import aiohttp

        try:
            async with self._opened().post(self._address + target, headers=headers, data=body, allow_redirects=False) as given:
                if given.status != 200:
                    raise (NotReached if given.status in (429, 503) else NoAnswer)(f"{target} was answered {given.status}")
                while head := await given.content.read(1):
                    length = int.from_bytes(head + await given.content.readexactly(3))
                    yield await given.content.readexactly(length)
        except aiohttp.ClientConnectorError as error:
            raise NotReached(str(error)) from error
        except (aiohttp.ClientError, asyncio.IncompleteReadError) as error:
            raise NoAnswer(str(error)) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> "aiohttp.ClientSession":
        """Opened by the first who asks: it belongs to the loop that runs then."""
        if self._session is None:
            import aiohttp

            connector, quiet = aiohttp.TCPConnector(limit=self._most, use_dns_cache=True), aiohttp.DummyCookieJar()
            skipped = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
            forever = aiohttp.ClientTimeout(total=None)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=quiet, skip_auto_headers=skipped, auto_decompress=False, timeout=forever
            )
        return self._session


class Through:
    """The same by a transport of httpx: an application in this very process, in tests."""

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
