"""Orders of two customers in two channels."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from itertools import count
from pathlib import Path
from typing import Any

from services.kit.clock import FixedClock
from services.kit.database import Database, service_url
from services.kit.ids import uuid7
from services.orders.api import connect
from services.orders.main import assemble
from services.orders.queries import engine_of
from services.orders.settings import Settings
from tests.access.asking import CHANNEL, Ask, Asking, Example, asking
from tests.integration.orders.conftest import Orders
from tests.unit.orders.samples import NOW, body

_places = count(1)


def _page_of_somebody() -> dict[str, str]:
    """As a browser asks for a page; each from an address of its own, since wrong links are counted by address."""
    return {"accept": "text/html", "x-forwarded-for": str(IPv4Address("10.0.0.0") + next(_places))}


class Shop:
    """Makes orders, holds and links. Ann orders in the channel `web`, Bob in `phone`."""

    def __init__(self, asking: Asking, orders: Orders) -> None:
        self._asking, self._orders = asking, orders

    def data(self, whose: str) -> dict[str, Any]:
        """What a storefront sends."""
        id = uuid7()
        who = {"customer__external_ref": f"customer-{whose}", "customer__email": f"{whose}@example.com"}
        return body(order_id=str(id), external_ref=id.hex, channel=CHANNEL[whose], **who)

    async def order(self, whose: str) -> dict[str, Any]:
        """A new order's data; nothing is taken of a missing one."""
        data = self.data(whose)
        if whose != "missing":
            assert await self._orders.hear(self._orders.event("storefront.OrderSubmitted.v1", data)) == []
        return data

    async def path(self, whose: str, rest: str = "") -> str:
        return f"/v1/orders/{(await self.order(whose))['order_id']}{rest}"

    async def link(self, whose: str) -> str:
        order = await self.order(whose)
        asked = Ask("/v1/order-links", {"order_ids": [order["order_id"]]})
        made = await self._asking.done("POST", asked, "service", "s")
        return next((link["url"] for link in made["links"]), f"/o/{'no' * 13}")

    async def post_order(self, whose: str, who: str) -> Ask:
        return Ask("/v1/orders", self.data(whose), {"idempotency-key": str(uuid7())})

    async def get_order(self, whose: str, who: str) -> Ask:
        return Ask(await self.path(whose))

    async def get_orders(self, whose: str, who: str) -> Ask:
        order = await self.order(whose)
        return Ask(f"/v1/orders?channel={order['channel']}&external_ref={order['external_ref']}", shows=order["order_id"])

    async def cancel(self, whose: str, who: str) -> Ask:
        return Ask(await self.path(whose, "/cancel"), {"reason": "no longer wanted"})

    async def amend(self, whose: str, who: str) -> Ask:
        order = await self.order(whose)
        path = f"/v1/orders/{order['order_id']}"
        version = 0 if whose == "missing" else (await self._asking.done("GET", Ask(path), "care", "s"))["version"]
        change = {"ship_to": {**order["ship_to"], "line1": "1 New Street"}, "total_minor": order["total_minor"], "reason": "moved"}
        return Ask(f"{path}/amendments", change, {"idempotency-key": str(uuid7()), "if-match": f'"{version}"'})

    async def amendments(self, whose: str, who: str) -> Ask:
        return Ask(await self.path(whose, "/amendments"))

    async def amendment(self, whose: str, who: str) -> Ask:
        asked = await self.amend(whose, who)
        if whose == "missing":
            return Ask(f"{asked.path}/{uuid7()}")
        made = await self._asking.done("POST", asked, "care", "s")
        return Ask(f"{asked.path}/{made['amendment_id']}", shows=made["amendment_id"])

    async def customer(self, whose: str, who: str) -> Ask:
        asked = await self.credit(whose, who)
        return Ask(asked.path.removesuffix("/credit"), shows=asked.shows)

    async def hold(self, whose: str, who: str) -> Ask:
        return Ask(await self.path(whose, "/holds"), {"reason": "manual"})

    async def lift(self, whose: str, who: str) -> Ask:
        path = await self.path(whose, "/holds")
        if whose == "missing":
            return Ask(f"{path}/{uuid7()}")
        held = await self._asking.done("POST", Ask(path, {"reason": "manual"}), "care", "s")
        return Ask(f"{path}/{held['hold_id']}")

    async def links(self, whose: str, who: str) -> Ask:
        id = (await self.order(whose))["order_id"]
        return Ask("/v1/order-links", {"order_ids": [id]}, shows=id)

    async def credit(self, whose: str, who: str) -> Ask:
        """The account of whoever asks is Ann's: she is the customer that this world names."""
        if whose == "missing":
            return Ask(f"/v1/customers/{uuid7()}/credit")
        order = await self.order(whose)
        ((customer,),) = await self._orders.rows("select customer_id::text from orders where external_ref = $1", order["external_ref"])
        return Ask(f"/v1/customers/{customer}/credit", shows=customer)

    async def refunds(self, whose: str, who: str) -> Ask:
        return Ask("/v1/payments/refunds?state=refused&limit=10")

    async def page(self, whose: str, who: str) -> Ask:
        return Ask(await self.link(whose), headers=_page_of_somebody())

    async def cancel_page(self, whose: str, who: str) -> Ask:
        return Ask(f"{await self.link(whose)}/cancel", headers=_page_of_somebody())

    async def no_page(self, whose: str, who: str) -> Ask:
        return Ask("/o/", headers=_page_of_somebody())

    def examples(self) -> Mapping[str, Example]:
        return {
            "POST /v1/orders": self.post_order,
            "GET /v1/orders/{order_id}": self.get_order,
            "GET /v1/orders": self.get_orders,
            "POST /v1/orders/{order_id}/cancel": self.cancel,
            "POST /v1/orders/{order_id}/amendments": self.amend,
            "GET /v1/orders/{order_id}/amendments": self.amendments,
            "GET /v1/orders/{order_id}/amendments/{amendment_id}": self.amendment,
            "GET /v1/customers/{customer_id}": self.customer,
            "POST /v1/orders/{order_id}/holds": self.hold,
            "DELETE /v1/orders/{order_id}/holds/{hold_id}": self.lift,
            "POST /v1/order-links": self.links,
            "GET /v1/customers/{customer_id}/credit": self.credit,
            "GET /v1/payments/refunds": self.refunds,
            "GET /o/": self.no_page,
            "GET /o/{token}": self.page,
            "GET /o/{token}/cancel": self.cancel_page,
            "POST /o/{token}/cancel": self.cancel_page,
        }


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[tuple[Asking, Mapping[str, Example], str]]:
    database = await Database.connect(service_url(url, "orders"), "orders", FixedClock(NOW), size=10)
    reads, settings = engine_of(service_url(url, "orders")), Settings(var=folder, trusted_proxies="127.0.0.1")
    app, orders = assemble(settings), Orders(database)
    connect(app, database, reads)
    await orders.hear("storefront.ItemListed.v1")
    async with asking(app, settings) as asks:
        shop = Shop(asks, orders)
        order = await shop.order("mine")
        ((customer,),) = await orders.rows("select customer_id::text from orders where external_ref = $1", order["external_ref"])
        yield asks, shop.examples(), customer
    await reads.dispose()
    await database.close()
