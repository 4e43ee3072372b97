"""The orders schema in a database of the test's own, the stage over it as the worker drives it, and the API in process."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import tokens
from services.kit.clock import FixedClock
from services.kit.database import Database, DeadLetter, encode_headers, service_url
from services.kit.envelope import Reader, headers_of
from services.kit.values import Cause, Heard
from services.orders.agents import STAGE, end_waiting
from services.orders.api import connect
from services.orders.main import assemble
from services.orders.messages import HEARS
from services.orders.queries import engine_of
from services.orders.settings import Settings
from tests.support.ids import numbered_ids
from tests.unit.orders.samples import EXAMPLE, NOW, SCHEMAS, body

ORDER = EXAMPLE["order_id"]
new_id = numbered_ids(start=1_000_000)
_read = Reader(HEARS).read


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("orders",)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
async def database(database_url: str, clock: FixedClock) -> AsyncIterator[Database]:
    opened = await Database.connect(service_url(database_url, "orders"), "orders", clock, size=20)
    yield opened
    await opened.close()


def example(type: str, **changes: Any) -> dict[str, Any]:
    """The golden example of an event with some fields of its own."""
    owner, name, _ = type.split(".")
    data: dict[str, Any] = json.loads((SCHEMAS / owner / f"{name}.v1.example.json").read_text())
    return data | changes


class Orders:
    """The stage over a database; each call is one batch in one transaction, as the consume loop hands it over."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._offset = 0
        self._version = 0

    def event(self, type: str, data: Mapping[str, Any] | None = None, /, version: int | None = None, **changes: Any) -> tuple[Heard[Any], DeadLetter]:
        """An event read from its bytes, and the message it came in. Versions count up where none is given."""
        value, id = msgspec.json.encode(data or example(type, **changes)), new_id()
        self._offset += 1
        self._version += 1
        cause = Cause(id, id, "00-" + "1" * 32 + "-" + "2" * 16 + "-01")
        headers = headers_of(
            id=id, type=type, source="/test", subject="s", time=NOW, version=version or self._version, cause=cause, traceparent=cause.traceparent
        )
        heard = _read(dict(headers), value)
        assert heard is not None
        letter = DeadLetter("storefront.order.v1", 0, self._offset, b"k", type, heard.id, "refused", "", "", value, encode_headers(headers))
        return heard, letter

    async def hear(self, *events: tuple[Heard[Any], DeadLetter] | str) -> list[tuple[str, str]]:
        """Handle one batch; a bare type stands for its golden example. Returns what was set aside, as (reason, sentence)."""
        batch = [self.event(one) if isinstance(one, str) else one for one in events]
        letters = {heard.id: letter for heard, letter in batch}
        async with self.database.transaction() as work:
            work.letters = lambda id: letters[id]
            await STAGE.handle(work, [heard for heard, _ in batch])
            return [(refused.reason, refused.detail) for refused in work.refused]

    async def fire(self) -> int:
        async with self.database.transaction() as work:
            return await end_waiting(work)

    async def rows(self, sql: str, *arguments: object) -> Sequence[Any]:
        return [tuple(row) for row in await self.database.pool.fetch(sql, *arguments)]

    async def said(self) -> list[tuple[str, dict[str, Any]]]:
        """Everything in the outbox, in order: the event's name and its data."""
        return [(type.split(".")[1], msgspec.json.decode(data)) for type, data in await self.rows("select type, payload from outbox order by id")]

    async def names(self) -> list[str]:
        return [name for name, _ in await self.said() if name != "CustomerSeen"]

    async def state(self) -> str:
        ((state,),) = await self.rows("select state from orders where order_id = $1", UUID(ORDER))
        return str(state)

    async def snapshot(self) -> str:
        """All state but what the kit keeps of requests: equal snapshots mean that nothing changed."""
        of_orders = ("orders", "holds", "amendments", "refusals", "links", "early_events", "waiting_orders", "promises_view")
        tables = (*of_orders, "customers", "addresses", "outbox")
        return repr([await self.rows(f"select * from {table} order by 1") for table in tables])


@pytest.fixture
async def orders(database: Database) -> Orders:
    made = Orders(database)
    await made.hear("storefront.ItemListed.v1")
    return made


class Api:
    """The orders API in process; every call is made as somebody."""

    def __init__(self, client: httpx.AsyncClient, settings: Settings) -> None:
        self.client, self._settings = client, settings

    def token(self, role: str, subject: str = "s-1", channel: str | None = None) -> str:
        issuer, audience = self._settings.token_issuer, self._settings.token_audience
        return tokens.token(self._settings.var / "keys", role, issuer=issuer, audience=audience, subject=subject, channel=channel)

    async def call(
        self,
        method: str,
        path: str,
        *,
        role: str | None = "admin",
        subject: str = "s-1",
        channel: str | None = None,
        data: object = None,
        content: bytes | None = None,
        **headers: str,
    ) -> httpx.Response:
        """`data` goes as JSON, `content` as it stands; header names are written with underscores; `role=None` sends no token."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if role is not None:
            given["authorization"] = f"Bearer {self.token(role, subject, channel)}"
        sent = json.dumps(data).encode() if content is None and data is not None else content
        if sent is not None:
            given.setdefault("content-type", "application/json")
        return await self.client.request(method, path, content=sent, headers=given)

    async def submit(self, data: Mapping[str, Any] | None = None, *, key: str | None = None, content: bytes | None = None) -> httpx.Response:
        """POST an order as the storefront of the channel `web`."""
        sent = None if content is not None else data or body()
        return await self.call(
            "POST", "/v1/orders", role="storefront", channel="web", data=sent, content=content, idempotency_key=key or str(new_id())
        )

    async def links(self, *order_ids: str) -> list[tuple[str, str]]:
        """New links, as (order, path), made as the one that writes to customers makes them."""
        made = await self.call("POST", "/v1/order-links", role="service", data={"order_ids": order_ids})
        assert made.status_code == 201, made.text
        return [(link["order_id"], link["url"]) for link in made.json()["links"]]

    async def link(self) -> str:
        ((_, url),) = await self.links(ORDER)
        return url

    async def page(self, url: str, method: str = "GET") -> httpx.Response:
        return await self.client.request(method, url, headers={"accept": "text/html"})


@pytest.fixture
async def reads(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_of(service_url(database_url, "orders"))
    yield engine
    await engine.dispose()


@pytest.fixture
async def api(database: Database, reads: AsyncEngine, tmp_path: Path) -> AsyncIterator[Api]:
    settings = Settings(var=tmp_path)
    tokens.signing_key(tmp_path / "keys")
    app = assemble(settings)
    connect(app, database, reads)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://orders") as client:
        yield Api(client, settings)
