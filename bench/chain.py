"""From an order's event on the topic to its pick task standing ready, through all services, paced; and what the idle stack costs."""

import asyncio
import itertools
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from aiokafka import AIOKafkaConsumer

from demo import day, opening
from demo.house import House
from demo.shop import Storefront
from deploy.local.stack import configured
from services.kit.ids import uuid7

_WARM_UP = ((20, 30), (100, 10))
"""Orders per second, seconds: Kafka compiles what it runs often, PostgreSQL learns how large its tables are."""
_REST_SECONDS, _IDLE_SECONDS = 20, 20
_ENOUGH = 100_000


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from produced to pick task said, at one pace."""

    per_second: int
    orders: int
    p50_ms: float
    p95_ms: float
    max_ms: float


def measure(folder: Path, paces: dict[int, int]) -> tuple[list[Latency], dict[str, float]]:
    """`paces`: orders per second -> seconds. The figures of each pace, and of the idle stack."""
    shutil.rmtree(folder, ignore_errors=True)
    os.environ.pop("KEPT_CLOCK", None)
    stack = configured(folder, servers_only=False)
    stack.up(attached=True)
    try:
        return asyncio.run(_measure(folder.resolve(), paces))
    finally:
        stack.down()


async def _measure(folder: Path, paces: dict[int, int]) -> tuple[list[Latency], dict[str, float]]:
    house = House.at(folder)
    async with house.http, Storefront(house) as shop:
        await _open(house, shop)
        orders = _orders()
        for rate, seconds in _WARM_UP:
            await _pace(house, shop, orders, rate, seconds)
        await asyncio.sleep(_REST_SECONDS)
        idle = await _idle(house)
        return [await _pace(house, shop, orders, rate, seconds) for rate, seconds in paces.items()], idle


async def _open(house: House, shop: Storefront) -> None:
    planner = house.caller("planner", "planner-1")
    for code, body in opening.carrier_services().items():
        await planner.ask("PUT", "fulfilment", f"/v1/carrier-services/{code}", {**body, "closed_on": []}, expect=(200, 201))
    await shop.list_items(item.listed() for item in day.items().values())
    await asyncio.sleep(5)
    await opening.receive(house, dict.fromkeys(day.items(), _ENOUGH))
    await asyncio.sleep(5)


def _orders() -> Iterator[dict[str, Any]]:
    """The day's good orders, over and over, as new ones."""
    good = [day.submission(invoice) for invoice in day.invoices() if not invoice.is_cancellation and not invoice.mistaken]
    small = [order for order in good if 0 < len(order["lines"]) < 40]
    for number, order in enumerate(itertools.cycle(small)):
        customer = {**order["customer"], "external_ref": f"b-{number}"}
        yield {**order, "order_id": str(uuid7()), "external_ref": f"bench-{number}", "customer": customer}


async def _pace(house: House, shop: Storefront, orders: Iterator[dict[str, Any]], per_second: int, seconds: int) -> Latency:
    count = per_second * seconds
    sent: dict[str, float] = {}
    ready: dict[str, float] = {}
    consumer = AIOKafkaConsumer("fulfilment.work.v1", bootstrap_servers=house.stack["kafka"], auto_offset_reset="latest", fetch_max_wait_ms=50)
    await consumer.start()
    await consumer.seek_to_end()
    watching = asyncio.create_task(_watch(consumer, ready))
    began = time.perf_counter()
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
        order = {**next(orders), "placed_at": datetime.now(UTC).isoformat()}
        sent[order["order_id"]] = time.perf_counter()
        await shop.say_order(order)
    deadline = time.perf_counter() + 60
    while len(ready) < count and time.perf_counter() < deadline:  # noqa: ASYNC110  # the watcher tells nobody
        await asyncio.sleep(0.05)
    watching.cancel()
    await consumer.stop()
    if missing := sent.keys() - ready.keys():
        raise RuntimeError(f"{len(missing)} of {count} orders have no pick task after 60 s, {next(iter(missing))} among them")
    took = sorted((ready[id] - at) * 1000 for id, at in sent.items())
    return Latency(per_second, count, *(round(took[min(len(took) - 1, int(len(took) * share))], 1) for share in (0.5, 0.95, 1.0)))


async def _watch(consumer: AIOKafkaConsumer, ready: dict[str, float]) -> None:
    async for message in consumer:
        if dict(message.headers)["ce_type"] == b"fulfilment.PickReleased.v1":
            ready[json.loads(message.value)["order_id"]] = time.perf_counter()


async def _idle(house: House) -> dict[str, float]:
    """Memory of everything and of the largest worker, CPU of everything in percent of one core."""
    named = {name: psutil.Process(pid) for name, pid in house.stack["processes"].items() if pid}
    tree = {child.pid: child for process in named.values() for child in (process, *process.children(recursive=True))}.values()
    before = sum(sum(process.cpu_times()[:2]) for process in tree)
    await asyncio.sleep(_IDLE_SECONDS)
    cpu = sum(sum(process.cpu_times()[:2]) for process in tree) - before
    workers = [process.memory_full_info().uss for name, process in named.items() if name.endswith("-worker")]
    return {
        "stack_mb": round(sum(process.memory_full_info().pss for process in tree) / 2**20),
        "largest_worker_mb": round(max(named[name].memory_info().rss for name in named if name.endswith("-worker")) / 2**20),
        "largest_worker_own_mb": round(max(workers) / 2**20),
        "cpu_percent_of_a_core": round(cpu / _IDLE_SECONDS * 100, 1),
    }
