"""Kept and the demo carrier speak with each other over both of their interfaces, until the parcel is at the door."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from demo.carrier.accounts import accounts
from demo.carrier.app import Depot
from demo.carrier.books import Books
from services.fulfilment.shipping.labels.clients import KeptCarrier, kept_carrier
from services.fulfilment.shipping.labels.ports import CarrierAway
from tests.integration.fulfilment_shipping.conftest import Shipping
from tests.integration.fulfilment_shipping.test_shipping_dock import LIST, close, load, opened


class Away(httpx.AsyncBaseTransport):
    """Loses the answers of the first calls, after they arrived."""

    def __init__(self, inner: httpx.AsyncBaseTransport, lost: int) -> None:
        self.inner, self.lost = inner, lost

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self.inner.handle_async_request(request)
        if self.lost > 0:
            self.lost -= 1
            raise httpx.ReadTimeout("lost", request=request)
        return answer


class Carrier:
    """The demo carrier, wired to the services over HTTP in process."""

    def __init__(self, depot: Depot, granted: dict[str, Any]) -> None:
        self.depot, self.granted = depot, granted
        self.transport = Away(httpx.ASGITransport(depot.app()), 0)

    def account(self, name: str) -> KeptCarrier:
        return kept_carrier("http://carrier", self.granted["accounts"][name]["api_key"], 1.0, self.transport)

    async def tick(self, now: object, key: str | None = None) -> httpx.Response:
        async with httpx.AsyncClient(transport=self.transport, base_url="http://carrier") as client:
            headers = {"authorization": f"Bearer {key or self.granted['admin_key']}"}
            return await client.post("/tick", json={"now": str(now)}, headers=headers)


@pytest.fixture
async def depot(shipping: Shipping, tmp_path: Path) -> AsyncIterator[Carrier]:
    granted = accounts(tmp_path / "keys" / "carriers.json")
    books = Books(tmp_path / "carrier" / "books.sqlite")
    made = Carrier(Depot(books, granted, shipping.client, shipping.clock), granted)
    transport = shipping.client._transport
    assert isinstance(transport, httpx.ASGITransport)
    assert isinstance(transport.app, FastAPI)
    transport.app.state.carrier_account = made.account
    transport.app.state.webhook_secrets = {name: account["webhook_secrets"] for name, account in granted["accounts"].items()}
    yield made
    books.close()


async def test_a_parcel_is_sold_taken_driven_and_delivered(shipping: Shipping, depot: Carrier) -> None:
    (parcel,) = await shipping.ready(1)
    await opened(shipping)
    await load(shipping, parcel, 1)
    (manifest,) = await close(shipping)
    assert (await shipping.call("POST", f"/v1/manifests/{manifest}/close")).status_code == 200
    await shipping.call("POST", f"/v1/load-lists/{LIST}/hand-over")
    next_at = (await depot.tick(shipping.clock.now())).json()["next_at"]
    seen = []
    while next_at:
        next_at = (await depot.tick(next_at)).json()["next_at"]
        seen.append(await shipping.value("select tracking from parcels"))
    assert seen == ["accepted", "in_transit", "out_for_delivery", "delivered"]
    ((_, said),) = await shipping.said("ParcelDelivered")
    assert said["last"]
    assert said["delivered_at"] < "2026-11-24T13:00:00Z"
    assert depot.depot.books.counts()["delivered"] == 1


async def test_a_sale_whose_answer_is_lost_is_one_sale_on_both_sides(shipping: Shipping, depot: Carrier) -> None:
    await shipping.release(1)
    await shipping.address()
    parcel = await shipping.pack(1)
    depot.transport.lost = 2
    assert (await shipping.call("POST", f"/v1/parcels/{parcel}/label", "picker")).status_code == 503
    assert (await shipping.call("POST", f"/v1/parcels/{parcel}/label", "picker")).status_code == 200
    assert depot.depot.books.counts()["labels"] == 1
    assert (await shipping.call("POST", f"/v1/parcels/{parcel}/label/void", "picker")).json()["label"] is None
    assert depot.depot.books.counts()["labels"] == 0


async def test_a_webhook_that_is_not_taken_is_told_again(shipping: Shipping, depot: Carrier) -> None:
    (parcel,) = await shipping.ready(1)
    await opened(shipping)
    await load(shipping, parcel, 1)
    (manifest,) = await close(shipping)
    await shipping.call("POST", f"/v1/manifests/{manifest}/close")
    await shipping.call("POST", f"/v1/load-lists/{LIST}/hand-over")
    transport = shipping.client._transport
    assert isinstance(transport, httpx.ASGITransport)
    shipping.client._transport = Away(transport, 2)
    later = shipping.clock.now() + timedelta(days=9)
    assert (await depot.tick(later)).json()["next_at"] is None
    shipping.client._transport = transport
    assert len(await shipping.said("ParcelDelivered")) == 1


async def test_without_the_right_key_the_carrier_says_nothing(shipping: Shipping, depot: Carrier) -> None:
    assert (await depot.tick(shipping.clock.now(), key="wrong")).status_code == 401
    with pytest.raises(CarrierAway):
        await kept_carrier("http://carrier", "wrong", 1.0, depot.transport).find("r")
