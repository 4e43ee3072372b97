"""One whole stack for all customers' days, with business time in a file that only moves forward, and one real browser."""

import asyncio
import os
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from demo import day, opening
from demo.driver import Driver
from demo.house import House
from demo.quiet import Quiet
from demo.shop import Storefront
from deploy.local.progress import Progress
from deploy.local.stack import BROKERS, DATABASE, Stack
from services.kit.clock import FileClockDriver
from services.kit.topics import remove
from tests.e2e.today import GOODS, Today
from tests.e2e.window import Window
from tests.support.databases import Templates, migrated_services

_FIRST_DAY = day.local(1, "06:00")
_ROOT = Path(__file__).parents[2]
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standing:
    """A stack that runs, in its folder, and the clock that moves it."""

    var: Path
    clock: FileClockDriver


@contextmanager
def a_stack(var: Path, first: datetime, servers: tuple[str, str], templates: Templates) -> Iterator[Standing]:
    """Every process of Kept, on the run's servers, with a database and topics of its own, from this instant on."""
    prefix, clock = f"e2e{secrets.token_hex(4)}.", FileClockDriver(var / "instant", first)
    with templates.clone(migrated_services()) as database:
        own = {BROKERS: servers[0], DATABASE: database, "KEPT_TOPIC_PREFIX": prefix, "KEPT_CLOCK": f"file:{var / 'instant'}"}
        stack = Stack(var, {**os.environ, **own}, Progress(), servers_only=False)
        stack.up(attached=True)
        try:
            yield Standing(var, clock)
        finally:
            stack.down()
            remove(servers[0], prefix)


@pytest.fixture(scope="package")
def standing(servers: tuple[str, str], templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """One stack for all customers' days; carriers, catalogue and stock are there."""
    with a_stack(tmp_path_factory.mktemp("stack"), _FIRST_DAY, servers, templates) as made:
        asyncio.run(_open(made.var, made.clock))
        yield made


@pytest.fixture
async def today(standing: Standing) -> AsyncIterator[Today]:
    """A morning early in a week, nine o'clock."""
    house = House.at(standing.var)
    async with house.http, Quiet(house.stack) as quiet, Storefront(house) as shop:
        now = Today(house, shop, Driver(standing.clock, quiet))
        await now.begin()
        yield now


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=_chromium(), args=list(_FLAGS))
        yield opened
        await opened.close()


@pytest.fixture
async def window(browser: Browser, today: Today) -> AsyncIterator[Window]:
    """The customer's own window."""
    context = await browser.new_context(viewport={"width": 390, "height": 844})
    yield Window(await context.new_page(), today)
    await context.close()


def _chromium() -> str:
    """Named by BROWSER, else found. With BROWSER=none the test is not run; without any browser it fails."""
    find = ["sh", "deploy/browser.sh", "--path"]
    path = os.environ.get("BROWSER") or subprocess.run(find, cwd=_ROOT, capture_output=True, text=True, check=True).stdout.strip()
    if path == "none":
        pytest.skip("not run: BROWSER=none")
    if not path:
        pytest.fail("no Chromium was found: install one, or set BROWSER=none to do without the browser tests")
    return path


async def _open(var: Path, clock: FileClockDriver) -> None:
    house = House.at(var)
    async with house.http, Quiet(house.stack) as quiet, Storefront(house) as shop:
        driver = Driver(clock, quiet)
        planner = house.caller("planner", "planner-1")
        for code, body in opening.carrier_services().items():
            await planner.ask("PUT", "fulfilment", f"/v1/carrier-services/{code}", body, expect=(200, 201))
        await shop.list_items(day.items()[sku].listed() for sku in GOODS)
        await driver.settle()
        await opening.receive(house, dict.fromkeys(GOODS, 100))
        await driver.settle()
