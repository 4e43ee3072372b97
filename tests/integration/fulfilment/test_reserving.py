"""Whole orders or nothing, under contention, and every unit released again."""

import asyncio

import asyncpg
import pytest

from services.fulfilment.shipping.messages import UpgradeGranted
from tests.integration.fulfilment.conftest import Fulfilment
from tests.support.polling import poll_until
from tests.unit.fulfilment.build import SITE, cancel, cancelled, heard, placed, released, uuid


async def test_an_order_gets_all_of_its_units(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5), ("MUG", "B-1", 3))
    await shop.hear(placed(1, ("CUP", 2), ("MUG", 1), ("CUP", 1)))
    assert await shop.books("CUP") == {"on_hand": 5, "reserved": 3, "held": 0, "available": 2}
    ((_, told),) = await shop.said("StockReserved")
    assert [(line["line"], line["sku"], line["quantity"]) for line in told["lines"]] == [(1, "CUP", 2), (2, "MUG", 1), (3, "CUP", 1)]


async def test_an_order_that_cannot_get_all_gets_nothing_and_says_what_is_missing(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5), ("MUG", "B-1", 1))
    await shop.hear(placed(1, ("CUP", 2), ("MUG", 1), ("MUG", 1)))
    assert (await shop.said("StockShort"))[0][1]["missing"] == [{"sku": "MUG", "wanted": 2, "available": 1}]
    assert (await shop.books("CUP"))["reserved"] == 0


async def test_of_a_hundred_buyers_of_one_unit_exactly_one_gets_it(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 1))
    buyers = [placed(number) for number in range(1, 101)]
    await asyncio.gather(*(shop.hear(*buyers[start : start + 10]) for start in range(0, 60, 10)), *(shop.hear(buyer) for buyer in buyers[60:]))
    assert len(await shop.said("StockReserved")) == 1
    assert len(await shop.said("StockShort")) == 99
    assert await shop.books("CUP") == {"on_hand": 1, "reserved": 1, "held": 0, "available": 0}


async def test_tasks_are_locked_before_shelves_whatever_the_batch_holds(shop: Fulfilment) -> None:
    """A picker who has the task and wants the shelf never meets a batch that has the shelf and wants the task."""
    await shop.stock(("CUP", "A-1", 5))
    await shop.hear(placed(1), released(1))
    async with shop.database.pool.acquire() as picker, picker.transaction():
        await picker.execute("select from pick_tasks where order_id = $1 for update", uuid(1))
        batch = asyncio.create_task(shop.hear(placed(2), heard(UpgradeGranted(uuid(1), uuid(501)))))
        await poll_until(lambda: _somebody_waits(shop))
        assert not batch.done()
        await picker.execute("select from shelves for update nowait")
    assert await batch == ["slot-not-reserved"]


async def _somebody_waits(shop: Fulfilment) -> bool:
    return bool(await shop.value("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"))


async def test_orders_over_the_same_shelves_in_any_order_never_wait_in_a_circle(shop: Fulfilment) -> None:
    skus = [f"S{number}" for number in range(8)]
    await shop.stock(*((sku, "A-1", 100) for sku in skus))
    orders = [placed(number, *((sku, 1) for sku in (skus if number % 2 else skus[::-1]))) for number in range(1, 41)]
    await asyncio.gather(*(shop.hear(order) for order in orders))
    assert len(await shop.said("StockReserved")) == 40
    assert (await shop.books("S3"))["available"] == 60


async def test_stock_is_said_once_per_sku_and_batch_with_rising_versions(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.hear(*(placed(number) for number in range(1, 4)))
    told = await shop.said("StockChanged")
    assert [data["available"] for _, data in told] == [5, 2]
    assert await shop.versions("fulfilment.stock.v1", f"{SITE}:CUP") == [1, 2]


async def test_versions_of_an_orders_work_rise_by_one_within_a_batch_and_over_all_parts(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.hear(placed(1), placed(2), released(1), cancel(2))
    await shop.claim()
    await shop.hear(cancel(1))
    assert await shop.versions("fulfilment.work.v1", str(uuid(1))) == [1, 2, 3, 4]
    assert await shop.versions("fulfilment.work.v1", str(uuid(2))) == [1, 2]


async def test_a_receipt_serves_the_oldest_want_first_whoever_was_heard_first(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 1))
    await shop.hear(placed(2, ("CUP", 2), after=60), placed(1, ("CUP", 2), after=30), placed(3, ("CUP", 2), after=90))
    await shop.stock(("CUP", "A-1", 3))
    assert await shop.try_wants() == 3
    assert await shop.try_wants() == 0
    assert [data["order_id"] for _, data in await shop.said("StockReserved")] == [str(uuid(1)), str(uuid(2))]


async def test_a_new_order_does_not_take_what_came_for_an_older_one(shop: Fulfilment) -> None:
    await shop.hear(placed(1, ("CUP", 2)))
    await shop.stock(("CUP", "A-1", 3))
    await shop.hear(placed(2, ("CUP", 2), after=60))
    await shop.hear(placed(3, ("CUP", 1), after=90))
    assert await shop.names() == ["StockShort", "StockShort", "StockShort"]
    await shop.try_wants()
    assert [data["order_id"] for _, data in await shop.said("StockReserved")] == [str(uuid(1)), str(uuid(3))]


async def test_wants_are_not_lost_between_a_receipt_and_an_order_at_once(shop: Fulfilment) -> None:
    for round in range(10):
        sku = f"R{round}"
        await asyncio.gather(shop.hear(placed(round + 1, (sku, 1))), shop.stock((sku, "A-1", 1)))
        await shop.try_wants()
        assert (await shop.books(sku))["reserved"] == 1, round


async def test_a_cancel_before_the_claim_frees_everything(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.order(1, ("CUP", 3))
    await shop.hear(cancel(1))
    assert (await shop.names())[-1] == "CancelAccepted"
    assert (await shop.books("CUP"))["reserved"] == 0
    assert (await shop.claim()).status_code == 204
    await shop.hear(cancelled(1), released(1, version=9))
    assert (await shop.claim()).status_code == 204


async def test_units_freed_by_a_cancel_go_to_who_waits(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 1))
    await shop.hear(placed(1), placed(2), cancel(1))
    await shop.try_wants()
    assert [data["order_id"] for _, data in await shop.said("StockReserved")] == [str(uuid(1)), str(uuid(2))]


async def test_the_same_cancel_is_answered_the_same_and_a_claimed_order_stays(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.order(1)
    task = (await shop.claim()).json()
    await shop.hear(cancel(1, request=1, version=3))
    await shop.post(f"/v1/pick-tasks/{task['task_id']}/put-back", {"fence": task["fence"]})
    await shop.hear(cancel(1, request=1, version=4), cancel(1, request=2, version=5))
    assert [data["state"] for _, data in await shop.said("CancelRejected")] == ["claimed", "claimed", "ready"]
    assert (await shop.books("CUP"))["reserved"] == 1


async def test_a_pick_that_came_up_short_can_be_cancelled_and_what_was_picked_is_on_the_books_again(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5), ("MUG", "B-1", 1))
    await shop.order(1, ("CUP", 2), ("MUG", 1))
    task = (await shop.claim()).json()
    await shop.scan(task, "CUP", 2)
    told = {"report_id": shop.id(), "fence": task["fence"], "line": 2, "found": 0, "reason": "not-found"}
    assert (await shop.post(f"/v1/pick-tasks/{task['task_id']}/short", told)).json()["state"] == "short"
    await shop.hear(cancel(1))
    assert (await shop.names())[-1] == "CancelAccepted"
    assert await shop.books("CUP") == {"on_hand": 5, "reserved": 0, "held": 0, "available": 5}
    assert (await shop.books("MUG"))["reserved"] == 0
    assert await shop.value("select state from pick_tasks") == "cancelled"


async def test_a_release_that_was_refused_changes_no_part_and_can_be_retried_once_stock_came(shop: Fulfilment) -> None:
    await shop.hear(placed(1))
    assert await shop.hear(released(1)) == ["not-reserved"]
    assert await shop.value("select state from shipments") == "placed"
    await shop.stock(("CUP", "A-1", 1))
    await shop.try_wants()
    assert await shop.hear(released(1)) == []
    assert await shop.value("select state from shipments") == "released"
    assert (await shop.claim()).status_code == 200


async def test_a_cancel_of_an_order_never_placed_is_set_aside(shop: Fulfilment) -> None:
    assert set(await shop.hear(cancel(7))) == set(await shop.hear(released(8))) == {"unknown-order"}


async def test_an_event_older_than_the_last_one_changes_nothing(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.hear(placed(1))
    await shop.hear(cancel(1, version=3))
    await shop.hear(released(1, version=2))
    assert (await shop.claim()).status_code == 204


async def test_claim_and_cancel_at_once_have_one_winner(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 50))
    for number in range(1, 21):
        await shop.order(number)
        claimed, _ = await asyncio.gather(shop.claim(f"p{number}"), shop.hear(cancel(number)))
        ((name, _),) = [told for told in await shop.said("CancelAccepted", "CancelRejected") if told[1]["order_id"] == str(uuid(number))]
        assert (claimed.status_code, name) in ((200, "CancelRejected"), (204, "CancelAccepted")), number
    assert (await shop.books("CUP"))["on_hand"] == 50


async def test_movements_cannot_be_changed(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await shop.rows("update stock_movements set on_hand = 6")
