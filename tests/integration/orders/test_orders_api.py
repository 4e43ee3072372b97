"""Orders over HTTP: who may do what, what each answer says, and waiting for a state."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from services.kit.clock import FixedClock
from services.kit.tokens import ROLES
from services.orders.api import OrderBody
from services.orders.messages import OrderSubmittedWire
from tests.integration.orders.conftest import ORDER, Api, Orders, example, new_id
from tests.unit.orders.samples import EXAMPLE, body, priced

SUBMITTED = "storefront.OrderSubmitted.v1"
PATH = f"/v1/orders/{ORDER}"


async def customer_of(orders: Orders) -> str:
    ((customer_id,),) = await orders.rows("select customer_id from orders where order_id = $1", UUID(ORDER))
    return str(customer_id)


def test_http_and_the_topic_take_the_same_body() -> None:
    def names(model: Any, wire: Any) -> None:
        assert set(model.model_fields) == {field.name for field in msgspec.structs.fields(wire)}

    names(OrderBody, OrderSubmittedWire)
    for part in ("customer", "ship_to", "payment"):
        names(OrderBody.model_fields[part].annotation, OrderSubmittedWire.__annotations__[part])
    assert OrderBody.model_validate_json(json.dumps(EXAMPLE))


async def test_taking_an_order_answers_where_it_is_and_again_the_same(orders: Orders, api: Api) -> None:
    first = await api.submit(key="a")
    assert first.status_code == 201
    assert first.headers["location"] == PATH
    assert first.json()["order_id"] == ORDER
    replayed = await api.submit(key="a")
    assert (replayed.status_code, replayed.content) == (201, first.content)
    again = await api.submit(key="b")
    assert (again.status_code, again.content) == (200, first.content)


async def test_a_refused_order_says_every_reason_and_leaves_nothing(orders: Orders, api: Api) -> None:
    before = await orders.snapshot()
    refused = await api.submit(priced(0, 0, customer__email="ada", currency="XXX"))
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert {"quantity", "zero-price", "email", "currency"} <= {reason["code"] for reason in refused.json()["reasons"]}
    assert await orders.snapshot() == before


async def test_an_order_of_another_channel_is_refused(orders: Orders, api: Api) -> None:
    answer = await api.submit(body(channel="phone"))
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:kept:problem:other-channel")


READ = {"customer", "storefront", "care", "planner", "admin", "service"}
WHO: list[tuple[str, str, Any, set[str]]] = [
    ("POST", "/v1/orders", body(), {"storefront"}),
    ("GET", PATH, None, READ),
    ("GET", "/v1/orders?channel=web&external_ref=536365", None, READ),
    ("POST", f"{PATH}/cancel", {"reason": "late"}, {"customer", "storefront", "care"}),
    ("POST", f"{PATH}/holds", {"reason": "fraud"}, {"care", "planner", "admin"}),
    ("DELETE", f"{PATH}/holds/{new_id()}", None, {"care", "planner", "admin"}),
    ("POST", "/v1/order-links", {"order_ids": [ORDER]}, {"service"}),
]


@pytest.mark.parametrize(("method", "path", "data", "may"), WHO)
async def test_only_those_who_may_are_let_in(orders: Orders, api: Api, method: str, path: str, data: Any, may: set[str]) -> None:
    await orders.hear(SUBMITTED)
    nobody = await api.call(method, path, role=None, data=data, idempotency_key="k")
    assert nobody.status_code == 401
    assert "www-authenticate" in nobody.headers
    for role in sorted(ROLES):
        answer = await api.call(method, path, role=role, subject=await customer_of(orders), channel="web", data=data, idempotency_key=f"k-{role}")
        assert (answer.status_code == 403) == (role not in may), role
        assert answer.status_code < 500


OWNED: list[tuple[str, str, Any]] = [("GET", PATH, None), ("POST", f"{PATH}/cancel", {"reason": "late"})]


@pytest.mark.parametrize(("method", "path", "data"), OWNED)
async def test_someone_elses_order_is_answered_like_none(orders: Orders, api: Api, method: str, path: str, data: Any) -> None:
    await orders.hear(SUBMITTED)
    before = await orders.snapshot()
    missing = (await api.call(method, path.replace(ORDER, str(new_id())), role="care", data=data)).json()
    for role, subject, channel in (("customer", str(new_id()), None), ("storefront", "s-1", "phone"), ("storefront", "s-1", None)):
        answer = await api.call(method, path, role=role, subject=subject, channel=channel, data=data)
        assert answer.status_code == 404
        assert answer.json() | {"instance": ""} == missing | {"instance": ""}
    assert await orders.snapshot() == before


async def test_lists_hold_only_what_the_caller_may_see(orders: Orders, api: Api) -> None:
    await orders.hear(SUBMITTED)
    path = "/v1/orders?channel=web&external_ref=536365"
    own = await api.call("GET", path, role="customer", subject=await customer_of(orders))
    assert [order["order_id"] for order in own.json()["orders"]] == [ORDER]
    for role, channel in (("customer", None), ("storefront", "phone")):
        assert (await api.call("GET", path, role=role, channel=channel)).json() == {"orders": []}
    assert (await api.call("GET", "/v1/orders?channel=web&external_ref=none")).json() == {"orders": []}
    await orders.hear(orders.event(SUBMITTED, priced(0, external_ref="bad", order_id=str(new_id()))))
    (refused,) = (await api.call("GET", "/v1/orders?channel=web&external_ref=bad", role="storefront", channel="web")).json()["orders"]
    assert refused["state"] == "refused"


async def test_holds_are_for_staff_and_stop_the_release(orders: Orders, api: Api) -> None:
    await orders.hear(SUBMITTED, "promises.PromiseMade.v1")
    held = await api.call("POST", f"{PATH}/holds", role="care", data={"reason": "address", "note": "door code?"})
    assert held.status_code == 201
    await orders.hear("fulfilment.StockReserved.v1")
    assert await orders.state() == "validating"
    staff = (await api.call("GET", PATH, role="planner")).json()
    assert [(hold["reason"], hold["owner"], hold["note"]) for hold in staff["holds"]] == [("address", "care", "door code?")]
    assert (await api.call("GET", PATH, role="customer", subject=await customer_of(orders))).json()["holds"] is None
    lifted = await api.call("DELETE", held.headers["location"], role="planner")
    assert (lifted.status_code, lifted.json()["state"]) == (200, "released")
    assert (await api.call("DELETE", held.headers["location"], role="planner")).status_code == 404
    assert await orders.names() == ["OrderPlaced", "OrderHeld", "HoldLifted", "OrderReleased"]
    assert "door code?" not in repr(await orders.said())


async def test_a_hold_for_stock_is_not_lifted_by_hand(orders: Orders, api: Api) -> None:
    await orders.hear(SUBMITTED, "fulfilment.StockShort.v1")
    (hold,) = (await api.call("GET", PATH)).json()["holds"]
    answer = await api.call("DELETE", f"{PATH}/holds/{hold['hold_id']}")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:kept:problem:hold-lifts-itself")


async def test_a_delivered_order_cannot_be_held_or_cancelled(orders: Orders, api: Api) -> None:
    steps = ["StockReserved", "PickClaimed", "OrderPacked", "HandedOver", "ParcelDelivered"]
    await orders.hear(SUBMITTED, "promises.PromiseMade.v1", *(f"fulfilment.{step}.v1" for step in steps))
    version = (await api.call("GET", PATH)).json()["version"]
    for path, data in ((f"{PATH}/holds", {"reason": "fraud"}), (f"{PATH}/cancel", {"reason": "late"})):
        refused = await api.call("POST", path, role="care", data=data)
        assert (refused.status_code, refused.json()["state"], refused.json()["version"]) == (409, "delivered", version)


async def test_waiting_ends_when_the_state_comes_or_a_later_one(orders: Orders, api: Api) -> None:
    await orders.hear(SUBMITTED)
    waits = [asyncio.create_task(api.call("GET", f"{PATH}?wait_for={state}")) for state in ("released", "validating", "released", "picking")]
    await asyncio.sleep(0)
    await orders.hear("promises.PromiseMade.v1", "fulfilment.StockReserved.v1", "fulfilment.PickClaimed.v1")
    states = [(await asyncio.wait_for(wait, 5)).json()["state"] for wait in waits]
    assert states[0] in ("released", "picking")
    assert states[1] in ("validating", "picking")
    assert states[3] == "picking"


async def test_waiting_for_what_will_never_come_ends_at_once(orders: Orders, api: Api) -> None:
    await orders.hear(SUBMITTED, "fulfilment.CancelAccepted.v1")
    answer = await asyncio.wait_for(api.call("GET", f"{PATH}?wait_for=delivered"), 3)
    assert answer.json()["state"] == "cancelled"


@pytest.mark.parametrize("state", ["shipped", "", "RELEASED", "released%20", "refused"])
async def test_waiting_for_a_state_that_is_none_is_refused(orders: Orders, api: Api, state: str) -> None:
    await orders.hear(SUBMITTED)
    assert (await api.call("GET", f"{PATH}?wait_for={state}")).status_code == 422


async def test_promises_and_holds_are_each_shown_once_in_the_order_they_were_made(orders: Orders, api: Api, clock: FixedClock) -> None:
    first = example("promises.PromiseMade.v1")
    later = first | {"promise_id": str(new_id()), "replaces": first["promise_id"], "made_at": "2026-11-22T06:00:00Z"}
    other = str(new_id())
    await orders.hear(SUBMITTED, orders.event("promises.PromiseMade.v1", later), orders.event("promises.PromiseMade.v1", first))
    await orders.hear(orders.event(SUBMITTED, body(order_id=other, external_ref="other")))
    for reason in ("fraud", "address", "payment", "manual"):
        clock.advance(timedelta(seconds=1))
        held = await api.call("POST", f"{PATH}/holds", role="care", data={"reason": reason})
    await api.call("POST", f"/v1/orders/{other}/holds", role="care", data={"reason": "fraud"})
    await api.call("DELETE", held.headers["location"], role="care")
    shown = (await api.call("GET", PATH, role="care")).json()
    assert [promise["promise_id"] for promise in shown["promises"]] == [first["promise_id"], later["promise_id"]]
    assert [hold["reason"] for hold in shown["holds"]] == ["fraud", "address", "payment"]


async def walked(orders: Orders, carrier_service: str, slot: bool) -> None:
    """One order to the door; an upgraded one has fulfilment's slot in between and another carrier."""
    await orders.hear(SUBMITTED, "promises.PromiseMade.v1", "fulfilment.StockReserved.v1")
    if slot:
        orders.event("fulfilment.PickClaimed.v1")  # a version of the work is taken by an event that this service does not hear
    await orders.hear("fulfilment.PickClaimed.v1", "fulfilment.OrderPacked.v1")
    await orders.hear(orders.event("fulfilment.HandedOver.v1", example("fulfilment.HandedOver.v1", carrier_service=carrier_service)))


async def test_an_upgraded_order_reads_like_any_other(orders: Orders, api: Api) -> None:
    answers = []
    for carrier_service, slot in (("ground-standard", False), ("airline-overnight", True)):
        await walked(orders, carrier_service, slot)
        customer = await customer_of(orders)
        link = await api.link()
        page = (await api.page(link)).text.replace(link, "")
        answers.append(((await api.call("GET", PATH, role="customer", subject=customer)).content, page))
        assert b"airline" not in answers[-1][0]
        assert "airline" not in page
        await orders.database.pool.execute("truncate orders, inbox, promises_view cascade")
    assert answers[0] == answers[1]


async def test_links_are_made_in_the_order_asked_and_stored_hashed(orders: Orders, api: Api) -> None:
    other = str(new_id())
    await orders.hear(SUBMITTED, orders.event(SUBMITTED, body(order_id=other, external_ref="other")))
    unknown = [str(new_id()) for _ in range(198)]
    made = [await api.links(*ids) for ids in ((ORDER, other, *unknown), (*unknown, other, ORDER), (other,))]
    assert [[order_id for order_id, _ in links] for links in made] == [[ORDER, other], [other, ORDER], [other]]
    assert await api.links(*unknown) == []
    told = [link for links in made for link in links]
    urls = {url for _, url in told}
    assert len(urls) == 5
    assert all(len(url.removeprefix("/o/")) >= 22 for url in urls), "128 random bits take 22 characters"
    for order_id, url in told:
        page, order_ref = await api.page(url), (await api.call("GET", f"/v1/orders/{order_id}")).json()["order_ref"]
        assert (page.status_code, order_ref in page.text) == (200, True)
    stored = repr(await orders.rows("select secret_hash from links"))
    assert not any(url.removeprefix("/o/") in stored for url in urls)
