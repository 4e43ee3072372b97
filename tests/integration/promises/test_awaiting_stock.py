"""An order that waits for stock: its customer hears of it while the promise can only just be kept, and of the new date once the goods are there."""

from datetime import timedelta

import pytest

from tests.integration.promises.conftest import Promises
from tests.support.api import Api
from tests.unit.promises.events import CUSTOMER, GROUND, HAND_OVER, ORDER, heard

LAST_MOMENT = HAND_OVER - timedelta(seconds=80 + 120)
"""The floor needs 60 s for the order and 20 s for its line to pick it, and 120 s to pack it."""
SECOND = timedelta(seconds=1)


async def names(promises: Promises) -> list[str]:
    return [name for name, _ in await promises.said()]


async def told_of_waiting(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"), heard("OrderHeld"))
    promises.at(LAST_MOMENT)
    assert await promises.look() == 1


async def test_at_the_last_moment_its_customer_is_told_once_when_more_is_said(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"), heard("OrderHeld"))
    promises.at(LAST_MOMENT - SECOND)
    assert await promises.look() == 0
    promises.at(LAST_MOMENT)
    assert [await promises.look(), await promises.look()] == [1, 0]
    (_, said), = await promises.said("PromiseDeclined")  # fmt: skip
    assert said == {
        "order_id": str(ORDER), "customer_id": str(CUSTOMER), "reason": "awaiting-stock", "answer_by": "2026-11-23T22:00:00Z",
        "sentence": "What you ordered has not all reached us, so it will be later than we said, and we are sorry; "
                    "we tell you by Monday 23 November when it comes.",
    }  # fmt: skip
    assert await promises.rows("select state from promises") == [("open",)], "what was promised stays, and breaks on its own date"


async def test_the_words_are_the_customers_language(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced", language="de"), heard("OrderHeld"))
    promises.at(LAST_MOMENT)
    await promises.look()
    (_, said), = await promises.said("PromiseDeclined")  # fmt: skip
    assert said["sentence"].endswith("und bis Montag, 23. November, sagen wir Ihnen, wann.")


async def test_stock_that_comes_in_time_is_not_spoken_of(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"), heard("OrderHeld"), heard("HoldLifted"))
    promises.at(HAND_OVER)
    assert await promises.look() == 0
    assert await names(promises) == ["PromiseMade"]
    assert await promises.rows("select declined, answer_by, look_at from orders_view") == [(None, None, None)]


@pytest.mark.parametrize(("name", "reason"), [("OrderHeld", "address"), ("HoldLifted", "stock")])
async def test_a_hold_for_something_else_and_a_lift_without_a_hold_say_nothing(promises: Promises, name: str, reason: str) -> None:
    await promises.hear(heard("OrderPlaced"), heard(name, reason=reason))
    promises.at(HAND_OVER)
    assert await promises.look() == 0
    assert await names(promises) == ["PromiseMade"]


@pytest.mark.parametrize("first", ["HoldLifted", "DelayForeseen"])
async def test_stock_that_comes_late_gives_one_new_date_whichever_news_is_first(promises: Promises, first: str) -> None:
    await told_of_waiting(promises)
    promises.at("2026-11-23T15:00:00Z")
    for name in (first, "HoldLifted", "DelayForeseen"):
        await promises.hear(heard(name))
    assert await names(promises) == ["PromiseMade", "PromiseDeclined", "PromiseMade"]
    (_, old), (_, new) = await promises.said("PromiseMade")
    assert (new["replaces"], new["due_on"], new["hand_over_by"]) == (old["promise_id"], "2026-11-27", "2026-11-23T23:00:00Z")
    assert await promises.rows("select declined, answer_by, look_at from orders_view") == [(None, None, None)]
    promises.at("2026-11-24T00:00:00Z")
    assert await promises.look() == 0


async def test_stock_that_comes_late_ahead_of_the_timer_is_told_in_one_message(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"), heard("OrderHeld"))
    promises.at(LAST_MOMENT + SECOND)
    await promises.hear(heard("HoldLifted"))
    assert await promises.look() == 0
    assert await names(promises) == ["PromiseMade", "PromiseMade"]


async def test_who_was_told_to_hear_more_hears_of_a_date_that_did_not_move(promises: Promises) -> None:
    await told_of_waiting(promises)
    quick = GROUND | {"lanes": [GROUND["lanes"][0] | {"transit_days": 3}]}
    await promises.hear(heard("CarrierServiceScheduled", quick, version=2))
    await promises.hear(heard("HoldLifted"))
    (_, old), (_, new) = await promises.said("PromiseMade")
    assert (new["due_on"], new["customer_text"]) == (old["due_on"], old["customer_text"])


async def test_while_it_waits_its_customer_hears_more_by_the_day_told(promises: Promises) -> None:
    await told_of_waiting(promises)
    for looked in range(1, 7):
        ((by,),) = await promises.rows("select answer_by from orders_view")
        promises.at(by)
        assert [await promises.look(), await promises.look()] == [1, 0]
        assert len(await promises.said("PromiseDeclined")) == 1 + min(looked, 5)


async def test_a_carrier_that_comes_does_not_bring_the_goods(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"), heard("OrderHeld"))
    await promises.hear(heard("CarrierServiceScheduled", GROUND, version=2))
    assert [await promises.look(), await promises.look()] == [1, 0]
    assert await names(promises) == ["PromiseMade"]
    promises.at(LAST_MOMENT)
    assert await promises.look() == 1
    assert await names(promises) == ["PromiseMade", "PromiseDeclined"]


async def test_an_order_that_was_cancelled_hears_no_more_of_its_stock(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"), heard("OrderHeld"), heard("OrderCancelled"))
    promises.at(HAND_OVER)
    assert await promises.look() == 0
    await promises.hear(heard("HoldLifted"))
    assert await names(promises) == ["PromiseMade", "PromiseReleased"]


async def test_nobody_reads_of_the_wait_ahead_of_being_told(promises: Promises, api: Api) -> None:
    await promises.hear(heard("OrderPlaced"), heard("OrderHeld"))
    path = f"/v1/orders/{ORDER}/promises"
    assert (await api.call("GET", path, role="care")).json()["declined"] is None
    promises.at(LAST_MOMENT)
    await promises.look()
    assert (await api.call("GET", path, role="care")).json()["declined"] == "awaiting-stock"
