"""The operations listener of every process: /livez, /readyz, /metrics, /progress. Not public, and light: workers import no web framework.

Liveness watches progress, not existence: a process whose work stands still while its servers answer is not alive.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

_READ_SECONDS = 5.0
_REQUEST_LIMIT = 8_192


def _nothing_wrong() -> str | None:
    return None


async def _ready() -> str | None:
    return None


async def _no_progress() -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Operations:
    """What a process tells of itself. `live` and `ready` answer None when all is well, else one sentence; `progress` answers JSON."""

    live: Callable[[], str | None] = _nothing_wrong
    ready: Callable[[], Awaitable[str | None]] = _ready
    progress: Callable[[], Awaitable[dict[str, Any]]] = _no_progress


@asynccontextmanager
async def listen(operations: Operations, host: str, port: int) -> AsyncIterator[int]:
    """Answer on this port while the block runs; port 0 takes a free one, and the block is told which."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_READ_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await _answer(operations, head))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(connected, host, port, limit=_REQUEST_LIMIT)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _answer(operations: Operations, head: bytes) -> bytes:
    method, _, rest = head.partition(b" ")
    path = rest.split(b" ", 1)[0].split(b"?", 1)[0]
    if method != b"GET":
        return _response(405, b"Only GET is answered here.\n", "text/plain")
    if path in (b"/livez", b"/readyz"):
        wrong = operations.live() if path == b"/livez" else await operations.ready()
        return _response(503 if wrong else 200, f"{wrong or 'ok'}\n".encode(), "text/plain; charset=utf-8")
    if path == b"/metrics":
        return _response(200, generate_latest(), CONTENT_TYPE_LATEST)
    if path == b"/progress":
        return _response(200, json.dumps(await operations.progress(), default=str).encode(), "application/json")
    return _response(404, b"Here are /livez, /readyz, /metrics and /progress.\n", "text/plain")


def _response(status: int, body: bytes, media: str) -> bytes:
    reason = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}[status]
    headers = f"content-type: {media}\r\ncontent-length: {len(body)}\r\nconnection: close\r\ncache-control: no-store"
    return f"HTTP/1.1 {status} {reason}\r\n{headers}\r\n\r\n".encode() + body
