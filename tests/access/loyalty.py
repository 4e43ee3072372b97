"""Customers and the planners' numbers."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from services.kit.clock import FixedClock
from services.kit.database import Database, service_url
from services.kit.ids import uuid7
from services.kit.settings import KitSettings
from services.loyalty.main import application
from tests.access.asking import Ask, Asking, Example, asking
from tests.integration.loyalty.test_api import RULES
from tests.unit.loyalty.build import NOW, TODAY


class Planning:
    """Two customers whom we know, and rules that change at each call."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self.customers = {whose: str(uuid7()) for whose in ("mine", "theirs", "missing")}

    async def prepare(self) -> None:
        for whose in ("mine", "theirs"):
            await self._asking.done("PUT", await self.history(whose, ""), "planner", "s")

    async def tier(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/customers/{self.customers[whose]}/tier")

    async def history(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/customers/{self.customers[whose]}/history", {"orders_before": 7})

    async def rules(self, whose: str, who: str) -> Ask:
        return Ask("/v1/upgrade-rules")

    async def put_rules(self, whose: str, who: str) -> Ask:
        present = await self._asking.send("GET", Ask("/v1/upgrade-rules"), "planner", "s")
        return Ask("/v1/upgrade-rules", RULES, {"if-match": present.headers["etag"]})

    async def budget(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/upgrade-budget?on={TODAY}")

    async def upgrades(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/upgrades?on={TODAY}")

    def examples(self) -> Mapping[str, Example]:
        return {
            "GET /v1/customers/{customer_id}/tier": self.tier,
            "PUT /v1/customers/{customer_id}/history": self.history,
            "GET /v1/upgrade-rules": self.rules,
            "PUT /v1/upgrade-rules": self.put_rules,
            "GET /v1/upgrade-budget": self.budget,
            "GET /v1/upgrades": self.upgrades,
        }


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[tuple[Asking, Mapping[str, Example], str]]:
    settings = KitSettings(var=folder)
    database = await Database.connect(service_url(url, "loyalty"), "loyalty", FixedClock(NOW), size=10)
    app = application(settings)
    app.state.database = database
    async with asking(app, settings) as asks:
        planning = Planning(asks)
        await planning.prepare()
        yield asks, planning.examples(), planning.customers["mine"]
    await database.close()
