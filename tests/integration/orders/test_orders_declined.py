"""An order whose date promises declines, on a real PostgreSQL: held while nothing goes there, told by a date, and never undone by a later answer."""

import pytest

from tests.integration.orders.conftest import ORDER, Api, Orders, example
from tests.integration.orders.test_orders_page import hero, page_of

SUBMITTED, DECLINED = "storefront.OrderSubmitted.v1", "promises.PromiseDeclined.v1"
MADE, RESERVED = "promises.PromiseMade.v1", "fulfilment.StockReserved.v1"
SENTENCE = example(DECLINED)["sentence"]
OPEN_HOLDS = "select reason, owner from holds where lifted_at is null"


async def hold_id(orders: Orders) -> str:
    return str((await orders.rows("select hold_id from holds where lifted_at is null"))[0][0])


@pytest.mark.parametrize("batches", [[[SUBMITTED, DECLINED, RESERVED]], [[SUBMITTED], [RESERVED], [DECLINED], [DECLINED]]])
async def test_an_order_that_nothing_carries_is_held_for_a_person_and_told_a_date(orders: Orders, api: Api, batches: list[list[str]]) -> None:
    for batch in batches:
        assert await orders.hear(*batch) == []
    assert await orders.state() == "validating"
    assert await orders.names() == ["OrderPlaced", "OrderHeld"]
    assert await orders.rows(OPEN_HOLDS) == [("address", "care")]
    page = await page_of(api)
    assert hero(page) == ("risk", "No date yet", SENTENCE)
    assert "We tell you more by Monday 23 November, 12:00" in page


async def test_lifted_by_care_it_is_released_and_a_later_answer_does_not_hold_it_again(orders: Orders, api: Api) -> None:
    await orders.hear(SUBMITTED, DECLINED)
    lifted = await api.call("DELETE", f"/v1/orders/{ORDER}/holds/{await hold_id(orders)}", role="care")
    assert lifted.status_code == 200
    await orders.hear(DECLINED)
    await orders.hear(RESERVED)
    assert await orders.names() == ["OrderPlaced", "OrderHeld", "HoldLifted", "OrderReleased"]


async def test_a_promise_after_all_lifts_that_hold_and_no_other(orders: Orders, api: Api) -> None:
    await orders.hear(SUBMITTED, DECLINED, RESERVED)
    own = {"reason": "address", "owner": "care", "note": "rang twice"}
    assert (await api.call("POST", f"/v1/orders/{ORDER}/holds", role="care", data=own)).status_code == 201
    await orders.hear(MADE)
    assert await orders.rows("select note from holds where lifted_at is null") == [("rang twice",)]
    await api.call("DELETE", f"/v1/orders/{ORDER}/holds/{await hold_id(orders)}", role="care")
    assert await orders.state() == "released"


async def test_a_held_order_can_be_cancelled(orders: Orders, api: Api) -> None:
    await orders.hear(SUBMITTED, DECLINED)
    asked = await api.call("POST", f"/v1/orders/{ORDER}/cancel", role="care", data={"reason": "not there"})
    assert asked.status_code == 202
    await orders.hear(orders.event("fulfilment.CancelAccepted.v1", request_id=asked.json()["request_id"]))
    assert await orders.state() == "cancelled"
    assert await orders.rows(OPEN_HOLDS) == []


async def test_another_day_is_no_hindrance_to_the_work(orders: Orders) -> None:
    await orders.hear(SUBMITTED, orders.event(DECLINED, reason="date-not-possible"), RESERVED)
    assert await orders.state() == "released"


async def test_an_answer_beside_a_promise_is_told_and_undoes_nothing(orders: Orders, api: Api) -> None:
    late = "Your order is late: we are waiting for an item. We tell you more by Monday 23 November."
    await orders.hear(SUBMITTED, MADE, "fulfilment.StockShort.v1", orders.event(DECLINED, reason="awaiting-stock", sentence=late))
    assert late in await page_of(api)
    assert await orders.rows("select reason from holds where lifted_at is null") == [("stock",)]
    await orders.hear(RESERVED)
    assert dict(await orders.said())["OrderReleased"]["promise_id"] == example(MADE)["promise_id"]
    await orders.hear(orders.event(DECLINED, reason="awaiting-stock", sentence=late))
    assert late not in await page_of(api)
