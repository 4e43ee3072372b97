"""Loyalty's schema in a database of the test's own, and a way to let it hear events as the worker would."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.kit.clock import FixedClock
from services.kit.database import Database, service_url
from services.kit.values import Heard
from services.loyalty.agents import STAGE
from services.loyalty.api import router
from tests.support.api import Api, api_of
from tests.unit.loyalty.build import NOW


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("loyalty",)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await Database.connect(service_url(database_url, "loyalty"), "loyalty", FixedClock(NOW), size=10)
    yield opened
    await opened.close()


class Loyalty:
    """The stage over a database: one batch per call, as the consume loop hands it over."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def hear(self, *batch: Heard[Any]) -> list[tuple[str, str]]:
        """Handle one batch. Returns what was set aside, as (reason, detail)."""
        async with self.database.transaction() as work:
            await STAGE.handle(work, batch)
            return [(refused.reason, refused.detail) for refused in work.refused]

    async def rows(self, sql: str, *arguments: object) -> Sequence[Any]:
        async with self.database.pool.acquire() as connection:
            return [tuple(row) for row in await connection.fetch(sql, *arguments)]

    async def said(self) -> list[tuple[str, dict[str, Any]]]:
        """Everything in the outbox, in order: the event's name and its data."""
        rows = await self.rows("select type, payload from outbox order by id")
        return [(type.split(".")[1], msgspec.json.decode(payload)) for type, payload in rows]


@pytest.fixture
def loyalty(database: Database) -> Loyalty:
    return Loyalty(database)


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with api_of("loyalty", [router], database, tmp_path) as made:
        yield made
