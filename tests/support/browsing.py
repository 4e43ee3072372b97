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
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]  # no types
from fastapi import FastAPI
from playwright.async_api import Browser, Page, async_playwright

from tests.support.polling import poll_until

Scheme = Literal["light", "dark"]
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}}
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
    Pictures are kept in the folder that PICTURES names."""
    for screen, width in screens.items():
        for scheme in SCHEMES:
            page = await browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, extra_http_headers=dict(headers or {}))
            await _is_for_everybody(page, address, (screen, scheme))
            await picture(page, f"{name}-{screen}-{scheme}")
            await page.close()


async def _is_for_everybody(page: Page, address: str, where: tuple[str, str]) -> None:
    failed, sizes = list[str](), list[int]()
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.on("response", lambda answer: sizes.append(int(answer.headers.get("content-length", 0))))
    page.on("pageerror", lambda error: failed.append(str(error)))
    await page.goto(address, wait_until="networkidle")
    await is_readable(page, where)
    assert not failed
    assert 0 < sum(sizes) < MOST_BYTES


async def is_readable(page: Page, where: object) -> None:
    """No finding of axe, and nothing wider than the screen, on the page as it stands."""
    found = await Axe().run(page, options=RULES)
    assert found.violations_count == 0, (where, found.generate_report())
    assert not await page.evaluate("document.documentElement.scrollWidth > innerWidth"), where


async def picture(page: Page, name: str) -> None:
    """Kept in the folder that PICTURES names; without one, nothing."""
    if folder := os.environ.get("PICTURES"):
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
