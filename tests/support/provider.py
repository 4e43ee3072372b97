"""The demo's payment provider as a server of a test's own, over a real socket, so that a time-out is one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import uvicorn

from demo.provider.app import How, Provider
from demo.provider.books import Books
from demo.provider.keys import keys
from services.orders.payments.clients import HttpProvider, http_provider
from tests.support.polling import poll_until

PATIENCE_SECONDS = 0.4
"""How long the client waits here."""


@dataclass
class Running:
    """The provider, and our account with it."""

    provider: Provider
    client: HttpProvider
    url: str
    keys: dict[str, str]

    def misbehave(self, how: How, times: int = 1, method: str = "POST") -> None:
        self.provider.misbehave(how, times, method)

    def moved(self) -> list[tuple[UUID, int, str]]:
        """What was really given back."""
        return [(UUID(each["key"]), each["amount_minor"], each["payment_reference"]) for each in self.provider.books.all()]


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Running]:
    granted, books = keys(folder / "keys" / "payments.json"), Books(folder / "provider" / "books.sqlite")
    provider = Provider(books, granted)
    server = uvicorn.Server(uvicorn.Config(provider.app(), port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=0))
    serving = asyncio.create_task(server._serve())  # without taking the process's signals
    await poll_until(lambda: server.started)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    client = http_provider(url, granted["api_key"], PATIENCE_SECONDS)
    yield Running(provider, client, url, granted)
    await client.close()
    server.should_exit = True
    await serving
    books.close()
