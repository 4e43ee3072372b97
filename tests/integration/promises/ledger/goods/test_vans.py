"""A date that is promised has a place on a departure; our own driver reads what was promised at the door, and the scan there keeps it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.kit.ids import uuid7
from tests.access.asking import Ask
from tests.integration.promises.ledger.goods.shop import CABLE, TELEVISION, WORDS, Shop
from tests.unit.fulfilment.build import NOW, SITE, placed, released, uuid


@pytest.fixture(autouse=True)
async def vans(shop: Shop) -> None:
    """Our own leave as well."""
    await shop.vans()


async def test_a_date_takes_a_place_on_the_first_van_that_keeps_it_and_the_order_leaves_with_it(shop: Shop) -> None:
    receipt = (await shop.date(await shop.order(), "2026-11-23")).json()
    held = await shop.rows("select carrier_service, departs_at::text, state, line from promise_holds")
    assert held == [("van", "2026-11-22 12:00:00+00", "held", None)]
    await shop.tell()
    aimed = await shop.rows("select carrier_service, hand_over_by::text, promised_service, due_at::text from shipments")
    assert aimed == [("van", "2026-11-22 12:00:00+00", "van", "2026-11-24 04:59:59+00")]
    assert await shop.rows("select hand_over_by::text from pick_tasks") == [("2026-11-22 12:00:00+00",)]
    told = await shop.ledger.standing(receipt["promise_id"])
    assert (told["customer_text"], told["received"]) == ("Your delivery will be with you by Monday 23 November.", ["delivery", "warehouse"])


async def test_places_are_given_out_once_and_who_comes_late_is_told_which_dates_there_are(shop: Shop) -> None:
    one, other = await shop.order(1), await shop.order(2)
    assert (await shop.date(one, "2026-11-22")).status_code == 201
    refused = await shop.date(other, "2026-11-22")
    told = refused.json()
    assert (refused.status_code, told["type"]) == (409, "urn:kept:problem:no-place")
    assert told["dates"][0] == {"expected_at": "2026-11-23T17:00:00+00:00", "carrier_service": "van"}
    assert "credit" in told["instead"]
    assert (await shop.date(other, "2026-11-23")).status_code == 201
    assert await shop.rows("select taken from departures where taken > 0 order by departs_at") == [(1,), (1,)]


async def test_many_who_want_the_last_place_at_once_get_it_once(shop: Shop) -> None:
    import asyncio

    orders = [await shop.order(number) for number in (1, 2)]
    answered = await asyncio.gather(*(shop.date(order_id, "2026-11-22") for order_id in orders))
    assert sorted(each.status_code for each in answered) == [201, 409]


async def test_a_date_that_is_released_gives_its_place_back(shop: Shop) -> None:
    promise_id = (await shop.date(await shop.order(1), "2026-11-22")).json()["promise_id"]
    await shop.tell()
    await shop.ledger.post(f"/v1/promises/{promise_id}/release", {"consent": "she is away that day"})
    await shop.tell()
    assert await shop.rows("select taken from departures where departs_at = '2026-11-22 12:00Z'") == [(0,)]
    assert (await shop.date(await shop.order(2), "2026-11-22")).status_code == 201


async def test_an_order_whose_goods_are_not_there_has_no_date(shop: Shop) -> None:
    await shop.hear(placed(5, (TELEVISION, 9)))
    refused = await shop.date(uuid(5), "2026-11-23")
    assert (refused.status_code, refused.json()["type"], refused.json()["dates"]) == (409, "urn:kept:problem:no-place", [])


async def test_an_order_by_appointment_has_its_place_before_it_is_released_and_leaves_with_it(shop: Shop) -> None:
    await shop.hear(placed(5, (TELEVISION, 1)))
    assert (await shop.date(uuid(5), "2026-11-22")).status_code == 201
    await shop.tell()
    release = released(5, by=None)
    await shop.hear(replace(release, data=replace(release.data, service="appointment", carrier_service=None)))
    aimed = await shop.rows("select state, carrier_service, hand_over_by::text, promised_service from shipments")
    assert aimed == [("released", "van", "2026-11-22 12:00:00+00", "van")]
    assert await shop.rows("select hand_over_by::text from pick_tasks") == [("2026-11-22 12:00:00+00",)]


async def test_a_release_that_is_heard_before_the_day_leaves_with_it_as_well(shop: Shop) -> None:
    await shop.hear(placed(5, (TELEVISION, 1)))
    assert (await shop.date(uuid(5), "2026-11-22")).status_code == 201
    release = released(5, by=None)
    await shop.hear(replace(release, data=replace(release.data, service="appointment", carrier_service=None)))
    assert await shop.rows("select carrier_service, hand_over_by from shipments") == [(None, None)]
    await shop.tell()
    assert await shop.rows("select carrier_service, hand_over_by::text from shipments") == [("van", "2026-11-22 12:00:00+00")]
    assert await shop.rows("select hand_over_by::text from pick_tasks") == [("2026-11-22 12:00:00+00",)]


async def _on_the_road(shop: Shop) -> tuple[UUID, str, str, list[str]]:
    """An order with its day and its cable in a van that left: its id, the load list, the parcel, the promises."""
    order_id = await shop.order()
    date = (await shop.date(order_id, "2026-11-22")).json()["promise_id"]
    gift = (await shop.gift(order_id)).json()["promise_id"]
    await shop.tell()
    parcel = await shop.packed(TELEVISION, CABLE)
    load_list = await shop.loaded(parcel)
    await shop.leaves(load_list)
    return order_id, load_list, parcel, [date, gift]


async def _verdicts(shop: Shop, ids: list[str]) -> list[tuple[str, list[str]]]:
    await shop.tell()
    standing = [await shop.ledger.standing(id) for id in ids]
    return [(each["verdict"], each["seen"]) for each in standing]


async def test_the_driver_reads_the_words_starts_the_stop_and_hands_over_and_both_are_kept(shop: Shop) -> None:
    order_id, load_list, parcel, ids = await _on_the_road(shop)
    (sheet,) = (await shop.done("GET /v1/run-sheets", None, "driver"))["run_sheets"]
    assert sheet["load_list_id"] == load_list
    (stop,) = (await shop.done(f"GET /v1/run-sheets/{load_list}", None, "driver"))["stops"]
    assert (stop["number"], stop["state"], stop["to"]["name"], stop["parcels"][0]["parcel_id"]) == (1, "waiting", "Ada Byron", parcel)
    assert [each["customer_text"] for each in stop["promised"]] == ["Your delivery will be with you by Sunday 22 November.", WORDS]
    assert await _verdicts(shop, ids) == [("open", ["warehouse"])] * 2
    path = f"/v1/run-sheets/{load_list}/stops/{order_id}"
    assert (await shop.done(f"POST {path}/start", None, "driver"))["state"] == "started"
    assert await _verdicts(shop, ids) == [("open", ["delivery", "warehouse"])] * 2
    shop.clock.advance(timedelta(hours=9))
    scan = {"scan_id": str(uuid7()), "barcode": stop["parcels"][0]["barcode"]}
    assert (await shop.done(f"POST {path}/hand-over", scan, "driver"))["state"] == "done"
    assert (await shop.done(f"POST {path}/hand-over", scan, "driver"))["state"] == "done"
    assert await _verdicts(shop, ids) == [("kept", ["delivery", "warehouse"])] * 2
    assert (await shop.done("GET /v1/run-sheets", None, "driver"))["run_sheets"] == []
    assert await shop.rows("select count(*) from outbox where type = 'fulfilment.ParcelDelivered.v1'") == [(1,)]


async def test_what_a_device_kept_while_it_had_no_network_counts_from_when_it_happened(shop: Shop) -> None:
    order_id, load_list, parcel, (date, _) = await _on_the_road(shop)
    path = f"/v1/run-sheets/{load_list}/stops/{order_id}"
    await shop.done(f"POST {path}/start", None, "driver")
    due = NOW.replace(day=23, hour=5, minute=0)
    shop.clock.instant = due + timedelta(minutes=20)
    assert (await shop.ledger.standing(date))["verdict"] == "open", "half an hour of grace"
    at, ahead = due - timedelta(minutes=1) + timedelta(seconds=90), 90_000
    body = {"scan_id": uuid7(), "parcel_id": parcel, "at": at.isoformat(), "clock_ahead_ms": ahead}
    await shop.done(f"POST {path}/hand-over", body, "driver")
    await shop.tell()
    kept = await shop.ledger.standing(date)
    assert (kept["verdict"], kept["settled_at"]) == ("kept", "2026-11-23T04:59:00Z")


async def _refused(shop: Shop, path: str, body: dict[str, Any]) -> str:
    answered = await shop.asks.send(f"POST {path}", Ask(path, body), "driver", "dee", site=SITE)
    return f"{answered.status_code} {answered.json()['type'].rpartition(':')[2]}"


async def test_what_cannot_be_done_at_a_door_is_refused(shop: Shop) -> None:
    order_id, load_list, parcel, _ = await _on_the_road(shop)
    path = f"/v1/run-sheets/{load_list}/stops/{order_id}"
    scan = {"scan_id": str(uuid7()), "parcel_id": parcel}
    assert await _refused(shop, f"{path}/hand-over", scan) == "409 start-first"
    await shop.done(f"POST {path}/start", None, "driver")
    assert await _refused(shop, f"{path}/hand-over", scan | {"parcel_id": str(uuid7())}) == "409 not-for-this-stop"
    assert await _refused(shop, f"/v1/run-sheets/{load_list}/stops/{uuid7()}/hand-over", scan) == "404 not-found"
    await shop.done(f"POST {path}/hand-over", scan, "driver")
    assert await _refused(shop, f"{path}/hand-over", scan | {"scan_id": str(uuid7())}) == "409 already-handed-over"


async def test_a_stop_that_was_missed_is_tried_again(shop: Shop) -> None:
    order_id, load_list, parcel, ids = await _on_the_road(shop)
    path = f"/v1/run-sheets/{load_list}/stops/{order_id}"
    await shop.done(f"POST {path}/start", None, "driver")
    missed = await shop.done(f"POST {path}/missed", {"scan_id": uuid7(), "reason": "nobody-home"}, "driver")
    assert (missed["state"], missed["missed"]) == ("waiting", "nobody-home")
    await shop.done(f"POST {path}/start", None, "driver")
    await shop.done(f"POST {path}/hand-over", {"scan_id": uuid7(), "parcel_id": parcel}, "driver")
    assert [verdict for verdict, _ in await _verdicts(shop, ids)] == ["kept", "kept"]


async def test_before_the_van_left_no_stop_is_started(shop: Shop) -> None:
    order_id = await shop.order()
    await shop.date(order_id, "2026-11-22")
    await shop.tell()
    load_list = await shop.loaded(await shop.packed(TELEVISION))
    assert await _refused(shop, f"/v1/run-sheets/{load_list}/stops/{order_id}/start", {}) == "409 not-on-the-road"


async def test_an_order_that_misses_its_van_is_told_to_be_late(shop: Shop) -> None:
    promise_id = (await shop.date(await shop.order(), "2026-11-22")).json()["promise_id"]
    await shop.tell()
    shop.clock.advance(timedelta(hours=7))
    from services.fulfilment.shipping.agents import foresee_delays

    async with shop.database.transaction() as work:
        assert await foresee_delays(work) == 1
    await shop.tell()
    assert (await shop.ledger.standing(promise_id))["at_risk"] == ["late"]


async def test_an_empty_shelf_puts_the_date_at_risk_at_once_and_new_units_end_that(shop: Shop) -> None:
    promise_id = (await shop.date(await shop.order(), "2026-11-22")).json()["promise_id"]
    await shop.tell()
    task = await shop.claim()
    short = {"report_id": uuid7(), "fence": task["fence"], "line": 1, "found": 0, "reason": "not-found"}
    assert (await shop.done(f"POST /v1/pick-tasks/{task['task_id']}/short", short, "picker"))["state"] == "short"
    await shop.tell()
    assert (await shop.ledger.standing(promise_id))["at_risk"] == ["short"]
    await shop.stock(TELEVISION, 1, "T-9")
    from services.fulfilment.agents import try_wants

    async with shop.database.transaction() as work:
        await try_wants(work)
    await shop.tell()
    assert (await shop.ledger.standing(promise_id))["at_risk"] == []
