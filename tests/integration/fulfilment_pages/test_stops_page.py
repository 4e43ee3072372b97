"""The driver's pages, by their forms alone."""

import pytest

from services.kit.ids import uuid7
from tests.integration.fulfilment_pages.conftest import Person
from tests.integration.promises.ledger.goods.shop import CABLE, TELEVISION, WORDS, Shop
from tests.support.forms import Reader

DAY = "Your delivery will be with you by Sunday 22 November."


@pytest.fixture(autouse=True)
async def vans(shop: Shop) -> None:
    """Our own leave as well."""
    await shop.vans()


async def on_the_road(shop: Shop) -> tuple[str, str, str]:
    """A van that left with one order, its day and its cable promised: the load list, the parcel and its barcode."""
    order_id = await shop.order()
    await shop.date(order_id, "2026-11-22")
    await shop.gift(order_id)
    await shop.tell()
    parcel = await shop.packed(TELEVISION, CABLE)
    load_list = await shop.loaded(parcel)
    await shop.leaves(load_list)
    ((barcode,),) = await shop.rows("select barcode from labels where state = 'bought'")
    return load_list, parcel, barcode


async def _state(shop: Shop) -> object:
    ((state,),) = await shop.rows("select state from parcels")
    return state


async def _at_the_door(shop: Shop, person: Person) -> tuple[Reader, str]:
    load_list, _, barcode = await on_the_road(shop)
    page = await person("driver", "dee").open(f"/stops/{load_list}")
    return await page.press("I am at the door"), barcode


async def test_the_driver_reads_the_words_starts_the_stop_and_hands_over(shop: Shop, person: Person) -> None:
    load_list, _, barcode = await on_the_road(shop)
    page = await person("driver", "dee").open("/stops")
    assert f'href="/stops/{load_list}"' in page.text
    await page.open(f"/stops/{load_list}")
    assert ("12 Analytical Way" in page.said, "40202 Louisville" in page.said, "Ada Byron" in page.said) == (True, True, True)
    assert page.words == [DAY, WORDS]
    await page.press("I am at the door")
    assert (page.band.startswith("READY"), page.words) == (True, [DAY, WORDS])
    scan = page.form("Hand over what was scanned") | {"code": barcode}
    for _ in range(2):
        await page.send(f"/stops/{load_list}", scan)
        assert (page.band.startswith("HANDED OVER"), "Every stop is done" in page.said) == (True, True)
    assert await _state(shop) == "delivered"
    assert await shop.rows("select count(*) from outbox where type = 'fulfilment.ParcelDelivered.v1'") == [(1,)]
    assert "No van today" in (await page.open("/stops")).said


async def test_a_parcel_is_handed_over_by_its_button(shop: Shop, person: Person) -> None:
    page, _ = await _at_the_door(shop, person)
    await page.press("Handed over")
    assert await _state(shop) == "delivered"


async def test_a_stop_that_was_missed_is_tried_again(shop: Shop, person: Person) -> None:
    page, barcode = await _at_the_door(shop, person)
    await page.press("Nobody home")
    assert (page.band.startswith("NOTED"), "Tried before: nobody was home" in page.said) == (True, True)
    await page.press("I am at the door")
    await page.press("Hand over what was scanned", code=barcode)
    assert await _state(shop) == "delivered"


async def test_a_parcel_of_another_stop_is_refused_and_what_belongs_here_is_shown(shop: Shop, person: Person) -> None:
    page, barcode = await _at_the_door(shop, person)
    await page.press("Hand over what was scanned", code="BAR-OTHER")
    assert (page.status, page.band) == (409, "NOT FOR HERE This parcel goes elsewhere: leave it in the van, and scan what belongs here.")
    assert (barcode in page.said, await _state(shop)) == (True, "handed_over")


async def test_before_the_van_left_no_stop_is_started(shop: Shop, person: Person) -> None:
    order_id = await shop.order()
    await shop.date(order_id, "2026-11-22")
    await shop.tell()
    load_list = await shop.loaded(await shop.packed(TELEVISION))
    page = await person("driver", "dee").open("/stops")
    assert "still being loaded" in page.said
    await page.open(f"/stops/{load_list}")
    await page.press("I am at the door")
    assert (page.status, page.band.startswith("NOT DONE The van has not left yet")) == (409, True)


async def test_without_a_van_the_page_says_so(person: Person) -> None:
    assert "No van today" in (await person("driver", "dee").open("/stops")).said


async def test_no_form_whatever_is_in_it_breaks_the_page(shop: Shop, person: Person) -> None:
    page, _ = await _at_the_door(shop, person)
    address = page.address.partition("?")[0]
    order_id = page.form("Handed over")["order_id"]
    for fields in (
        {"more": "1"}, {"do": "start"}, {"do": "start", "order_id": "x"}, {"do": "start", "order_id": str(uuid7())},
        {"do": "fly", "order_id": order_id},
        {"do": "hand-over", "order_id": order_id}, {"do": "hand-over", "order_id": order_id, "scan_id": "x", "code": "y"},
        {"do": "hand-over", "order_id": order_id, "scan_id": str(uuid7()), "code": "a\x00b"}, {"do": "missed", "order_id": order_id},
        {"do": "missed", "order_id": order_id, "scan_id": str(uuid7()), "reason": "bored"},
    ):  # fmt: skip
        await page.send(address, fields)
        assert (400 <= page.status < 500, page.band != "") == (True, True), (fields, page.text)
    assert (await page.send(f"/stops/{uuid7()}", {"do": "start", "order_id": order_id})).status == 404
