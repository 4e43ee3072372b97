"""A person signs in at fulfilment's page, with a badge that the issuer of the stack checks."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from services.fulfilment.main import application as fulfilment
from services.issuer.main import application as issuer
from services.issuer.seed import seed
from services.kit.settings import KitSettings
from tests.support.forms import Reader


@dataclass
class Door:
    """The client of a browser that keeps cookies, and the PINs by badge."""

    client: httpx.AsyncClient
    pins: dict[str, str]


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("fulfilment", "issuer")


@pytest.fixture
async def door(database_url: str, tmp_path: Path) -> AsyncIterator[Door]:
    settings = KitSettings(var=tmp_path, DATABASE_URL=database_url, issuer_url="http://issuer")
    pins = json.loads((await seed(settings)).read_text())["pins"]
    async with AsyncExitStack() as opened:
        checks = issuer(settings)
        app = fulfilment(settings, httpx.ASGITransport(checks))
        for each in (checks, app):
            await opened.enter_async_context(each.router.lifespan_context(each))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        yield Door(await opened.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://work")), pins)


async def test_a_badge_and_its_pin_lead_to_the_page_that_was_asked_for(door: Door) -> None:
    page = Reader(door.client)
    await page.open("/floor?at=none")
    assert page.address == "/sign-in?next=/floor%3Fat%3Dnone"
    await page.press("Sign in", badge="picker-1", pin=door.pins["picker-1"])
    assert (page.address, "No order waits." in page.said, "picker-1" in page.said) == ("/floor?at=none", True, True)
    await page.press("Sign out picker-1")
    assert page.address == "/sign-in"
    assert (await page.open("/floor")).address == "/sign-in?next=/floor"


@pytest.mark.parametrize(("badge", "work"), [("picker-1", "/floor"), ("loader-1", "/dock"), ("driver-1", "/stops")])
async def test_who_opens_the_form_itself_comes_to_their_work(door: Door, badge: str, work: str) -> None:
    page = await Reader(door.client).open("/sign-in")
    await page.press("Sign in", badge=badge, pin=door.pins[badge])
    assert (page.address, page.status) == (work, 200)


async def test_who_has_no_work_here_is_told_so_and_sees_no_page(door: Door) -> None:
    page = await Reader(door.client).open("/sign-in")
    await page.press("Sign in", badge="care-1", pin=door.pins["care-1"])
    assert ("Nothing here is for your role" in page.said, (await page.open("/floor")).status) == (True, 403)
    assert 'href="/sign-in"' in page.text


async def test_wrong_pins_are_counted_by_the_issuer(door: Door) -> None:
    page = await Reader(door.client).open("/sign-in?next=/floor")
    for _ in range(5):
        await page.press("Sign in", badge="picker-1", pin="000000")
        assert (page.status, "The two do not fit together" in page.said) == (401, True)
    await page.press("Sign in", badge="picker-1", pin=door.pins["picker-1"])
    assert (page.status, "Too many tries for this badge" in page.said) == (429, True)
