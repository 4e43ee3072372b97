"""Who works the whole chain by public HTTP: a caller takes one order from the shop's till to the customer's door, and reads that it got there."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import aiohttp
from standardwebhooks.webhooks import Webhook

from demo import day
from demo.house import BotStopped, House
from services.kit.clock import record_now
from services.kit.ids import uuid7

ITEM = sorted(day.items())[0]
_EVERY_SECONDS = 0.1
_PATIENCE_SECONDS = 60


class Floor:
    """A running stack as those see it who work with it: one client, a token per role, and one look at the list of tasks every 100 ms for all."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._tokens = {
            "storefront": house.caller("storefront", "bench", channel=day.CHANNEL).headers,
            "planner": house.caller("planner", "bench", site=day.SITE).headers,
            "loader": house.caller("loader", "bench", site=day.SITE).headers,
        }
        self._secrets = json.loads((house.var / "keys" / "carriers.json").read_text())["accounts"]
        self._waiting: dict[str, asyncio.Future[str]] = {}
        self._departures: dict[str, dict[str, Any]] = {}

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._looking = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._looking.cancel()
        with suppress(asyncio.CancelledError):
            await self._looking
        await self._client.close()

    def picker(self, name: str) -> dict[str, str]:
        """The headers of a picker of this name."""
        return self._house.caller("picker", name, site=day.SITE).headers

    async def ask(self, who: str | dict[str, str], method: str, service: str, path: str, body: object = None, **headers: str) -> Any:
        """The answer's JSON. Raises BotStopped for anything but a success."""
        told = {**(self._tokens[who] if isinstance(who, str) else who), **{name.replace("_", "-"): value for name, value in headers.items()}}
        async with self._client.request(method, self._house.url(service, path), json=body, headers=told) as answer:
            text = await answer.read()
        if answer.status >= 300:
            raise BotStopped(f"{method} {service} {path} was answered {answer.status}: {text[:500]!r}")
        return json.loads(text) if text else None

    async def look_for_departures(self) -> None:
        """The next departure of each carrier service."""
        board = await self.ask("loader", "GET", "fulfilment", f"/v1/departures?site={day.SITE}")
        for row in sorted(board["departures"], key=lambda row: str(row["departs_at"])):
            if row["departs_at"] > board["now"]:
                self._departures.setdefault(row["carrier_service"], row)

    def departure(self, carrier_service: str) -> dict[str, Any]:
        return self._departures[carrier_service]

    async def task_of(self, order_id: str) -> str:
        """The order's pick task, once the list has it."""
        self._waiting[order_id] = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await self._waiting[order_id]

    async def delivered(self, carrier: str, tracking_number: str) -> None:
        """The carrier says, signed, that it delivered."""
        now = record_now()
        event = {"event_id": str(uuid7()), "tracking_number": tracking_number, "kind": "delivered", "occurred_at": now.isoformat()}
        body, id = json.dumps(event), f"m-{event['event_id']}"
        signature = Webhook(self._secrets[carrier]["webhook_secrets"][0]).sign(id, now, body)
        headers = {
            "content-type": "application/json",
            "webhook-id": id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
        }
        async with self._client.post(self._house.url("fulfilment", f"/v1/webhooks/carriers/{carrier}"), data=body, headers=headers) as answer:
            if answer.status != 200:
                raise BotStopped(f"the carrier's word was answered {answer.status}: {await answer.text()}")

    async def _look(self) -> None:
        while True:
            if self._waiting:
                told = await self.ask("planner", "GET", "fulfilment", f"/v1/pick-tasks?site={day.SITE}&state=ready&limit=100")
                for task in told["tasks"]:
                    found = self._waiting.pop(task["order_id"], None)
                    if found is not None and not found.done():
                        found.set_result(task["task_id"])
            await asyncio.sleep(_EVERY_SECONDS)


class Shift:
    """Callers at work. `done`: the order id by external reference, of every order that went the whole way."""

    def __init__(self, floor: Floor, numbers: Iterator[int]) -> None:
        self._floor, self._numbers = floor, numbers
        self._carriers = {"ground-standard": "ground", "airline-overnight": "airline"}
        self._invoice = next(invoice for invoice in day.invoices() if not invoice.is_cancellation and not invoice.mistaken)
        self.done: dict[str, str] = {}

    async def work(self, callers: int, seconds: float) -> list[float]:
        """So many at once, each with one order in hand, until time is up and what is in hand is done. Seconds that each order took."""
        until = time.perf_counter() + seconds
        return [wait for waits in await asyncio.gather(*(self._caller(f"picker-{n}", until) for n in range(callers))) for wait in waits]

    async def _caller(self, name: str, until: float) -> list[float]:
        waits, picker = [], self._floor.picker(name)
        while time.perf_counter() < until:
            began = time.perf_counter()
            await self._order(picker)
            waits.append(time.perf_counter() - began)
        return waits

    async def _order(self, picker: dict[str, str]) -> None:
        order = self._one_line()
        id = order["order_id"]
        await self._floor.ask("storefront", "POST", "orders", "/v1/orders", order, idempotency_key=order["external_ref"])
        task = await self._floor.task_of(id)
        label, parcel = await self._pick(picker, task)
        await self._hand_over(label["carrier_service"], parcel)
        await self._floor.delivered(self._carriers[label["carrier_service"]], label["tracking_number"])
        read = await self._floor.ask("storefront", "GET", "orders", f"/v1/orders/{id}?wait_for=delivered")
        if read["state"] != "delivered":
            raise BotStopped(f"the order {id} is {read['state']}")
        self.done[order["external_ref"]] = id

    async def _pick(self, picker: dict[str, str], task_id: str) -> tuple[dict[str, Any], str]:
        """Claim, scan, pack, label, stage: the label, and the parcel's id."""
        ask, path, parcel = self._floor.ask, f"/v1/pick-tasks/{task_id}", str(uuid7())
        task = await ask(picker, "POST", "fulfilment", f"{path}/claim", {"claim_id": str(uuid7())})
        for line in task["lines"]:
            scan = {
                "scan_id": str(uuid7()),
                "fence": task["fence"],
                "code": day.items()[ITEM].barcode,
                "quantity": line["quantity"],
                "bin": line["bin"],
            }
            await ask(picker, "POST", "fulfilment", f"{path}/scans", scan)
        pack = {"parcel_id": parcel, "fence": task["fence"], "carton": "S1", "weight_grams": 500, "weight_confirmed": True}
        await ask(picker, "POST", "fulfilment", f"{path}/pack", pack)
        label = await ask(picker, "POST", "fulfilment", f"/v1/parcels/{parcel}/label")
        await ask(picker, "POST", "fulfilment", f"/v1/parcels/{parcel}/stage", {"lane": "LANE-1"})
        return label, parcel

    async def _hand_over(self, carrier_service: str, parcel: str) -> None:
        """A trailer of its own for each order: open, load, close, tell the carrier, hand over."""
        ask, trailer = self._floor.ask, str(uuid7())
        opened = {"load_list_id": trailer, "carrier_service": carrier_service, "departs_at": self._floor.departure(carrier_service)["departs_at"]}
        await ask("loader", "POST", "fulfilment", "/v1/load-lists", opened)
        await ask("loader", "POST", "fulfilment", f"/v1/load-lists/{trailer}/loads", {"scan_id": str(uuid7()), "parcel_id": parcel})
        closed = await ask("loader", "POST", "fulfilment", f"/v1/load-lists/{trailer}/close")
        for manifest in closed["manifests"]:
            await ask("loader", "POST", "fulfilment", f"/v1/manifests/{manifest}/close")
        await ask("loader", "POST", "fulfilment", f"/v1/load-lists/{trailer}/hand-over")

    def _one_line(self) -> dict[str, Any]:
        """A new order of one line and one unit, paid for."""
        number, now = next(self._numbers), record_now().isoformat()
        order = day.submission(self._invoice, payment="authorised")
        line = {"line": 1, "sku": ITEM, "quantity": 1, "unit_price_minor": 499, "description": "ONE OF IT"}
        payment = {**order["payment"], "reference": f"pay-{number}", "amount_minor": 499}
        customer = {**order["customer"], "external_ref": f"p-{number}"}
        mine = {"order_id": str(uuid7()), "external_ref": f"public-{number}", "placed_at": now, "customer": customer}
        return {**order, **mine, "lines": [line], "charges": [], "total_minor": 499, "payment": payment}
