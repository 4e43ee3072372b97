"""Two sites, each with its own shelves, tasks, parcels, trailers and manifests."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from services.fulfilment.agents import STAGE
from services.fulfilment.main import application
from services.fulfilment.shipping.messages import CustomerSeen
from services.kit.clock import FixedClock
from services.kit.database import Database, service_url
from services.kit.ids import uuid7
from services.kit.settings import KitSettings
from services.kit.values import Heard
from tests.access.asking import SITE, Ask, Asking, Example, asking
from tests.integration.fulfilment_shipping.conftest import ADDRESS, SECRET, FakeCarrier
from tests.integration.fulfilment_shipping.conftest import GROUND as SERVICE
from tests.unit.fulfilment.build import HAND_OVER, NOW, amended, asked_to_amend, heard, item, placed, released, uuid

PIN = "123456"
CODE = {"mine": "ground-sdf1", "theirs": "ground-cgn1", "missing": "ground-none1"}
VAN = {"mine": "van-sdf1", "theirs": "van-cgn1", "missing": "van-none1"}


class Warehouse:
    """Makes things in the state in which they are asked for. `who` is the picker whose task it is; others' tasks are at the other site."""

    def __init__(self, asking: Asking, database: Database) -> None:
        self.asking, self._database, self._numbers = asking, database, count(1)
        self._codes = CODE

    async def prepare(self) -> None:
        await self._hear(heard(CustomerSeen(uuid(100_000), (ADDRESS | {"address_id": str(uuid(200_000))},))))
        for whose in ("mine", "theirs"):
            body = SERVICE | {"site": SITE[whose]}
            await self.do(f"PUT /v1/carrier-services/{CODE[whose]}", body, "planner")
            await self.do(f"PUT /v1/carrier-services/{VAN[whose]}", body | {"carrier": "own"}, "planner")

    async def _hear(self, *batch: Heard[Any]) -> None:
        async with self._database.transaction() as work:
            await STAGE.handle(work, batch)
            assert work.refused == []

    async def do(self, operation: str, body: object, role: str, who: str = "somebody", whose: str | None = None) -> Any:
        """A step that must succeed, at the site of that thing."""
        site = SITE[whose] if whose else None
        return await self.asking.done(operation, Ask(operation.split()[1], body), role, who, site=site)

    async def sku(self, whose: str) -> str:
        """A SKU with units on a shelf of that site."""
        sku = f"S{next(self._numbers)}"
        if whose != "missing":
            await self._hear(item(sku))
            lines = [{"sku": sku, "bin": f"A-{sku}", "quantity": 5}]
            await self.do("POST /v1/stock/receipts", {"receipt_id": uuid7(), "site": SITE[whose], "lines": lines}, "planner")
        return sku

    async def ready(self, whose: str) -> tuple[str, str]:
        """A task that nobody has: its id and its SKU."""
        sku, number = await self.sku(whose), next(self._numbers)
        if whose == "missing":
            return str(uuid7()), sku
        release = released(number, site=SITE[whose])
        await self._hear(placed(number, (sku, 1), site=SITE[whose]))
        await self._hear(replace(release, data=replace(release.data, carrier_service=self._codes[whose])))
        return str(await self._database.pool.fetchval("select task_id from pick_tasks where order_id = $1", uuid(number))), sku

    async def claimed(self, whose: str, who: str) -> dict[str, Any]:
        """A task in the hands of `who`: its address, id, SKU and fence."""
        task_id, sku = await self.ready(whose)
        path, fence = f"/v1/pick-tasks/{task_id}", 1
        if whose != "missing":
            fence = (await self.do(f"POST {path}/claim", {"claim_id": uuid7()}, "picker", who, whose))["fence"]
        return {"path": path, "task_id": task_id, "sku": sku, "fence": fence}

    def _scan(self, task: Mapping[str, Any]) -> dict[str, Any]:
        return {"scan_id": str(uuid7()), "code": task["sku"], "quantity": 1}

    async def picked(self, whose: str, who: str) -> dict[str, Any]:
        """A task whose one scan was made."""
        task = await self.claimed(whose, who)
        scan = self._scan(task)
        if whose != "missing":
            await self.do(f"POST {task['path']}/scans", scan | {"fence": task["fence"]}, "picker", who, whose)
        return task | {"scan_id": scan["scan_id"]}

    async def pulled_back(self, whose: str, who: str) -> tuple[str, str]:
        """Units that were picked and are no longer wanted: the id of the pull-back, and their SKU."""
        task, other = await self.picked(whose, who), await self.sku(whose)
        if whose == "missing":
            return str(uuid7()), other
        order_id = await self._database.pool.fetchval("select order_id from pick_tasks where task_id = $1", UUID(task["task_id"]))
        number = order_id.int - uuid(0).int
        told: dict[str, Any] = {"change": number, "site": SITE[whose]}
        await self._hear(asked_to_amend(number, (other, 1), **told), amended(number, (other, 1), **told))
        return str(await self._database.pool.fetchval("select pull_back_id from pull_backs where order_id = $1", order_id)), task["sku"]

    async def packed(self, whose: str, who: str) -> dict[str, Any]:
        """A task that is packed, with its `parcel`, which has no label yet."""
        task, parcel = await self.picked(whose, who), str(uuid7())
        if whose != "missing":
            await self.do(f"POST {task['path']}/pack", _pack(task, parcel), "picker", who, whose)
        return task | {"parcel": parcel}

    async def labelled(self, whose: str) -> dict[str, Any]:
        """A parcel with its label; `parcel` is its id."""
        task = await self.packed(whose, f"packer-{next(self._numbers)}")
        if whose == "missing":
            return task
        return task | await self.do(f"POST /v1/parcels/{task['parcel']}/label", None, "picker", "packer", whose)

    async def trailer(self, whose: str) -> str:
        """The id of an open load list."""
        id = str(uuid7())
        if whose != "missing":
            await self.do("POST /v1/load-lists", _trailer(id, self._codes[whose]), "loader", "loader", whose)
        return id

    async def loaded(self, whose: str) -> tuple[str, str]:
        """A load list, and the parcel that is in it."""
        id, parcel = await self.trailer(whose), (await self.labelled(whose))["parcel"]
        if whose != "missing":
            await self.do(f"POST /v1/load-lists/{id}/loads", {"scan_id": uuid7(), "parcel_id": parcel}, "loader", "loader", whose)
        return id, parcel

    async def closed(self, whose: str) -> tuple[str, str]:
        """A load list that is closed, and its manifest."""
        id, _ = await self.loaded(whose)
        if whose == "missing":
            return id, str(uuid7())
        return id, (await self.do(f"POST /v1/load-lists/{id}/close", None, "loader", "loader", whose))["manifests"][0]

    async def told(self, whose: str) -> str:
        """The id of a load list whose carrier has its manifest."""
        id, manifest = await self.closed(whose)
        if whose != "missing":
            await self.do(f"POST /v1/manifests/{manifest}/close", None, "loader", "loader", whose)
        return id

    async def on_the_road(self, whose: str, *, started: bool = False) -> dict[str, str]:
        """A van of ours that left: its load list, and the order and the parcel of its one stop."""
        if whose == "missing":
            return {"load_list": str(uuid7()), "order": str(uuid7()), "parcel": str(uuid7())}
        self._codes = VAN
        try:
            load_list = await self.told(whose)
        finally:
            self._codes = CODE
        await self.do(f"POST /v1/load-lists/{load_list}/hand-over", None, "loader", "loader", whose)
        stop = (await self.do(f"GET /v1/run-sheets/{load_list}", None, "planner"))["stops"][0]
        if started:
            await self.do(f"POST /v1/run-sheets/{load_list}/stops/{stop['order_id']}/start", None, "driver", "driver", whose)
        return {"load_list": load_list, "order": stop["order_id"], "parcel": stop["parcels"][0]["parcel_id"]}


def _pack(task: Mapping[str, Any], parcel: str) -> dict[str, Any]:
    return {"parcel_id": parcel, "fence": task["fence"], "carton": "S2", "weight_grams": 300, "weight_confirmed": True}


def _trailer(id: str, code: str) -> dict[str, Any]:
    return {"load_list_id": id, "carrier_service": code, "departs_at": HAND_OVER}


def _check_badge(request: httpx.Request) -> httpx.Response:
    """As the issuer does, for one badge."""
    if json.loads(request.content)["pin"] != PIN:
        return httpx.Response(401, json={"detail": "The two do not fit together."}, headers={"www-authenticate": "Bearer"})
    return httpx.Response(200, json={"access_token": "a.b.c", "expires_in": 60, "role": "picker"})


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[tuple[Asking, Mapping[str, Example], str]]:
    async with warehouse(url, folder) as made:
        from tests.access.fulfilment_examples import examples

        yield made.asking, examples(made), str(UUID(int=1))


@asynccontextmanager
async def warehouse(url: str, folder: Path) -> AsyncIterator[Warehouse]:
    settings = KitSettings(var=folder, issuer_url="http://issuer")
    database = await Database.connect(service_url(url, "fulfilment"), "fulfilment", FixedClock(NOW), size=10)
    app, carrier = application(settings, httpx.MockTransport(_check_badge)), FakeCarrier()
    app.state.database, app.state.carrier_account, app.state.webhook_secrets = database, lambda _: carrier, {"ground": [SECRET], "airline": [SECRET]}
    async with asking(app, settings) as asks:
        made = Warehouse(asks, database)
        await made.prepare()
        yield made
    await database.close()
