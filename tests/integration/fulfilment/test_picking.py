"""One task per order: claimed by one, scanned without doubles, undone, short, packed."""

import asyncio
from datetime import timedelta
from typing import Any

from services.fulfilment.floor.projections import measure_queues
from services.fulfilment.settings import fulfilment_settings
from services.kit.clock import FixedClock
from tests.integration.fulfilment.conftest import Fulfilment
from tests.unit.fulfilment.build import HAND_OVER, NOW, cancel, placed, released, uuid


async def claimed(shop: Fulfilment, picker: str = "ann") -> dict[str, Any]:
    answered = await shop.claim(picker)
    assert answered.status_code == 200, answered.text
    told: dict[str, Any] = answered.json()
    return told


async def lapse(shop: Fulfilment, task: dict[str, Any]) -> None:
    """The lease of this task has run out, by the database's clock."""
    await shop.rows(
        "update pick_tasks set lease_until = clock_timestamp() - interval '1 second' where task_id = $1::uuid returning 1", task["task_id"]
    )


async def test_the_task_with_the_least_slack_comes_first_and_the_unpromised_last(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 50), ("MUG", "A-2", 50))
    for number, by in ((1, None), (2, HAND_OVER), (3, HAND_OVER - timedelta(hours=1)), (4, HAND_OVER)):
        await shop.hear(placed(number, ("CUP", 1), after=-number))
        await shop.hear(released(number, by=by, after=-number))
    # As late as orders 2 and 4, with more work: less slack.
    await shop.hear(placed(5, ("CUP", 1), ("MUG", 1)))
    await shop.hear(released(5))
    order = [(await claimed(shop, f"p{turn}"))["order_id"] for turn in range(5)]
    assert order == [str(uuid(number)) for number in (3, 5, 4, 2, 1)]


async def test_a_release_makes_a_task_at_once_with_its_walk_sorted_by_bin(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "B-2", 5), ("MUG", "A-1", 5))
    await shop.order(1, ("CUP", 1), ("MUG", 2))
    task = await claimed(shop)
    assert [(line["position"], line["line"], line["sku"], line["bin"]) for line in task["lines"]] == [(1, 2, "MUG", "A-1"), (2, 1, "CUP", "B-2")]
    assert (task["next"]["sku"], task["state"], task["slack_seconds"]) == ("MUG", "claimed", 18 * 3600 + 120 - 220)
    assert await shop.names() == ["StockReserved", "PickReleased", "PickClaimed"]


async def test_fifty_pickers_claim_one_task_and_one_gets_it(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.order(1)
    (task_id,) = [row[0] for row in await shop.rows("select task_id from pick_tasks")]
    answers = await asyncio.gather(
        *(shop.post(f"/v1/pick-tasks/{task_id}/claim", {"claim_id": shop.id()}, subject=f"p{number}") for number in range(50))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 49
    refused = next(answer.json() for answer in answers if answer.status_code == 409)
    holder = await shop.value("select claimed_by from pick_tasks")
    assert (refused["type"], refused["claimed_by"]) == ("urn:kept:problem:task-taken", holder)
    assert len(await shop.said("PickClaimed")) == 1


async def test_fifty_pickers_ask_for_the_next_of_twenty_and_nobody_shares(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 50))
    await shop.hear(*(placed(number) for number in range(1, 21)))
    await shop.hear(*(released(number) for number in range(1, 21)))
    answers = await asyncio.gather(*(shop.claim(f"p{number}") for number in range(50)))
    got = [answer.json()["task_id"] for answer in answers if answer.status_code == 200]
    assert (len(got), len(set(got))) == (20, 20)
    assert {answer.status_code for answer in answers} == {200, 204}


async def test_the_same_claim_gets_the_same_task_and_another_a_new_fence(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.order(1)
    await shop.order(2)
    claim_id = shop.id()
    first, again = await asyncio.gather(shop.claim(claim_id=claim_id), shop.claim(claim_id=claim_id))
    assert first.json() == again.json()
    new = await claimed(shop)
    assert (new["task_id"], new["fence"]) == (first.json()["task_id"], first.json()["fence"] + 1)
    assert (await shop.claim("bob", claim_id=claim_id)).status_code == 422
    assert len(await shop.said("PickClaimed")) == 1
    stale = await shop.scan(first.json(), "CUP")
    assert (stale.status_code, stale.json()["claimed_by"]) == (409, "ann")


async def test_a_task_is_taken_over_only_when_its_lease_ran_out_and_the_old_device_is_refused(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.order(1, ("CUP", 2))
    old = await claimed(shop)
    assert (await shop.claim("bob")).status_code == 204
    await lapse(shop, old)
    assert (await shop.scan(old, "CUP")).status_code == 200  # nobody took it over: the scan counts, and is a sign of life
    assert (await shop.claim("bob")).status_code == 204
    await lapse(shop, old)
    new = await claimed(shop, "bob")
    assert (new["task_id"], new["fence"], new["progress"]["units_picked"]) == (old["task_id"], old["fence"] + 1, 1)
    for refused in (await shop.scan(old, "CUP"), await shop.post(f"/v1/pick-tasks/{old['task_id']}/heartbeat", {"fence": old["fence"]})):
        assert (refused.status_code, refused.json()["type"], refused.json()["claimed_by"]) == (409, "urn:kept:problem:stale-claim", "bob")
    assert (await shop.scan(new, "CUP", picker="bob")).json()["state"] == "picked"


async def test_every_sign_of_life_gives_the_whole_lease_again(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.order(1, ("CUP", 2))
    task = await claimed(shop)
    left = "select extract(epoch from lease_until - clock_timestamp()) from pick_tasks"
    assert 590 < await shop.value(left) <= fulfilment_settings().lease.total_seconds() == 600
    for sign in (shop.scan(task, "CUP"), shop.post(f"/v1/pick-tasks/{task['task_id']}/heartbeat", {"fence": task["fence"]})):
        await lapse(shop, task)
        await sign
        assert 590 < await shop.value(left) <= 600


async def test_a_put_back_task_goes_to_the_next_picker_with_what_was_picked(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.order(1, ("CUP", 2))
    task = await claimed(shop)
    await shop.scan(task, "CUP")
    back = await shop.post(f"/v1/pick-tasks/{task['task_id']}/put-back", {"fence": task["fence"]})
    assert (back.json()["state"], back.json()["claimed_by"]) == ("ready", None)
    assert (await claimed(shop, "bob"))["progress"]["units_picked"] == 1
    assert len(await shop.said("PickClaimed")) == 1


async def test_a_planner_takes_a_task_back_before_its_lease_runs_out(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.order(1, ("CUP", 2))
    old = await claimed(shop)
    path = f"/v1/pick-tasks/{old['task_id']}/take-back"
    assert (await shop.post(path, {"fence": old["fence"] + 1}, role="planner")).status_code == 409
    assert (await shop.post(path, {"fence": old["fence"]}, role="planner")).json()["state"] == "ready"
    assert (await shop.post(path, {"fence": old["fence"]}, role="planner")).status_code == 409
    assert (await shop.scan(old, "CUP")).status_code == 409
    assert (await claimed(shop, "bob"))["fence"] == old["fence"] + 1


async def test_the_last_scan_takes_the_units_from_the_shelf(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5), ("MUG", "B-1", 5))
    await shop.order(1, ("CUP", 2), ("MUG", 1))
    task = await claimed(shop)
    first = await shop.scan(task, "50CUP", 2, bin="A-1", device="scanner-3")
    assert (first.json()["scanned"]["picked"], first.json()["next"]["sku"], first.json()["progress"]["stops_left"]) == (2, "MUG", 1)
    assert await shop.books("CUP") == {"on_hand": 5, "reserved": 2, "held": 0, "available": 3}
    last = await shop.scan(task, "MUG")
    assert (last.json()["state"], last.json()["next"]) == ("picked", None)
    assert await shop.books("CUP") == {"on_hand": 3, "reserved": 0, "held": 0, "available": 3}
    audit = (await shop.get(f"/v1/pick-tasks/{task['task_id']}/scans")).json()["scans"]
    assert [audit[0][name] for name in ("scanned_by", "device", "quantity", "verdict")] == ["ann", "scanner-3", 2, "picked"]


async def test_a_scan_sent_again_counts_once_and_says_the_same(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5), ("MUG", "B-1", 5))
    await shop.order(1, ("CUP", 2), ("MUG", 1))
    task = await claimed(shop)
    scan_id = shop.id()
    answers = await asyncio.gather(*(shop.scan(task, "CUP", scan_id=scan_id) for _ in range(8)))
    assert [answer.json() for answer in answers] == [answers[0].json()] * 8
    assert await shop.value("select sum(picked)::int from pick_lines") == 1
    other = await shop.scan(task, "CUP", 2, scan_id=scan_id)
    assert (other.status_code, other.json()["type"]) == (422, "urn:kept:problem:scan-id-reused")


async def test_a_wrong_scan_is_told_what_it_is_and_nothing_is_counted(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5), ("CUP", "A-2", 1), ("MUG", "B-1", 5))
    await shop.order(1, ("CUP", 2))
    task = await claimed(shop)
    wrong = (await shop.scan(task, "50MUG")).json()
    assert (wrong["type"], wrong["sku"], wrong["description"], wrong["bins"]) == ("urn:kept:problem:wrong-item", "MUG", "A mug", ["B-1"])
    unknown, bin, many = await shop.scan(task, "999"), await shop.scan(task, "CUP", bin="A-2"), await shop.scan(task, "CUP", 3)
    assert [answer.json()["type"].rsplit(":")[-1] for answer in (unknown, bin, many)] == ["unknown-code", "wrong-bin", "too-many"]
    assert (bin.json()["bin"], many.json()["wanted"]) == ("A-1", 2)
    assert await shop.value("select sum(picked)::int from pick_lines") == 0
    assert await shop.value("select count(*)::int from scans") == 4


async def test_queued_scans_are_judged_in_order_and_can_be_sent_again(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5), ("MUG", "B-1", 5))
    await shop.order(1, ("CUP", 2), ("MUG", 1))
    task = await claimed(shop)
    scans = [
        {"scan_id": shop.id(), "code": code, "quantity": 1, "occurred_at": "2026-11-22T04:57:00Z"} for code in ("CUP", "HAT", "CUP", "CUP", "MUG")
    ]
    path, body = f"/v1/pick-tasks/{task['task_id']}/scans:batch", {"fence": task["fence"], "scans": scans}
    first = (await shop.post(path, body)).json()["verdicts"]
    assert [verdict["verdict"] for verdict in first] == ["picked", "unknown-code", "picked", "too-many", "picked"]
    assert (await shop.post(path, body)).json()["verdicts"] == first
    assert await shop.value("select state from pick_tasks") == "picked"
    assert (await shop.books("CUP"))["on_hand"] == 3
    assert (await shop.post(path, {"fence": task["fence"], "scans": scans[:1] * 101})).status_code == 422


async def test_the_last_scan_can_be_undone_and_the_units_are_back(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.order(1, ("CUP", 2))
    task = await claimed(shop)
    ids = [shop.id(), shop.id()]
    for scan_id in ids:
        await shop.scan(task, "CUP", scan_id=scan_id)
    path = f"/v1/pick-tasks/{task['task_id']}/scans"
    early = await shop.post(f"{path}/{ids[0]}/undo", {"fence": task["fence"]})
    assert (early.status_code, early.json()["last"]) == (409, ids[1])
    for _ in range(2):
        undone = await shop.post(f"{path}/{ids[1]}/undo", {"fence": task["fence"]})
        assert (undone.json()["state"], undone.json()["progress"]["units_picked"]) == ("claimed", 1)
    assert await shop.books("CUP") == {"on_hand": 5, "reserved": 2, "held": 0, "available": 3}
    assert (await shop.post(f"{path}/{shop.id()}/undo", {"fence": task["fence"]})).status_code == 404


async def short(shop: Fulfilment, task: dict[str, Any], line: int, found: int, **more: Any) -> Any:
    body = {"report_id": shop.id(), "fence": task["fence"], "line": line, "found": found, "reason": "not-found"} | more
    return await shop.post(f"/v1/pick-tasks/{task['task_id']}/short", body)


async def test_an_empty_shelf_sends_the_picker_to_another_bin(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 6), ("CUP", "B-1", 4))
    await shop.order(1, ("CUP", 5))
    task = await claimed(shop)
    await shop.scan(task, "CUP", 2)
    report_id = shop.id()
    moved = await short(shop, task, 1, 2, report_id=report_id)
    assert [(line["bin"], line["quantity"], line["picked"]) for line in moved.json()["lines"]] == [("A-1", 2, 2), ("B-1", 3, 0)]
    assert (await short(shop, task, 1, 2, report_id=report_id)).json()["lines"] == moved.json()["lines"]
    assert await shop.books("CUP") == {"on_hand": 10, "reserved": 5, "held": 4, "available": 1}
    assert (await shop.scan(task, "CUP", 3)).json()["state"] == "picked"
    assert (await shop.books("CUP"))["on_hand"] == 5
    assert await shop.said("PickShort") == []


async def test_a_short_pick_is_put_aside_and_a_receipt_revives_it(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 3), ("MUG", "B-1", 1))
    await shop.order(1, ("CUP", 3), ("MUG", 1))
    task = await claimed(shop)
    await shop.scan(task, "CUP", 1)
    gone = (await short(shop, task, 1, 1)).json()
    assert (gone["state"], gone["claimed_by"]) == ("short", None)
    ((_, told),) = await shop.said("PickShort")
    assert (told["line"], told["sku"], told["missing"], told["reason"]) == (1, "CUP", 2, "not-found")
    assert (await shop.claim()).status_code == 204
    assert await shop.books("CUP") == {"on_hand": 3, "reserved": 1, "held": 2, "available": 0}
    await shop.try_wants()
    assert (await shop.claim()).status_code == 204
    await shop.stock(("CUP", "C-1", 2))
    await shop.try_wants()
    again = await claimed(shop, "bob")
    assert [(line["sku"], line["bin"], line["quantity"], line["picked"]) for line in again["lines"]] == [
        ("CUP", "A-1", 1, 1), ("MUG", "B-1", 1, 0), ("CUP", "C-1", 2, 0)
    ]  # fmt: skip
    await shop.scan(again, "MUG", picker="bob")
    assert (await shop.scan(again, "CUP", 2, picker="bob")).json()["state"] == "picked"
    assert await shop.books("CUP") == {"on_hand": 2, "reserved": 0, "held": 2, "available": 0}
    counted = {"count_id": shop.id(), "site": "SDF1", "sku": "CUP", "bin": "A-1", "counted": 0}
    assert (await shop.post("/v1/stock/counts", counted, role="planner")).status_code == 201
    assert await shop.books("CUP") == {"on_hand": 0, "reserved": 0, "held": 0, "available": 0}


async def test_a_released_order_that_was_revived_may_be_released_again(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 1))
    await shop.order(1)
    task = await claimed(shop)
    await short(shop, task, 1, 0)
    await shop.stock(("CUP", "B-1", 1))
    await shop.try_wants()
    await shop.hear(released(1, by=HAND_OVER + timedelta(days=1), version=5))
    tasks = (await shop.get("/v1/pick-tasks?state=ready")).json()["tasks"]
    assert [each["hand_over_by"] for each in tasks] == ["2026-11-23T23:00:00Z"]
    assert (await shop.names()).count("PickReleased") == 2


async def packed(shop: Fulfilment, task: dict[str, Any], **more: Any) -> Any:
    body = {"parcel_id": shop.id(), "fence": task["fence"], "carton": "S2", "weight_grams": 500} | more
    return await shop.post(f"/v1/pick-tasks/{task['task_id']}/pack", body)


async def test_an_order_is_packed_once_every_line_is_picked(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.order(1, ("CUP", 2))
    task = await claimed(shop)
    early = await packed(shop, task)
    assert (early.status_code, early.json()["left"]) == (409, 2)
    await shop.scan(task, "CUP", 2)
    parcel_id = shop.id()
    answers = await asyncio.gather(*(packed(shop, task, parcel_id=parcel_id) for _ in range(4)))
    assert {(answer.status_code, answer.json()["state"]) for answer in answers} == {(200, "packed")}
    ((_, told),) = await shop.said("OrderPacked")
    assert (told["parcel_id"], told["carton"], told["weight_grams"], told["packed_at"]) == (parcel_id, "S2", 500, "2026-11-22T04:58:00Z")
    assert await shop.rows("select carton, weight_grams from parcels") == [("S2", 500)]
    assert (await shop.claim()).status_code == 204


async def test_a_weight_that_cannot_be_is_asked_about(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.order(1, ("CUP", 2))
    task = await claimed(shop)
    await shop.scan(task, "CUP", 2)
    off = await packed(shop, task, weight_grams=900)
    assert (off.status_code, off.json()["expected_grams"]) == (409, 490)
    assert (await packed(shop, task, weight_grams=900, weight_confirmed=True)).status_code == 200


async def test_a_parcel_can_be_unpacked_until_it_has_a_label(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.order(1)
    task = await claimed(shop)
    await shop.scan(task, "CUP")
    parcel_id = shop.id()
    await packed(shop, task, parcel_id=parcel_id, weight_grams=290)
    path, body = f"/v1/pick-tasks/{task['task_id']}/unpack", {"parcel_id": parcel_id}
    unpacked = await shop.post(path, body, subject="bob")
    assert (unpacked.json()["state"], unpacked.json()["claimed_by"], unpacked.json()["fence"]) == ("picked", "bob", task["fence"] + 1)
    assert await shop.rows("select 1 from parcels") == []
    assert (await shop.post(path, body, subject="bob")).status_code == 409
    again = await shop.post(
        f"/v1/pick-tasks/{task['task_id']}/pack",
        {"parcel_id": shop.id(), "fence": unpacked.json()["fence"], "carton": "S1", "weight_grams": 260},
        subject="bob",
    )
    assert again.json()["state"] == "packed"


async def test_a_cancel_after_the_claim_is_refused_in_the_state_it_met(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.order(1)
    task = await claimed(shop)
    await shop.scan(task, "CUP")
    await packed(shop, task, weight_grams=290)
    await shop.hear(cancel(1))
    assert [data["state"] for _, data in await shop.said("CancelRejected")] == ["packed"]


async def test_what_waits_at_a_site_is_said_once_a_minute_when_it_changed(shop: Fulfilment, clock: FixedClock) -> None:
    async def measure() -> list[tuple[int, int, int]]:
        async with shop.database.transaction() as work:
            await measure_queues(work)
        return [(data["waiting_orders"], data["waiting_lines"], data["pickers"]) for _, data in await shop.said("QueueMeasured")]

    await shop.stock(("CUP", "A-1", 5), ("MUG", "A-2", 5))
    await shop.order(1, ("CUP", 1), ("MUG", 1))
    assert await measure() == [(1, 2, 0)]
    await claimed(shop)
    assert await measure() == [(1, 2, 0)]
    clock.advance(timedelta(minutes=1))
    assert await measure() == [(1, 2, 0), (0, 0, 1)]
    clock.advance(timedelta(minutes=1))
    assert await measure() == [(1, 2, 0), (0, 0, 1)]


async def test_planners_see_all_tasks_by_slack_and_pickers_their_own(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    for number in (1, 2, 3):
        await shop.order(number, by=HAND_OVER - timedelta(hours=number))
    mine = await claimed(shop)
    page = (await shop.get("/v1/pick-tasks?limit=2")).json()
    rest = (await shop.get(f"/v1/pick-tasks?limit=2&after={page['after']}")).json()
    assert [task["order_id"] for task in page["tasks"] + rest["tasks"]] == [str(uuid(number)) for number in (3, 2, 1)]
    own = (await shop.get("/v1/pick-tasks", role="picker", subject="ann")).json()["tasks"]
    assert [task["task_id"] for task in own] == [mine["task_id"]]
    assert (await shop.get(f"/v1/pick-tasks/{mine['task_id']}", role="picker", subject="bob")).status_code == 404
    assert (await shop.get(f"/v1/pick-tasks/{mine['task_id']}")).json()["claimed_at"] == NOW.isoformat().replace("+00:00", "Z")
