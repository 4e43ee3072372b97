"""`POST /v1/orders` beside a bare FastAPI + asyncpg insert of the same body: one API process each, on one PostgreSQL, in rounds there and back.

Ours signs in, keeps the answer under its key, judges the order against items, customers and references, and says what came of it.
"""

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from bench.cpu import Meter, Spent, undisturbed
from bench.report import Row, Wanted
from demo import day
from services.kit.clock import record_now
from services.kit.migrations import migrate
from services.kit.settings import KitSettings
from services.kit.tokens import token

OURS, BARE = "kept", "bare FastAPI + asyncpg"
CONNECTIONS = 32
_DATABASE = "bench_posting"
_WARM_SECONDS = 2.0


def measure(folder: Path, admin: str, *, seconds: float, rounds: int, beside: str = "") -> list[Row]:
    """Rates, CPU and waits, medians of the rounds. `beside` names what else keeps the machine, and PostgreSQL, busy
    meanwhile."""
    url = asyncio.run(_prepare(admin))
    results: dict[str, list[dict[str, float]]] = {OURS: [], BARE: []}
    with _ours(folder, url) as ours, _bare(url) as bare:
        postmaster = asyncio.run(postmaster_of(url))
        for number in range(rounds):
            for name, (pid, port) in ((OURS, ours), (BARE, bare)) if number % 2 == 0 else ((BARE, bare), (OURS, ours)):
                results[name].append(_round(folder, pid, port, postmaster, seconds, bool(beside)))
                print(f"  round {number + 1}: {name}: {results[name][-1]}", flush=True)
    return _rows(results, beside)


def _rows(results: dict[str, list[dict[str, float]]], beside: str) -> list[Row]:
    where = f"POST /v1/orders, {CONNECTIONS} connections{f', beside {beside}' if beside else ''}"
    median = {name: {figure: statistics.median(each[figure] for each in rows) for figure in rows[0]} for name, rows in results.items()}

    def row(figure: str, unit: str, wanted: Wanted | None = None, *, less: bool = True) -> Row:
        peers = {BARE: median[BARE][figure]}
        return Row(f"{where}: {figure}", unit, median[OURS][figure], peers, raw=BARE, less_is_better=less, wanted=wanted)

    rows = [
        row("rate", "requests/s", Wanted(1.2, "ratio_to_raw"), less=False),
        row("p95", "ms"),
        row("api_cpu", "us of the API process per request"),
    ]
    return rows if beside else [*rows, row("all_cpu", "us of API and PostgreSQL per request")]


def _round(folder: Path, pid: int, port: int, postmaster: int, seconds: float, shared: bool) -> dict[str, float]:
    def once() -> tuple[dict[str, Any], Spent]:
        load(folder, port, _WARM_SECONDS)
        meter = Meter(api=[pid], postgres=[postmaster], load=[os.getpid()])
        done = load(folder, port, seconds)
        return done, meter.stop()

    done, spent = once() if shared else undisturbed(once)
    if done["refused"] or not done["taken"]:
        raise RuntimeError(f"{done['refused']} of {done['taken'] + done['refused']} orders were refused: {done['first_refused']}")
    api, both = spent.cpu["api"], spent.cpu["api"] + spent.cpu["postgres"]
    told = {"rate": done["taken"] / done["seconds"], "p95": done["p95_ms"], "p50": done["p50_ms"]}
    return {**told, "api_cpu": api / done["taken"] * 1e6, "all_cpu": both / done["taken"] * 1e6, "foreign": round(spent.foreign, 3)}


def load(folder: Path, port: int, seconds: float) -> dict[str, Any]:
    """What `bench.http_load` tells of so many seconds of orders, signed in by the keys of that folder."""
    told = {**os.environ, "BENCH_TOKEN": _token(folder)}
    command = [sys.executable, "-m", "bench.http_load", str(port), str(CONNECTIONS), str(seconds)]
    done = subprocess.run(command, env=told, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the client ended with {done.returncode}: {done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _token(folder: Path) -> str:
    settings = KitSettings()
    return token(folder / "keys", "storefront", issuer=settings.token_issuer, audience=settings.token_audience, subject="bench", channel=day.CHANNEL)


async def _prepare(admin: str) -> str:
    """A database of its own with the schema of orders and the catalogue; the administrator's address of it."""
    connection = await asyncpg.connect(admin)
    await connection.execute(f"drop database if exists {_DATABASE} with (force)")
    await connection.execute(f"create database {_DATABASE}")
    await connection.close()
    url = urlunsplit(urlsplit(admin)._replace(path=f"/{_DATABASE}"))
    await asyncio.to_thread(migrate, url, ["orders"])
    connection = await asyncpg.connect(url)
    await connection.execute(
        "create schema bench; create table bench.bare (order_id uuid primary key, external_ref text not null, total_minor bigint not null,"
        " body jsonb not null, at timestamptz not null default now())"
    )
    rows = [(sku, False, 1) for sku in day.items()]
    await connection.copy_records_to_table("items", schema_name="orders", records=rows, columns=("sku", "withdrawn", "version"))
    await connection.execute("analyze")
    await connection.close()
    return url


async def postmaster_of(url: str) -> int:
    """The process id of the server's first process, whose children do the work."""
    connection = await asyncpg.connect(url)
    folder = await connection.fetchval("show data_directory")
    await connection.close()
    return int((Path(folder) / "postmaster.pid").read_text().split()[0])


@contextmanager
def _ours(folder: Path, url: str) -> Iterator[tuple[int, int]]:
    port, operations = free_port(), free_port()
    _token(folder)
    told = {"DATABASE_URL": url, "KEPT_VAR": str(folder.resolve()), "KEPT_ORDERS_API_PORT": str(port), "KEPT_ORDERS_API_OPS_PORT": str(operations)}
    with server(["services.orders.main", "api"], told, port) as pid:
        yield pid, port


@contextmanager
def _bare(url: str) -> Iterator[tuple[int, int]]:
    port = free_port()
    with server(["bench.contenders.bare_http", str(port)], {"BENCH_DATABASE": url}, port) as pid:
        yield pid, port


@contextmanager
def server(arguments: list[str], told: dict[str, str], port: int) -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-m", *arguments], env={**os.environ, **told}, stdin=subprocess.DEVNULL)
    try:
        _await_port(port, process)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def _await_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not listen on {port} at {record_now()}")


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])
