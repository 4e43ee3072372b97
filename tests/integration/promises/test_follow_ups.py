"""An order that got no date hears more by the day it was told, and gets its date by itself once a carrier goes there."""

from services.kit.database import decode_headers
from tests.integration.promises.conftest import Promises
from tests.unit.promises.events import AIR, GROUND, heard

NOWHERE = {"country": "US", "postcode_prefix": "999", "zone": "America/Anchorage"}
THERE = GROUND | {"lanes": [GROUND["lanes"][0] | {"postcode_prefix": "99"}]}


async def test_a_carrier_that_comes_gives_the_order_its_promise(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced", destination=NOWHERE))
    await promises.hear(heard("CarrierServiceScheduled", AIR, version=2))
    assert await promises.look() == 0
    await promises.hear(heard("CarrierServiceScheduled", THERE, version=2))
    assert [await promises.look(), await promises.look()] == [1, 0]
    assert [name for name, _ in await promises.said()] == ["PromiseDeclined", "PromiseMade"]
    assert await promises.rows("select declined, look_at, answer_by from orders_view") == [(None, None, None)]


async def test_a_customer_hears_more_by_the_day_told_five_times(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced", destination=NOWHERE))
    for looked in range(1, 7):
        ((by,),) = await promises.rows("select answer_by from orders_view")
        promises.at(by)
        assert [await promises.look(), await promises.look()] == [1, 0]
        assert len(await promises.said("PromiseDeclined")) == 1 + min(looked, 5)
    assert await promises.rows("select follow_ups, look_at from orders_view") == [(5, None)]
    versions = [dict(decode_headers(headers))["ce_aggregateversion"] for (headers,) in await promises.rows("select headers from outbox order by id")]
    assert versions == [b"1", b"2", b"3", b"4", b"5", b"6"]


async def test_a_try_that_fails_before_the_day_told_is_silent(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced", destination=NOWHERE))
    await promises.hear(heard("CarrierServiceScheduled", THERE | {"departures": []}, version=2))
    assert [await promises.look(), await promises.look()] == [1, 0]
    assert len(await promises.said()) == 1
    assert await promises.rows("select look_at = answer_by from orders_view") == [(True,)]


async def test_an_order_that_was_cancelled_hears_no_more(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced", destination=NOWHERE), heard("OrderCancelled"))
    await promises.hear(heard("CarrierServiceScheduled", THERE, version=2))
    promises.at("2026-11-30T00:00:00+00:00")
    assert await promises.look() == 0
    assert len(await promises.said()) == 1
