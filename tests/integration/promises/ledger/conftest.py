"""The ledger's writer over a database of the test's own."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from services.kit.clock import FixedClock
from services.kit.database import service_url, session_settings
from services.promises.ledger.batch import Answer, Asked
from services.promises.ledger.writer import Writer
from tests.support.polling import poll_until
from tests.unit.promises.ledger.asking import NOW


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("promises",)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


class Ledger:
    """A writer that leads, and a connection of the service's own to look with."""

    def __init__(self, url: str, writer: Writer, connection: "asyncpg.Connection[asyncpg.Record]", clock: FixedClock) -> None:
        self.url, self.writer, self.connection, self.clock = url, writer, connection, clock

    async def ask(self, *asked: Asked) -> list[Answer]:
        """The answers to commands that come at the same time; an error where one is raised."""
        return await asyncio.gather(*map(self.writer.ask, asked))

    async def rows(self, query: str, *arguments: object) -> Sequence[tuple[Any, ...]]:
        return [tuple(row) for row in await self.connection.fetch(query, *arguments)]

    async def count(self, table: str = "ledger_entries") -> int:
        return int((await self.rows(f"select count(*) from {table}"))[0][0])  # a table of ours


@asynccontextmanager
async def writing(url: str, clock: FixedClock) -> AsyncIterator[Writer]:
    """A writer that leads over a connection of its own."""
    writer = Writer(clock)
    connection = await asyncpg.connect(url, server_settings=session_settings("promises", "ledger"))
    leading = asyncio.create_task(writer.lead(connection))
    await poll_until(lambda: writer.leads)
    yield writer
    leading.cancel()
    await asyncio.wait({leading})
    await connection.close()


@pytest.fixture
async def ledger(database_url: str, clock: FixedClock) -> AsyncIterator[Ledger]:
    url = service_url(database_url, "promises")
    looking = await asyncpg.connect(url, server_settings=session_settings("promises", "test"))
    async with writing(url, clock) as writer:
        yield Ledger(url, writer, looking, clock)
    await looking.close()
