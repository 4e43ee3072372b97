"""An order of a customer whose every word is a canary walks through the services, and is refused, set aside, misread and bounced on the way.

None of the canaries stands afterwards in what people read who may not know customers: logs, metrics, lists of dead letters, errors, headers.
"""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer

from services.kit import cli, tokens
from services.kit.database import service_url
from services.kit.ids import uuid7
from services.kit.settings import KitSettings
from tests.support.polling import poll_until
from tests.support.workers import example, on_topic, produce
from tests.unit.orders.samples import body

ROOT = Path(__file__).parents[2]
CANARIES = {
    "customer__name": "Canaryname7q", "customer__email": "canarymail7q@canary.example", "customer__phone": "+1 555 7778889",
    "customer__external_ref": "canaryref7q", "ship_to__name": "Canaryparcel7q", "ship_to__line1": "7 Canarystreet7q",
    "ship_to__line2": "Canaryfloor7q", "ship_to__city": "Canarycity7q",
}  # fmt: skip
NOTE, REASON = "Canarynote7q", "Canaryreason7q"
FORBIDDEN = re.compile("canary|7778889", re.IGNORECASE)
INJECTION = '\r\n\x1b[2J{"level": "error", "event": "forged"}'
SERVICES = ("orders", "fulfilment", "notifications")


@dataclass
class Stack:
    """Processes of three services between real servers, each with its log."""

    kafka: str
    url: str
    prefix: str
    folder: Path
    ports: dict[str, int] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    """What the test read that nobody may find a canary in."""

    def start(self, service: str, role: str, **more: str) -> "subprocess.Popen[bytes]":
        told = {"KAFKA_BOOTSTRAP_SERVERS": self.kafka, "DATABASE_URL": self.url, "KEPT_TOPIC_PREFIX": self.prefix, "KEPT_VAR": str(self.folder)}
        told |= {"KEPT_LOG_LEVEL": "debug", "KEPT_DRIVER": "raw", "KEPT_EMBEDDED": "1"}
        for name in (f"{service}_{role}", f"{service}_{role}_ops"):
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.ports[name] = free.getsockname()[1]
            told[f"KEPT_{name.upper()}_PORT"] = str(self.ports[name])
        with (self.folder / f"{service}-{role}.log").open("wb") as out:
            command = [sys.executable, "-m", f"services.{service}.main", role]
            return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **told, **more}, stdout=out, stderr=out, stdin=subprocess.DEVNULL)

    def ask(self, service: str, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(service_url(self.url, service), options=f"-c search_path={service}", autocommit=True) as connection:
            return connection.execute(query).fetchall()

    async def until(self, service: str, query: str, wanted: int) -> None:
        """Until the query counts so many."""
        await poll_until(lambda: self.ask(service, query)[0][0] >= wanted, 90)

    def logs(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.folder.glob("*.log")}

    def url_of(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    async def call(self, method: str, path: str, role: str, content: object = None, **headers: str) -> httpx.Response:
        """By this role; every answer but a success is kept for the search, and the headers of all."""
        settings = KitSettings(var=self.folder)
        told = {"issuer": settings.token_issuer, "audience": settings.token_audience, "subject": "s-1", "channel": "web"}
        given = {"authorization": f"Bearer {tokens.token(self.folder / 'keys', role, **told)}", "content-type": "application/json", **headers}
        raw = content if isinstance(content, bytes) else json.dumps(content).encode() if content is not None else None
        async with httpx.AsyncClient(base_url=self.url_of("orders_api")) as client:
            answer = await client.request(method, path, content=raw, headers=given)
        self.seen += [f"{name}: {value}" for name, value in answer.headers.items()]
        self.seen += [answer.text] if answer.status_code >= 400 else []
        return answer


@asynccontextmanager
async def bouncing_mail() -> AsyncIterator[int]:
    """A mail server that refuses everybody, and says whom: what it says must not be written down."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 canary.example\r\n")
        while line := await reader.readline():
            refused = line.upper().startswith(b"RCPT")
            writer.write(b"550 no such person: " + line if refused else b"250 OK\r\n")
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@contextmanager
def ended(*processes: "subprocess.Popen[bytes]") -> Iterator[None]:
    yield
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        process.wait(30)


@pytest.fixture
def services() -> tuple[str, ...]:
    return SERVICES


async def _walk(stack: Stack) -> None:
    """One order that is taken, and everything that goes wrong with it."""
    order = body(**CANARIES)
    order_id, line = order["order_id"], order["lines"][0]
    await produce(
        stack.kafka,
        [on_topic(f"{stack.prefix}storefront.item.v1", uuid7(), "storefront.ItemListed.v1", example("storefront.ItemListed.v1"), key="x")],
    )
    await stack.until("orders", "select count(*) from items", 1)
    key = {"idempotency-key": str(uuid7())}
    assert (await stack.call("POST", "/v1/orders", "storefront", order, **key)).status_code == 201
    met = [
        await stack.call("POST", "/v1/orders", "storefront", order | {"currency": "XXX"}, **key),
        await stack.call("POST", "/v1/orders", "storefront", body(**CANARIES, total_minor=1), **{"idempotency-key": "k-2"}),
        await stack.call("POST", "/v1/orders", "storefront", body(**CANARIES, signature_required=True), **{"idempotency-key": "k-3"}),
        await stack.call("POST", "/v1/orders", "storefront", json.dumps(order).encode()[:-9], **{"idempotency-key": "k-4"}),
        await stack.call("POST", "/v1/orders", "storefront", order | {NOTE: NOTE}, **{"idempotency-key": NOTE}),
        await stack.call(
            "POST", "/v1/orders", "storefront", order | {"lines": [line | {"sku": NOTE}]}, **{"idempotency-key": "k-5", "traceparent": NOTE}
        ),
        await stack.call("GET", f"/v1/orders?channel=web&external_ref={NOTE}&{NOTE}=1", "customer"),
        await stack.call("GET", f"/o/{NOTE}", "customer"),
        await stack.call("GET", f"/{NOTE}", "customer"),
        await stack.call("GET", "/%0d%0a%1b%5b2J" + NOTE, "customer"),
        await stack.call("POST", f"/v1/orders/{order_id}/holds", "care", {"reason": "manual", "note": NOTE}),
        await stack.call("POST", f"/v1/orders/{order_id}/cancel", "care", {"reason": REASON}),
    ]
    assert {answer.status_code for answer in met} >= {201, 202, 400, 404, 409, 422}


async def _spoil(stack: Stack, failing: str) -> None:
    """Rubbish with canaries in it on every topic, an event over which the handler breaks, and the promise that makes the mail go out."""
    seen = example("orders.CustomerSeen.v1", name=CANARIES["customer__name"], email=CANARIES["customer__email"])
    customer, order = str(seen["customer_id"]), str(example("orders.OrderPlaced.v1")["order_id"])
    bad = json.dumps(body(**CANARIES)).encode()
    topics = {"storefront.OrderSubmitted.v1": "storefront.order.v1", "orders.CustomerSeen.v1": "orders.customer.v1"}
    rubbish = [
        on_topic(stack.prefix + topic, uuid7(), type, value, key=NOTE)
        for type, topic in topics.items()
        for value in (bad[:-20], b"\xff" + bad, b'{"name": "' + NOTE.encode() + b'", "name": 1}', json.dumps([NOTE]).encode(), INJECTION.encode())
    ]
    other = body(**CANARIES, signature_required=True)
    rubbish.append(on_topic(f"{stack.prefix}storefront.order.v1", uuid7(), "storefront.OrderSubmitted.v1", other, key=NOTE))
    rubbish.append(on_topic(f"{stack.prefix}storefront.order.v1", uuid7(), "storefront.Order.v1" + INJECTION + NOTE, bad, key=INJECTION))
    rubbish.append(on_topic(f"{stack.prefix}orders.customer.v1", UUID(failing), "orders.CustomerSeen.v1", seen, key=customer, version=50))
    await produce(stack.kafka, rubbish)
    promise = example("promises.PromiseMade.v1", order_id=body()["order_id"])
    await produce(stack.kafka, [on_topic(f"{stack.prefix}promises.promise.v1", uuid7(), "promises.PromiseMade.v1", promise, key=order)])


async def _headers(stack: Stack) -> list[str]:
    """The headers of all that orders and fulfilment said."""
    names = [f"{stack.prefix}{name}" for name in ("orders.order.v1", "orders.customer.v1", "fulfilment.work.v1")]
    consumer = AIOKafkaConsumer(*names, bootstrap_servers=stack.kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        found = [message for messages in (await consumer.getmany(timeout_ms=5_000)).values() for message in messages]
    finally:
        await consumer.stop()
    return [f"{name}: {value!r}" for message in found for name, value in message.headers if b"/test" not in dict(message.headers)["ce_source"]]


async def test_no_canary_comes_out(kafka: str, prefix: str, database_url: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stack, failing = Stack(kafka, database_url, prefix, tmp_path), str(uuid7())
    tokens.signing_key(tmp_path / "keys")
    async with bouncing_mail() as mail:
        with ExitStack() as ends:
            ends.enter_context(ended(stack.start("orders", "api")))
            told = {
                "KEPT_ORDERS_URL": stack.url_of("orders_api"),
                "KEPT_SMTP_PORT": str(mail),
                "KEPT_FAILPOINTS": f"stage.handling:raise?id={failing}",
            }
            ends.enter_context(ended(*(stack.start(service, "worker", **told) for service in SERVICES)))
            for name in ("orders_api_ops", *(f"{service}_worker_ops" for service in SERVICES)):
                await poll_until(lambda name=name: _ready(stack.url_of(name)), 90)
            await _walk(stack)
            await _spoil(stack, failing)
            await stack.until("orders", "select count(*) from dead_letters", 7)
            for service in ("fulfilment", "notifications"):
                await stack.until(service, "select count(*) from dead_letters where kind = 'failed'", 1)
                await stack.until(service, "select count(*) from dead_letters where kind = 'unreadable'", 5)
            await stack.until("notifications", "select count(*) from messages where state = 'failed'", 1)
            stack.seen += [
                _read(f"{stack.url_of(name)}{path}") for name in stack.ports if name.endswith("_ops") for path in ("/metrics", "/progress")
            ]
            stack.seen += await _headers(stack)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KEPT_VAR", str(tmp_path))
    for service in SERVICES:
        assert cli.run(["dead-letters", "list", "--service", service]) == 0
        for (id,) in stack.ask(service, "select id from dead_letters"):
            assert cli.run(["dead-letters", "show", str(id), "--service", service]) == 0
    printed = capsys.readouterr().out
    assert not re.search(r"[^\n\x20-\x7e]", printed)
    logs = stack.logs()
    for name, text in logs.items():
        assert "\x1b" not in text, name
        assert all(json.loads(line)["event"] != "forged" for line in text.splitlines()), name
    everything = {**logs, "printed": printed, **{f"seen {number}": text for number, text in enumerate(stack.seen)}}
    assert {name: FORBIDDEN.findall(text) for name, text in everything.items() if FORBIDDEN.search(text)} == {}
    assert all(len(text) > 100 for text in logs.values())


def _read(address: str) -> str:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return str(answer.read().decode())


async def _ready(address: str) -> bool:
    async with httpx.AsyncClient() as client:
        try:
            return (await client.get(f"{address}/readyz")).status_code == 200
        except httpx.TransportError:
            return False
