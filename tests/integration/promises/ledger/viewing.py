"""The view that a department holds of all promises, beside a ledger that speaks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from services.kit.clock import Clock
from services.kit.database import Database, service_url
from services.kit.promise.feed import EntryRecorded
from services.kit.promise.keeper import Keeper
from services.kit.promise.view import apply
from services.promises.settings import Settings
from tests.integration.promises.ledger.speaking import Speaking


class View:
    """One department's."""

    def __init__(self, ledger: Speaking, database: Database, keeper: Keeper) -> None:
        self.ledger, self.database, self.keeper = ledger, database, keeper

    async def hear(self, *entries: EntryRecorded) -> int:
        async with self.database.transaction() as work:
            return await apply(work, entries)

    async def do(self, sql: str) -> str:
        return str(await self.database.pool.execute(sql))

    async def board(self) -> dict[str, dict[str, object]]:
        told = (await self.ledger.get("/v1/agreement")).json()
        return {each["view"]: each for each in told["views"]}


@asynccontextmanager
async def viewing(ledger: Speaking, database_url: str, folder: Path, clock: Clock, service: str = "loyalty") -> AsyncIterator[View]:
    database = await Database.connect(service_url(database_url, service), service, clock, size=4)
    keeper = Keeper(service, database, Settings(var=folder), httpx.ASGITransport(ledger.app))
    yield View(ledger, database, keeper)
    await database.close()
