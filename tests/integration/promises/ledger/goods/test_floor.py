"""What was promised reaches the floor in the customer's very words, and what people do there is what keeps it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.fulfilment.duties.agents import DUTIES
from services.kit.ids import uuid7
from services.kit.promise.keeper import Keeper
from services.promises.settings import Settings
from tests.integration.promises.ledger.goods.shop import CABLE, TELEVISION, WORDS, Shop
from tests.unit.fulfilment.build import amended, asked_to_amend


async def _promised(shop: Shop) -> str:
    promise_id = (await shop.gift(await shop.order())).json()["promise_id"]
    await shop.tell()
    return str(promise_id)


async def _standing(shop: Shop, promise_id: str) -> dict[str, Any]:
    await shop.tell()
    return await shop.ledger.standing(promise_id)


async def test_the_picker_reads_it_before_the_first_scan_and_the_ledger_knows(shop: Shop) -> None:
    promise_id = await _promised(shop)
    assert (await _standing(shop, promise_id))["seen"] == []
    task = await shop.claim()
    ((told),) = task["promised"]
    assert (told["promise_id"], told["customer_text"], told["sku"], told["line"]) == (promise_id, WORDS, CABLE, 1_000_001)
    assert [line["line"] for line in task["lines"]] == [1, 1_000_001]
    assert (await _standing(shop, promise_id))["seen"] == ["warehouse"]


async def test_a_line_that_comes_while_somebody_picks_is_shown_with_the_next_look(shop: Shop) -> None:
    order_id = await shop.order()
    task = await shop.claim()
    await shop.scan(task, TELEVISION)
    assert (await shop.gift(order_id)).status_code == 409, "the last line was picked: the carton is not opened again"
    other = await shop.order(2)
    task = await shop.done("POST /v1/pick-tasks:claim-next", {"claim_id": uuid7(), "site": "SDF1"}, "picker", "second")
    assert (await shop.gift(other)).status_code == 201
    await shop.tell()
    seen = await shop.done(f"GET /v1/pick-tasks/{task['task_id']}", None, "picker", "second")
    assert [each["customer_text"] for each in seen["promised"]] == [WORDS]


async def test_picked_packed_loaded_and_delivered_it_is_kept(shop: Shop) -> None:
    promise_id = await _promised(shop)
    parcel = await shop.packed(TELEVISION, CABLE)
    packed = await _standing(shop, promise_id)
    assert (packed["verdict"], packed["fulfilment"], packed["shown"]) == ("open", "none", [f"pack {parcel}"])
    load_list = await shop.loaded(parcel)
    listed = await shop.done(f"GET /v1/load-lists/{load_list}", None, "loader")
    assert [each["customer_text"] for each in listed["parcels"][0]["promised"]] == [WORDS]
    await shop.leaves(load_list)
    assert (await _standing(shop, promise_id))["seen"] == ["delivery", "warehouse"]
    await _delivered(shop, parcel)
    kept = await _standing(shop, promise_id)
    assert (kept["verdict"], kept["fulfilment"], kept["settled_by"]) == ("kept", "done", "delivery")


async def test_a_shelf_that_lacks_what_was_promised_does_not_stop_the_order_and_is_told(shop: Shop) -> None:
    promise_id = await _promised(shop)
    task = await shop.claim()
    await shop.scan(task, TELEVISION)
    short = {"report_id": uuid7(), "fence": task["fence"], "line": 1_000_001, "found": 0, "reason": "not-found"}
    after = await shop.done(f"POST /v1/pick-tasks/{task['task_id']}/short", short, "picker")
    assert (after["state"], [line["line"] for line in after["lines"]]) == ("picked", [1])
    parcel = await shop.pack(task)
    standing = await _standing(shop, promise_id)
    assert (standing["at_risk"], standing["shown"]) == (["short"], [])
    assert await shop.rows("select state from promise_holds") == [("freed",)]
    assert await shop.rows("select sku from reservations") == [(TELEVISION,)]
    assert await shop.rows("select count(*) from outbox where type = 'fulfilment.PickShort.v1'") == [(0,)]
    shop.clock.advance(timedelta(days=4))
    await shop.ledger.until((await shop.ledger.count()) + 2)
    assert (await shop.ledger.standing(promise_id))["verdict"] == "broken"
    assert parcel


async def test_a_bin_that_lacks_it_is_passed_over_for_one_that_has_it(shop: Shop) -> None:
    promise_id = await _promised(shop)
    await shop.stock(CABLE, 1, "B-9")
    task = await shop.claim()
    short = {"report_id": uuid7(), "fence": task["fence"], "line": 1_000_001, "found": 0, "reason": "not-found"}
    after = await shop.done(f"POST /v1/pick-tasks/{task['task_id']}/short", short, "picker")
    assert [line["bin"] for line in after["lines"]] == ["T-1", "B-9"]
    assert (await _standing(shop, promise_id))["at_risk"] == []


ALTERED = {
    "the sku of the line to pick": "update pick_lines set sku = 'LM-34' where line > 1000000",
    "how many there are to pick": "update pick_lines set quantity = 2 where line > 1000000",
    "the sku that is held": "update promise_holds set sku = 'LM-34'",
    "the order that it is held for": "update promise_holds set order_id = gen_random_uuid()",
    "how many are held": "update promise_holds set quantity = 3",
}


@pytest.mark.parametrize("what", ALTERED)
async def test_one_field_altered_in_the_work_is_found_in_one_round_and_named(shop: Shop, tmp_path: Path, what: str) -> None:
    promise_id = await _promised(shop)
    await shop.tell()
    keeper = Keeper("fulfilment", shop.database, Settings(var=tmp_path), httpx.ASGITransport(shop.ledger.app), DUTIES)
    assert await keeper.round()
    assert await _altered(shop) == ("agrees", [])
    await shop.database.pool.execute(ALTERED[what])
    assert await keeper.round(), "the view itself is right"
    assert await _altered(shop) == ("differs", [promise_id])


async def test_what_was_promised_beside_an_order_stays_when_the_order_is_changed_and_is_not_called_different(shop: Shop, tmp_path: Path) -> None:
    promise_id = await _promised(shop)
    await shop.tell()
    await shop.stock("SOUNDBAR", 3, "S-1")
    keeper = Keeper("fulfilment", shop.database, Settings(var=tmp_path), httpx.ASGITransport(shop.ledger.app), DUTIES)
    await shop.hear(asked_to_amend(1, ("SOUNDBAR", 2)))
    assert await keeper.round()
    assert await _altered(shop) == ("agrees", [])
    await shop.hear(amended(1, ("SOUNDBAR", 2)))
    assert await keeper.round()
    assert await _altered(shop) == ("agrees", [])
    assert await shop.rows("select line, sku, quantity from pick_lines order by line") == [(1, "SOUNDBAR", 2), (1_000_001, CABLE, 1)]
    task = await shop.claim()
    for sku in (CABLE, "SOUNDBAR", "SOUNDBAR"):
        await shop.scan(task, sku)
    await shop.hear(asked_to_amend(1, ("SOUNDBAR", 1), change=2, version=5), amended(1, ("SOUNDBAR", 1), change=2, version=6))
    assert await shop.rows("select state from pick_tasks") == [("picked",)]
    assert await shop.rows("select sku, quantity from pull_backs") == [("SOUNDBAR", 1)], "the gift stays in the tote"
    assert await keeper.round()
    assert (await _altered(shop), (await _standing(shop, promise_id))["at_risk"]) == (("agrees", []), [])


async def _altered(shop: Shop) -> tuple[str, list[str]]:
    told = (await shop.ledger.get("/v1/agreement")).json()["views"]
    return next((each["state"], each["altered"]) for each in told if each["view"] == "fulfilment")


async def _delivered(shop: Shop, parcel: str) -> None:
    from services.fulfilment.shipping.tracking.domain import Kind, Said
    from services.fulfilment.shipping.tracking.store import Tracking
    from services.fulfilment.work import WorkLog
    from tests.unit.fulfilment.build import cause

    ((carrier, number),) = await shop.rows("select carrier, tracking_number from labels where parcel_id = $1::text::uuid", parcel)
    async with shop.database.transaction() as work:
        log = WorkLog(work)
        await Tracking(work, log).hear(carrier, Said("event-1", number, Kind.DELIVERED, shop.clock.now()), cause())
        await log.flush()
