"""From an order's event on the topic to its pick task standing ready, through all services, paced or all at once; and what the stack costs."""

import argparse
import asyncio
import itertools
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil
from aiokafka import AIOKafkaConsumer
from rich.console import Console

from bench import report
from bench.costs import Costs, spent
from bench.report import Row, Wanted
from demo import day, opening
from demo.house import House
from demo.shop import Storefront
from deploy.local.stack import configured
from services.kit.ids import uuid7
from services.kit.settings import KitSettings

VAR = Path("var")
DRIVERS = ("faust", "raw")
P95_MS = {20: 60, 50: 80, 100: 100, 400: 250}
"""Wanted: placed to claimable, by orders per second."""
CPU_MS, DRAINED_PER_SECOND = 2, {"faust": 400, "raw": 1000}
"""Wanted: CPU an order in full batches, and orders per second with each driver."""

_WARM_UP = ((20, 30), (100, 10))
"""Orders per second, seconds: Kafka compiles what it runs often, PostgreSQL learns how large its tables are."""
_REST_SECONDS, _IDLE_SECONDS = 20, 20
_RECEIPTS, _ENOUGH = 5, 100_000
"""Of each item so many receipts, the largest there are."""

_QUIET_SECONDS, _QUIET_PATIENCE_SECONDS = 3, 120
"""Nobody said anything for so long, mails included: there is nothing left to do."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from produced to pick task said, at one pace (0: all at once, `drained_per_second` of them); what it cost until all was quiet."""

    per_second: int
    orders: int
    p50_ms: float
    p95_ms: float
    max_ms: float
    drained_per_second: float
    cost: Costs


def idle(folder: Path) -> dict[str, float]:
    """What a stack with the default driver costs while nobody orders, after some orders and a rest."""
    return asyncio.run(_idle_after_work(folder))


async def _idle_after_work(folder: Path) -> dict[str, float]:
    async with _stack(folder, KitSettings().driver) as (house, shop):
        orders = _orders()
        for rate, seconds in _WARM_UP:
            await _paced(house, shop, orders, rate, seconds)
        await asyncio.sleep(_REST_SECONDS)
        return await _idle(house)


def chain_rows(folder: Path, driver: str, paces: dict[int, int], bursts: list[int]) -> list[Row]:
    """Rows of one stack with this driver: each pace (orders per second -> seconds), then each burst of so many orders."""
    return asyncio.run(_chain_rows(folder, driver, paces, bursts))


async def _chain_rows(folder: Path, driver: str, paces: dict[int, int], bursts: list[int]) -> list[Row]:
    async with _stack(folder, driver) as (house, shop):
        orders = _orders()
        for rate, seconds in _WARM_UP:
            await _paced(house, shop, orders, rate, seconds)
        rows = [_paced_row(driver, await _paced(house, shop, orders, rate, seconds)) for rate, seconds in paces.items()]
        for count in bursts:
            rows += _drained_rows(driver, await _drained(house, shop, orders, count))
        return rows


def _paced_row(driver: str, figures: Latency) -> Row:
    name = f"chain at {figures.per_second}/s, {driver} driver, p95"
    more = {"p50_ms": figures.p50_ms, "max_ms": figures.max_ms, **figures.cost.per_order(figures.orders)}
    limit = P95_MS.get(figures.per_second)
    return Row(name, "ms", figures.p95_ms, less_is_better=True, wanted=Wanted(limit, at_most=True) if limit else None, more=more)


def _drained_rows(driver: str, figures: Latency) -> list[Row]:
    name = f"chain drained, {figures.orders} at once, {driver} driver"
    cost = figures.cost.per_order(figures.orders)
    rate = Row(name, "orders/s", figures.drained_per_second, wanted=Wanted(DRAINED_PER_SECOND[driver]), more={"p50_ms": figures.p50_ms})
    return [rate, Row(f"{name}, CPU", "ms/order", cost["cpu_ms"], less_is_better=True, wanted=Wanted(CPU_MS, at_most=True), more=cost)]


@asynccontextmanager
async def _stack(folder: Path, driver: str) -> AsyncIterator[tuple[House, Storefront]]:
    """A stack of our own in that folder, opened and with full shelves."""
    shutil.rmtree(folder, ignore_errors=True)
    os.environ.pop("KEPT_CLOCK", None)
    with patch.dict(os.environ, KEPT_DRIVER=driver):
        stack = configured(folder, servers_only=False)
        stack.up(attached=True)
        try:
            house = House.at(stack.var)
            async with house.http, Storefront(house) as shop:
                await _open(house, shop)
                yield house, shop
        finally:
            stack.down()


async def _open(house: House, shop: Storefront) -> None:
    planner = house.caller("planner", "planner-1")
    for code, body in opening.carrier_services().items():
        await planner.ask("PUT", "fulfilment", f"/v1/carrier-services/{code}", {**body, "closed_on": []}, expect=(200, 201))
    await shop.list_items(item.listed() for item in day.items().values())
    await asyncio.sleep(5)
    for _ in range(_RECEIPTS):
        await opening.receive(house, dict.fromkeys(day.items(), _ENOUGH))
    await asyncio.sleep(5)


def _orders() -> Iterator[dict[str, Any]]:
    """The day's good orders, over and over, as new ones."""
    good = [day.submission(invoice) for invoice in day.invoices() if not invoice.is_cancellation and not invoice.mistaken]
    small = [order for order in good if 0 < len(order["lines"]) < 40]
    for number, order in enumerate(itertools.cycle(small)):
        customer = {**order["customer"], "external_ref": f"b-{number}"}
        yield {**order, "order_id": str(uuid7()), "external_ref": f"bench-{number}", "customer": customer}


async def _paced(house: House, shop: Storefront, orders: Iterator[dict[str, Any]], per_second: int, seconds: int) -> Latency:
    """Orders at even distances."""
    async with _watched(house) as ready:
        before, sent, began = spent(house), dict[str, float](), time.perf_counter()
        for number in range(per_second * seconds):
            await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
            order = _now(next(orders))
            sent[order["order_id"]] = time.perf_counter()
            await shop.hand_over_order(order)
        return await _settled(house, per_second, sent, ready, before)


async def _drained(house: House, shop: Storefront, orders: Iterator[dict[str, Any]], count: int) -> Latency:
    """All of them lie on the topic before the first is read: the worker that reads them stands still meanwhile. Latencies count from its wake."""
    worker = psutil.Process(house.stack["processes"]["orders-worker"])
    async with _watched(house) as ready:
        worker.send_signal(signal.SIGSTOP)
        try:
            placed = [_now(order) for order in itertools.islice(orders, count)]
            for order in placed:
                await shop.hand_over_order(order)
            await shop.handed_over()
            before = spent(house)
        finally:
            worker.send_signal(signal.SIGCONT)
        sent = dict.fromkeys((order["order_id"] for order in placed), time.perf_counter())
        return await _settled(house, 0, sent, ready, before)


async def _settled(house: House, per_second: int, sent: dict[str, float], ready: dict[str, float], before: Costs) -> Latency:
    """The figures, once every order has its pick task and nobody has anything left to do."""
    deadline = time.perf_counter() + 120
    while len(ready) < len(sent) and time.perf_counter() < deadline:  # noqa: ASYNC110  # the watcher tells nobody
        await asyncio.sleep(0.05)
    if missing := sent.keys() - ready.keys():
        raise RuntimeError(f"{len(missing)} of {len(sent)} orders have no pick task after 120 s, {next(iter(missing))} among them")
    cost = (await _quiet(house)).since(before)
    took = sorted((ready[id] - at) * 1000 for id, at in sent.items())
    p50, p95, most = (round(took[min(len(took) - 1, int(len(took) * share))], 1) for share in (0.5, 0.95, 1.0))
    rate = round(len(sent) / (max(ready.values()) - min(sent.values())), 1)
    return Latency(per_second, len(sent), p50, p95, most, rate, cost)


async def _quiet(house: House) -> Costs:
    """All sums, as they were when the last one of all said its last."""
    last = spent(house)
    still = 0
    for _ in range(_QUIET_PATIENCE_SECONDS):
        await asyncio.sleep(1)
        now = spent(house)
        last, still = (last, still + 1) if now.events == last.events else (now, 0)
        if still == _QUIET_SECONDS:
            break
    return last


def _now(order: dict[str, Any]) -> dict[str, Any]:
    return {**order, "placed_at": datetime.now(UTC).isoformat()}


@asynccontextmanager
async def _watched(house: House) -> AsyncIterator[dict[str, float]]:
    """When each order's pick task was said, by its id, from now on."""
    consumer = AIOKafkaConsumer("fulfilment.work.v1", bootstrap_servers=house.stack["kafka"], auto_offset_reset="latest", fetch_max_wait_ms=50)
    await consumer.start()
    await consumer.seek_to_end()
    ready: dict[str, float] = {}
    watching = asyncio.create_task(_watch(consumer, ready))
    try:
        yield ready
    finally:
        watching.cancel()
        await consumer.stop()


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


def main() -> int:
    """Both drivers, paced and at once; the rows go to var/bench.json beside what stands there."""
    parser = argparse.ArgumentParser(prog="python -m bench.chain", description="From an order's event to its pick task, through all services.")
    parser.add_argument("--drivers", nargs="+", choices=DRIVERS, default=list(DRIVERS))
    parser.add_argument("--paces", nargs="*", type=int, default=[20, 50, 100, 400], metavar="PER_SECOND")
    parser.add_argument("--seconds", type=int, default=15, help="length of each paced run (default: 15)")
    parser.add_argument("--bursts", nargs="*", type=int, default=[3200], metavar="ORDERS")
    arguments = parser.parse_args()
    os.environ.setdefault("KEPT_KAFKA_JVM", "")  # peak speed, not a quick start
    paces = dict.fromkeys(arguments.paces, arguments.seconds)
    rows = [row for driver in arguments.drivers for row in chain_rows(VAR / "bench", driver, paces, arguments.bursts)]
    report.write(VAR / "bench.json", rows)
    report.show(Console(width=150, highlight=False), rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
