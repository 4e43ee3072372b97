"""The storefront: says what customers ordered, half of it on the topic and half by HTTP; repeats itself, cancels, and makes mistakes."""

import asyncio
import json
from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from aiokafka import AIOKafkaProducer

from demo import day
from demo.house import House
from services.kit.clock import record_now
from services.kit.ids import named_uuid, uuid7
from services.kit.trace import child_of

ORDERS, ITEMS = "storefront.order.v1", "storefront.item.v1"


class Storefront:
    """One shop, one channel. Event ids are made once per thing said; a repeat is the same body under a new id. Each thing said begins a trace."""

    def __init__(self, house: House) -> None:
        self._caller = house.caller("storefront", f"shop-{day.CHANNEL}", channel=day.CHANNEL)
        self._producer = AIOKafkaProducer(bootstrap_servers=house.stack["kafka"], acks="all", linger_ms=2)
        self._prefix = house.stack["topic_prefix"]

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._producer.stop()

    async def list_items(self, items: Iterable[dict[str, Any]]) -> None:
        """Say the catalogue."""
        now = record_now()
        await asyncio.gather(*[await self._send(ITEMS, "storefront.ItemListed.v1", item["sku"], item, now) for item in items])

    async def say_order(self, order: dict[str, Any]) -> None:
        """OrderSubmitted on the topic."""
        await self._say("storefront.OrderSubmitted.v1", order, order["placed_at"])

    async def hand_over_order(self, order: dict[str, Any]) -> None:
        """OrderSubmitted on its way to the topic; `handed_over` waits until all are there."""
        key = f"{order['channel']}:{order['external_ref']}"
        await self._send(ORDERS, "storefront.OrderSubmitted.v1", key, order, datetime.fromisoformat(order["placed_at"]))

    async def handed_over(self) -> None:
        await self._producer.flush()

    async def say_payment(self, order: dict[str, Any], at: datetime) -> None:
        """The payment of an order that came pending is captured."""
        told = {"state": "captured", "reference": order["payment"]["reference"], "amount_minor": order["payment"]["amount_minor"]}
        await self._say("storefront.PaymentSecured.v1", {"channel": order["channel"], "external_ref": order["external_ref"], **told}, at.isoformat())

    async def say_cancel(self, external_ref: str, reason: str, at: datetime) -> None:
        """OrderCancelRequested on the topic."""
        data = {"channel": day.CHANNEL, "external_ref": external_ref, "reason": reason, "requested_at": at.isoformat()}
        await self._say("storefront.OrderCancelRequested.v1", data, at.isoformat())

    async def post_order(self, order: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The status and the answer: placed (201), known already (200), refused (409, 422)."""
        key = str(named_uuid("submit", order["external_ref"]))
        answer = await self._caller.post("orders", "/v1/orders", order, expect=(200, 201, 409, 422), idempotency_key=key)
        return answer.status_code, answer.json()

    async def quote(self, order: dict[str, Any]) -> dict[str, Any] | None:
        """What the customer is shown before ordering; None when no date can be promised."""
        question = {
            "quote_id": str(uuid7()), "channel": order["channel"], "site": day.SITE, "service": order["service"], "chosen_on": order["chosen_on"],
            "destination": {"country": order["ship_to"]["country"], "postcode": order["ship_to"]["postcode"]},
            "lines": [{"sku": line["sku"], "quantity": line["quantity"]} for line in order["lines"]], "language": order["customer"]["language"],
        }  # fmt: skip
        answer = await self._caller.post("promises", "/v1/quotes", question, expect=(201, 409))
        shown: dict[str, Any] = answer.json()
        return shown if answer.status_code == 201 else None

    async def post_cancel(self, order_id: UUID, reason: str) -> tuple[int, dict[str, Any]]:
        """The status and the answer: asked for (202), or too late (409)."""
        path = f"/v1/orders/{order_id}/cancel"
        answer = await self._caller.post("orders", path, {"reason": reason}, expect=(202, 409), idempotency_key=str(uuid7()))
        return answer.status_code, answer.json()

    async def order(self, order_id: UUID) -> dict[str, Any]:
        """The order as the shop may read it."""
        found: dict[str, Any] = (await self._caller.get("orders", f"/v1/orders/{order_id}")).json()
        return found

    async def _say(self, type: str, data: dict[str, Any], time: str) -> None:
        key = f"{data['channel']}:{data['external_ref']}"
        await (await self._send(ORDERS, type, key, data, datetime.fromisoformat(time)))

    async def _send(self, topic: str, type: str, key: str, data: dict[str, Any], time: datetime) -> "asyncio.Future[Any]":
        headers = {
            "ce_specversion": "1.0", "ce_id": str(uuid7()), "ce_type": type, "ce_source": f"/shops/{day.CHANNEL}", "ce_subject": key,
            "ce_time": time.isoformat(), "content-type": "application/json", "ce_traceparent": child_of(None),
        }  # fmt: skip
        pairs = [(name, value.encode()) for name, value in headers.items()]
        sent: asyncio.Future[Any] = await self._producer.send(self._prefix + topic, json.dumps(data).encode(), key=key.encode(), headers=pairs)
        return sent
