"""The pages of what changed orders no longer want, by their forms alone."""

import re
from typing import Any

from services.kit.ids import uuid7
from services.kit.values import short_reference
from tests.integration.fulfilment_pages.conftest import Person
from tests.integration.promises.ledger.goods.shop import CABLE, TELEVISION, Shop
from tests.support.forms import Reader
from tests.unit.fulfilment.build import amended, asked_to_amend, cancelled, placed, released, uuid

TAKE, PUT = "I have it", "It lies here"
ADDRESS = "/pull-backs"


async def pulled_back(shop: Shop, *also: tuple[str, int]) -> str:
    """Two televisions were scanned for an order that wants one now, beside these. Returns the page of the other one."""
    await shop.hear(placed(7, (TELEVISION, 2)))
    await shop.hear(released(7))
    task = await shop.claim()
    for _ in range(2):
        await shop.scan(task, TELEVISION)
    await shop.hear(asked_to_amend(7, (TELEVISION, 1), *also), amended(7, (TELEVISION, 1), *also))
    ((id,),) = await shop.rows("select pull_back_id from pull_backs")
    return f"{ADDRESS}/{id}"


async def _taken(page: Reader, code: str = TELEVISION) -> Reader:
    """The item scanned, which the form asks by its address."""
    return await page.open(f"{page.address.partition('?')[0]}?code={code}")


async def _books(shop: Shop) -> tuple[Any, ...]:
    """Televisions on the shelf, and how many of the pull-backs are done."""
    (row,) = await shop.rows("select (select on_hand from bins where bin = 'T-1'), (select count(*)::int from pull_backs where done_at is not null)")
    return row


async def test_what_is_not_wanted_any_more_is_found_from_the_floor_and_put_back(shop: Shop, person: Person) -> None:
    order, address = short_reference(uuid(7)), await pulled_back(shop)
    page = await person("picker").open("/floor")
    assert "1 to put back" in page.said
    await page.open(ADDRESS)
    assert ("1 thing is to be put back" in page.said, order in page.said, "T-1" in page.said) == (True, True, True)
    assert f'href="{address}"' in page.text
    await page.open(address)
    assert page.band == "READY Scan what you take out"
    assert (order in page.said, "The order was changed" in page.said) == (True, True)
    assert ("pat scanned last for it" in page.said, "The order wants 1 of it: leave that one in." in page.said) == (True, True)
    await _taken(page)
    assert (page.band, "scan the shelf" in page.said, await _books(shop)) == ("THAT IS IT Now take it to its shelf", True, (0, 0))
    await page.press(PUT, bin="T-1")
    assert (page.status, page.band, await _books(shop)) == (200, "PUT BACK It is back on its shelf", (1, 1))
    assert "ann put it back" in page.said
    assert "Nothing is to be put back" in (await page.open(ADDRESS)).said
    assert "to put back" not in (await page.open("/floor")).said


async def test_a_press_that_is_repeated_or_comes_back_counts_once(shop: Shop, person: Person) -> None:
    page = await person("picker").open(await pulled_back(shop))
    address = page.address
    put = (await _taken(page)).form(PUT) | {"bin": "T-1"}
    for _ in range(3):
        await page.send(address, put)
        assert (page.band, await _books(shop)) == ("PUT BACK It is back on its shelf", (1, 1))
    assert (await _taken(page)).band == "DONE It is back on its shelf", "the page before, loaded again"


async def test_a_wrong_scan_says_what_it_is_and_what_was_expected(shop: Shop, person: Person) -> None:
    page = await person("picker").open(await pulled_back(shop))
    await _taken(page, CABLE)
    assert (page.status, page.band) == (409, f"WRONG ITEM This is A hdmi-2m ({CABLE}): it belongs in bin A-1. To be put away is {TELEVISION}.")
    assert ("In your hand" in page.said, "To be put back" in page.said, PUT in page.text) == (True, True, False)
    await _taken(page, "nothing-of-ours")
    assert (page.status, page.band.startswith("UNKNOWN CODE")) == (409, True)
    await _taken(page)
    await page.press(PUT, bin="A-1")
    assert (page.status, page.band) == (409, f"WRONG SHELF {TELEVISION} goes back into bin T-1, not into this one.")
    await page.press(PUT, bin="T-1")
    assert (page.status, await _books(shop)) == (200, (1, 1))


async def test_what_another_put_back_meanwhile_is_told(shop: Shop, person: Person) -> None:
    address = await pulled_back(shop)
    ann, bob = await person("picker").open(address), await person("picker", "bob").open(address)
    for page in (ann, bob):
        await _taken(page)
    await bob.press(PUT, bin="T-1")
    await ann.press(PUT, bin="T-1")
    assert (ann.status, ann.band.startswith("DONE ALREADY bob has put these units back already")) == (409, True)
    assert ("bob put it back" in ann.said, await _books(shop)) == (True, (1, 1))


async def test_who_has_the_order_in_hand_is_named_and_reads_it_on_the_floor(shop: Shop, person: Person) -> None:
    address = await pulled_back(shop, (CABLE, 1))
    bob = await person("picker", "bob").open("/floor")
    await bob.press("Claim the next order")
    assert "Take out of this order: 1 × A lm-43" in bob.said
    page = await person("picker").open(address)
    assert "bob has the order: ask for its tote." in page.said
    assert "In your own tote." in (await bob.open(address)).said


async def test_what_does_not_fit_on_one_page_is_counted_and_stands_on_the_next(shop: Shop, person: Person) -> None:
    await shop.database.pool.execute("""insert into pull_backs (pull_back_id, order_id, task_id, site, sku, bin, quantity, since)
        select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'SDF1', 'HDMI-2M', 'A-' || n, 1, now() + n * interval '1 second'
        from generate_series(1, 51) as n""")
    page = await person("picker").open(ADDRESS)
    assert ("51 things are to be put back" in page.said, page.said.count("goes back to")) == (True, 50)
    further = re.search(r'href="(/pull-backs\?after=[0-9a-f-]+)"', page.text)
    assert further
    await page.open(further[1])
    assert (page.said.count("goes back to"), "A-51" in page.said, "The next ones" in page.said) == (1, True, False)
    assert "No more on this page." in (await page.open(f"{ADDRESS}?after={uuid7()}")).said


async def test_an_order_that_was_cancelled_since_wants_none_of_it(shop: Shop, person: Person) -> None:
    address = await pulled_back(shop, (CABLE, 1))
    task = await shop.claim()
    short = {"report_id": uuid7(), "fence": task["fence"], "line": 2, "found": 0, "reason": "not-found"}
    await shop.done(f"POST /v1/pick-tasks/{task['task_id']}/short", short, "picker")
    await shop.hear(cancelled(7, 6))
    page = await person("picker").open(address)
    assert ("and then cancelled" in page.said, "The order wants none of it any more." in page.said) == (True, True)


async def test_a_loader_sees_what_is_pulled_back_and_a_picker_of_another_site_does_not(shop: Shop, person: Person) -> None:
    address = await pulled_back(shop)
    loader = await person("loader", "lou").open("/dock")
    assert "1 to put back" in loader.said
    assert "Look at it" in (await loader.open(ADDRESS)).said
    assert "A picker puts it back" in (await loader.open(f"{address}?code={TELEVISION}")).said
    assert (TAKE in loader.text, PUT in loader.text) == (False, False)
    other = await person("picker", site="CGN1").open(ADDRESS)
    assert "Nothing is to be put back" in other.said
    assert (await other.open(address)).status == 404


async def test_no_form_whatever_is_in_it_breaks_the_page(shop: Shop, person: Person) -> None:
    address = await pulled_back(shop)
    page = await person("picker").open(address)
    good = {"scan_id": str(uuid7()), "code": TELEVISION, "bin": "T-1"}
    for changed in (
        {"more": "1"}, {"scan_id": "x"}, {"scan_id": ""}, {"code": ""}, {"code": "a\x00"}, {"code": "a" * 65}, {"bin": ""}, {"bin": "a\x00"},
        {"bin": "?"},
    ):  # fmt: skip
        await page.send(address, good | changed)
        assert (400 <= page.status < 500, page.band != "") == (True, True), (changed, page.text)
    for query in ("?code=a%00", f"?code={'a' * 200}", "?code=%F0%9F%98%80", "?typing=maybe", f"?done={'a' * 40}"):
        assert 400 <= (await page.open(address + query)).status < 500, query
    assert (await page.open(f"{ADDRESS}?after={uuid7()}")).status == 200
    for gone in (f"{ADDRESS}/{uuid7()}", f"{ADDRESS}/nonsense"):
        assert ((await page.open(gone)).status, (await page.send(gone, good)).status) == (404, 404), gone
    assert await _books(shop) == (0, 0)
