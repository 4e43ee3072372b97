"""The loader's pages, by their forms alone."""

from typing import Any

from services.kit.ids import uuid7
from tests.integration.fulfilment_pages.conftest import Person
from tests.integration.promises.ledger.goods.shop import CABLE, TELEVISION, WORDS, Shop
from tests.support.forms import Reader


async def _labelled(shop: Shop) -> tuple[str, str]:
    """A parcel with a promised cable: its id and its barcode."""
    await shop.gift(await shop.order())
    await shop.tell()
    parcel = await shop.packed(TELEVISION, CABLE)
    barcode = (await shop.done(f"POST /v1/parcels/{parcel}/label", None, "picker"))["barcode"]
    return parcel, str(barcode)


async def _trailer(shop: Shop, person: Person) -> Reader:
    page = await person("loader", "lou").open("/dock")
    return await page.press("Open a trailer")


async def _parcel(shop: Shop) -> Any:
    ((state,),) = await shop.rows("select state from parcels")
    return state


async def _list(shop: Shop) -> Any:
    ((state,),) = await shop.rows("select state from load_lists")
    return state


async def test_a_parcel_is_loaded_the_trailer_closed_and_handed_over(shop: Shop, person: Person) -> None:
    parcel, barcode = await _labelled(shop)
    page = await person("loader", "lou").open("/dock")
    assert ("0 of 1 loaded" in page.said, "1 missing" in page.said, "EST" in page.said) == (True, True, True)
    await page.press("Open a trailer")
    assert (page.words, "1 parcel is missing" in page.said) == ([WORDS], True)
    await page.press("It is in", code=barcode)
    assert (page.band.startswith("LOADED"), page.words, await _parcel(shop)) == (True, [WORDS], "loaded")
    assert "Everything that has to be in it is in." in page.said
    await page.press("Close the trailer")
    assert (page.band.startswith("CLOSED"), "the carrier has to know first" in page.said) == (True, True)
    await page.press("Hand it over")
    assert (page.status, page.band) == (409, "NOT DONE The carrier has not got the manifest: close it first.")
    await page.press("Tell the carrier what it takes")
    await page.press("Hand it over")
    assert (page.band.startswith("HANDED OVER"), await _parcel(shop)) == (True, "handed_over")
    assert "Take it out" not in page.text
    assert parcel


async def test_a_press_that_is_repeated_counts_once(shop: Shop, person: Person) -> None:
    _, barcode = await _labelled(shop)
    page = await person("loader", "lou").open("/dock")
    opening = page.form("Open a trailer")
    for _ in range(2):
        await page.send("/dock", opening)
    assert await shop.rows("select count(*) from load_lists") == [(1,)]
    load = page.form("It is in") | {"code": barcode}
    address = page.address
    for _ in range(3):
        await page.send(address, load)
        assert page.band.startswith("LOADED")
    assert await shop.rows("select count(*) from load_scans") == [(1,)]
    await page.press("Take it out")
    assert (page.band.startswith("TAKEN OUT"), await _parcel(shop)) == (True, "packed")


async def test_a_parcel_of_another_trailer_or_of_nobody_says_where_it_belongs(shop: Shop, person: Person) -> None:
    await shop.vans()
    _, barcode = await _labelled(shop)
    ((van,),) = await shop.rows("select max(code) from carrier_services where code = 'van'")
    departs = (await shop.done("GET /v1/departures?site=SDF1", None, "loader"))["departures"]
    at = next(each["departs_at"] for each in departs if each["carrier_service"] == van)
    load_list = str(uuid7())
    await shop.done("POST /v1/load-lists", {"load_list_id": load_list, "carrier_service": van, "departs_at": at}, "loader")
    page = await person("loader", "lou").open(f"/dock/{load_list}")
    await page.press("It is in", code=barcode)
    assert (page.status, page.band) == (409, "OTHER TRAILER Not here: this parcel goes with ground from SDF1.")
    await page.press("It is in", code="BAR-NOBODY")
    assert (page.status, page.band.startswith("NOT FOUND Nothing of ours here has this code")) == (404, True)


async def test_a_closed_trailer_is_opened_again_while_the_carrier_does_not_know(shop: Shop, person: Person) -> None:
    _, barcode = await _labelled(shop)
    page = await _trailer(shop, person)
    await page.press("It is in", code=barcode)
    await page.press("Close the trailer")
    await page.press("Open it again")
    assert (page.band.startswith("OPEN AGAIN"), "It is in" in page.text) == (True, True)


async def test_before_it_is_closed_what_would_stay_behind_is_told_in_the_customers_words_and_asked_once_more(shop: Shop, person: Person) -> None:
    _, barcode = await _labelled(shop)
    await shop.order(2)
    page = await _trailer(shop, person)
    address = page.address
    await page.press("Close the trailer")
    assert (page.status, page.band, page.words) == (200, "NOT CLOSED YET Something is missing", [WORDS])
    assert "2 parcels would stay behind, 1 of them with something promised. Close the trailer without them?" in page.said
    assert (barcode in page.said, "0000-0002 not packed yet" in page.said, await _list(shop)) == (True, True, "open")
    await page.open(address)
    assert ("It is in" in page.text, await _list(shop)) == (True, "open")
    await page.press("Close the trailer")
    without = page.form("Close it without them")
    for _ in range(2):
        await page.send(address, without)
        assert (page.band.startswith("CLOSED"), await _list(shop)) == (True, "closed")


async def test_what_is_missing_since_the_loader_looked_is_told_before_it_is_closed(shop: Shop, person: Person) -> None:
    await shop.order()
    page = await _trailer(shop, person)
    address = page.address
    await page.press("Close the trailer")
    assert "1 parcel would stay behind. Close the trailer without it?" in page.said
    order_id = await shop.order(2)
    await page.press("Close it without it")
    assert (page.band.startswith("LOOK AGAIN"), "2 parcels would stay behind" in page.said, page.words) == (True, True, [])
    await shop.gift(order_id)
    await shop.tell()
    await page.press("Close it without them")
    assert (page.band.startswith("LOOK AGAIN"), page.words, await _list(shop)) == (True, [WORDS], "open")
    for wrong in ("x", "0" * 64):
        assert (await page.send(address, {"do": "close", "without": wrong})).band.startswith("LOOK AGAIN")
    await page.press("Close it without them")
    assert (page.band.startswith("CLOSED"), await _list(shop)) == (True, "closed")
    assert (await page.open(f"{address}?ask=close")).band.startswith("CLOSED"), "the page before, loaded again"


async def test_a_parcel_on_board_without_what_was_promised_with_it_is_told_before_the_trailer_is_closed(shop: Shop, person: Person) -> None:
    await shop.gift(await shop.order())
    await shop.tell()
    task = await shop.claim()
    await shop.scan(task, TELEVISION)
    short = {"report_id": uuid7(), "fence": task["fence"], "line": 1_000_001, "found": 0, "reason": "not-found"}
    await shop.done(f"POST /v1/pick-tasks/{task['task_id']}/short", short, "picker")
    page = await person("loader", "lou").open(f"/dock/{await shop.loaded(await shop.pack(task))}")
    assert "Something is not in it" in page.said
    await page.press("Close the trailer")
    assert (page.band.startswith("NOT CLOSED YET"), page.words, "on board, without this" in page.said) == (True, [WORDS], True)
    assert "1 parcel on board lacks something promised. Close the trailer as it is?" in page.said
    await page.press("Close it as it is")
    assert (page.band.startswith("CLOSED"), await _list(shop)) == (True, "closed")


async def test_a_site_without_departures_says_so_and_who_works_everywhere_says_where(shop: Shop, person: Person) -> None:
    page = await person("loader", "lou", site="CGN1").open("/dock")
    assert "Nothing leaves from CGN1 in the next day." in page.said
    assert (await page.open("/dock?site=SDF1")).status == 404
    everywhere = await person("loader", "lou", site=None).open("/dock")
    assert "At which site do you load?" in everywhere.said
    assert "0 of 0 loaded" in (await everywhere.open("/dock?site=SDF1")).said


async def test_no_form_whatever_is_in_it_breaks_the_page(shop: Shop, person: Person) -> None:
    page = await _trailer(shop, person)
    address = page.address
    ids = {"scan_id": str(uuid7()), "parcel_id": str(uuid7())}
    for fields in (
        {"more": "1"}, {"do": "fly"}, {"do": "load"}, {"do": "load", "scan_id": "x", "code": "a"},
        {"do": "load", "scan_id": str(uuid7()), "code": "a\x00"},
        {"do": "unload"}, {"do": "unload", **ids}, {"do": "unload", **ids, "barcode": "b"}, {"do": "manifest"},
        {"do": "manifest", "manifest_id": str(uuid7())}, {"do": "hand-over"},
        {"do": "close", "without": "a" * 65}, {"do": "close", "more": "1"},
    ):  # fmt: skip
        await page.send(address, fields)
        assert (400 <= page.status < 500, page.band != "") == (True, True), (fields, page.text)
    for fields in ({"more": "1"}, {"do": "open"}, {"load_list_id": str(uuid7()), "carrier_service": "ground", "departs_at": "2026-11-22T00:00:01Z"}):
        await page.send("/dock", fields)
        assert 400 <= page.status < 500, (fields, page.text)
    assert (await page.send(f"/dock/{uuid7()}", {"do": "close"})).status == 404
    assert (await page.open("/dock/nonsense")).status == 404
