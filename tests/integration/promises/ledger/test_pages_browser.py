"""The ledger's pages in a real browser: readable by everybody on every screen, and kept up to date without moving anything."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
from playwright.async_api import Browser, expect

from services.kit.clock import FixedClock
from tests.integration.promises.ledger import test_pages
from tests.integration.promises.ledger.test_pages import all_views_tell, hear_all
from tests.integration.promises.ledger.test_views import View
from tests.support.browsing import a_browser, is_for_everybody, served

pytestmark = pytest.mark.browser
State = Callable[[View, FixedClock], Awaitable[None]]
services, view = test_pages.services, test_pages.view


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with a_browser() as opened:
        yield opened


@pytest.fixture
async def site(view: View) -> AsyncIterator[str]:
    async with served(view.ledger.app) as address:
        yield address


async def nothing(view: View, clock: FixedClock) -> None:
    """No promise, no report."""


async def agreed(view: View, clock: FixedClock) -> None:
    for kind in ("refund", "credit"):
        await view.ledger.promise(kind=kind, amount_minor=12_50)
    await view.ledger.promise()
    await view.ledger.promise(kind="refund", currency="USD", amount_minor=1_299_00)
    await view.ledger.promise(due={"said": "2026-11-25T10:00", "zone": "UTC"}, order_minor=100_00)
    clock.advance(timedelta(days=2))
    await view.ledger.until(7)
    await hear_all(view, 7)
    await view.keeper.round()
    await all_views_tell(view)


async def differing(view: View, clock: FixedClock) -> None:
    await agreed(view, clock)
    await view.do("update promise_view set words = words || '.' where position = 1")
    await all_views_tell(view)


async def silent(view: View, clock: FixedClock) -> None:
    await agreed(view, clock)
    await view.ledger.database.pool.execute("update ledger_views set reported_at = reported_at - interval '14 minutes' where view = 'orders'")
    await view.ledger.database.pool.execute("delete from ledger_views where view = 'fulfilment'")


@pytest.mark.parametrize("state", [nothing, agreed, differing, silent])
async def test_everybody_can_read_the_agreement_on_every_screen(view: View, clock: FixedClock, site: str, browser: Browser, state: State) -> None:
    await state(view, clock)
    await is_for_everybody(browser, f"{site}/agreement", f"agreement-{state.__name__}")


@pytest.mark.parametrize("state", [nothing, agreed])
async def test_everybody_can_read_what_is_owed_on_every_screen(view: View, clock: FixedClock, site: str, browser: Browser, state: State) -> None:
    await state(view, clock)
    headers = {"authorization": f"Bearer {view.ledger.asks.token('planner', 's-1')}"}
    await is_for_everybody(browser, f"{site}/liability", f"liability-{state.__name__}", headers)


async def test_it_follows_what_happens_and_moves_nothing(view: View, clock: FixedClock, site: str, browser: Browser) -> None:
    await agreed(view, clock)
    page = await browser.new_page(timezone_id="America/New_York")
    await page.goto(f"{site}/agreement")
    link = page.get_by_role("link", name="Liability")
    await link.focus()
    headline = page.locator("[data-live=verdict]")
    await expect(headline).to_contain_text("hold the same 6 promises")
    assert (await page.locator("[data-live=log] time").inner_text()).endswith(("EST", "GMT-5"))
    await view.ledger.post("/v1/agreement/reports", {"view": "orders", "position": 7, "count": 1, "root": "0" * 64})
    await expect(headline).to_contain_text("Orders does not hold what the ledger holds.", timeout=15_000)
    assert await headline.get_attribute("role") == "alert"
    await expect(link).to_be_focused()


async def test_it_says_when_it_cannot_follow_and_rests_when_told_to(view: View, clock: FixedClock, site: str, browser: Browser) -> None:
    page = await browser.new_page()
    await page.goto(f"{site}/agreement")
    await page.route("**/agreement", lambda route: route.abort())
    await expect(page.locator("[data-connection]")).to_contain_text("Reconnecting", timeout=15_000)
    await page.unroute("**/agreement")
    await expect(page.locator("[data-connection]")).to_be_empty(timeout=15_000)
    button = page.get_by_role("button", name="Pause updates")
    await button.click()
    await expect(button).to_have_attribute("aria-pressed", "true")
    asked = list[str]()
    page.on("request", lambda request: asked.append(request.url))
    await view.ledger.promise()
    await page.wait_for_timeout(6_000)
    assert not asked
    await expect(page.locator("[data-live=verdict]")).to_contain_text("Nothing is promised yet.")
    await button.click()
    await expect(page.locator("[data-live=verdict]")).to_contain_text("never reported", timeout=15_000)


async def test_without_javascript_it_says_the_same_and_is_loaded_again_by_a_link(view: View, clock: FixedClock, site: str, browser: Browser) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{site}/agreement")
    await expect(page.get_by_role("button")).to_have_count(0)
    await agreed(view, clock)
    await page.get_by_role("link", name="Load again").click()
    await expect(page.locator("[data-live=verdict]")).to_contain_text("All four departments hold the same 6 promises.")
    assert (await page.locator("[data-live=log] time").inner_text()).endswith("UTC")
    await context.close()
