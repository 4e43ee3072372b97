"""Changes of orders over HTTP and by the events of warehouse and dates, on PostgreSQL."""

import asyncio
from itertools import permutations
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.integration.orders.conftest import ORDER, Api, Orders, new_id
from tests.unit.orders.samples import EXAMPLE, body, priced

SUBMITTED = "storefront.OrderSubmitted.v1"
PATH = f"/v1/orders/{ORDER}"
THERE = EXAMPLE["ship_to"] | {"line1": "1 New Street", "postcode": "10001"}


def line(quantity: int, number: int = 1) -> dict[str, Any]:
    return {"line": number, "sku": "85123A", "quantity": quantity, "unit_price_minor": 500, "description": "A HEART"}


def change(quantity: int = 3, paid: int = 0, **more: Any) -> dict[str, Any]:
    """More or fewer of the two that were ordered for 1000."""
    payment = {"payment": {"reference": "pay-2", "amount_minor": paid}} if paid else {}
    return {"lines": [line(quantity)], "total_minor": 500 * quantity, "reason": "one more, please"} | payment | more


async def placed(orders: Orders, state: str = "captured") -> None:
    assert await orders.hear(orders.event(SUBMITTED, priced(2, 500, payment__state=state))) == []


async def version(api: Api) -> int:
    return int((await api.call("GET", PATH)).json()["version"])


INSTEAD = {
    "substitutes": [{"instead_of": "85123A", "sku": "85123B", "description": "A larger heart", "available": 14}],
    "expected": [{"sku": "85123A", "expected_at": "2026-11-25T09:00:00Z", "quantity": 48}],
}


async def ask(api: Api, data: Any = None, *, key: str | None = None, role: str = "care", **given: Any) -> httpx.Response:
    """Ask for a change of the order as it now is."""
    headers = {"if_match": f'"{await version(api)}"'} | {name: given.pop(name) for name in ("if_match",) if name in given}
    given_key = key or str(new_id())
    return await api.call("POST", f"{PATH}/amendments", role=role, data=data or change(paid=500), idempotency_key=given_key, **headers, **given)


def prepared(orders: Orders, id: str, at: int = 100) -> Any:
    return orders.event("fulfilment.AmendmentPrepared.v1", {"order_id": ORDER, "amendment_id": id, "prepared_at": "2026-11-22T05:20:00Z"}, version=at)


def refused(orders: Orders, id: str, at: int = 100) -> Any:
    no = {"reason": "not-in-stock", "sentence": "Only two are here.", **INSTEAD}
    return orders.event("fulfilment.AmendmentRefused.v1", {"order_id": ORDER, "amendment_id": id, **no}, version=at)


def dated(orders: Orders, id: str, **date: Any) -> Any:
    return orders.event("promises.AmendmentDated.v1", {"order_id": ORDER, "customer_id": ORDER, "amendment_id": id, **date})


def not_dated(orders: Orders, id: str) -> Any:
    no = {"reason": "date-not-possible", "sentence": "Not on that day."}
    return orders.event("promises.AmendmentNotDated.v1", {"order_id": ORDER, "customer_id": ORDER, "amendment_id": id, **no})


async def test_a_change_is_asked_for_once_per_key_and_shown_while_it_is_pending(orders: Orders, api: Api) -> None:
    await placed(orders)
    seen = await version(api)
    first = await ask(api, key="a")
    assert first.status_code == 202
    told = first.json()
    assert told == {"order_id": ORDER, "amendment_id": told["amendment_id"], "status": "pending", "version": seen + 1}
    assert first.headers["location"] == f"{PATH}/amendments/{told['amendment_id']}"
    again = await ask(api, key="a", if_match=f'"{seen}"')
    assert (again.status_code, again.content, again.headers["idempotency-replayed"]) == (202, first.content, "true")
    assert (await ask(api, change(4, 1000), key="a")).status_code == 422
    shown = (await api.call("GET", first.headers["location"])).json()
    assert (shown["status"], shown["total_before_minor"], shown["total_minor"], shown["asked_because"]) == ("pending", 1000, 1500, "one more, please")
    ((changed,),) = [shown["lines"]]
    assert (changed["before"]["quantity"], changed["after"]["quantity"], shown["fields"]) == (2, 3, [])
    assert await orders.names() == ["OrderPlaced", "AmendmentRequested"]
    order = (await api.call("GET", PATH)).json()
    assert (order["total_minor"], order["lines"][0]["quantity"]) == (1000, 2)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("first", [0, 1])
async def test_in_whichever_order_both_agree_the_order_is_what_was_asked_for(orders: Orders, api: Api, first: int, together: bool) -> None:
    await placed(orders)
    data = change(paid=500, ship_to=THERE, service="overnight", charges=[])
    id = (await ask(api, data)).json()["amendment_id"]
    answers = [prepared(orders, id), dated(orders, id)]
    for batch in [[answers[first], answers[1 - first]]] if together else [[answers[first]], [answers[1 - first]]]:
        assert await orders.hear(*batch) == []
    order = (await api.call("GET", PATH)).json()
    assert (order["total_minor"], order["lines"][0]["quantity"], order["service"]) == (1500, 3, "overnight")
    ((_, amended),) = [each for each in await orders.said() if each[0] == "OrderAmended"]
    assert (amended["amendment_id"], amended["destination"]["postcode_prefix"], amended["total_minor"]) == (id, "100", 1500)
    (shown,) = (await api.call("GET", f"{PATH}/amendments")).json()["amendments"]
    assert (shown["status"], shown["fields"]) == ("agreed", ["service", "ship_to.line1", "ship_to.postcode"])
    assert await orders.rows("select line1 from addresses order by position") == [(EXAMPLE["ship_to"]["line1"],), ("1 New Street",)]
    assert await orders.rows("select paid_minor, returned_minor from orders") == [(1500, 0)]
    assert await orders.hear(orders.event(SUBMITTED, priced(2, 500, payment__state="captured"))) == [], "what was sent first is still the same order"


@pytest.mark.parametrize("order", list(permutations(range(2))))
@pytest.mark.parametrize("no", [refused, not_dated])
async def test_either_no_undoes_it_once_and_the_order_goes_on_as_it_was(orders: Orders, api: Api, no: Any, order: tuple[int, ...]) -> None:
    await placed(orders)
    id = (await ask(api)).json()["amendment_id"]
    answers = [no(orders, id), dated(orders, id) if no is refused else prepared(orders, id)]
    for place in order:
        await orders.hear(answers[place])
    await orders.hear(refused(orders, id, 101), not_dated(orders, id))
    assert [name for name in await orders.names() if name != "OrderPlaced"] == ["AmendmentRequested", "AmendmentUndone"]
    shown = (await api.call("GET", f"{PATH}/amendments/{id}")).json()
    assert (shown["status"], bool(shown["sentence"]), shown["refund"]["amount_minor"]) == ("undone", True, 500)
    assert shown["instead"] == (INSTEAD if no is refused else None)
    read = (await api.call("GET", PATH)).json()
    assert (read["total_minor"], read["lines"][0]["quantity"]) == (1000, 2)


async def test_a_second_change_builds_upon_the_first(orders: Orders, api: Api) -> None:
    await placed(orders)
    for quantity in (3, 4):
        id = (await ask(api, change(quantity, 500))).json()["amendment_id"]
        await orders.hear(dated(orders, id), prepared(orders, id, 100 + quantity))
    moved = await ask(api, {"ship_to": THERE, "total_minor": 2000, "reason": "moved"})
    id = moved.json()["amendment_id"]
    await orders.hear(dated(orders, id), prepared(orders, id, 110))
    order = (await api.call("GET", PATH)).json()
    assert (order["total_minor"], order["lines"][0]["quantity"]) == (2000, 4)
    newest, *_ = (await api.call("GET", f"{PATH}/amendments")).json()["amendments"]
    assert (newest["amendment_id"], newest["total_before_minor"], newest["lines"]) == (id, 2000, [])


REFUSED: list[tuple[int, str, Any]] = [
    (422, "order-invalid", change(3, 500, lines=[line(3) | {"sku": "NONE"}])),
    (422, "order-invalid", change(3, 500, total_minor=1499)),
    (422, "order-invalid", change(3, 500, lines=[line(3), line(1)])),
    (422, "order-invalid", change(2, ship_to=THERE | {"postcode": "no"})),
    (422, "invalid", change(3, 500, lines=[])),
    (422, "invalid", change(3, 500, currency="EUR")),
    (409, "nothing-changed", change(2)),
    (409, "payment-short", change(3)),
    (409, "payment-above", change(3, 501)),
]


@pytest.mark.parametrize(("status", "slug", "data"), REFUSED)
async def test_a_change_that_cannot_be_asked_for_leaves_nothing(orders: Orders, api: Api, status: int, slug: str, data: Any) -> None:
    await placed(orders)
    before = await orders.snapshot()
    answer = await ask(api, data)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:kept:problem:{slug}")
    assert await orders.snapshot() == before
    if slug == "payment-short":
        assert answer.json()["missing_minor"] == 500


async def test_the_version_that_was_read_is_asked_for_and_must_be_the_present_one(orders: Orders, api: Api) -> None:
    await placed(orders)
    now = await version(api)
    without = await api.call("POST", f"{PATH}/amendments", role="care", data=change(paid=500), idempotency_key="k")
    assert without.status_code == 428
    assert (await ask(api, if_match="*")).status_code == 400
    stale = await ask(api, if_match=f'"{now + 1}"')
    assert (stale.status_code, stale.json()["version"]) == (412, now)
    assert (await ask(api, if_match=str(now))).status_code == 202


async def test_a_cancel_that_is_open_and_another_change_stand_against_one(orders: Orders, api: Api) -> None:
    await placed(orders)
    id = (await ask(api)).json()["amendment_id"]
    pending = await ask(api)
    assert (pending.status_code, pending.json()["amendment_id"]) == (409, id)
    await orders.hear(refused(orders, id))
    await api.call("POST", f"{PATH}/cancel", role="care", data={"reason": "late"})
    assert (await ask(api)).json()["type"] == "urn:kept:problem:cancel-requested"


async def test_many_who_ask_at_once_are_answered_with_one_change(orders: Orders, api: Api) -> None:
    await placed(orders)
    seen = await version(api)
    answers = await asyncio.gather(*(ask(api, if_match=f'"{seen}"') for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [202, *[412] * 7]
    assert await orders.rows("select count(*) from amendments") == [(1,)]


async def test_someone_elses_order_cannot_be_changed_nor_its_changes_read(orders: Orders, api: Api) -> None:
    await placed(orders)
    id = (await ask(api)).json()["amendment_id"]
    for path in (f"{PATH}/amendments", f"{PATH}/amendments/{id}"):
        assert (await api.call("GET", path, role="customer", subject=str(new_id()))).status_code == 404
        assert (await api.call("GET", path, role="storefront", channel="phone")).status_code == 404
    assert (await ask(api, role="storefront", channel="phone")).status_code == 404
    assert (await api.call("GET", f"/v1/orders/{new_id()}/amendments/{id}")).status_code == 404


async def test_who_waits_for_the_decision_is_answered_when_it_is_there(orders: Orders, api: Api) -> None:
    await placed(orders)
    id = (await ask(api)).json()["amendment_id"]
    waiting = asyncio.create_task(api.call("GET", f"{PATH}/amendments/{id}?wait_for=decided"))
    await asyncio.sleep(0)
    await orders.hear(dated(orders, id), prepared(orders, id))
    assert (await waiting).json()["status"] == "agreed"


async def test_an_order_whose_change_is_pending_is_not_released_and_is_when_it_was_decided(orders: Orders, api: Api) -> None:
    await placed(orders)
    id = (await ask(api, change(1))).json()["amendment_id"]
    await orders.hear("promises.PromiseMade.v1", "fulfilment.StockReserved.v1")
    assert await orders.state() == "validating"
    new = {"due_on": "2026-11-27", "due_at": "2026-11-28T04:59:59Z", "hand_over_by": "2026-11-23T23:00:00Z", "carrier_service": "ground-standard"}
    await orders.hear(prepared(orders, id), dated(orders, id, **new))
    assert await orders.state() == "released"
    released = (await orders.said())[-1][1]
    assert (released["due_at"], released["hand_over_by"]) == ("2026-11-28T04:59:59Z", "2026-11-23T23:00:00Z")


async def test_a_cancel_that_is_accepted_while_a_change_is_pending_ends_both(orders: Orders, api: Api) -> None:
    await placed(orders)
    id = (await ask(api)).json()["amendment_id"]
    asked = (await api.call("POST", f"{PATH}/cancel", role="care", data={"reason": "late"})).json()["request_id"]
    accepted = {"order_id": ORDER, "request_id": asked, "accepted_at": "2026-11-22T05:20:00Z"}
    await orders.hear(orders.event("fulfilment.CancelAccepted.v1", accepted, version=200))
    await orders.hear(dated(orders, id), prepared(orders, id, 201))
    assert (await orders.names())[-1] == "OrderCancelled"
    shown = (await api.call("GET", f"{PATH}/amendments/{id}")).json()
    assert (shown["status"], shown["reason"], shown["refund"]) == ("undone", "order-cancelled", None)


async def test_the_customers_page_says_where_the_change_stands_and_shows_the_order_as_it_is(orders: Orders, api: Api) -> None:
    await placed(orders)
    link = await api.link()
    first = (await ask(api)).json()["amendment_id"]
    assert "We are checking your change" in (await api.page(link)).text
    await orders.hear(refused(orders, first))
    page = (await api.page(link)).text
    assert "Your order stays as it was" in page
    assert "Only two are here." in page
    second = (await ask(api, change(1))).json()["amendment_id"]
    await orders.hear(dated(orders, second), prepared(orders, second, 101))
    page = (await api.page(link)).text
    assert "Your order is changed" in page
    assert "£5.00" in page


async def test_a_date_that_the_customer_moved_is_no_fault_of_ours(orders: Orders, api: Api) -> None:
    await placed(orders)
    await orders.hear("promises.PromiseMade.v1")
    ((old,),) = await orders.rows("select promise_id from promises_view")
    made = orders.event(
        "promises.PromiseMade.v1", promise_id=str(new_id()), replaces=str(old), customer_text="By Monday.", amendment_id=str(new_id())
    )
    ((customer,),) = await orders.rows("select customer_id from orders")
    released = {"promise_id": str(old), "seq": 2, "order_id": ORDER, "customer_id": str(customer), "consent": "the customer changed the order"}
    await orders.hear(made, orders.event("promises.PromiseReleased.v1", released | {"released_at": "2026-11-22T05:20:01Z"}))
    page = (await api.page(await api.link())).text
    assert "By Monday." in page
    assert "that is our fault" not in page


async def test_a_customer_is_shown_to_themselves_and_to_care_with_addresses_and_orders(orders: Orders, api: Api) -> None:
    await placed(orders)
    await orders.hear(orders.event(SUBMITTED, body(order_id=str(new_id()), external_ref="second", ship_to__line1="9 Elm")))
    ((customer,), *_) = await orders.rows("select distinct customer_id from orders")
    path = f"/v1/customers/{customer}"
    shown = await api.call("GET", path, role="customer", subject=str(customer))
    assert shown.status_code == 200
    told = shown.json()
    assert (told["name"], told["email"], told["language"]) == (EXAMPLE["customer"]["name"], EXAMPLE["customer"]["email"], "en")
    assert [address["line1"] for address in told["addresses"]] == ["9 Elm", EXAMPLE["ship_to"]["line1"]]
    assert {order["external_ref"] for order in told["orders"]} == {"536365", "second"}
    assert (await api.call("GET", path, role="customer", subject=str(new_id()))).status_code == 404
    assert (await api.call("GET", f"/v1/customers/{new_id()}", role="care")).status_code == 404
    assert (await api.call("GET", path, role="planner")).status_code == 403
    assert UUID(told["customer_id"]) == customer
