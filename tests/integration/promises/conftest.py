"""The promises schema in a database of the test's own, and a way to let the service hear events as its worker would."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.kit.clock import FixedClock
from services.kit.database import Database, service_url
from services.kit.values import Heard
from services.promises.agents import STAGE, break_due, follow_up
from services.promises.dates.api import router as dates
from services.promises.ledger.arrivals import Arrivals
from services.promises.ledger.reads_api import router as reads
from services.promises.quoting.api import router as quoting
from tests.support.api import Api, api_of
from tests.unit.promises.events import AIR, GROUND, PLACED_AT, QUEUE, heard


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("promises",)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(PLACED_AT)


@pytest.fixture
async def database(database_url: str, clock: FixedClock) -> AsyncIterator[Database]:
    opened = await Database.connect(service_url(database_url, "promises"), "promises", clock, size=12)
    yield opened
    await opened.close()


class Promises:
    """The stage over a database: one batch per call, as the consume loop hands it over."""

    def __init__(self, database: Database, clock: FixedClock) -> None:
        self.database, self.clock = database, clock

    def at(self, instant: datetime | str) -> None:
        self.clock.instant = datetime.fromisoformat(instant) if isinstance(instant, str) else instant

    async def hear(self, *batch: Heard[Any]) -> list[str]:
        """Handle one batch. Returns the reasons of what was set aside."""
        async with self.database.transaction() as work:
            await STAGE.handle(work, batch)
            return [refused.reason for refused in work.refused]

    async def watch(self) -> int:
        """Fire the timer once. Returns how many promises it broke."""
        async with self.database.transaction() as work:
            return await break_due(work)

    async def look(self) -> int:
        """Fire the timer of what was declined once. Returns how many orders it looked at."""
        async with self.database.transaction() as work:
            return await follow_up(work)

    async def rows(self, sql: str, *arguments: object) -> Sequence[Any]:
        async with self.database.pool.acquire() as connection:
            return [tuple(row) for row in await connection.fetch(sql, *arguments)]

    async def said(self, name: str = "") -> list[tuple[str, dict[str, Any]]]:
        """What is in the outbox, in order: the event's name and its data."""
        rows = await self.rows("select type, payload from outbox order by id")
        told = [(type.split(".")[1], msgspec.json.decode(payload)) for type, payload in rows]
        return [(kind, data) for kind, data in told if name in ("", kind)]

    async def entries(self) -> list[tuple[int, int, str]]:
        """The ledger's lines: position, seq, kind."""
        return list(await self.rows("select position, seq, kind from promise_entries order by position"))

    async def counts(self) -> list[Any]:
        """How many rows each table has, and what they add up to: equal before and after means that nothing changed."""
        tables = "carrier_services_view", "lanes_view", "queues_view", "quotes", "promise_entries", "promises", "orders_view", "outbox"
        return [await self.rows(f"select count(*), md5(string_agg(t::text, '' order by t::text)) from {table} t") for table in tables]


@pytest.fixture
async def promises(database: Database, clock: FixedClock) -> Promises:
    """A service that knows two carrier services and a queue."""
    made = Promises(database, clock)
    await made.hear(heard("CarrierServiceScheduled", GROUND), heard("CarrierServiceScheduled", AIR), heard("QueueMeasured", QUEUE))
    return made


@pytest.fixture
async def api(promises: Promises, tmp_path: Path) -> AsyncIterator[Api]:
    async with api_of("promises", [quoting, dates, reads], promises.database, tmp_path, arrivals=Arrivals(promises.database)) as made:
        yield made
