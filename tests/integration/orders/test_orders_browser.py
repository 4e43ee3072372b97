"""The customer's page in a real browser: readable by everybody on every screen, and cancelling without JavaScript."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.database import Database
from services.orders.api import connect
from services.orders.main import assemble
from services.orders.settings import Settings
from tests.integration.orders.conftest import Api, Orders
from tests.integration.orders.test_orders_page import READY, STEPS, SUBMITTED, second
from tests.support.browsing import a_browser, is_for_everybody, served
from tests.unit.orders.samples import body

pytestmark = pytest.mark.browser


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with a_browser() as opened:
        yield opened


@pytest.fixture
async def site(database: Database, reads: AsyncEngine, tmp_path: Path) -> AsyncIterator[str]:
    app = assemble(Settings(var=tmp_path))
    connect(app, database, reads)
    async with served(app) as address:
        yield address


async def checking(orders: Orders) -> None:
    await orders.hear(orders.event(SUBMITTED, body(customer__language="de")), "fulfilment.StockShort.v1")


async def promised(orders: Orders) -> None:
    await orders.hear(*READY)


async def delayed(orders: Orders) -> None:
    await orders.hear(*READY, orders.event("promises.PromiseMade.v1", second()))


async def missed(orders: Orders) -> None:
    await delayed(orders)
    await orders.hear("promises.PromiseBroken.v1")


async def delivered(orders: Orders) -> None:
    await orders.hear(*READY, *STEPS, "promises.PromiseKept.v1")


async def cancelled(orders: Orders) -> None:
    await orders.hear(*READY, "fulfilment.CancelAccepted.v1")


@pytest.mark.parametrize("state", [checking, promised, delayed, missed, delivered, cancelled])
async def test_everybody_can_read_it_on_every_screen(
    orders: Orders, api: Api, site: str, browser: Browser, state: Callable[[Orders], Awaitable[None]]
) -> None:
    await state(orders)
    await is_for_everybody(browser, site + await api.link(), f"order-{state.__name__}")


async def test_an_order_is_cancelled_by_hand_without_javascript(orders: Orders, api: Api, site: str, browser: Browser) -> None:
    await orders.hear(*READY)
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(site + await api.link())
    assert not await page.get_by_role("button", name="Yes, cancel this order").is_visible()
    await page.get_by_text("Cancel the order").click()
    await page.get_by_role("button", name="Yes, cancel this order").click()
    await page.get_by_text("Your cancel is being decided").wait_for()
    assert (await orders.names())[-1] == "CancelRequested"
    await context.close()
