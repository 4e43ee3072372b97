"""The television and the cable, told on a stack of its own, while somebody watches it in a real browser: the customer's page, the driver's run sheet,
the board on which all departments agree."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from demo.story.__main__ import live
from demo.story.stage import at
from tests.e2e.conftest import Standing, a_stack
from tests.support.browsing import is_readable, picture
from tests.support.databases import Templates

pytestmark = pytest.mark.browser

_BROKEN = "Your delivery will be with you by Tuesday 1 December, 18:00."
_PAID = (
    "We did not keep a promise to you. We will refund $10.00 by Sunday 6 December, to your card or, without one, as credit; you need not do anything."
)
_DAY = "Your delivery will be with you by Wednesday 2 December, 18:00."
_CABLE = "We will bring you an HDMI cable for your television, free of charge, by Wednesday 2 December, 18:00."
_PHONE, _DESKTOP = {"width": 390, "height": 844}, {"width": 1440, "height": 900}


class Watcher:
    """Opens what the story shows, and keeps the sentences of it, as the DOM has them."""

    def __init__(self, browser: Browser, standing: Standing) -> None:
        self._browser, self._var = browser, standing.var
        self.read: dict[str, list[str]] = {}

    async def look(self, what: str, path: str) -> None:
        service = {"the run sheet": "fulfilment", "all agree": "promises"}.get(what, "orders")
        address = str(self._told("stack.json")["services"][service]["api"])
        page = await self._browser.new_page(viewport=_PHONE)  # type: ignore[arg-type]  # a dict is what it takes
        await page.goto(f"{address}{path}")
        if what == "the run sheet":
            await self._sign_in(page)
            await page.wait_for_url(f"{address}{path}")
        self.read[what] = await page.locator(".words").all_text_contents()
        await self._serves(page, what)
        await page.close()

    async def _sign_in(self, page: Page) -> None:
        pin = self._told("keys/sign-in.json")["pins"]["driver-1"]
        await page.get_by_label("Badge").fill("driver-1")
        await page.get_by_label("PIN").fill(pin)
        await page.get_by_role("button", name="Sign in").click()

    async def _serves(self, page: Page, what: str) -> None:
        """Readable for everybody, on phone and desktop, light and dark; a picture of each."""
        for screen, size in (("phone", _PHONE), ("desktop", _DESKTOP)):
            await page.set_viewport_size(size)  # type: ignore[arg-type]  # a dict is what it takes
            for scheme in ("light", "dark"):
                await page.emulate_media(color_scheme=scheme)
                await is_readable(page, (what, screen, scheme))
                await picture(page, f"story-{what.replace(' ', '-')}-{screen}-{scheme}")

    def _told(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self._var / name).read_text())
        return found


async def test_it_is_told_to_its_end_and_reads_the_same_wherever_anybody_looks(
    servers: tuple[str, str], templates: Templates, tmp_path: Path, browser: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    with a_stack(tmp_path, at(28, "09:00", month=11), servers, templates) as standing:
        watcher = Watcher(browser, standing)
        told = await live(standing.var, standing.clock, watcher.look)
    assert told == {"steps": 26, "equal_words": 16, "promises": 9, "ok": True}, capsys.readouterr().out[-2_000:]
    assert watcher.read["broken and made good"][0] == _BROKEN
    assert _PAID in watcher.read["broken and made good"]
    assert watcher.read["on its way"][0] == watcher.read["kept"][0] == _DAY
    for seen in ("on its way", "the run sheet", "kept"):
        assert {_DAY, _CABLE} <= {*watcher.read[seen]}, seen
