"""The orders API as a process, asked for more than it can do, and over a database that hangs: what is accepted stays, the rest comes back later."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest

from services.kit.database import service_url
from services.kit.ids import uuid7
from tests.integration.orders.conftest import Api, Orders
from tests.support.polling import poll_until
from tests.unit.orders.samples import body

ROOT = Path(__file__).parents[3]
ORDERS = 120


class Relay:
    """Stands between the API and PostgreSQL, and passes nothing on while it is frozen."""

    def __init__(self, host: str, port: int) -> None:
        self._server, self._flows, self.pumps = (host, port), asyncio.Event(), set[asyncio.Task[None]]()
        self.thaw, self.freeze = self._flows.set, self._flows.clear
        self.thaw()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(*self._server)
        self.pumps |= {asyncio.create_task(self._pump(reader, there[1])), asyncio.create_task(self._pump(there[0], writer))}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                await self._flows.wait()
                writer.write(data)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def relay_to(url: str) -> AsyncIterator[tuple[Relay, str]]:
    """The relay, and the address of the database behind it."""
    parts = urlsplit(url)
    relay = Relay(str(parts.hostname), int(parts.port or 5432))
    listening = await asyncio.start_server(relay.connected, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    yield relay, urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"))
    await asyncio.gather(*relay.pumps)  # the process behind it has ended, and with it its connections
    listening.close()


@contextmanager
def orders_process(database_url: str, folder: Path, **told: str) -> Iterator[tuple[str, str]]:
    """Its public and its operations address."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    with socket.create_server(("127.0.0.1", 0)) as free:
        operations = free.getsockname()[1]
    fixed = {"KEPT_ORDERS_DATABASE_URL": database_url, "KEPT_VAR": str(folder), "KEPT_ORDERS_API_OPS_PORT": str(operations)}
    command = [sys.executable, "-m", "services.orders.main", "api"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **fixed, **told}, stdin=listening.fileno())
    yield f"http://127.0.0.1:{listening.getsockname()[1]}", f"http://127.0.0.1:{operations}"
    process.kill()
    process.wait()
    listening.close()


class Shop:
    """A storefront whose orders are numbered, each with a key of its own, over as many connections as it likes."""

    def __init__(self, client: httpx.AsyncClient, token: str) -> None:
        self._client, self._headers, self._keys = client, {"authorization": f"Bearer {token}"}, [str(uuid7()) for _ in range(ORDERS)]

    async def ready(self, operations: str) -> None:
        async def answers() -> bool:
            with suppress(httpx.TransportError):
                return (await self._client.get(f"{operations}/readyz")).status_code == 200
            return False

        await poll_until(answers, 60)

    async def order(self, number: int) -> httpx.Response:
        order = body(order_id=f"019ab2c4-7d10-7c3e-9a51-{number:012d}", external_ref=f"over-{number}")
        return await self._client.post("/v1/orders", json=order, headers={**self._headers, "idempotency-key": self._keys[number]})


@asynccontextmanager
async def shop_at(url: str, api: Api) -> AsyncIterator[Shop]:
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=httpx.Limits(max_connections=None)) as client:
        yield Shop(client, api.token("storefront", channel="web"))


@asynccontextmanager
async def nobody_writes(orders: Orders) -> AsyncIterator[None]:
    """While the block runs every new order waits."""
    async with orders.database.pool.acquire() as connection, connection.transaction():
        await connection.execute("lock table orders in exclusive mode")
        yield


async def taken(orders: Orders) -> set[str]:
    return {ref for (ref,) in await orders.rows("select external_ref from orders")}


def refused(answers: Sequence[httpx.Response]) -> set[tuple[int, str, str]]:
    told = [each for each in answers if each.status_code not in (200, 201)]
    return {(each.status_code, each.headers["retry-after"], each.headers["content-type"]) for each in told}


@pytest.mark.servers
async def test_ten_times_too_much_is_answered_as_far_as_it_goes_and_nothing_accepted_is_lost(
    orders: Orders, api: Api, database_url: str, tmp_path: Path
) -> None:
    with orders_process(service_url(database_url, "orders"), tmp_path, KEPT_REQUESTS_IN_HAND="6") as (url, operations):
        async with shop_at(url, api) as shop:
            await shop.ready(operations)
            async with nobody_writes(orders):
                asked = [asyncio.create_task(shop.order(number)) for number in range(ORDERS)]
                await poll_until(lambda: sum(each.done() for each in asked) >= ORDERS - 12, 60)
                async with httpx.AsyncClient() as other:
                    assert (await other.get(f"{operations}/metrics")).status_code == 200
            answers = await asyncio.gather(*asked)
            assert refused(answers) == {(503, "1", "application/problem+json")}
            assert await taken(orders) == {f"over-{number}" for number, each in enumerate(answers) if each.status_code == 201}

            again = answers
            while any(each.status_code == 503 for each in again):
                again = [await shop.order(number) for number in range(ORDERS)]
            assert {each.status_code for each in again} == {201}
            assert all("idempotency-replayed" in each.headers for each, first in zip(again, answers, strict=True) if first.status_code == 201)
            assert len(await taken(orders)) == ORDERS


@pytest.mark.servers
async def test_an_order_that_took_too_long_is_rolled_back_or_there_when_it_is_asked_for_again(
    orders: Orders, api: Api, database_url: str, tmp_path: Path
) -> None:
    with orders_process(service_url(database_url, "orders"), tmp_path, KEPT_REQUEST_SECONDS="1") as (url, operations):
        async with shop_at(url, api) as shop:
            await shop.ready(operations)
            async with nobody_writes(orders):
                late = await shop.order(1)
            assert (late.status_code, late.json()["type"], late.headers["retry-after"]) == (504, "urn:kept:problem:timed-out", "1")
            assert (await shop.order(1)).status_code == 201
            assert "idempotency-replayed" in (await shop.order(1)).headers
            assert await taken(orders) == {"over-1"}


@pytest.mark.servers
async def test_a_database_that_hangs_keeps_nobody_waiting_and_is_used_again_when_it_goes_on(
    orders: Orders, api: Api, database_url: str, tmp_path: Path
) -> None:
    async with relay_to(service_url(database_url, "orders")) as (relay, behind):
        with orders_process(behind, tmp_path, KEPT_REQUEST_SECONDS="1") as (url, operations):
            async with shop_at(url, api) as shop:
                await shop.ready(operations)
                assert (await shop.order(0)).status_code == 201
                relay.freeze()
                hung = await asyncio.gather(*(shop.order(number) for number in range(1, 31)))
                assert refused(hung) == {(504, "1", "application/problem+json")}
                assert len(refused(hung)) == 1
                relay.thaw()
                for number in range(31):
                    await poll_until(lambda number=number: _is_taken(shop, number), 30)
                assert len(await taken(orders)) == 31


async def _is_taken(shop: Shop, number: int) -> bool:
    return (await shop.order(number)).status_code == 201
