"""Promises of orders of two customers."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from services.kit.clock import FixedClock
from services.kit.database import Database, service_url
from services.kit.ids import uuid7
from services.promises.main import application
from services.promises.settings import Settings
from tests.access.asking import CHANNEL, Ask, Asking, Example, asking
from tests.integration.promises.conftest import Promises
from tests.integration.promises.test_quotes import QUESTION
from tests.unit.promises.events import AIR, CUSTOMER, GROUND, PLACED_AT, QUEUE, heard

_OTHER = "019ab2c4-7d11-7a20-8b1e-5c9e44d0aa99"


class Ledger:
    """One promised order of each of the two."""

    def __init__(self, promises: Promises) -> None:
        self._promises = promises
        self._orders = {whose: str(uuid7()) for whose in ("mine", "theirs", "missing")}
        self._made = {"missing": str(uuid7())}

    async def prepare(self) -> None:
        await self._promises.hear(heard("CarrierServiceScheduled", GROUND), heard("CarrierServiceScheduled", AIR), heard("QueueMeasured", QUEUE))
        for whose, customer in (("mine", str(CUSTOMER)), ("theirs", _OTHER)):
            await self._promises.hear(heard("OrderPlaced", order_id=self._orders[whose], customer_id=customer, external_ref=whose))
            rows = await self._promises.rows("select promise_id::text from promises where order_id = $1", UUID(self._orders[whose]))
            self._made[whose] = rows[0][0]

    async def quote(self, whose: str, who: str) -> Ask:
        return Ask("/v1/quotes", QUESTION | {"quote_id": str(uuid7()), "channel": CHANNEL[whose]})

    async def promise(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/promises/{self._made[whose]}")

    async def promises(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/orders/{self._orders[whose]}/promises")

    def examples(self) -> Mapping[str, Example]:
        return {
            "POST /v1/quotes": self.quote,
            "GET /v1/promises/{promise_id}": self.promise,
            "GET /v1/orders/{order_id}/promises": self.promises,
        }


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[tuple[Asking, Mapping[str, Example], str]]:
    clock, settings = FixedClock(PLACED_AT), Settings(var=folder)
    database = await Database.connect(service_url(url, "promises"), "promises", clock, size=10)
    app, ledger = application(settings), Ledger(Promises(database, clock))
    app.state.database = database
    await ledger.prepare()
    async with asking(app, settings) as asks:
        yield asks, ledger.examples(), str(CUSTOMER)
    await database.close()
