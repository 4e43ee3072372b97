"""The ledger as its callers see it: the promises API, and behind it the process that writes, elected, over a database of the test's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from services.kit.clock import Clock
from services.kit.database import Database, service_url
from services.kit.ids import uuid7
from services.kit.promise.feed import EntryRecorded
from services.promises.ledger.holding import Holder
from services.promises.ledger.process import leading
from services.promises.main import application, connect, writing_application
from services.promises.settings import Settings
from tests.access.asking import Ask, Asking, asking
from tests.support.feed import Feed
from tests.support.holding import Shelves
from tests.support.polling import poll_until

CUSTOMER = "019ab2c4-7d11-7a20-8b1e-5c9e44d0aa02"


class Speaking:
    """Asks as somebody. `care` promises by what it saw."""

    def __init__(self, asks: Asking, database: Database, feed: Feed, shelves: Shelves) -> None:
        self.asks, self.database, self.feed, self.shelves = asks, database, feed, shelves

    @property
    def app(self) -> FastAPI:
        return self.asks.app

    async def get(self, path: str, role: str = "care", subject: str = "care-7") -> httpx.Response:
        return await self.asks.send(f"GET {path}", Ask(path), role, subject)

    async def post(
        self, path: str, body: object, key: str | None = "", role: str = "service", subject: str = "care-desk", **headers: str
    ) -> httpx.Response:
        """With a key of its own where none is given; without any for None. Header names are written with underscores."""
        keyed = {} if key is None else {"idempotency-key": key or str(uuid7())}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.asks.send(f"POST {path}", Ask(path, body, keyed | given), role, subject)

    async def promise(self, **changes: Any) -> dict[str, Any]:
        """Promise a call back, or what the changes make of it. Returns the receipt."""
        answered = await self.post("/v1/promises", promise_body(**changes))
        assert answered.status_code == 201, answered.text
        receipt: dict[str, Any] = answered.json()
        return receipt

    async def standing(self, promise_id: str) -> dict[str, Any]:
        """The promise as staff see it."""
        answered = await self.get(f"/v1/promises/{promise_id}")
        assert answered.status_code == 200, answered.text
        view: dict[str, Any] = answered.json()
        return view

    async def until(self, entries: int) -> None:
        """Wait for the ledger to reach so many."""

        async def reached() -> bool:
            return await self.count() == entries

        await poll_until(reached)

    async def told(self, entries: int) -> list[EntryRecorded]:
        """The feed, once it tells of so many."""
        await poll_until(lambda: len(self.feed.messages) >= entries)
        return self.feed.entries()

    async def count(self, table: str = "ledger_entries") -> int:
        return int(await self.database.pool.fetchval(f"select count(*) from {table}"))  # a table of ours


def promise_body(**changes: Any) -> dict[str, Any]:
    """A call back by Friday evening, or what the changes make of it."""
    body = {
        "promise_id": str(uuid7()), "customer_id": CUSTOMER, "order_id": str(uuid7()), "kind": "call_back", "language": "en",
        "due": {"said": "2026-11-27T18:00", "zone": "Europe/Berlin"}, "currency": "EUR",
    }  # fmt: skip
    return body | changes


@asynccontextmanager
async def speaking(database_url: str, folder: Path, clock: Clock, holder: Holder | None = None) -> AsyncIterator[Speaking]:
    """`holder` has the goods, shelves of the test's own where none is given."""
    settings, url = Settings(var=folder), service_url(database_url, "promises")
    database = await Database.connect(url, "promises", clock, size=10)
    writing = writing_application(settings)
    app = application(settings, httpx.ASGITransport(writing, raise_app_exceptions=False))
    connect(app, database, settings)
    feed, shelves = Feed(), Shelves()
    async with leading(writing, database, url, clock, feed, holder or shelves) as writer, asking(app, settings) as asks:
        await poll_until(lambda: writer.leads)
        yield Speaking(asks, database, feed, shelves)
    await database.close()
