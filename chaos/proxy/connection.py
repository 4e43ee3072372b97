"""A client's connection and the one to the server that goes with it: two pipes between two sockets."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from chaos.proxy.frames import Speech
from chaos.proxy.pipe import Pipe
from chaos.proxy.schedule import Schedule

if TYPE_CHECKING:
    from chaos.proxy.link import Link

_RESET = struct.pack("ii", 1, 0)


class End(asyncio.Protocol):
    """One socket. `hears` is the pipe of what comes in here, `tells` the one of what goes out; none before both sides are there."""

    def __init__(self, made: Callable[[asyncio.Transport], None], lost: Callable[[], None]) -> None:
        self._made, self._lost = made, lost
        self.hears: Pipe | None = None
        self.tells: Pipe | None = None
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._made(self._transport)

    def data_received(self, data: bytes) -> None:
        if self.hears:
            self.hears.feed(data)
        else:
            self._early += data
            self._transport.pause_reading()

    def join(self, hears: Pipe, tells: Pipe) -> None:
        """Both sides are there: what came early goes first."""
        self.hears, self.tells = hears, tells
        if self._early:
            hears.feed(self._early)

    def pause_writing(self) -> None:
        if self.tells:
            self.tells.hold(True)

    def resume_writing(self) -> None:
        if self.tells:
            self.tells.hold(False)

    def connection_lost(self, reason: Exception | None) -> None:
        """A half-close is taken for a close."""
        if self.tells:
            self.tells.cut()
        if self.hears:
            self.hears.end()
        self._lost()


class Connection:
    """One connection of a link. Until the link takes it, and the server is reached, the client waits."""

    def __init__(self, link: "Link", speech: Speech) -> None:
        self.client = End(self._client_came, self._lost)
        self._server = End(self._server_came, self._lost)
        self._link, self._speech = link, speech
        self._sides: list[asyncio.Transport] = []
        self._reaching: asyncio.Task[None] | None = None
        self._over = False

    def settle(self) -> None:
        """Act on the link's faults as they now are."""
        if self._reaching is None and self._link.takes:
            self._reaching = asyncio.get_running_loop().create_task(self._reach())
        for pipe in (self.client.hears, self.client.tells):
            if pipe:
                pipe.settle()

    def reset(self) -> None:
        """Cut both sides with RST."""
        if self._over:
            return
        self._over = True
        self._link.counts.resets += 1
        for side in self._sides:
            _abort(side)

    def _client_came(self, transport: asyncio.Transport) -> None:
        self._sides.append(transport)
        self._link.joined(self)
        self.settle()

    async def _reach(self) -> None:
        for server in self._link.turn():
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().create_connection(lambda: self._server, *server)
                return
        self.reset()

    def _server_came(self, server: asyncio.Transport) -> None:
        client, link = self._sides[0], self._link
        self._sides.append(server)
        if self._over or client.is_closing():
            _abort(server)
            return
        ask = Pipe(client, server, lambda: link.faults.to_server, Schedule(link.random), self._ask, link.delayed)
        answer = Pipe(server, client, lambda: link.faults.to_client, Schedule(link.random), self._answer, link.delayed)
        self.client.join(ask, answer)
        self._server.join(answer, ask)
        self.settle()

    def _ask(self, data: bytes) -> bytes:
        self._link.counts.bytes_to_server += len(data)
        return self._speech.ask(data)

    def _answer(self, data: bytes) -> bytes:
        self._link.counts.bytes_to_client += len(data)
        passed = self._speech.answer(data, self._link.loses)
        if passed is None:
            self.reset()
        return passed or b""

    def _lost(self) -> None:
        if all(side.is_closing() for side in self._sides):
            self._over = True
            self._link.left(self)


def _abort(side: asyncio.Transport) -> None:
    if not side.is_closing():
        side.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    side.abort()
