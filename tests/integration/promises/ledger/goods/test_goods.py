"""Goods that are promised beside an order: held before, a line of its task after, free again where nothing came of it."""

from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from services.fulfilment.duties import agents
from services.fulfilment.duties.agents import ask_about_holds
from services.kit.calling import Away
from services.kit.ids import uuid7
from tests.integration.promises.ledger.goods.shop import CABLE, TELEVISION, WORDS, Shop
from tests.unit.fulfilment.build import SITE, cancel, placed, uuid


async def test_a_gift_is_held_before_it_is_promised_and_a_line_of_the_task_at_once(shop: Shop) -> None:
    order_id = await shop.order()
    receipt = (await shop.gift(order_id)).json()
    assert await shop.rows("select promise_id::text, state, line from promise_holds") == [(receipt["promise_id"], "held", 1_000_001)]
    assert await shop.rows("select line, sku, quantity, picked from pick_lines order by position") == [
        (1, TELEVISION, 1, 0),
        (1_000_001, CABLE, 1, 0),
    ]
    assert await shop.free() == 0
    await shop.tell()
    assert await shop.rows("select state from promise_holds") == [("confirmed",)]
    standing = await shop.ledger.standing(receipt["promise_id"])
    assert (standing["customer_text"], standing["received"], standing["at_risk"]) == (WORDS, ["delivery", "warehouse"], [])


async def test_a_gift_for_an_order_that_waits_for_its_own_goods_is_picked_with_them(shop: Shop) -> None:
    await shop.hear(placed(1, (TELEVISION, 3)))
    assert (await shop.gift(uuid(1))).status_code == 201
    assert await shop.free() == 0
    await shop.stock(TELEVISION, 1, "T-1")
    from services.fulfilment.agents import try_wants

    async with shop.database.transaction() as work:
        await try_wants(work)
    ((said,),) = await shop.rows("select payload from outbox where type = 'fulfilment.StockReserved.v1'")
    assert b"HDMI" not in said, "the order itself has no such line"
    await shop.order()
    assert await shop.rows("select sku from pick_lines order by position") == [(CABLE,), (TELEVISION,)]


async def test_what_is_not_there_is_not_promised_and_what_is_as_good_or_comes_later_is_offered(shop: Shop) -> None:
    await shop.stock("HDMI-3M", 4, "A-2")
    await shop.done(f"PUT /v1/items/{CABLE}/substitutes", {"substitutes": ["HDMI-9M", "HDMI-3M"]})
    expected = {"site": SITE, "sku": CABLE, "quantity": 50, "expected_at": "2026-11-27T10:00:00Z"}
    await shop.done(f"PUT /v1/stock/expected-receipts/{uuid7()}", expected)
    one, other = await shop.order(1), await shop.order(2)
    assert (await shop.gift(one)).status_code == 201
    refused = await shop.gift(other)
    told = refused.json()
    assert (refused.status_code, told["type"], told["available"]) == (409, "urn:kept:problem:not-in-stock", 0)
    assert told["substitutes"] == [{"sku": "HDMI-3M", "description": "A hdmi-3m", "available": 4}]
    assert told["expected"] == [{"expected_at": "2026-11-27T10:00:00+00:00", "quantity": 50}]
    assert "credit" in told["instead"]
    assert (await shop.gift(other, sku="HDMI-3M")).status_code == 201
    assert await shop.ledger.count() == 2


async def test_a_refusal_is_remembered_and_a_promise_holds_once(shop: Shop) -> None:
    order_id = await shop.order()
    body = {"promise_id": str(uuid7())}
    first = await shop.gift(order_id, **body)
    assert first.status_code == 201
    again = await shop.gift(order_id, **body)
    assert (again.status_code, again.json()["type"]) == (409, "urn:kept:problem:promise-exists")
    assert await shop.rows("select count(*) from promise_holds") == [(1,)]


@pytest.mark.parametrize("too_late", ["cancelled", "picked", "packed", "unknown"])
async def test_what_can_no_longer_go_along_is_refused(shop: Shop, too_late: str) -> None:
    order_id = await shop.order() if too_late != "unknown" else uuid(77)
    if too_late == "cancelled":
        await shop.hear(cancel(1))
    elif too_late in ("picked", "packed"):
        task = await shop.claim()
        await shop.scan(task, TELEVISION)
        if too_late == "packed":
            await shop.pack(task)
    refused = await shop.gift(order_id)
    slug = {"cancelled": "order-ended", "unknown": "no-such-order"}.get(too_late, "already-picked")
    assert (refused.status_code, refused.json()["type"]) == (409, f"urn:kept:problem:{slug}"), refused.text
    assert (await shop.free(), await shop.ledger.count()) == (1, 0)


async def test_a_gift_that_comes_too_late_for_the_carton_can_come_by_itself_on_a_day_that_is_told(shop: Shop) -> None:
    order_id = await shop.order()
    await shop.loaded(await shop.packed(TELEVISION))
    refused = (await shop.gift(order_id)).json()
    assert (refused["available"], "credit" in refused["instead"], refused["substitutes"]) == (1, True, [])
    assert [each["expected_at"] for each in refused["dates"]] == [f"2026-11-{day}T13:00:00+00:00" for day in (25, 26, 27)]
    assert (await shop.gift(await shop.order(2))).status_code == 201
    refused = (await shop.gift(order_id)).json()
    assert (refused["available"], refused["dates"], "credit" in refused["instead"]) == (0, [], True)


@pytest.mark.parametrize("end", ["void", "release"])
async def test_what_is_no_longer_promised_is_free_again(shop: Shop, end: str) -> None:
    promise_id = (await shop.gift(await shop.order())).json()["promise_id"]
    await shop.tell()
    body = {"reason": "typed twice"} if end == "void" else {"consent": "on the phone"}
    assert (await shop.ledger.post(f"/v1/promises/{promise_id}/{end}", body)).status_code == 201
    await shop.tell()
    assert await shop.free() == 1
    assert await shop.rows("select sku from pick_lines") == [(TELEVISION,)]
    assert await shop.rows("select state from promise_holds") == [("freed",)]
    assert await shop.rows("select cardinality(lines) from wants") == [(1,)]


async def test_what_somebody_has_in_hand_goes_along(shop: Shop) -> None:
    promise_id = (await shop.gift(await shop.order())).json()["promise_id"]
    task = await shop.claim()
    await shop.scan(task, CABLE)
    await shop.ledger.post(f"/v1/promises/{promise_id}/void", {"reason": "typed twice"})
    await shop.tell()
    assert await shop.rows("select sku, picked from pick_lines order by sku") == [(CABLE, 1), (TELEVISION, 0)]
    await shop.scan(task, TELEVISION)
    await shop.pack(task)


@pytest.fixture
def asked_about(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The worker reaches the ledger."""

    async def call(_: object, caller: str, method: str, url: str) -> httpx.Response:
        path = url.partition("/v1")[1] + url.partition("/v1")[2]
        return await shop.ledger.post(path, None, key=None, subject=caller)

    monkeypatch.setattr(agents, "call", call)
    return shop


async def _hold(shop: Shop, order_id: UUID, promise_id: str) -> None:
    due_at = shop.clock.now() + timedelta(days=3, hours=-1)
    body = {"order_id": str(order_id), "sku": CABLE, "quantity": 1, "due_at": due_at.isoformat()}
    await shop.done(f"PUT /v1/promise-holds/{promise_id}", body, "service", "promises")


async def _two_minutes_pass(shop: Shop) -> None:
    await shop.database.pool.execute("update promise_holds set held_at = held_at - interval '121 seconds'")


async def test_a_hold_whose_promise_was_never_made_is_free_and_never_will_be_promised(asked_about: Shop) -> None:
    shop, promise_id = asked_about, str(uuid7())
    order_id = await shop.order()
    await _hold(shop, order_id, promise_id)
    assert await ask_about_holds(shop.database) == 0, "it may just be under way"
    await _two_minutes_pass(shop)
    assert await ask_about_holds(shop.database) == 1
    assert (await shop.free(), await ask_about_holds(shop.database)) == (1, 0)
    too_late = await shop.gift(order_id, promise_id=promise_id)
    assert (too_late.status_code, too_late.json()["type"]) == (409, "urn:kept:problem:hold-given-up")
    assert (await shop.gift(order_id)).status_code == 201


async def test_a_promise_that_was_held_and_given_up_in_between_is_not_made(asked_about: Shop) -> None:
    """The ledger asked for the hold, then stood still; the warehouse gave it up; the ledger goes on."""
    shop, promise_id = asked_about, str(uuid7())
    order_id = await shop.order()
    await _hold(shop, order_id, promise_id)
    given_up = await shop.ledger.post(f"/v1/promises/{promise_id}/abandonment", None, key=None, subject="fulfilment")
    again = await shop.ledger.post(f"/v1/promises/{promise_id}/abandonment", None, key=None, subject="fulfilment")
    assert (given_up.status_code, again.status_code, again.json()["type"]) == (409, 409, "urn:kept:problem:given-up")
    late = await shop.gift(order_id, promise_id=promise_id)
    assert (late.status_code, late.json()["type"]) == (409, "urn:kept:problem:given-up")
    assert await shop.ledger.count() == 0


async def test_a_hold_whose_promise_was_made_is_confirmed_though_nothing_was_heard(asked_about: Shop) -> None:
    shop = asked_about
    await shop.gift(await shop.order())
    await _two_minutes_pass(shop)
    assert await ask_about_holds(shop.database) == 1
    assert await shop.rows("select state from promise_holds") == [("confirmed",)]
    assert await shop.free() == 0


async def test_a_hold_is_kept_while_the_ledger_does_not_answer(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> httpx.Response:
        raise Away("nobody")

    monkeypatch.setattr(agents, "call", away)
    await _hold(shop, await shop.order(), str(uuid7()))
    await _two_minutes_pass(shop)
    with pytest.raises(ConnectionError):
        await ask_about_holds(shop.database)
    assert await shop.free() == 0
