"""A ledger and the warehouse that it promises for: fulfilment's API and worker over a schema of its own, beside the process that writes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from services.fulfilment.agents import STAGE
from services.fulfilment.duties.agents import DUTIES
from services.fulfilment.main import application
from services.fulfilment.shipping.messages import CustomerSeen
from services.fulfilment.shipping.van.labels import OwnVans
from services.kit.clock import FixedClock
from services.kit.database import Database, service_url
from services.kit.ids import uuid7
from services.kit.promise.reporting import reporting
from services.kit.promise.view import apply
from services.kit.values import Heard
from services.promises.ledger.holding import Fulfilment
from services.promises.settings import Settings
from tests.access.asking import Ask, Asking, asking
from tests.integration.fulfilment_shipping.conftest import ADDRESS, GROUND, LANE, FakeCarrier
from tests.integration.promises.ledger.speaking import Speaking, promise_body, speaking
from tests.unit.fulfilment.build import SITE, heard, item, placed, released, uuid

TELEVISION, CABLE = "LM-43", "HDMI-2M"
WORDS = "A free HDMI cable (2 m) comes with your television by Wednesday 25 November, 18:00."


class Shop:
    """`ledger` is asked as its callers ask, the warehouse as its people do."""

    def __init__(self, ledger: Speaking, asks: Asking, database: Database, settings: Settings, clock: FixedClock) -> None:
        self.ledger, self.asks, self.database, self.clock = ledger, asks, database, clock
        self.reports = reporting("fulfilment", settings, httpx.ASGITransport(ledger.app))

    async def hear(self, *batch: Heard[Any]) -> None:
        async with self.database.transaction() as work:
            await STAGE.handle(work, batch)
            assert work.refused == []

    async def stock(self, sku: str, quantity: int, bin: str = "A-1") -> None:
        await self.hear(item(sku))
        await self.done("POST /v1/stock/receipts", {"receipt_id": uuid7(), "site": SITE, "lines": [{"sku": sku, "bin": bin, "quantity": quantity}]})

    async def order(self, number: int = 1, *, service: str = "ground") -> UUID:
        """An order of one television, released to the floor."""
        await self.hear(placed(number, (TELEVISION, 1)))
        release = released(number)
        await self.hear(replace(release, data=replace(release.data, carrier_service=service)))
        return uuid(number)

    async def done(self, operation: str, body: object = None, role: str = "planner", subject: str = "pat") -> Any:
        """A request to the warehouse that must succeed."""
        return await self.asks.done(operation, Ask(operation.split()[1], body), role, subject, site=SITE)

    async def date(self, order_id: UUID, said: str, **changes: Any) -> httpx.Response:
        """Promise that the order is at the door by then."""
        due = {"said": said, "zone": "America/New_York"}
        return await self.ledger.post("/v1/promises", promise_body(kind="delivery_date", order_id=str(order_id), due=due, **changes))

    async def vans(self, places: int = 1) -> None:
        """Our own vans: one each morning at 07:00, with so many places, at the door by 12:00."""
        departures = [{"weekday": day, "at": "07:00", "places": places} for day in range(1, 8)]
        lanes = [LANE | {"transit_days": 0, "deliver_by": "12:00"}]
        await self.done("PUT /v1/carrier-services/van", GROUND | {"site": SITE, "carrier": "own", "departures": departures, "lanes": lanes})

    async def gift(self, order_id: UUID, **changes: Any) -> httpx.Response:
        """Promise a free cable with this order."""
        due = {"said": self.by(days=3), "zone": "Europe/Berlin"}
        body = {"kind": "gift", "sku": CABLE, "order_id": str(order_id), "customer_text": WORDS, "due": due} | changes
        return await self.ledger.post("/v1/promises", promise_body(**body))

    def by(self, **after: float) -> str:
        """A local time so long from now."""
        return (self.clock.now() + timedelta(**after)).strftime("%Y-%m-%dT%H:%M")

    async def tell(self) -> None:
        """The feed reaches the warehouse, and what it reports reaches the ledger."""
        told = await self.ledger.told(await self.ledger.count())
        async with self.database.transaction() as work:
            await apply(work, told, DUTIES)
        while await self.reports.run(self.database):
            pass

    async def rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self.database.pool.fetch(query, *arguments)]

    async def free(self, sku: str = CABLE) -> int:
        """Units that nobody has."""
        ((count,),) = await self.rows("select coalesce(sum(on_hand - reserved), 0)::int from bins where sku = $1", sku)
        return int(count)

    async def claim(self) -> Any:
        return await self.done("POST /v1/pick-tasks:claim-next", {"claim_id": uuid7(), "site": SITE}, "picker")

    async def scan(self, task: Any, sku: str) -> Any:
        body = {"scan_id": uuid7(), "code": sku, "quantity": 1, "fence": task["fence"]}
        return await self.done(f"POST /v1/pick-tasks/{task['task_id']}/scans", body, "picker")

    async def packed(self, *skus: str) -> str:
        """The next task with these in its carton."""
        task = await self.claim()
        for sku in skus:
            await self.scan(task, sku)
        return await self.pack(task)

    async def loaded(self, parcel: str) -> str:
        """The parcel with its label in a trailer of the departure that it aims at."""
        load_list = str(uuid7())
        await self.done(f"POST /v1/parcels/{parcel}/label", None, "picker")
        aims = "select carrier_service, hand_over_by from shipments join parcels using (order_id) where parcel_id = $1::text::uuid"
        ((code, departs_at),) = await self.rows(aims, parcel)
        await self.done("POST /v1/load-lists", {"load_list_id": load_list, "carrier_service": code, "departs_at": departs_at}, "loader")
        await self.done(f"POST /v1/load-lists/{load_list}/loads", {"scan_id": uuid7(), "parcel_id": parcel}, "loader")
        return load_list

    async def leaves(self, load_list: str) -> None:
        (manifest,) = (await self.done(f"POST /v1/load-lists/{load_list}/close", None, "loader"))["manifests"]
        await self.done(f"POST /v1/manifests/{manifest}/close", None, "loader")
        await self.done(f"POST /v1/load-lists/{load_list}/hand-over", None, "loader")

    async def pack(self, task: Any) -> str:
        parcel = str(uuid7())
        body = {"parcel_id": parcel, "fence": task["fence"], "carton": "L2", "weight_grams": 900, "weight_confirmed": True}
        await self.done(f"POST /v1/pick-tasks/{task['task_id']}/pack", body, "picker")
        return parcel


@asynccontextmanager
async def open_shop(database_url: str, folder: Path, clock: FixedClock) -> AsyncIterator[Shop]:
    """One cable and two televisions on the shelf, and a carrier that takes whatever comes."""
    settings = Settings(var=folder, fulfilment_url="http://fulfilment", promises_url="http://promises")
    app, carrier = application(settings), FakeCarrier()
    database = await Database.connect(service_url(database_url, "fulfilment"), "fulfilment", clock, size=10)
    app.state.database, app.state.carrier_account = database, lambda name: OwnVans() if name == "own" else carrier
    holder = Fulfilment(settings, httpx.ASGITransport(app))
    async with speaking(database_url, folder, clock, holder) as ledger, asking(app, settings) as asks:
        shop = Shop(ledger, asks, database, settings, clock)
        await shop.hear(heard(CustomerSeen(uuid(100_000), (ADDRESS | {"address_id": str(uuid(200_000))},))))
        await shop.done("PUT /v1/carrier-services/ground", GROUND | {"site": SITE})
        await shop.stock(TELEVISION, 2, "T-1")
        await shop.stock(CABLE, 1)
        yield shop
    await database.close()
