"""The customer's page in a real browser: readable by everybody on every screen, and cancelling without JavaScript."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import uvicorn
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]  # no types
from playwright.async_api import Browser, async_playwright
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.database import Database
from services.orders.api import connect
from services.orders.main import assemble
from services.orders.settings import Settings
from tests.integration.orders.conftest import Api, Orders
from tests.integration.orders.test_orders_page import READY, STEPS, SUBMITTED, second
from tests.support.polling import poll_until
from tests.unit.orders.samples import body

pytestmark = pytest.mark.browser
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}}
SCREENS = [(320, "light"), (390, "dark"), (1440, "light"), (1440, "dark")]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    path = os.environ.get("BROWSER") or shutil.which("chromium")
    if path in (None, "", "none"):
        pytest.skip("no browser was named: set BROWSER to one, as `make test` does")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        await opened.close()


@pytest.fixture
async def site(database: Database, reads: AsyncEngine, tmp_path: Path) -> AsyncIterator[str]:
    """The application on a port of its own."""
    app = assemble(Settings(var=tmp_path))
    connect(app, database, reads)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    await poll_until(lambda: server.started)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    yield f"http://{host}:{port}"
    server.should_exit = True
    await serving


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
    link, failed = await api.link(), list[str]()
    for width, scheme in SCREENS:
        page = await browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]  # light or dark
        page.on("requestfailed", lambda request: failed.append(request.url))
        await page.goto(site + link)
        found = await Axe().run(page, options=RULES)
        assert found.violations_count == 0, (width, scheme, found.generate_report())
        assert not await page.evaluate("document.documentElement.scrollWidth > innerWidth"), (width, scheme)
        assert not failed
        await page.close()


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
