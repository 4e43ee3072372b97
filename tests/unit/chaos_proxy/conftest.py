"""One link in front of one server, with plain sockets on both sides, on the loop that the proxy runs on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from chaos.proxy.link import Link
from deploy.local.ports import free


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


class Peer:
    """One end of a connection, plain."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def hears(self, size: int, seconds: float = 5) -> bytes:
        """The next bytes, exactly so many. Raises TimeoutError, IncompleteReadError, ConnectionResetError."""
        return await asyncio.wait_for(self.reader.readexactly(size), seconds)

    async def hears_nothing(self, seconds: float = 0.15) -> bool:
        """Whether neither bytes nor an end come within that time."""
        try:
            await asyncio.wait_for(self.reader.read(1), seconds)
        except TimeoutError:
            return True
        return False

    async def ends_by_reset(self) -> bool:
        """How the connection ends: by RST, or orderly."""
        try:
            return await asyncio.wait_for(self.reader.read(), 5) is None
        except ConnectionResetError:
            return True


class Server:
    """Listens, and hands over who came."""

    def __init__(self) -> None:
        self.came: asyncio.Queue[Peer] = asyncio.Queue()
        self.port = 0

    async def start(self) -> None:
        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.came.put_nowait(Peer(reader, writer))

        self._server = await asyncio.start_server(take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def next(self) -> Peer:
        return await asyncio.wait_for(self.came.get(), 5)

    def close(self) -> None:
        self._server.close()


class Setting:
    """A server, the link before it, and clients of the link."""

    def __init__(self, server: Server, link: Link) -> None:
        self.server, self.link = server, link
        self._peers: list[Peer] = []

    async def client(self) -> Peer:
        peer = Peer(*await asyncio.open_connection("127.0.0.1", self.link.port))
        self._peers.append(peer)
        return peer

    async def pair(self) -> tuple[Peer, Peer]:
        """A client and the server's side of its connection."""
        client = await self.client()
        served = await self.server.next()
        self._peers.append(served)
        return client, served

    def close(self) -> None:
        self.link.stop()
        self.server.close()
        for peer in self._peers:
            peer.writer.transport.abort()


@pytest.fixture
def speaks() -> str:
    return ""


@pytest.fixture
async def setting(speaks: str) -> AsyncIterator[Setting]:
    server = Server()
    await server.start()
    one = Setting(server, Link("a->b", free(), [("127.0.0.1", server.port)], speaks, seed=1))
    await one.link.start()
    yield one
    one.close()
