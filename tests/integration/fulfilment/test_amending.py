"""A change of an order: prepared, agreed or undone, while people claim, scan, pack, label and cancel."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from services.fulfilment.shipping.labels.store import Labels
from services.fulfilment.shipping.messages import CustomerSeen
from services.kit.values import Refusal
from tests.integration.fulfilment.conftest import Fulfilment
from tests.integration.fulfilment_shipping.conftest import ADDRESS, GROUND
from tests.unit.fulfilment.build import HAND_OVER, SITE, amended, asked_to_amend, cancel, cancelled, cause, heard, placed, released, undone, uuid

FREE = {"on_hand": 5, "reserved": 0, "held": 0, "available": 5}
CHANGED = "The order is being changed: set it aside until that is settled, and take the next one."


async def begun(shop: Fulfilment, *wanted: tuple[str, int], scanned: tuple[tuple[str, int], ...] = ()) -> dict[str, Any]:
    """Five cups and five mugs are there; order 1 is claimed by ann, and these were scanned."""
    await shop.stock(("CUP", "A-1", 5), ("MUG", "B-1", 5))
    await shop.order(1, *wanted)
    task: dict[str, Any] = (await shop.claim()).json()
    for sku, quantity in scanned:
        assert (await shop.scan(task, sku, quantity)).status_code == 200
    return task


async def packed(shop: Fulfilment, *wanted: tuple[str, int]) -> dict[str, Any]:
    """Order 1 is in its carton."""
    task = await begun(shop, *wanted, scanned=wanted)
    parcel = {"parcel_id": shop.id(), "fence": task["fence"], "carton": "S1", "weight_grams": 300, "weight_confirmed": True}
    answered = await shop.post(f"/v1/pick-tasks/{task['task_id']}/pack", parcel)
    assert answered.status_code == 200, answered.text
    return dict(answered.json())


async def stops(shop: Fulfilment) -> list[tuple[Any, ...]]:
    return await shop.rows("select line, sku, quantity, picked from pick_lines order by position")


async def test_a_change_takes_what_it_needs_at_once_and_nobody_works_on_the_order(shop: Fulfilment) -> None:
    task = await begun(shop, ("CUP", 2), scanned=(("CUP", 1),))
    assert await shop.hear(asked_to_amend(1, ("CUP", 3), ("MUG", 1))) == []
    assert (await shop.names())[-1] == "AmendmentPrepared"
    assert ((await shop.books("CUP"))["reserved"], (await shop.books("MUG"))["reserved"]) == (3, 1)
    late = await shop.scan(task, "CUP")
    assert (late.status_code, late.json()["type"]) == (409, "urn:kept:problem:stale-claim")
    assert late.json()["detail"] == "The order is being changed: set the tote aside and claim the next one."
    assert (await shop.claim("bob")).status_code == 204
    refused = await shop.post(f"/v1/pick-tasks/{task['task_id']}/claim", {"claim_id": shop.id()}, subject="bob")
    assert (refused.status_code, refused.json()["detail"]) == (409, CHANGED)


async def test_an_agreed_change_keeps_what_was_picked_and_adds_what_is_new(shop: Fulfilment) -> None:
    await begun(shop, ("CUP", 2), scanned=(("CUP", 1),))
    await shop.hear(asked_to_amend(1, ("CUP", 2), ("MUG", 1)))
    await shop.hear(amended(1, ("CUP", 2), ("MUG", 1)))
    assert await stops(shop) == [(1, "CUP", 2, 1), (2, "MUG", 1, 0)]
    task = (await shop.claim("bob")).json()
    assert (task["state"], task["next"]["sku"], task["progress"]) == ("claimed", "CUP", {"stops_left": 2, "units_picked": 1, "units": 3})
    await shop.scan(task, "CUP", picker="bob")
    assert (await shop.scan(task, "MUG", picker="bob")).json()["state"] == "picked"
    assert (await shop.books("CUP"), (await shop.books("MUG"))["on_hand"]) == (FREE | {"on_hand": 3, "available": 3}, 4)
    assert (await shop.get("/v1/pull-backs")).json() == {"pull_backs": [], "after": None}


async def test_a_change_that_comes_to_nothing_lets_go_and_the_task_goes_on_as_it_was(shop: Fulfilment) -> None:
    task = await begun(shop, ("CUP", 2), scanned=(("CUP", 1),))
    await shop.hear(asked_to_amend(1, ("MUG", 4)))
    await shop.hear(undone(1))
    assert await shop.books("MUG") == FREE
    again = (await shop.claim("bob")).json()
    assert (again["task_id"], again["progress"]["units_picked"], again["fence"] > task["fence"] + 1) == (task["task_id"], 1, True)
    assert await stops(shop) == [(1, "CUP", 2, 1)]
    assert await shop.value("select state from amendments") == "undone"


async def test_what_is_not_there_is_refused_with_what_there_is_and_always_in_the_same_words(shop: Fulfilment) -> None:
    task = await begun(shop, ("CUP", 2))
    await shop.stock(("MUG-L", "C-1", 9))
    await shop.rows("insert into substitutes values ('MUG', 'MUG-L', 1), ('MUG', 'CUP', 2)")
    await shop.rows("insert into expected_receipts values ($1, $2, 'MUG', 40, '2026-11-30T09:00:00Z', 'pat', now())", uuid(77), SITE)
    await shop.hear(asked_to_amend(1, ("CUP", 2), ("MUG", 6)))
    assert await shop.books("MUG") == FREE
    assert (await shop.scan(task, "CUP")).status_code == 200, "nothing changed"
    await shop.stock(("MUG", "B-1", 9))
    await shop.hear(asked_to_amend(1, ("CUP", 2), ("MUG", 6), version=4))
    (_, told), (_, again) = await shop.said("AmendmentRefused")
    assert again == told
    assert told["sentence"] == "Of MUG 6 more are needed and 5 are free: take a substitute, wait until more comes, or leave that line as it is."
    assert told["substitutes"] == [{"instead_of": "MUG", "sku": "MUG-L", "description": "A mug-l", "available": 9}]
    assert told["expected"] == [{"sku": "MUG", "expected_at": "2026-11-30T09:00:00+00:00", "quantity": 40}]
    await shop.hear(undone(1, version=5))
    assert await shop.value("select state from amendments") == "refused"


async def test_units_that_came_for_the_order_itself_serve_its_change_and_an_older_orders_do_not(shop: Fulfilment) -> None:
    await shop.hear(placed(1, ("CUP", 7)))
    await shop.stock(("CUP", "A-1", 7))
    await shop.hear(placed(2, ("CUP", 1), after=60))
    await shop.hear(asked_to_amend(2, ("CUP", 1)))
    assert (await shop.names())[-1] == "AmendmentRefused"
    await shop.hear(asked_to_amend(1, ("CUP", 6)))
    assert (await shop.names())[-1] == "AmendmentPrepared"


@pytest.mark.parametrize("change", [(("CUP", 1),), (("MUG", 1),)])
async def test_picked_units_that_are_no_longer_wanted_leave_the_books_until_they_are_put_away(
    shop: Fulfilment, change: tuple[tuple[str, int]]
) -> None:
    await begun(shop, ("CUP", 3), ("MUG", 1), scanned=(("CUP", 3),))
    await shop.hear(asked_to_amend(1, *change), amended(1, *change))
    kept = 1 if change[0][0] == "CUP" else 0
    assert await shop.books("CUP") == {"on_hand": 2, "reserved": 0, "held": 0, "available": 2}, "the bin does not claim what is on a cart"
    assert await shop.value("select state from pick_tasks") == ("picked" if kept else "ready")
    ((pull_back,),) = [(await shop.get("/v1/pull-backs")).json()["pull_backs"]]
    assert (pull_back["sku"], pull_back["description"], pull_back["bin"], pull_back["quantity"]) == ("CUP", "A cup", "A-1", 3 - kept)
    await shop.hear(placed(2, ("CUP", 4)))
    path, scan = f"/v1/pull-backs/{pull_back['pull_back_id']}/done", {"scan_id": shop.id(), "code": "50CUP", "bin": "A-1"}
    for wrong, slug in (({"code": "MUG"}, "wrong-item"), ({"code": "?"}, "unknown-code"), ({"bin": "B-1"}, "wrong-bin")):
        refused = await shop.post(path, scan | wrong)
        assert (refused.status_code, refused.json()["type"]) == (409, f"urn:kept:problem:{slug}")
    assert (await shop.post(path, scan | {"code": "MUG"})).json()["detail"] == "This is A mug (MUG): it belongs in bin B-1. To be put away is CUP."
    for _ in range(2):
        assert (await shop.post(path, scan)).json()["done_by"] == "ann"
    assert await shop.books("CUP") == {"on_hand": 5 - kept, "reserved": 0, "held": 0, "available": 5 - kept}
    assert await shop.try_wants() == 1, "an order that waits for such units is tried again"
    assert (await shop.get("/v1/pull-backs")).json()["pull_backs"] == []


async def test_the_scan_of_another_pull_back_and_one_of_another_site_are_refused(shop: Fulfilment) -> None:
    await begun(shop, ("CUP", 2), ("MUG", 2), scanned=(("CUP", 2), ("MUG", 1)))
    await shop.hear(asked_to_amend(1, ("CUP", 1)), amended(1, ("CUP", 1)))
    one, other = (await shop.get("/v1/pull-backs?limit=1")).json()["pull_backs"] + (await shop.get("/v1/pull-backs")).json()["pull_backs"][1:]
    scan = {"scan_id": shop.id()}
    for pull_back, status in ((one, 200), (other, 422)):
        body = scan | {"code": pull_back["sku"], "bin": pull_back["bin"]}
        assert (await shop.post(f"/v1/pull-backs/{pull_back['pull_back_id']}/done", body)).status_code == status
    assert (await shop.post(f"/v1/pull-backs/{shop.id()}/done", scan | {"code": "CUP", "bin": "A-1"})).status_code == 404
    behind = await shop.get(f"/v1/pull-backs?site={SITE}&after={one['pull_back_id']}")
    assert [each["pull_back_id"] for each in behind.json()["pull_backs"]] == [other["pull_back_id"]]
    assert (await shop.get("/v1/pull-backs?site=LCY2")).json()["pull_backs"] == []


async def test_scans_of_units_that_went_back_are_not_undone_once_more(shop: Fulfilment) -> None:
    await begun(shop, ("CUP", 3), ("MUG", 1), scanned=(("CUP", 3),))
    scan_id = await shop.value("select scan_id::text from scans")
    await shop.hear(asked_to_amend(1, ("CUP", 1), ("MUG", 1)), amended(1, ("CUP", 1), ("MUG", 1)))
    task = (await shop.claim("bob")).json()
    undo = await shop.post(f"/v1/pick-tasks/{task['task_id']}/scans/{scan_id}/undo", {"fence": task["fence"]}, subject="bob")
    assert (undo.status_code, undo.json()["progress"]["units_picked"]) == (200, 1)


async def test_a_packed_order_whose_lines_all_stay_is_packed_still(shop: Fulfilment) -> None:
    task = await packed(shop, ("CUP", 2))
    await shop.hear(asked_to_amend(1, ("CUP", 2)))
    unpack = await shop.post(f"/v1/pick-tasks/{task['task_id']}/unpack", {"parcel_id": task["parcel_id"]})
    assert (unpack.status_code, unpack.json()["detail"]) == (409, CHANGED)
    await shop.hear(replace(amended(1, ("CUP", 2)), data=replace(amended(1, ("CUP", 2)).data, address_id=uuid(200_001))))
    assert await shop.rows("select state, parcel_id::text from pick_tasks") == [("packed", task["parcel_id"])]
    assert await shop.value("select address_id from shipments") == uuid(200_001)
    assert (await shop.post(f"/v1/pick-tasks/{task['task_id']}/unpack", {"parcel_id": task["parcel_id"]})).status_code == 200


@pytest.mark.parametrize(("change", "state"), [((("CUP", 1),), "picked"), ((("CUP", 2), ("MUG", 1)), "ready")])
async def test_a_carton_is_opened_for_what_comes_out_or_goes_in(shop: Fulfilment, change: tuple[tuple[str, int], ...], state: str) -> None:
    await packed(shop, ("CUP", 2))
    await shop.hear(asked_to_amend(1, *change))
    await shop.hear(amended(1, *change))
    assert await shop.rows("select state, parcel_id from pick_tasks") == [(state, None)]
    assert await shop.rows("select 1 from parcels") == []
    task = (await shop.claim("bob")).json()
    if state == "ready":
        await shop.scan(task, "MUG", picker="bob")
    told = {"parcel_id": shop.id(), "fence": task["fence"], "carton": "S1", "weight_grams": 300, "weight_confirmed": True}
    assert (await shop.post(f"/v1/pick-tasks/{task['task_id']}/pack", told, subject="bob")).status_code == 200
    units = sum(quantity for _, quantity in change)
    assert await shop.value("select -sum(on_hand)::int from stock_movements where order_id = $1", uuid(1)) == units + (1 if state == "picked" else 0)


@pytest.mark.parametrize(
    ("done", "reason"),
    [
        ("update labels set state = 'bought', tracking_number = '1Z', barcode = 'B', amount_minor = 1, currency = 'GBP'", "labelled"),
        ("update labels set state = 'wanted'", "labelled"),
        ("update labels set state = 'void', tracking_number = '1Z'", None),
        ("update shipments set state = 'handed_over'", "handed-over"),
    ],
)
async def test_past_the_label_nothing_is_changed(shop: Fulfilment, done: str, reason: str | None) -> None:
    task = await packed(shop, ("CUP", 2))
    await shop.rows(
        """insert into labels (reference, parcel_id, carrier, carrier_service, state, wanted_by, wanted_at, cause_id, correlation_id, traceparent)
        values ('L', $1, 'ground', 'ground', 'refused', 'ann', now(), $1, $1, '')""",
        task["parcel_id"],
    )
    await shop.rows(done)
    await shop.hear(asked_to_amend(1, ("CUP", 1)))
    name, told = (await shop.said())[-1]
    assert (name, told.get("reason")) == (("AmendmentRefused", reason) if reason else ("AmendmentPrepared", None))


async def test_an_order_that_ended_is_not_changed(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.order(1)
    await shop.hear(cancel(1))
    await shop.hear(asked_to_amend(1, ("CUP", 2), version=4))
    assert (await shop.said())[-1][1]["reason"] == "order-ended"
    assert await shop.books("CUP") == FREE


async def test_a_change_that_nobody_asked_for_here_is_set_aside(shop: Fulfilment) -> None:
    await begun(shop, ("CUP", 2))
    assert set(await shop.hear(asked_to_amend(7, ("CUP", 1)), amended(8, ("CUP", 1)), undone(9))) == {"unknown-order"}
    assert await shop.hear(amended(1, ("CUP", 1), version=5)) == ["not-prepared"]
    assert await shop.value("select lines from shipments") == 1
    assert await shop.value("select address_id from shipments") == uuid(200_000), "no part of it applies what was set aside"
    assert await shop.hear(asked_to_amend(1, ("CUP", 1), version=3), amended(1, ("CUP", 1), version=5)) == [], "and it can be retried"


async def test_an_agreed_change_that_is_older_than_a_cancel_changes_no_part(shop: Fulfilment) -> None:
    await begun(shop, ("CUP", 2))
    await shop.hear(asked_to_amend(1, ("MUG", 2), ("CUP", 1)), cancel(1, version=6))
    assert await shop.hear(amended(1, ("MUG", 2), ("CUP", 1), version=5, postcode="606")) == []
    assert await stops(shop) == [(1, "CUP", 2, 0)]
    assert await shop.rows("select lines, postcode_prefix from shipments") == [(1, "402")]


async def test_events_that_are_old_or_told_twice_change_nothing(shop: Fulfilment) -> None:
    await begun(shop, ("CUP", 2))
    await shop.hear(asked_to_amend(1, ("CUP", 3)), asked_to_amend(1, ("CUP", 3), version=4))
    assert [name for name, _ in await shop.said("AmendmentPrepared")] == ["AmendmentPrepared"] * 2
    assert (await shop.books("CUP"))["reserved"] == 3
    await shop.hear(amended(1, ("CUP", 3), version=5), amended(1, ("CUP", 3), version=6), undone(1, version=7), undone(1, version=4))
    assert await stops(shop) == [(1, "CUP", 3, 0)]
    assert (await shop.books("CUP"))["reserved"] == 3
    await shop.hear(asked_to_amend(1, ("CUP", 5), change=2, version=6))
    assert len(await shop.said("AmendmentPrepared")) == 2, "it is older than what was heard"


async def test_a_newer_change_takes_the_place_of_one_that_nobody_settled(shop: Fulfilment) -> None:
    await begun(shop, ("CUP", 2))
    await shop.hear(asked_to_amend(1, ("CUP", 2), ("MUG", 5)))
    await shop.hear(asked_to_amend(1, ("CUP", 2), ("MUG", 4), change=2, version=4))
    assert (await shop.books("MUG"))["reserved"] == 4
    assert await shop.rows("select state from amendments order by amendment_id") == [("undone",), ("prepared",)]
    await shop.hear(undone(1, change=1, version=5))
    assert (await shop.claim("bob")).status_code == 204, "that one was not meant"


async def test_a_cancel_that_is_taken_ends_the_change_as_well(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5), ("MUG", "B-1", 5))
    await shop.order(1, ("CUP", 2))
    await shop.hear(asked_to_amend(1, ("MUG", 3)))
    await shop.hear(cancel(1, version=4))
    assert (await shop.names())[-1] == "CancelAccepted"
    assert (await shop.books("CUP"), await shop.books("MUG")) == (FREE, FREE)
    assert await shop.rows("select state from amendments") == [("undone",)]
    assert await shop.rows("select 1 from order_holds") == []
    assert await shop.hear(amended(1, ("MUG", 3), version=5), cancelled(1, version=6)) == []
    assert (await shop.books("MUG"), await shop.value("select state from pick_tasks")) == (FREE, "cancelled")


async def test_a_cancel_of_what_was_claimed_is_refused_and_the_change_goes_on(shop: Fulfilment) -> None:
    await begun(shop, ("CUP", 2))
    await shop.hear(asked_to_amend(1, ("CUP", 2), ("MUG", 3)), cancel(1, version=4))
    assert [name for name, _ in await shop.said("AmendmentPrepared", "CancelRejected")] == ["AmendmentPrepared", "CancelRejected"]
    assert (await shop.books("MUG"))["reserved"] == 3
    await shop.hear(cancelled(1, version=5))
    assert await shop.books("MUG") == FREE, "an order that ended elsewhere wants nothing more, whoever has it in hand"


async def test_an_order_that_waits_for_goods_can_be_changed_to_what_there_is(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5), ("MUG", "B-1", 5))
    await shop.hear(placed(1, ("CUP", 9)), asked_to_amend(1, ("CUP", 3), ("MUG", 1)))
    assert await shop.names() == ["StockShort", "AmendmentPrepared"]
    await shop.hear(amended(1, ("CUP", 3), ("MUG", 1)))
    assert (await shop.said("StockReserved"))[0][1]["lines"] == [
        {"line": 1, "sku": "CUP", "quantity": 3},
        {"line": 2, "sku": "MUG", "quantity": 1},
    ]
    assert await shop.value("select lines from shipments") == 2
    await shop.hear(released(1, version=5))
    assert await stops(shop) == [(1, "CUP", 3, 0), (2, "MUG", 1, 0)]


async def test_an_order_not_released_yet_is_reserved_once(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.hear(placed(1, ("CUP", 2)), asked_to_amend(1, ("CUP", 4)), amended(1, ("CUP", 4)))
    assert await shop.names() == ["StockReserved", "AmendmentPrepared"]
    assert (await shop.books("CUP"))["reserved"] == 4


async def test_a_pick_that_came_up_short_goes_on_without_what_was_missing(shop: Fulfilment) -> None:
    task = await begun(shop, ("CUP", 2), ("MUG", 5), scanned=(("CUP", 2),))
    told = {"report_id": shop.id(), "fence": task["fence"], "line": 2, "found": 3, "reason": "not-found"}
    assert (await shop.post(f"/v1/pick-tasks/{task['task_id']}/short", told)).json()["state"] == "short"
    await shop.hear(asked_to_amend(1, ("CUP", 2), ("MUG", 3)), amended(1, ("CUP", 2), ("MUG", 3)))
    assert [name for name, _ in await shop.said()][-2:] == ["StockReserved", "PickReleased"]
    assert await stops(shop) == [(1, "CUP", 2, 2), (2, "MUG", 3, 0)]
    assert (await shop.claim("bob")).json()["next"]["sku"] == "MUG"
    assert (await shop.books("MUG"))["reserved"] == 3


async def test_claim_and_change_at_once_end_with_nobody_on_the_order(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 90))
    for number in range(1, 13):
        await shop.order(number)
        task_id = await shop.value("select task_id from pick_tasks where order_id = $1", uuid(number))
        claim, _ = await asyncio.gather(
            shop.post(f"/v1/pick-tasks/{task_id}/claim", {"claim_id": shop.id()}, subject=f"p{number}"),
            shop.hear(asked_to_amend(number, ("CUP", 2), change=number)),
        )
        assert claim.status_code in (200, 409), claim.text
        held = await shop.rows("select claimed_by from pick_tasks where order_id = $1", uuid(number))
        assert held == [(None,)], number
        if claim.status_code == 200:
            assert (await shop.scan(claim.json(), "CUP", picker=f"p{number}")).json()["type"] == "urn:kept:problem:stale-claim"
    assert (await shop.books("CUP"))["on_hand"] == 90


async def test_a_label_and_a_change_at_once_have_one_winner(shop: Fulfilment) -> None:
    task, labels = await packed(shop, ("CUP", 2)), Labels(shop.database)
    schedule = {**GROUND, "site": SITE}
    await shop.rows("insert into carrier_services values ('ground', $1, 'standard', false, 1, $2, $3, 'pat', now())", SITE, uuid(5), schedule)
    await shop.hear(heard(CustomerSeen(uuid(100_000), (ADDRESS | {"address_id": str(uuid(200_000))},))))
    parcel_id, version = task["parcel_id"], 3
    for change in range(1, 9):
        label, _ = await asyncio.gather(
            labels.want(parcel_id, "ann", cause()), shop.hear(asked_to_amend(1, ("CUP", 2), change=change, version=version)), return_exceptions=True
        )
        name, told = (await shop.said())[-1]
        assert isinstance(label, Refusal) == (name == "AmendmentPrepared"), (label, name)
        assert told.get("reason", "labelled") == "labelled"
        await shop.rows("delete from labels")
        await shop.hear(undone(1, change=change, version=version + 1))
        version += 2


async def test_a_change_sees_the_label_that_is_being_asked_for(shop: Fulfilment) -> None:
    """The label's request has its shipment: the change waits for it, and is refused."""
    task = await packed(shop, ("CUP", 2))
    async with shop.database.pool.acquire() as packer, packer.transaction():
        await packer.execute("select from shipments where order_id = $1 for update", uuid(1))
        change = asyncio.create_task(shop.hear(asked_to_amend(1, ("CUP", 1))))
        await asyncio.sleep(0.2)
        assert not change.done()
        await packer.execute(
            """insert into labels (reference, parcel_id, carrier, carrier_service, state, wanted_by, wanted_at, cause_id, correlation_id, traceparent)
            values ('L', $1, 'ground', 'ground', 'wanted', 'ann', now(), $1, $1, '')""",
            task["parcel_id"],
        )
    await change
    assert (await shop.said())[-1][1]["reason"] == "labelled"


async def test_an_order_that_goes_elsewhere_leaves_by_what_was_promised_for_it(shop: Fulfilment) -> None:
    await begun(shop, ("CUP", 2))
    later = HAND_OVER.replace(day=24)
    await shop.hear(asked_to_amend(1, ("CUP", 2)), amended(1, ("CUP", 2), postcode="606", carrier_service="air", hand_over_by=later, due_at=later))
    assert await shop.rows("select postcode_prefix, carrier_service, hand_over_by, promised_service, due_at from shipments") == [
        ("606", "air", later, "air", later)
    ]
    assert await shop.value("select hand_over_by from pick_tasks") == later
