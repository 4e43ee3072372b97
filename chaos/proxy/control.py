"""The port through which faults are switched while the proxy runs: one JSON request per line, one JSON answer per line."""

import asyncio
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from chaos.proxy.faults import HEALTHY, Counts, Faults
from chaos.proxy.link import Link

_PATIENCE_SECONDS = 5


class Request(Struct, forbid_unknown_fields=True):
    """`set` these faults on the links, `reset` their connections, or only look. Every answer holds the links' counts."""

    do: Literal["set", "reset", "look"]
    links: list[str]
    faults: Faults = HEALTHY


class Answer(Struct):
    """`error` is a sentence where nothing was done."""

    counts: dict[str, Counts] = {}
    error: str = ""


async def serve(links: Mapping[str, Link], port: int) -> None:
    """Answer until cancelled. Each request is noted on standard output."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(msgspec.json.encode(await _obey(links, line)) + b"\n")
                await writer.drain()
        finally:
            writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", port) as server:
        await server.serve_forever()


async def _obey(links: Mapping[str, Link], line: bytes) -> Answer:
    try:
        request = msgspec.json.decode(line, type=Request)
    except msgspec.DecodeError as wrong:
        return Answer(error=str(wrong))
    unknown = sorted(set(request.links) - links.keys())
    if unknown:
        return Answer(error=f"there is no link {', '.join(unknown)}")
    if request.do != "look":
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
    for name in request.links:
        if request.do == "set":
            await links[name].set(request.faults)
        elif request.do == "reset":
            links[name].reset()
    return Answer({name: links[name].counts for name in request.links})


class Refused(Exception):
    """The proxy did nothing, and says why."""


class Remote:
    """Some links of a proxy that runs in another process."""

    def __init__(self, port: int, links: Sequence[str]) -> None:
        self._port, self.links = port, list(links)

    def set(self, faults: Faults) -> None:
        """From now on these faults and no others. Raises Refused, and OSError where no proxy answers."""
        self._ask("set", faults)

    def heal(self) -> None:
        """Nothing is wrong any more."""
        self._ask("set", HEALTHY)

    def reset(self) -> None:
        """Cut every connection with RST."""
        self._ask("reset")

    def counts(self) -> dict[str, Counts]:
        """What each link did since the proxy started."""
        return self._ask("look")

    def _ask(self, do: Literal["set", "reset", "look"], faults: Faults = HEALTHY) -> dict[str, Counts]:
        with socket.create_connection(("127.0.0.1", self._port), _PATIENCE_SECONDS) as connection, connection.makefile("rb") as answers:
            connection.sendall(msgspec.json.encode(Request(do, self.links, faults)) + b"\n")
            answer = msgspec.json.decode(answers.readline(), type=Answer)
        if answer.error:
            raise Refused(answer.error)
        return answer.counts
