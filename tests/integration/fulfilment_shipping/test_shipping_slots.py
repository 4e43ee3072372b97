"""Places on departures, wants and delays on real PostgreSQL."""

import asyncio
from datetime import timedelta

import pytest

from services.fulfilment.domain import OrderCancelled
from services.fulfilment.shipping.agents import foresee_delays, refuse_waiting_wants
from services.fulfilment.shipping.messages import Destination as Whither
from services.fulfilment.shipping.messages import UpgradeGranted, UpgradeWanted
from services.fulfilment.shipping.store import free_slots
from tests.integration.fulfilment_shipping.conftest import Shipping
from tests.unit.fulfilment_shipping.build import FLIGHT_AT, GROUND_BY, NOW, heard, placed, released, uuid

TASK = """
insert into pick_tasks (task_id, order_id, site, state, placed_at, released_at, hand_over_by, work_seconds, rank_at, fence,
    correlation_id, traceparent)
values ($1, $2, 'SDF1', 'ready', $3, $3, $4, 60, $4, 0, $1, '')"""


def wanted(order: int) -> UpgradeWanted:
    return UpgradeWanted(uuid(order), uuid(order + 500), Whither("US", "402"), "airline-overnight")


async def taken(shipping: Shipping) -> object:
    return await shipping.value("select taken from departures")


async def test_fifty_who_want_five_places_at_once_get_five(shipping: Shipping) -> None:
    orders = range(1, 51)
    await shipping.release(*orders)
    await asyncio.gather(*(shipping.hear(heard(wanted(order), number=900 + order)) for order in orders))
    names = [name for name, _ in await shipping.said("UpgradeSlotReserved", "UpgradeSlotRefused")]
    assert (names.count("UpgradeSlotReserved"), names.count("UpgradeSlotRefused")) == (5, 45)
    assert {data["reason"] for _, data in await shipping.said("UpgradeSlotRefused")} == {"no-place"}
    assert await taken(shipping) == 5


async def test_places_let_go_while_others_want_them_are_never_sold_twice(shipping: Shipping) -> None:
    orders = range(1, 31)
    await shipping.release(*orders)
    for order in range(1, 6):
        await shipping.hear(heard(wanted(order)))

    async def cancel(order: int) -> None:
        async with shipping.database.transaction() as work:
            await free_slots(work, [uuid(order)])
        await shipping.hear(heard(OrderCancelled(uuid(order)), 3))

    await asyncio.gather(*(cancel(order) for order in range(1, 4)), *(shipping.hear(heard(wanted(order))) for order in range(6, 31)))
    held = await shipping.value("select count(*) from upgrade_slots where state in ('reserved', 'granted')")
    assert held == await taken(shipping)
    assert 2 <= held <= 5
    await shipping.release(31)
    await shipping.hear(heard(wanted(31)))
    assert await taken(shipping) == min(5, held + 1)


async def test_a_grant_moves_the_pick_task_to_the_flight(shipping: Shipping) -> None:
    await shipping.release(1)
    await shipping.rows(TASK, uuid(600), uuid(1), NOW, GROUND_BY)
    await shipping.hear(heard(wanted(1)))
    await shipping.hear(heard(UpgradeGranted(uuid(1), uuid(501))))
    assert await shipping.value("select hand_over_by from pick_tasks") == FLIGHT_AT


async def test_fewer_places_than_are_taken_keep_what_was_given_and_sell_no_more(shipping: Shipping) -> None:
    await shipping.release(1, 2, 3)
    await shipping.hear(heard(wanted(1)), heard(wanted(2)))
    await shipping.plan(departures=[{"weekday": day, "at": "01:15", "places": 1} for day in range(1, 8)])
    await shipping.hear(heard(wanted(3)))
    assert [data["reason"] for _, data in await shipping.said("UpgradeSlotRefused")] == ["no-place"]
    assert await taken(shipping) == 2


async def test_a_want_whose_order_does_not_come_is_refused_after_half_a_minute(shipping: Shipping) -> None:
    await shipping.hear(heard(wanted(1)))
    assert await shipping.fire(refuse_waiting_wants) == 0
    shipping.clock.advance(timedelta(seconds=30))
    assert await shipping.fire(refuse_waiting_wants) == 1
    assert await shipping.fire(refuse_waiting_wants) == 0
    assert [data["reason"] for _, data in await shipping.said("UpgradeSlotRefused")] == ["unknown-order"]


async def test_items_that_may_not_fly_are_read_from_the_catalogue(shipping: Shipping) -> None:
    await shipping.rows("update items set may_fly = false")
    await shipping.release(1)
    await shipping.hear(heard(wanted(1)))
    assert [data["reason"] for _, data in await shipping.said("UpgradeSlotRefused")] == ["not-by-air"]


@pytest.mark.parametrize("catalogue", ["update items set may_fly = false", "delete from items"])
async def test_no_place_in_an_aircraft_for_what_may_not_fly_or_is_not_listed_when_all_comes_in_one_batch(shipping: Shipping, catalogue: str) -> None:
    await shipping.rows(catalogue)
    await shipping.hear(heard(placed(1), 1), heard(released(1), 2), heard(wanted(1)))
    assert [data["reason"] for _, data in await shipping.said("UpgradeSlotRefused")] == ["not-by-air"]


async def test_what_may_fly_gets_its_place_when_all_comes_in_one_batch(shipping: Shipping) -> None:
    await shipping.hear(heard(placed(1), 1), heard(released(1), 2), heard(wanted(1)))
    assert len(await shipping.said("UpgradeSlotReserved")) == 1


async def test_delays_are_foreseen_once_for_each_hand_over_and_the_task_moves_on(shipping: Shipping) -> None:
    await shipping.release(1, 2)
    await shipping.pack(2)
    await shipping.rows(TASK, uuid(600), uuid(1), NOW, GROUND_BY)
    shipping.clock.instant = GROUND_BY - timedelta(seconds=201)
    assert await shipping.fire(foresee_delays) == 0
    shipping.clock.instant = GROUND_BY - timedelta(seconds=199)  # one line, pack and dock are 200 s; the packed order needs 120 s
    assert [await shipping.fire(foresee_delays) for _ in range(2)] == [1, 0]
    ((_, said),) = await shipping.said("DelayForeseen")
    assert (said["order_id"], said["slack_seconds"], said["next_hand_over_by"]) == (str(uuid(1)), -1, "2026-11-22T23:00:00Z")
    assert await shipping.value("select hand_over_by from pick_tasks") == GROUND_BY + timedelta(days=1)
    shipping.clock.instant = GROUND_BY
    assert [await shipping.fire(foresee_delays) for _ in range(2)] == [1, 0]


async def test_what_a_batch_says_has_versions_in_a_row(shipping: Shipping) -> None:
    await shipping.release(1)
    await shipping.hear(heard(wanted(1)))
    shipping.clock.instant = GROUND_BY
    await shipping.fire(foresee_delays)
    assert await shipping.value("select version from work_heads") == len(await shipping.said("UpgradeSlotReserved", "DelayForeseen")) == 2
