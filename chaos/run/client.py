"""The load client: a shop that sends orders in bursts, half on the topic and half over HTTP, and asks again with the same key until it is told.

It writes down every call before it sends it, and what it was answered; where it was answered nothing, nobody knows, and that is what is written.
"""

import asyncio
import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from chaos.run.notes import Journal
from demo import day, opening
from demo.house import Caller, House
from services.kit.ids import uuid7
from services.kit.trace import child_of

ORDERS, ITEMS = "storefront.order.v1", "storefront.item.v1"
SUBMITTED, CANCELLED = "storefront.OrderSubmitted.v1", "storefront.OrderCancelRequested.v1"
_TRIES, _PAUSE_SECONDS = 40, 0.5
_UNITS = 100_000


class Client:
    """One shop and its pickers, at one bed."""

    def __init__(self, house: House, journal: Journal, rng: Random) -> None:
        self.house, self.journal, self.rng = house, journal, rng
        self.shop = house.caller("storefront", f"shop-{day.CHANNEL}", channel=day.CHANNEL)
        self._producer = AIOKafkaProducer(bootstrap_servers=house.stack["kafka"], acks="all", enable_idempotence=True, request_timeout_ms=30_000)
        self._orders = self._endless()
        self.placed: list[dict[str, Any]] = []

    async def __aenter__(self) -> "Client":
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def open(self) -> None:
        """Carriers, items and units, before anything happens to the bed."""
        planner = self.house.caller("planner", "planner-1")
        for code, body in opening.carrier_services().items():
            await planner.ask("PUT", "fulfilment", f"/v1/carrier-services/{code}", {**body, "closed_on": []}, expect=(200, 201))
        items = day.items()
        for item in items.values():
            await self.say("list", ITEMS, "storefront.ItemListed.v1", item.sku, item.listed())
        await asyncio.sleep(5)
        receiving, skus = self.house.caller("planner", "planner-1", site=day.SITE), sorted(items)
        for at in range(0, len(skus), 500):
            lines = [{"sku": sku, "bin": opening.bin_of(sku), "quantity": _UNITS} for sku in skus[at : at + 500]]
            receipt = {"receipt_id": str(uuid7()), "site": day.SITE, "lines": lines}
            await self.post("receipt", receiving, "fulfilment", "/v1/stock/receipts", receipt)

    async def burst(self, count: int) -> None:
        """So many orders at once; some are sent again, some are cancelled a moment later."""
        await asyncio.gather(*(self._place(self.next_order()) for _ in range(count)))

    async def _place(self, order: dict[str, Any]) -> None:
        chance = self.rng.random()
        self.placed.append(order)
        if chance < 0.5:
            key = str(uuid7())
            await self.post("place", self.shop, "orders", "/v1/orders", order, key=key)
            if chance < 0.05:
                await self.post("place", self.shop, "orders", "/v1/orders", order, key=key)
        else:
            await self.say("place", ORDERS, SUBMITTED, key_of(order), order)
            if chance > 0.95:
                await self.say("place", ORDERS, SUBMITTED, key_of(order), order)
        if 0.4 < chance < 0.45:
            await self.say("cancel", ORDERS, CANCELLED, key_of(order), cancel_of(order))

    def next_order(self) -> dict[str, Any]:
        """One that was never sent."""
        return next(self._orders)

    async def place_as(self, event_id: str, **more: Any) -> None:
        """An order on the topic whose event has this id."""
        order = self.next_order()
        await self.say("place", ORDERS, SUBMITTED, key_of(order), order, event_id=event_id, **more)

    async def place_fifty_times_at_once(self) -> None:
        """One order, one key, fifty requests side by side."""
        order, key = self.next_order(), str(uuid7())
        await asyncio.gather(*(self.post("place", self.shop, "orders", "/v1/orders", order, key=key) for _ in range(50)))

    async def race_for_picks(self, rounds: int, pickers: int) -> None:
        """Pickers claim side by side, and put back what they got."""
        callers = {f"picker-{number}": self.house.caller("picker", f"picker-{number}", site=day.SITE) for number in range(pickers)}
        for _ in range(rounds):
            await asyncio.gather(*(self._claim(name, caller) for name, caller in callers.items()))

    async def _claim(self, name: str, caller: Caller) -> None:
        claim = {"claim_id": str(uuid7()), "site": day.SITE}
        answer = await self.post("claim", caller, "fulfilment", "/v1/pick-tasks:claim-next", claim, told={**claim, "picker": name})
        if answer is not None and answer.status_code == 200:
            task = answer.json()
            back = {"fence": task["fence"]}
            await self.post("put_back", caller, "fulfilment", f"/v1/pick-tasks/{task['task_id']}/put-back", back)

    async def say(self, op: str, topic: str, type: str, key: str, data: dict[str, Any], event_id: str | None = None, **more: Any) -> None:
        id, at = event_id or str(uuid7()), now()
        headers = {"ce_specversion": "1.0", "ce_id": id, "ce_type": type, "ce_source": f"/shops/{day.CHANNEL}", "ce_subject": key, "ce_time": at}
        headers |= {"content-type": "application/json", "ce_traceparent": child_of(None)}
        number = self.journal.before(op, "topic", id, data, **more)
        await self.produce(number, topic, key.encode(), json.dumps(data).encode(), [(name, value.encode()) for name, value in headers.items()])

    async def produce(self, number: int, topic: str, key: bytes | None, value: bytes | None, headers: Any) -> None:
        """The producer is idempotent and tries for long: what it then does not know, nobody knows."""
        try:
            sent = await self._producer.send_and_wait(topic, value, key=key, headers=headers)
        except KafkaError:
            return
        self.journal.after(number, "ok", None, {"topic": topic, "partition": sent.partition, "offset": sent.offset})

    async def post(
        self,
        op: str,
        caller: Caller,
        service: str,
        path: str,
        body: dict[str, Any],
        key: str | None = None,
        told: dict[str, Any] | None = None,
        **noted: Any,
    ) -> httpx.Response | None:
        """The answer, asked for again with the same key or id until there is one. `noted` stands in the journal; `if_match` of it is sent, too."""
        for _ in range(_TRIES):
            answer = await self._post_once(op, caller, service, path, body, key, told or body, noted)
            if answer is not None and answer.status_code < 500 and answer.status_code != 409:
                return answer
            if answer is not None and answer.status_code == 409 and "retry-after" not in answer.headers:
                return answer
            await asyncio.sleep(_PAUSE_SECONDS)
        return None

    async def _post_once(
        self,
        op: str,
        caller: Caller,
        service: str,
        path: str,
        body: dict[str, Any],
        key: str | None,
        told: dict[str, Any],
        noted: dict[str, Any],
    ) -> httpx.Response | None:
        number = self.journal.before(op, "http", key, told, **noted)
        headers = caller.headers | ({"idempotency-key": key} if key else {})
        if "if_match" in noted:
            headers["if-match"] = f'"{noted["if_match"]}"'
        try:
            answer = await self.house.http.post(self.house.url(service, path), json=body, headers=headers)
        except httpx.ConnectError:
            self.journal.after(number, "fail", None, None)
            return None
        except httpx.HTTPError:
            return None
        done = answer.status_code in (200, 201, 202)
        if done or answer.status_code < 500 or answer.status_code == 503:
            self.journal.after(number, "ok" if done else "fail", answer.status_code, answer.json() if answer.content else None)
        return answer

    def _endless(self) -> Iterator[dict[str, Any]]:
        """The day's small orders, over and over, as new ones."""
        good = [day.submission(invoice) for invoice in day.invoices() if not invoice.is_cancellation and not invoice.mistaken]
        small = [order for order in good if 0 < len(order["lines"]) < 12]
        for number, order in enumerate(itertools.cycle(small)):
            customer = {**order["customer"], "external_ref": f"customer-{number % 97}"}
            yield {**order, "order_id": str(uuid7()), "external_ref": f"chaos-{number}", "customer": customer, "placed_at": now()}


def key_of(order: dict[str, Any]) -> str:
    """How the shop names an order on its topic."""
    return f"{order['channel']}:{order['external_ref']}"


def cancel_of(order: dict[str, Any]) -> dict[str, Any]:
    """The customer does not want it any more."""
    return {"channel": order["channel"], "external_ref": order["external_ref"], "reason": "changed my mind", "requested_at": now()}


def now() -> str:
    return datetime.now(UTC).isoformat()
