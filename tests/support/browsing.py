"""A real browser, an application on a port of its own, and whether everybody can read a page on every screen."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest
import uvicorn
from axe_playwright_python.base import AXE_SCRIPT, AxeResults  # type: ignore[import-untyped]  # no types
from fastapi import FastAPI
from playwright.async_api import Browser, Page, async_playwright

from tests.support.polling import poll_until

Scheme = Literal["light", "dark"]
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    "resultTypes": ["violations"],
}
# Colours that are on their way from light to dark have no contrast yet. What axe says of all that is well would take longer to tell than to find.
_FINDINGS = """async rules => {
    for (const each of document.getAnimations()) if (each.effect.getComputedTiming().endTime !== Infinity) each.finish();
    return { violations: (await axe.run(document, rules)).violations };
}"""
SCREENS: Mapping[str, int] = {"narrow": 320, "phone": 390, "tablet": 1024, "desktop": 1440}
SCHEMES: Sequence[Scheme] = ("light", "dark")
MOST_BYTES = 100_000


@asynccontextmanager
async def a_browser() -> AsyncIterator[Browser]:
    """Skips the test where none was named and none is found."""
    path = os.environ.get("BROWSER") or shutil.which("chromium")
    if path in (None, "", "none"):
        pytest.skip("no browser was named: set BROWSER to one, as `make test` does")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        await opened.close()


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """The address of an application that is connected already."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    await poll_until(lambda: server.started)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    yield f"http://{host}:{port}"
    server.should_exit = True
    await serving


async def is_for_everybody(
    browser: Browser, address: str, name: str, headers: Mapping[str, str] | None = None, *, screens: Mapping[str, int] = SCREENS
) -> None:
    """No finding of axe, nothing wider than the screen, nothing that fails to load and not too much of it, on every screen, light and dark.
    It is loaded once. Pictures are kept in the folder that PICTURES names."""
    page = await browser.new_page(extra_http_headers=dict(headers or {}))
    failed, sizes = list[str](), list[int]()
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.on("response", lambda answer: sizes.append(int(answer.headers.get("content-length", 0))))
    page.on("pageerror", lambda error: failed.append(str(error)))
    await page.goto(address, wait_until="networkidle")
    assert 0 < sum(sizes) < MOST_BYTES
    for screen, width in screens.items():
        await page.set_viewport_size({"width": width, "height": 900})
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme)
            await is_readable(page, (screen, scheme))
            await picture(page, f"{name}-{screen}-{scheme}")
    assert not failed
    await page.close()


async def is_readable(page: Page, where: object) -> None:
    """No finding of axe, and nothing wider than the screen, on the page as it stands."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE_SCRIPT)
    found = AxeResults(await page.evaluate(_FINDINGS, RULES))
    assert found.violations_count == 0, (where, found.generate_report())
    assert not await page.evaluate("document.documentElement.scrollWidth > innerWidth"), where


async def picture(page: Page, name: str) -> None:
    """Kept in the folder that PICTURES names; without one, nothing."""
    if folder := os.environ.get("PICTURES"):
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
