"""A client that posts the day's orders as fast as it is answered, over so many connections: `python -m bench.http_load PORT CONNECTIONS SECONDS`.

Raw sockets, since a client library would take more of the machine than the server. BENCH_TOKEN is the bearer token. Prints one JSON line: how many
were answered 201, how many otherwise, seconds, and percentiles of the wait in milliseconds.
"""

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import uvloop

from demo import day
from services.kit.clock import record_now
from services.kit.ids import uuid7

_ID, _REFERENCE, _CUSTOMER = "<order id>", "<reference>", "<customer>"
_CUSTOMERS = 2000  # about so many
_LINES = 40


def shapes() -> list[list[str]]:
    """The day's good orders below 40 lines as JSON text, cut where an order's own id, reference and customer stand."""
    good = [day.submission(invoice) for invoice in day.invoices() if not invoice.is_cancellation and not invoice.mistaken]
    small = [order for order in good if 0 < len(order["lines"]) < _LINES]
    now = record_now().isoformat()
    told = [
        {**order, "order_id": _ID, "external_ref": _REFERENCE, "placed_at": now, "customer": {**order["customer"], "external_ref": _CUSTOMER}}
        for order in small
    ]
    return [_cut(json.dumps(order)) for order in told]


def _cut(text: str) -> list[str]:
    id, rest = text.split(_ID)
    reference, rest = rest.split(_REFERENCE)
    return [id, reference, *rest.split(_CUSTOMER)]


def requests(path: str, token: str, orders: list[list[str]]) -> Iterator[bytes]:
    """New orders of these shapes without end, each under a key of its own; a customer who comes again lives where they lived."""
    customers = len(orders) * max(1, _CUSTOMERS // len(orders))
    for number, (before, id, reference, rest) in enumerate(itertools.cycle(orders)):
        key = str(uuid7())
        body = f"{before}{key}{id}b-{key}{reference}c-{number % customers}{rest}".encode()
        head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: {key}\r\n"
        yield f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _connection(port: int, asked: Iterator[bytes], until: float, waits: list[float], bad: list[bytes]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(next(asked))
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
        waits.append(time.perf_counter() - began)
        if not head.startswith(b"HTTP/1.1 201"):
            bad.append(head.split(b"\r\n")[0] + b" " + body)
    writer.close()


async def post(port: int, connections: int, seconds: float, asked: Iterator[bytes]) -> dict[str, Any]:
    """Send them over so many connections, and tell what came of it."""
    waits, bad = list[float](), list[bytes]()
    began = time.perf_counter()
    await asyncio.gather(*(_connection(port, asked, began + seconds, waits, bad) for _ in range(connections)))
    took = time.perf_counter() - began
    waits.sort()
    shares = {name: round(waits[min(len(waits) - 1, int(len(waits) * share))] * 1000, 2) for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95))}
    return {"taken": len(waits) - len(bad), "refused": len(bad), "seconds": took, **shares, "first_refused": bad[0].decode() if bad else None}


async def main(port: int, connections: int, seconds: float) -> None:
    asked = requests("/v1/orders", os.environ["BENCH_TOKEN"], shapes())
    sys.stdout.write(json.dumps(await post(port, connections, seconds, asked)) + "\n")


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
