"""Fulfilment's schema in a database of the test's own: events as the worker hears them, commands as devices send them."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from services.fulfilment.agents import STAGE, try_wants
from services.fulfilment.amending.api import router as pull_backs_router
from services.fulfilment.floor.api import router as floor_router
from services.fulfilment.stock.api import router as stock_router
from services.kit.clock import FixedClock
from services.kit.database import Database, decode_headers, service_url
from services.kit.values import Heard
from tests.support.api import Api, api_of
from tests.unit.fulfilment.build import NOW, SITE, item, placed, released, uuid


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("fulfilment",)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
async def database(database_url: str, clock: FixedClock) -> AsyncIterator[Database]:
    opened = await Database.connect(service_url(database_url, "fulfilment"), "fulfilment", clock, size=16)
    yield opened
    await opened.close()


class Fulfilment:
    """The stage and the routes over one database."""

    def __init__(self, database: Database, api: Api) -> None:
        self.database, self.api, self._ids = database, api, 900_000

    def id(self) -> str:
        """A new id, as a device makes it."""
        self._ids += 1
        return str(uuid(self._ids))

    async def hear(self, *batch: Heard[Any]) -> list[str]:
        """Handle one batch, as the consume loop hands it over. Returns the reasons of what was set aside."""
        async with self.database.transaction() as work:
            await STAGE.handle(work, batch)
            return [refused.reason for refused in work.refused]

    async def try_wants(self) -> int:
        async with self.database.transaction() as work:
            return await try_wants(work)

    async def rows(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        async with self.database.pool.acquire() as connection:
            return [tuple(row) for row in await connection.fetch(sql, *arguments)]

    async def value(self, sql: str, *arguments: object) -> Any:
        return (await self.rows(sql, *arguments))[0][0]

    async def said(self, *names: str) -> list[tuple[str, dict[str, Any]]]:
        """What stands in the outbox, in order: the event's name and its data; only these names where some are given."""
        rows = await self.rows("select type, payload from outbox order by id")
        told = [(type.split(".")[1], msgspec.json.decode(payload)) for type, payload in rows]
        return [(name, data) for name, data in told if not names or name in names]

    async def versions(self, topic: str, key: str) -> list[int]:
        """The aggregate versions that were said of this key, in order."""
        rows = await self.rows("select headers from outbox where topic = $1 and key = convert_to($2, 'UTF8') order by id", topic, key)
        return [int(dict(decode_headers(headers))["ce_aggregateversion"] or b"0") for (headers,) in rows]

    async def names(self) -> list[str]:
        """The names of what was said of orders, in order."""
        return [name for name, _ in await self.said() if name not in ("StockChanged", "QueueMeasured")]

    async def post(self, path: str, body: object, role: str = "picker", subject: str = "ann", **headers: str) -> httpx.Response:
        return await self.api.call("POST", path, role=role, subject=subject, content=json.dumps(body).encode(), **headers)

    async def get(self, path: str, role: str = "planner", subject: str = "s-1") -> httpx.Response:
        return await self.api.call("GET", path, role=role, subject=subject)

    async def stock(self, *lines: tuple[str, str, int], site: str = SITE) -> None:
        """List the items, and put (SKU, bin, units) on the shelves."""
        await self.hear(*(item(sku) for sku in sorted({sku for sku, _, _ in lines})))
        body = {"receipt_id": self.id(), "site": site, "lines": [{"sku": s, "bin": b, "quantity": q} for s, b, q in lines]}
        answered = await self.post("/v1/stock/receipts", body, role="planner")
        assert answered.status_code == 201, answered.text

    async def order(self, number: int, *wanted: tuple[str, int], **changes: Any) -> None:
        """An order that is placed and released."""
        await self.hear(placed(number, *wanted))
        await self.hear(released(number, **changes))

    async def claim(self, picker: str = "ann", claim_id: str | None = None, site: str = SITE) -> httpx.Response:
        return await self.post("/v1/pick-tasks:claim-next", {"claim_id": claim_id or self.id(), "site": site}, subject=picker)

    async def scan(self, task: dict[str, Any], code: str, quantity: int = 1, picker: str = "ann", **more: Any) -> httpx.Response:
        body = {"scan_id": self.id(), "fence": task["fence"], "code": code, "quantity": quantity} | more
        return await self.post(f"/v1/pick-tasks/{task['task_id']}/scans", body, subject=picker)

    async def books(self, sku: str) -> dict[str, int]:
        """On hand, reserved and free of a SKU, and the check that the log agrees with the bins."""
        assert await self.rows(DISAGREE) == []
        (site,) = (await self.get(f"/v1/stock/{sku}")).json()["sites"]
        return {name: site[name] for name in ("on_hand", "reserved", "held", "available")}


DISAGREE = """
select sku, bin from bins full join (select site, sku, bin, sum(on_hand) as moved, sum(reserved) as kept from stock_movements group by 1, 2, 3) as log
using (site, sku, bin) where on_hand is distinct from moved or reserved is distinct from kept
union all select sku, 'reservations' from (
    select sku, (select coalesce(sum(reserved), 0) from bins where bins.sku = items.sku) as kept,
        (select coalesce(sum(quantity), 0) from reservations join wants using (order_id)
         where reservations.sku = items.sku and wants.state in ('short', 'reserved'))
        + (select coalesce(sum(quantity), 0) from amendments, unnest(skus, quantities) as apart (sku, quantity) where apart.sku = items.sku)
        as parts from items) as sums
where kept <> parts"""


@pytest.fixture
async def shop(database: Database, tmp_path: Path) -> AsyncIterator[Fulfilment]:
    async with api_of("fulfilment", [stock_router, floor_router, pull_backs_router], database, tmp_path) as api:
        yield Fulfilment(database, api)
