"""The orders worker as a process, between real topics and a real PostgreSQL."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer

from services.kit.clock import record_now
from services.kit.database import service_url
from services.kit.ids import uuid7
from services.kit.kafka_log import KafkaLog
from services.kit.ports import Outgoing
from tests.integration.orders.conftest import ORDER, example, new_id
from tests.support.messages import event_headers
from tests.support.polling import poll_until
from tests.unit.orders.samples import EXAMPLE, NOW, body

ROOT = Path(__file__).parents[3]


@pytest.fixture
def topics() -> tuple[str, ...]:
    heard = ("storefront.order.v1", "storefront.item.v1", "fulfilment.work.v1", "promises.promise.v1", "promises.entry.v1")
    return (*heard, "orders.order.v1", "orders.customer.v1")


class Stack:
    """The worker, its topics and its database."""

    def __init__(self, kafka: str, url: str, prefix: str, folder: Path) -> None:
        self.kafka, self.url, self.prefix, self.folder = kafka, url, prefix, folder
        self.log, self.began = KafkaLog(kafka, "test"), record_now()

    def start(self) -> "subprocess.Popen[bytes]":
        told = {"KAFKA_BOOTSTRAP_SERVERS": self.kafka, "DATABASE_URL": self.url, "KEPT_TOPIC_PREFIX": self.prefix}
        # Business time runs ten times as fast, so that what waits 30 s waits 3.
        told["KEPT_CLOCK"] = f"scaled:10:{NOW.isoformat()}@{self.began.isoformat()}"
        with (self.folder / "worker.log").open("ab") as out:
            command = [sys.executable, "-m", "services.orders.main", "worker"]
            return subprocess.Popen(command, cwd=ROOT, env=os.environ | told, stdout=out, stderr=out, start_new_session=True)

    async def send(self, topic: str, type: str, key: str, data: dict[str, Any], version: int = 1) -> UUID:
        id = uuid7()
        value = msgspec.json.encode(data)
        await self.log.send([Outgoing(self.prefix + topic, key.encode(), value, event_headers(id, type, key, version))])
        return id

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(service_url(self.url, "orders"), options="-c search_path=orders", autocommit=True) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
async def stack(kafka: str, database_url: str, prefix: str, tmp_path: Path) -> AsyncIterator[Stack]:
    made = Stack(kafka, database_url, prefix, tmp_path)
    yield made
    await made.log.close()


@pytest.fixture
def worker(stack: Stack) -> Iterator["subprocess.Popen[bytes]"]:
    process = stack.start()
    yield process
    process.send_signal(signal.SIGTERM)
    try:
        assert process.wait(20) == 0, (stack.folder / "worker.log").read_text()[-2000:]
    finally:
        process.kill()


async def said(stack: Stack, count: int) -> list[str]:
    """The names of what stands on the topic of orders, once there are so many; an event that was sent twice (a kill before its row was
    deleted) counts once, by its id."""
    consumer = AIOKafkaConsumer(stack.prefix + "orders.order.v1", bootstrap_servers=stack.kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        found: dict[bytes, str] = {}

        async def enough() -> bool:
            for messages in (await consumer.getmany(timeout_ms=100)).values():
                for headers in (dict(message.headers) for message in messages):
                    found[headers["ce_id"]] = headers["ce_type"].decode().split(".")[1]
            return len(found) >= count

        await poll_until(enough, 30)
        return list(found.values())
    finally:
        await consumer.stop()


async def test_an_order_is_placed_ahead_of_its_items_and_released(stack: Stack, worker: "subprocess.Popen[bytes]") -> None:
    await stack.send("storefront.order.v1", "storefront.OrderSubmitted.v1", "web:536365", EXAMPLE)
    await poll_until(lambda: stack.ask("select 1 from waiting_orders"), 30)
    await stack.send("storefront.item.v1", "storefront.ItemListed.v1", "85123A", example("storefront.ItemListed.v1"))
    assert await said(stack, 1) == ["OrderPlaced"]
    await stack.send("promises.promise.v1", "promises.PromiseMade.v1", ORDER, example("promises.PromiseMade.v1"))
    await stack.send("fulfilment.work.v1", "fulfilment.StockReserved.v1", ORDER, example("fulfilment.StockReserved.v1"))
    assert await said(stack, 2) == ["OrderPlaced", "OrderReleased"]


async def test_a_cancel_of_an_order_that_never_comes_is_set_aside_and_can_be_retried(stack: Stack, worker: "subprocess.Popen[bytes]") -> None:
    cancel = example("storefront.OrderCancelRequested.v1", external_ref="nobody")
    id = await stack.send("storefront.order.v1", "storefront.OrderCancelRequested.v1", "web:nobody", cancel)
    (letter,) = await poll_until(lambda: stack.ask("select event_id, kind, reason, value, key, topic from dead_letters"), 30)
    assert letter == (id, "refused", "unknown-order", msgspec.json.encode(cancel), b"web:nobody", "storefront.order.v1")
    assert stack.ask("select count(*) from early_events") == [(0,)]
    assert stack.ask("select count(*) from inbox") == [(0,)], "a retry would else be taken for a duplicate"


async def test_orders_survive_a_kill_in_the_middle(stack: Stack) -> None:
    await stack.send("storefront.item.v1", "storefront.ItemListed.v1", "85123A", example("storefront.ItemListed.v1"))
    first = stack.start()
    await poll_until(lambda: stack.ask("select 1 from items"), 30)
    for n in range(300):
        order = body(order_id=str(new_id()), external_ref=f"r{n}", customer__external_ref=f"c{n % 20}")
        await stack.send("storefront.order.v1", "storefront.OrderSubmitted.v1", f"web:r{n}", order)
        if n == 150:
            first.kill()
            first.wait()
            second = stack.start()
    try:
        await poll_until(lambda: stack.ask("select count(*) from orders") == [(300,)], 60)
        assert (await said(stack, 300)).count("OrderPlaced") == 300
        assert stack.ask("select count(*) from dead_letters") == [(0,)]
    finally:
        second.kill()
        second.wait()
