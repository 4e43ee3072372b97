"""The pages of work in a real browser: a day at the floor, the dock and the doors, by clicks and a scanner's keys; readable on every screen."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from services.fulfilment.main import application
from services.kit.http.cookies import COOKIE
from services.kit.ids import uuid7
from services.kit.settings import KitSettings
from tests.integration.fulfilment_pages.test_floor_page import ODD
from tests.integration.fulfilment_pages.test_pull_backs_page import pulled_back
from tests.integration.fulfilment_pages.test_stops_page import on_the_road
from tests.integration.promises.ledger.goods.shop import CABLE, TELEVISION, WORDS, Shop
from tests.support.browsing import SCHEMES, SCREENS, a_browser, is_for_everybody, is_readable, picture, served
from tests.unit.fulfilment.build import SITE

pytestmark = pytest.mark.browser
_TARGET = 56


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with a_browser() as opened:
        yield opened


@pytest.fixture
async def site(shop: Shop) -> AsyncIterator[str]:
    async with served(shop.asks.app) as address:
        yield address


@asynccontextmanager
async def window(shop: Shop, browser: Browser, site: str, role: str, *, plain: bool = True) -> AsyncIterator[Page]:
    """A phone in the hands of somebody who is signed in; plain: without JavaScript."""
    context = await browser.new_context(viewport={"width": 390, "height": 844}, java_script_enabled=not plain, base_url=site)
    await context.add_cookies([{"name": COOKIE, "value": shop.asks.token(role, f"{role}-1", SITE), "url": site}])
    yield await context.new_page()
    await context.close()


async def _scan(page: Page, code: str, into: str = "Scan here") -> None:
    """As a scanner does: keys into what has the focus, and Enter."""
    await expect(page.get_by_label(into)).to_be_focused()
    await page.keyboard.type(code)
    await page.keyboard.press("Enter")
    await page.wait_for_load_state("networkidle")


async def _targets(page: Page) -> None:
    """Every large button and link is large enough for a glove."""
    for each in await page.locator(".big:visible").all():
        box = await each.bounding_box()
        assert box and box["height"] >= _TARGET, (await each.inner_text(), box)


async def test_an_order_is_picked_and_packed_by_clicks_and_a_scanner(shop: Shop, site: str, browser: Browser) -> None:
    await shop.gift(await shop.order(), customer_text=ODD)
    await shop.tell()
    async with window(shop, browser, site, "picker") as page:
        await page.goto("/floor")
        await page.get_by_role("button", name="Claim the next order").click()
        assert await page.locator(".words").text_content() == ODD
        await _targets(page)
        await page.get_by_role("link", name="I have read it: start").click()
        await _scan(page, CABLE)
        await expect(page.get_by_role("status")).to_contain_text("COUNTED")
        await _scan(page, "some other code")
        await expect(page.get_by_role("alert")).to_contain_text("No item has this code")
        await _scan(page, TELEVISION)
        await _targets(page)
        await page.get_by_label("L2").check()
        await page.get_by_label("Weight on the scale").fill("770")
        await page.get_by_role("button", name="Close the carton").click()
        await page.get_by_role("button", name="Get the label").click()
        await expect(page.get_by_role("status")).to_contain_text("LABELLED")
        await page.reload()
        await page.get_by_role("button", name="Claim the next order").click()
        await expect(page.get_by_role("heading", name="No order waits")).to_be_visible()
    assert await shop.rows("select state from pick_tasks") == [("packed",)]


async def test_a_trailer_is_loaded_closed_and_handed_over_by_clicks_and_a_scanner(shop: Shop, site: str, browser: Browser) -> None:
    await shop.gift(await shop.order())
    await shop.tell()
    parcel = await shop.packed(TELEVISION, CABLE)
    barcode = (await shop.done(f"POST /v1/parcels/{parcel}/label", None, "picker"))["barcode"]
    async with window(shop, browser, site, "loader") as page:
        await page.goto("/dock")
        await page.get_by_role("button", name="Open a trailer").click()
        assert await page.locator(".words").text_content() == WORDS
        await _scan(page, barcode)
        await expect(page.get_by_role("status")).to_contain_text("LOADED")
        await _targets(page)
        await page.get_by_role("button", name="Close the trailer").click()
        await page.get_by_role("button", name="Tell the carrier what it takes").click()
        await page.get_by_role("button", name="Hand it over").click()
        await expect(page.get_by_role("status")).to_contain_text("HANDED OVER")
    assert await shop.rows("select state from parcels") == [("handed_over",)]


async def test_a_driver_starts_a_stop_and_hands_over_by_clicks_and_a_scanner(shop: Shop, site: str, browser: Browser) -> None:
    await shop.vans()
    _, _, barcode = await on_the_road(shop)
    async with window(shop, browser, site, "driver") as page:
        await page.goto("/stops")
        await page.get_by_role("link", name="Its stops").click()
        assert WORDS in await page.locator(".words").all_text_contents()
        await page.get_by_role("button", name="I am at the door").click()
        await expect(page.get_by_label("Scan here")).to_be_focused()
        await _targets(page)
        await _scan(page, barcode)
        await expect(page.get_by_role("heading", name="Every stop is done")).to_be_visible()
    assert await shop.rows("select state from parcels") == [("delivered",)]


async def test_what_is_not_wanted_any_more_is_put_back_by_clicks_and_a_scanner(shop: Shop, site: str, browser: Browser) -> None:
    await pulled_back(shop)
    async with window(shop, browser, site, "picker") as page:
        await page.goto("/floor")
        await page.get_by_role("link", name="1 to put back").click()
        await page.get_by_role("link", name="Put back 1 × A lm-43").click()
        await _targets(page)
        await _scan(page, CABLE, "Scan one of them here")
        await expect(page.get_by_role("alert")).to_contain_text(f"To be put away is {TELEVISION}")
        await _scan(page, TELEVISION, "Scan one of them here")
        await expect(page.get_by_role("status")).to_contain_text("THAT IS IT")
        await _targets(page)
        await _scan(page, "T-1", "Scan the shelf here")
        await expect(page.get_by_role("status")).to_contain_text("PUT BACK")
        await page.go_back()
        await page.reload()
        await expect(page.get_by_role("heading", name="on shelf T-1 again")).to_be_visible()
    assert await shop.rows("select done_by from pull_backs") == [("picker-1",)]


async def idle(shop: Shop) -> str:
    return "/floor"


async def none(shop: Shop) -> str:
    return "/floor?at=none"


async def promised(shop: Shop) -> str:
    await shop.gift(await shop.order())
    await shop.tell()
    await shop.claim()
    return "/floor"


async def walking(shop: Shop) -> str:
    await promised(shop)
    return "/floor?at=walk"


async def typing(shop: Shop) -> str:
    await promised(shop)
    return "/floor?at=type"


async def short(shop: Shop) -> str:
    await promised(shop)
    return "/floor?at=short"


async def packing(shop: Shop) -> str:
    await shop.gift(await shop.order())
    await shop.tell()
    task = await shop.claim()
    for sku in (TELEVISION, CABLE):
        await shop.scan(task, sku)
    return "/floor"


async def packed(shop: Shop) -> str:
    await shop.order()
    return f"/floor?done=pack&parcel={await shop.packed(TELEVISION)}"


async def labelled(shop: Shop) -> str:
    await shop.order()
    parcel = await shop.packed(TELEVISION)
    await shop.done(f"POST /v1/parcels/{parcel}/label", None, "picker")
    return f"/floor?done=label&parcel={parcel}"


async def departures(shop: Shop) -> str:
    await shop.vans()
    await loading(shop)
    return "/dock"


async def loading(shop: Shop) -> str:
    await shop.gift(await shop.order())
    await shop.tell()
    load_list = await shop.loaded(await shop.packed(TELEVISION, CABLE))
    await shop.order(2)
    await shop.done(f"POST /v1/parcels/{await shop.packed(TELEVISION)}/label", None, "picker")
    return f"/dock/{load_list}"


async def left_behind(shop: Shop) -> str:
    """Nothing is in the trailer: not the parcel with a promised cable, and not the order that nobody packed."""
    address = await loading(shop)
    await shop.done(f"POST /v1/load-lists/{address.removeprefix('/dock/')}/unload", {"scan_id": uuid7(), "parcel_id": await _gift(shop)}, "loader")
    await shop.stock(TELEVISION, 1, "T-1")
    await shop.order(3)
    return f"{address}?ask=close"


async def _gift(shop: Shop) -> str:
    ((parcel,),) = await shop.rows("select parcel_id::text from parcels where state = 'loaded'")
    return str(parcel)


async def closed(shop: Shop) -> str:
    address = await loading(shop)
    await shop.done(f"POST /v1/load-lists/{address.removeprefix('/dock/')}/close", None, "loader")
    return address


async def nothing_leaves(shop: Shop) -> str:
    await shop.database.pool.execute("delete from carrier_services")
    return "/dock"


async def vans(shop: Shop) -> str:
    await shop.vans()
    await on_the_road(shop)
    return "/stops"


async def no_van(shop: Shop) -> str:
    return "/stops"


async def next_stop(shop: Shop) -> str:
    await shop.vans()
    return f"/stops/{(await on_the_road(shop))[0]}"


async def at_the_door(shop: Shop) -> str:
    address = await next_stop(shop)
    ((order_id,),) = await shop.rows("select order_id from parcels")
    await shop.done(f"POST /v1/run-sheets/{address.removeprefix('/stops/')}/stops/{order_id}/start", None, "driver")
    return address


async def to_put_back(shop: Shop) -> str:
    return (await pulled_back(shop)).rpartition("/")[0]


async def to_take_out(shop: Shop) -> str:
    return await pulled_back(shop)


async def another_thing(shop: Shop) -> str:
    return f"{await pulled_back(shop)}?code={CABLE}"


async def to_its_shelf(shop: Shop) -> str:
    return f"{await pulled_back(shop)}?code={TELEVISION}"


async def back_on_its_shelf(shop: Shop) -> str:
    address = await pulled_back(shop)
    await shop.done(f"POST /v1{address}/done", {"scan_id": uuid7(), "code": TELEVISION, "bin": "T-1"}, "picker")
    return f"{address}?done=put-back"


async def nothing_to_put_back(shop: Shop) -> str:
    return "/pull-backs"


async def packing_less(shop: Shop) -> str:
    """A tote out of which something has to come."""
    await pulled_back(shop)
    await shop.claim()
    return "/floor"


State = Callable[[Shop], Awaitable[str]]
AT_WORK: tuple[tuple[str, State], ...] = (
    ("picker", walking),
    ("picker", packing),
    ("picker", to_take_out),
    ("loader", loading),
    ("driver", at_the_door),
)
BESIDES: tuple[tuple[str, State], ...] = (
    ("picker", idle), ("picker", none), ("picker", promised), ("picker", typing), ("picker", short), ("picker", packed), ("picker", labelled),
    ("loader", departures), ("loader", closed), ("loader", left_behind), ("loader", nothing_leaves), ("driver", vans), ("driver", no_van),
    ("driver", next_stop),
    ("picker", to_put_back), ("picker", another_thing), ("picker", to_its_shelf), ("picker", back_on_its_shelf), ("picker", nothing_to_put_back),
    ("picker", packing_less),
)  # fmt: skip
SMALLEST = SCREENS if "PICTURES" in os.environ else {"narrow": SCREENS["narrow"]}
"""Where something is too wide it is so here; who wants pictures wants all."""


def _signed(shop: Shop, role: str) -> dict[str, str]:
    return {"authorization": f"Bearer {shop.asks.token(role, 'pat', SITE)}"}


@pytest.mark.parametrize(("role", "state"), AT_WORK)
async def test_everybody_can_work_on_every_screen(shop: Shop, site: str, browser: Browser, role: str, state: State) -> None:
    await is_for_everybody(browser, f"{site}{await state(shop)}", f"work-{state.__name__}", _signed(shop, role))


@pytest.mark.parametrize(("role", "state"), BESIDES)
async def test_everybody_can_use_what_stands_beside_it(shop: Shop, site: str, browser: Browser, role: str, state: State) -> None:
    await is_for_everybody(browser, f"{site}{await state(shop)}", f"work-{state.__name__}", _signed(shop, role), screens=SMALLEST)


async def test_a_refusal_can_be_read_by_everybody(shop: Shop, site: str, browser: Browser) -> None:
    await shop.order()
    async with window(shop, browser, site, "picker", plain=False) as page:
        await page.goto("/floor")
        await page.get_by_role("button", name="Claim the next order").click()
        await _scan(page, CABLE)
        await expect(page.get_by_role("alert")).to_contain_text("it belongs in bin A-1")
        await page.reload()
        await expect(page.get_by_role("alert")).to_contain_text("it belongs in bin A-1")
        assert await shop.rows("select count(*) from scans") == [(1,)], "a page that is loaded again sends its form again, and counts once"
        for screen, width in SMALLEST.items():
            for scheme in SCHEMES:
                await page.set_viewport_size({"width": width, "height": 900})
                await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                await is_readable(page, (screen, scheme))
                await picture(page, f"work-wrong-{screen}-{scheme}")


@pytest.mark.parametrize("issuer_url", [None, "http://issuer"])
async def test_everybody_can_sign_in_on_every_screen(tmp_path: Path, browser: Browser, issuer_url: str | None) -> None:
    async with served(application(KitSettings(var=tmp_path, issuer_url=issuer_url))) as address:
        await is_for_everybody(browser, f"{address}/sign-in?next=/floor", f"work-sign-in-{'badge' if issuer_url else 'proxy'}", screens=SMALLEST)
