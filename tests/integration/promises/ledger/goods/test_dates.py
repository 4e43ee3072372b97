"""Which days can be promised for an order, as the warehouse answers it: what it says can then be promised."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.kit.calling import call
from services.kit.ids import uuid7
from services.kit.settings import KitSettings
from services.notifications.telling import offering
from tests.access.asking import Ask
from tests.integration.promises.ledger.goods.shop import TELEVISION, Shop
from tests.unit.fulfilment.build import SITE, placed, uuid


@pytest.fixture(autouse=True)
async def vans(shop: Shop) -> None:
    """Our own leave as well: one place each morning."""
    await shop.vans()


async def _ask(shop: Shop, order_id: UUID, query: str = "") -> httpx.Response:
    path = f"/v1/orders/{order_id}/dates"
    return await shop.asks.send(f"GET {path}", Ask(path + query), "care", "cleo")


async def _told(shop: Shop, order_id: UUID, query: str = "") -> dict[str, Any]:
    answered = await _ask(shop, order_id, query)
    assert answered.status_code == 200, answered.text
    told: dict[str, Any] = answered.json()
    return told


def _days(told: dict[str, Any]) -> list[tuple[str, str, int | None]]:
    return [(each["expected_on"], each["carrier_service"], each["places_left"]) for each in told["dates"]]


async def test_a_day_that_was_told_can_be_promised_and_is_not_told_again(shop: Shop) -> None:
    one, other = await shop.order(1), await shop.order(2)
    told = await _told(shop, one)
    assert _days(told) == [("2026-11-22", "van", 1), ("2026-11-23", "van", 1), ("2026-11-24", "van", 1)]
    assert told["dates"][0] == {
        "carrier_service": "van", "departs_at": "2026-11-22T12:00:00Z", "expected_at": "2026-11-22T17:00:00Z", "expected_on": "2026-11-22",
        "zone": "America/New_York", "places_left": 1,
    }  # fmt: skip
    assert (told["because"], told["goods_at"], told["reason"]) == (None, None, None)
    assert await shop.rows("select count(*) from departures") == [(0,)], "nothing is held by asking"
    assert (await shop.date(one, told["dates"][0]["expected_on"])).status_code == 201
    assert _days(await _told(shop, other, "?limit=1")) == [("2026-11-23", "van", 1)]


async def test_what_the_warehouse_answers_is_what_those_who_write_mails_read(shop: Shop, tmp_path: Path) -> None:
    url = f"http://fulfilment/v1/orders/{await shop.order()}/dates?limit=1"
    answered = await call(KitSettings(var=tmp_path), "notifications", "GET", url, transport=httpx.ASGITransport(shop.asks.app))
    assert answered.status_code == 200, answered.text
    assert [day.expected_at for day in offering._read_dates(answered.content).dates] == [datetime(2026, 11, 22, 17, tzinfo=UTC)]


async def _short(shop: Shop, order_id: UUID) -> None:
    """The picker finds no television: the shelf is empty, and set aside for a count."""
    task = await shop.claim()
    assert task["order_id"] == str(order_id)
    short = {"report_id": uuid7(), "fence": task["fence"], "line": 1, "found": 0, "reason": "not-found"}
    assert (await shop.done(f"POST /v1/pick-tasks/{task['task_id']}/short", short, "picker"))["state"] == "short"


async def _expect(shop: Shop, quantity: int, **after: float) -> None:
    body = {"site": SITE, "sku": TELEVISION, "quantity": quantity, "expected_at": shop.clock.now() + timedelta(**after)}
    await shop.done(f"PUT /v1/stock/expected-receipts/{uuid7()}", body)


async def test_without_its_goods_an_order_has_the_days_after_they_come_or_none_where_nobody_knows(shop: Shop) -> None:
    order_id = await shop.order()
    await _short(shop, order_id)
    told = await _told(shop, order_id)
    assert (told["dates"], told["because"]) == ([], "stock")
    assert told["reason"].startswith("Nobody said when what is missing comes: ask the supplier")
    await _expect(shop, 1, days=2)
    told = await _told(shop, order_id)
    assert (_days(told)[0], told["because"], told["goods_at"]) == (("2026-11-24", "van", 1), "stock", "2026-11-24T04:58:00Z")


async def test_a_place_that_the_order_has_is_there_for_it_once_its_goods_come(shop: Shop) -> None:
    order_id, other = await shop.order(1), await shop.order(2)
    assert (await shop.date(order_id, "2026-11-22")).status_code == 201
    await _short(shop, order_id)
    await _expect(shop, 1, hours=2)
    assert _days(await _told(shop, order_id))[0] == ("2026-11-22", "van", 1)
    assert _days(await _told(shop, other))[0] == ("2026-11-23", "van", 1)


async def test_what_comes_goes_to_the_order_that_waits_longest(shop: Shop) -> None:
    await shop.hear(placed(1, (TELEVISION, 3)), placed(2, (TELEVISION, 4), after=1))
    await shop.database.pool.execute("update shipments set country = 'US', postcode_prefix = '402'")
    for quantity, days in ((1, 1), (3, 2), (1, 4)):
        await _expect(shop, quantity, days=days)
    assert [(await _told(shop, uuid(number), "?limit=1"))["goods_at"] for number in (1, 2)] == ["2026-11-23T04:58:00Z", "2026-11-26T04:58:00Z"]


async def test_an_order_that_is_not_released_has_days_where_it_is_known_where_it_goes(shop: Shop) -> None:
    await shop.hear(placed(5, (TELEVISION, 1)))
    assert _days(await _told(shop, uuid(5)))[0] == ("2026-11-22", "van", 1)
    await shop.database.pool.execute("update shipments set country = '', postcode_prefix = ''")
    refused = await _ask(shop, uuid(5))
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:kept:problem:no-place")


async def test_where_nobody_goes_there_is_no_day(shop: Shop) -> None:
    order_id = await shop.order()
    await shop.database.pool.execute("update shipments set country = 'AQ'")
    told = await _told(shop, order_id)
    assert (told["dates"], told["because"], "promise an answer by a day" in told["reason"]) == ([], None, True)


async def test_a_parcel_with_its_label_has_no_other_day_and_nobody_has_one_of_an_order_that_is_not_there(shop: Shop) -> None:
    order_id = await shop.order()
    await shop.loaded(await shop.packed(TELEVISION))
    refused = await _ask(shop, order_id)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:kept:problem:already-picked")
    assert (await _ask(shop, uuid7())).status_code == 404
    for limit in ("0", "101", "x"):
        assert (await _ask(shop, order_id, f"?limit={limit}")).status_code == 422
