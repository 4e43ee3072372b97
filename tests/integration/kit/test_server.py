"""An API process serves, tells how it is, and leaves nobody without an answer when it is told to stop."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.polling import poll_until

_TOY = """
import asyncio
import contextlib
from fastapi import Request
from services.kit.http import Routes, answer, create_app, operation, serve
from services.kit.http.front import Front
from services.kit.http.wire import BoundedProtocol
from services.kit.settings import KitSettings

router = Routes()

@router.get("/slow", **operation(access="public"))
async def slow():
    open("begun", "w").close()
    await asyncio.sleep(1)
    return answer("done")

@router.post("/things", **operation(access="public"))
async def take(request: Request):
    return answer(len(await request.body()))

BoundedProtocol.head_seconds = Front.body_seconds = 0.5  # ten and thirty seconds are long for a test
settings = KitSettings()
serve(create_app("toy", [router], settings), settings, port=settings.port("toy_api"), operations_port=settings.port("toy_ops"))
open("left", "w").close()
"""


class _Toy:
    """The toy process, with a listening socket on its standard input, as a supervisor would hand it over."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.listening = folder, socket.create_server(("127.0.0.1", 0))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.operations = f"http://127.0.0.1:{free.getsockname()[1]}"
        root = str(Path(__file__).parents[3])
        told = {**os.environ, "PYTHONPATH": root, "KEPT_TOY_OPS_PORT": self.operations.rsplit(":", 1)[1], "KEPT_VAR": str(folder)}
        self.process = subprocess.Popen([sys.executable, "-c", _TOY], stdin=self.listening.fileno(), cwd=folder, env=told)
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"

    async def is_ready(self) -> bool:
        async with httpx.AsyncClient() as client:
            try:
                return (await client.get(f"{self.operations}/readyz")).status_code == 200
            except httpx.TransportError:
                return False


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[_Toy]:
    toy = _Toy(tmp_path)
    yield toy
    toy.process.kill()
    toy.process.wait()
    toy.listening.close()


async def test_a_request_in_hand_is_answered_before_the_process_leaves(toy: _Toy) -> None:
    await poll_until(toy.is_ready)
    async with httpx.AsyncClient() as client:
        asked = asyncio.create_task(client.get(f"{toy.url}/slow"))
        await poll_until((toy.folder / "begun").exists)
        toy.process.send_signal(signal.SIGTERM)
        assert (await asked).text == '"done"'
    assert await asyncio.to_thread(toy.process.wait, 10) == 0
    assert (toy.folder / "left").exists()


async def test_who_keeps_a_connection_hears_of_the_end_with_an_answer(toy: _Toy) -> None:
    """One request after the other, on a connection that is idle between them."""
    await poll_until(toy.is_ready)
    reader, writer = await asyncio.open_connection(*toy.listening.getsockname())
    assert b"connection: close" not in await _nothing(reader, writer)
    toy.process.send_signal(signal.SIGTERM)

    async def is_the_last() -> bool:
        return b"connection: close" in await _nothing(reader, writer)

    await poll_until(is_the_last)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    assert await asyncio.to_thread(toy.process.wait, 10) == 0


async def _nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The head of the answer to a request for what is not there."""
    writer.write(b"GET /nothing HTTP/1.1\r\nhost: toy\r\n\r\n")
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
    return head


async def test_metrics_are_told_on_the_operations_port_only(toy: _Toy) -> None:
    await poll_until(toy.is_ready)
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{toy.url}/metrics")).status_code == 404
        told = (await client.get(f"{toy.operations}/metrics")).text
    assert 'kept_http_requests_total{method="GET",route="unmatched",service="toy",status="404"} 1.0' in told


@pytest.mark.parametrize("start", [b"GET /", b"GET /x HTTP/1.1\r\nhost: toy\r\nx: ", b"GET /x HTTP/1.1\r\n" + b"a: b\r\n" * 1000])
async def test_a_head_without_end_is_not_kept(toy: _Toy, start: bytes) -> None:
    await poll_until(toy.is_ready)
    before = _resident_mb(toy.process.pid)
    reader, writer = await asyncio.open_connection(*toy.listening.getsockname())
    writer.write(start)
    with contextlib.suppress(ConnectionError):
        for _ in range(40):
            writer.write(b"x" * 1_000_000)
            await writer.drain()
    with contextlib.suppress(ConnectionError):
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert head.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))
        assert b"application/problem+json" in head
    writer.close()
    assert _resident_mb(toy.process.pid) - before < 20


_POST = b"POST /things HTTP/1.1\r\nhost: toy\r\n"
_GET = b"GET /slow HTTP/1.1\r\nhost: toy\r\n\r\n"


async def test_a_head_that_does_not_come_to_its_end_is_not_waited_for(toy: _Toy) -> None:
    """On a new connection, after an answer that took longer than a head may, and after one that came at once."""
    await poll_until(toy.is_ready)
    cases = [
        (before, start) for before in (b"", _GET, _POST + b"content-length: 1\r\n\r\n1") for start in (b"GET /", b"GET /x HTTP/1.1\r\nx: ", _POST)
    ]
    for answered in await asyncio.gather(*(_trickled(toy, before, start, b"x") for before, start in cases)):
        assert answered.startswith(b"HTTP/1.1 408 Request Timeout") and b"application/problem+json" in answered


async def test_a_connection_that_never_begins_a_request_is_closed(toy: _Toy) -> None:
    await poll_until(toy.is_ready)
    cases = ((b"", b""), (b"", b"\r\n"), (_GET, b"\r\n"))
    assert set(await asyncio.gather(*(_trickled(toy, before, each, each) for before, each in cases))) == {b""}


async def test_a_body_that_does_not_come_to_its_end_is_not_waited_for(toy: _Toy) -> None:
    await poll_until(toy.is_ready)
    announced = (b"content-length: 1000\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n3e8\r\n")
    for answered in await asyncio.gather(*(_trickled(toy, b"", _POST + rest, b"x") for rest in announced)):
        assert answered.startswith(b"HTTP/1.1 408 Request Timeout") and b"application/problem+json" in answered


async def _trickled(toy: _Toy, before: bytes, start: bytes, more: bytes) -> bytes:
    """What the server says before it closes, while something comes every 50 ms; `before` is a request that is answered first, with 200."""
    reader, writer = await asyncio.open_connection(*toy.listening.getsockname())
    if before:
        writer.write(before)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert head.startswith(b"HTTP/1.1 200")
        await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
    answer = asyncio.create_task(reader.read())
    try:
        async with asyncio.timeout(4):
            writer.write(start)
            while not (await asyncio.wait({answer}, timeout=0.05))[0]:
                writer.write(more)
            return await answer
    finally:
        writer.close()


async def test_what_is_no_http_is_answered_with_a_problem(toy: _Toy) -> None:
    await poll_until(toy.is_ready)
    reader, writer = await asyncio.open_connection(*toy.listening.getsockname())
    writer.write(b"\x16\x03\x01\x02\x00\r\n\r\n")
    answered = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert answered.startswith(b"HTTP/1.1 400") and b"application/problem+json" in answered


def _resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
async def test_who_sends_ten_megabytes_reads_the_refusal_instead_of_a_reset(toy: _Toy, announced: bool) -> None:
    await poll_until(toy.is_ready, 20)
    reader, writer = await asyncio.open_connection(*toy.listening.getsockname())
    size, before = 10_000_000, _resident_mb(toy.process.pid)
    head = f"content-length: {size}" if announced else "transfer-encoding: chunked"
    body = b"x" * size if announced else b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size)
    writer.write(f"POST /things HTTP/1.1\r\nhost: toy\r\n{head}\r\n\r\n".encode() + body)
    await writer.drain()
    async with asyncio.timeout(10):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in answer
    assert _resident_mb(toy.process.pid) - before < 20
    writer.close()
