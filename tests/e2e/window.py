"""A customer's browser window: the order's page as it stands, whether everybody can use it, and pictures of it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Page, Response

from tests.e2e.today import Mail, Today
from tests.support.browsing import MOST_BYTES, SCHEMES, Scheme, is_readable

_PHONE, _DESKTOP = {"width": 390, "height": 844}, {"width": 1440, "height": 900}


class Window:
    """One page that a customer has open."""

    def __init__(self, page: Page, today: Today) -> None:
        self.page, self._today = page, today

    async def follow(self, mail: Mail) -> None:
        """Open the mail as its reader sees it, and click the link in it."""
        await self.page.goto(f"{self._today.mailbox}/messages/{mail.number}/html")
        await self.page.get_by_role("link", name="order").first.click()
        await self.page.wait_for_url(mail.link)

    async def reload(self) -> None:
        await self.page.reload()

    async def promise(self) -> str:
        """The first thing that the page says, to the code point."""
        return await self.page.locator("h1#said").text_content() or ""

    async def state(self) -> str:
        return await self.page.locator(".hero .pill").inner_text()

    async def now(self) -> str:
        """The step where the order stands, as the page says it."""
        return await self.page.locator("[aria-current=step] b").inner_text()

    async def done(self) -> list[str]:
        """The steps that lie behind."""
        return await self.page.locator(".steps li[data-state=kept] b").all_inner_texts()

    async def says(self, text: str) -> bool:
        return text in await self.page.locator("main").inner_text()

    async def serves_everybody(self) -> None:
        """Readable, light, from this host alone, and the same without JavaScript."""
        await self.is_readable()
        async with self._plain() as (plain, answers):
            weight = sum([len(await answer.body()) for answer in answers])
            assert weight < MOST_BYTES, weight
            assert {urlsplit(answer.url).netloc for answer in answers} == {urlsplit(self.page.url).netloc}
            assert await plain.locator("body").inner_text() == await self.page.locator("body").inner_text()

    async def is_readable(self) -> None:
        """No finding of axe on phone and desktop, light and dark, and nothing wider than the screen. Leaves the window on the phone, light."""
        for screen in (_PHONE, _DESKTOP):
            for scheme in SCHEMES:
                await self.page.set_viewport_size(screen)  # type: ignore[arg-type]  # a dict is what it takes
                await self.page.emulate_media(color_scheme=scheme)
                await is_readable(self.page, (screen, scheme))
        await self.page.set_viewport_size(_PHONE)  # type: ignore[arg-type]  # a dict is what it takes
        await self.page.emulate_media(color_scheme="light")

    @asynccontextmanager
    async def _plain(self) -> AsyncIterator[tuple[Page, list[Response]]]:
        """The same page in a browser without JavaScript that holds nothing yet, and every answer that it took."""
        browser = self.page.context.browser
        assert browser
        context = await browser.new_context(java_script_enabled=False, viewport=_PHONE)  # type: ignore[arg-type]  # a dict is what it takes
        plain, answers = await context.new_page(), list[Response]()
        plain.on("response", lambda answer: answers.append(answer))
        await plain.goto(self.page.url, wait_until="networkidle")
        yield plain, answers
        await context.close()

    async def picture(self, name: str, *, desktop: bool = False, scheme: Scheme = "light") -> None:
        """Kept in the folder that PICTURES names; without one, nothing."""
        folder = os.environ.get("PICTURES")
        if folder:
            await self.page.set_viewport_size(_DESKTOP if desktop else _PHONE)  # type: ignore[arg-type]  # a dict is what it takes
            await self.page.emulate_media(color_scheme=scheme)
            await self.page.screenshot(path=Path(folder) / f"{name}.png")
