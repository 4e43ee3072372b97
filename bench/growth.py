"""What a large shop costs: the same work over databases that hold ever more orders, in rounds that go from the smallest to the largest and back.

A shop's first orders go the whole way by public HTTP; their rows are copied until each database has its size (`bench.growing`), and a whole stack
runs on each. A round is orders posted while the worker stands still, then drained to their pick tasks, then tasks claimed and old orders read.
"""

import asyncio
import itertools
import json
import os
import random
import shutil
import signal
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg
import psutil
from aiokafka import AIOKafkaConsumer

from bench import growing
from bench.cpu import Meter, Spent, undisturbed
from bench.posting import load
from bench.public_client import Floor, Shift
from bench.report import Row, Wanted
from bench.shops import open_shop, running
from demo import day
from demo.house import House
from demo.shop import Storefront
from deploy.local.servers import embedded
from deploy.local.stack import configured
from services.kit.ids import uuid7

SIZES = (10_000, 100_000, 1_000_000)
DRAIN, POST, COST = "drain", "POST /v1/orders", "drain, CPU"
CLAIM, LIST = "POST /v1/pick-tasks:claim-next, median", "GET /v1/pick-tasks?state=ready, median"
GET = "GET /v1/orders/{id}, median"
UNITS = {DRAIN: "orders/s", POST: "requests/s", COST: "ms/order", CLAIM: "ms", LIST: "ms", GET: "ms"}
"""What a round measures."""

_FIRST_SECONDS, _POST_SECONDS = 15, 3
_CALLS = 200
_PATIENCE_SECONDS, _QUIET_CPU = 120, 0.15
_SOME = "select order_id from orders.orders tablesample system_rows(1000)"


def measure(folder: Path, *, sizes: tuple[int, ...] = SIZES, rounds: int = 4) -> list[Row]:
    """Medians of the rounds, each size beside the smallest."""
    shutil.rmtree(folder, ignore_errors=True)
    os.environ.pop("KEPT_CLOCK", None)
    _first_orders(folder / "servers")
    with embedded(folder / "servers") as (kafka, admin):
        databases = {size: asyncio.run(_grown(admin, size)) for size in sizes}
        with _shops(folder, kafka, databases) as shops:
            old = {size: asyncio.run(_some_orders(url)) for size, url in databases.items()}
            results = _rounds(shops, old, rounds)
    return [_row(what, size, results) for what in UNITS for size in sizes[1:]]


def _row(what: str, size: int, results: dict[int, list[dict[str, float]]]) -> Row:
    """A rate has to stay above 0.8 of the smallest shop's, a wait below 1.25 times it: the same ratio."""
    figures = {each: statistics.median(done[what] for done in rounds) for each, rounds in results.items()}
    smallest = min(results)
    peers = {f"{smallest:,} orders": round(figures[smallest], 2)}
    name, less = f"growth, {size:,} orders, {what}", UNITS[what].startswith("ms")
    return Row(name, UNITS[what], round(figures[size], 2), peers, raw=next(iter(peers)), less_is_better=less, wanted=Wanted(0.8, "ratio_to_raw"))


def _first_orders(folder: Path) -> None:
    """Some hundred orders on their whole way, and full shelves."""
    stack = configured(folder, servers_only=False)
    stack.up(attached=True)
    try:
        asyncio.run(_work(folder.resolve()))
    finally:
        stack.down()


async def _work(folder: Path) -> None:
    house = House.at(folder)
    async with house.http, Storefront(house) as shop, Floor(house) as floor:
        await open_shop(house, shop)
        await floor.look_for_departures()
        await Shift(floor, itertools.count()).work(8, _FIRST_SECONDS)
        await _quiet(house)


async def _grown(admin: str, size: int) -> str:
    """A database of that many orders; the administrator's address of it."""
    name, began = f"grown_{size}", time.perf_counter()
    server = await asyncpg.connect(urlunsplit(urlsplit(admin)._replace(path="/template1")))
    await server.execute(f'create database {name} template "{urlsplit(admin).path[1:]}"')
    url = urlunsplit(urlsplit(admin)._replace(path=f"/{name}"))
    orders = await growing.grow(url, size)
    gigabytes = await server.fetchval("select pg_database_size($1) / 1e9", name)
    await server.close()
    print(f"  {orders:,} orders: {gigabytes:.1f} GB in {time.perf_counter() - began:.0f} s", flush=True)
    return url


@contextmanager
def _shops(folder: Path, kafka: str, databases: dict[int, str]) -> Iterator[dict[int, House]]:
    """A whole stack on each database, with topics of its own."""
    with ExitStack() as stacks:
        shops = {size: stacks.enter_context(running(folder / f"shop-{size}", kafka, url, f"grown-{size}.")) for size, url in databases.items()}
        yield shops


def _rounds(shops: dict[int, House], old: dict[int, list[str]], rounds: int) -> dict[int, list[dict[str, float]]]:
    """The first round warms up and does not count."""
    results: dict[int, list[dict[str, float]]] = {size: [] for size in shops}
    for number in range(rounds + 1):
        done = {size: _flow(shops[size]) for size in (list(shops) if number % 2 == 0 else list(reversed(shops)))}
        waits = asyncio.run(_calls(shops, old))
        for size in shops:
            told = done[size] | waits[size]
            print(f"  round {number}: {size:,} orders: " + ", ".join(f"{what} {figure:,.1f}" for what, figure in told.items()), flush=True)
            if number:
                results[size].append(told)
    return results


async def _some_orders(url: str) -> list[str]:
    """A thousand of them, from anywhere."""
    connection = await asyncpg.connect(url)
    await connection.execute("create extension if not exists tsm_system_rows")
    found = [str(id) for (id,) in await connection.fetch(_SOME)]
    await connection.close()
    return found


def _flow(house: House) -> dict[str, float]:
    """Orders per second, posted and drained, while nobody else is busy; what one costs to drain; then all is quiet."""

    def once() -> tuple[tuple[float, float, float], Spent]:
        meter = Meter(all=[os.getpid()])
        posted, drained, cpu = asyncio.run(_posted_and_drained(house))
        return (posted, drained, cpu), meter.stop()

    (posted, drained, cpu), _ = undisturbed(once)
    asyncio.run(_quiet(house))
    return {DRAIN: drained, POST: posted, COST: cpu}


async def _calls(shops: dict[int, House], old: dict[int, list[str]]) -> dict[int, dict[str, float]]:
    """Medians of calls that come one after the other, each size's turn by turn, so that a slow moment of the machine touches all alike."""
    waits: dict[int, dict[str, list[float]]] = {size: {CLAIM: [], LIST: [], GET: []} for size in shops}
    async with aiohttp.ClientSession() as client:
        for _ in range(_CALLS):
            for size, house in shops.items():
                waits[size][CLAIM].append(await _claim(client, house))
                waits[size][LIST].append(await _list(client, house))
                waits[size][GET].append(await _read(client, house, random.choice(old[size])))
    return {size: {what: statistics.median(each) for what, each in told.items()} for size, told in waits.items()}


async def _posted_and_drained(house: House) -> tuple[float, float, float]:
    """Orders per second posted while the worker that would go on with them stands still, and brought to their pick tasks once it wakes, with the
    milliseconds of CPU that each then costs, over all processes."""
    worker = psutil.Process(house.stack["processes"]["orders-worker"])
    topic = f"{house.stack['topic_prefix']}fulfilment.work.v1"
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=house.stack["kafka"], auto_offset_reset="latest", fetch_max_wait_ms=50)
    await consumer.start()
    await consumer.seek_to_end()
    worker.send_signal(signal.SIGSTOP)
    try:
        port = urlsplit(house.stack["services"]["orders"]["api"]).port
        posted = await asyncio.to_thread(load, house.var, int(port or 0), _POST_SECONDS)
    finally:
        worker.send_signal(signal.SIGCONT)
    if posted["refused"]:
        raise RuntimeError(f"{posted['refused']} orders were refused: {posted['first_refused']}")
    meter = Meter(all=[os.getpid()])
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await _released(consumer, posted["taken"])
    finally:
        await consumer.stop()
    spent, orders = meter.stop(), posted["taken"]
    return orders / posted["seconds"], orders / spent.seconds, spent.cpu["all"] / orders * 1000


async def _released(consumer: AIOKafkaConsumer, orders: int) -> None:
    """Returns once so many orders have a pick task."""
    ready = set[str]()
    while len(ready) < orders:
        for messages in (await consumer.getmany(timeout_ms=500)).values():
            ready |= {json.loads(each.value)["order_id"] for each in messages if dict(each.headers)["ce_type"] == b"fulfilment.PickReleased.v1"}


async def _claim(client: aiohttp.ClientSession, house: House) -> float:
    """Another picker each time, since one holds one task."""
    picker = house.caller("picker", f"p-{uuid7()}", site=day.SITE).headers
    return await _timed(client, "POST", house.url("fulfilment", "/v1/pick-tasks:claim-next"), picker, {"claim_id": str(uuid7()), "site": day.SITE})


async def _list(client: aiohttp.ClientSession, house: House) -> float:
    planner = house.caller("planner", "bench", site=day.SITE).headers
    return await _timed(client, "GET", house.url("fulfilment", f"/v1/pick-tasks?site={day.SITE}&state=ready&limit=20"), planner)


async def _read(client: aiohttp.ClientSession, house: House, order_id: str) -> float:
    shop = house.caller("storefront", "bench", channel=day.CHANNEL).headers
    return await _timed(client, "GET", house.url("orders", f"/v1/orders/{order_id}"), shop)


async def _timed(client: aiohttp.ClientSession, method: str, url: str, headers: dict[str, str], body: Any = None) -> float:
    """Milliseconds until it was answered. Raises RuntimeError for anything but 200."""
    began = time.perf_counter()
    async with client.request(method, url, json=body, headers=headers) as answer:
        text = await answer.text()
    if answer.status != 200:
        raise RuntimeError(f"{method} {url} was answered {answer.status}: {text[:500]}")
    return (time.perf_counter() - began) * 1000


async def _quiet(house: House) -> None:
    """Returns once the stack's processes have nothing left to do (mails among it), or does not wait any longer."""
    processes = [psutil.Process(pid) for name, pid in house.stack["processes"].items() if pid and name not in ("kafka", "postgres")]
    for _ in range(_PATIENCE_SECONDS):
        before = sum(sum(process.cpu_times()[:2]) for process in processes)
        await asyncio.sleep(1)
        if sum(sum(process.cpu_times()[:2]) for process in processes) - before < _QUIET_CPU:
            return
