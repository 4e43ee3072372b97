"""The customer's page shows what the ledger promised: a real ledger promises, orders hears, and the page says it word for word."""

from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from playwright.async_api import Browser
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.clock import FixedClock
from services.kit.ids import new_secret, uuid7
from services.kit.promise.feed import ENTRY_RECORDED
from services.kit.promise.reporting import reporting
from services.kit.promise.view import viewing_promises
from services.kit.values import Cause, Heard
from services.orders.agents import STAGE
from services.orders.settings import Settings
from services.promises.ledger.compensating import compensation_id
from tests.integration.orders import test_orders_browser
from tests.integration.orders.conftest import ORDER, Api, Orders
from tests.integration.orders.test_orders_page import READY, SUBMITTED, page_of
from tests.integration.promises.ledger.speaking import Speaking, promise_body, speaking
from tests.support.browsing import is_for_everybody
from tests.support.parts import texts
from tests.unit.orders.samples import body

SAID = "The 2 m HDMI cable & the manual travel with it, “free of charge” – on Friday."
browser, site = test_orders_browser.browser, test_orders_browser.site
NOTED = "select count(*) from promise_reports where body::json ->> 'what' = 'told'"
"""What orders has yet to tell the ledger of what its pages showed."""
_VIEWING = viewing_promises(STAGE)
_CAUSE = Cause(uuid7(), uuid7(), "00-" + "1" * 32 + "-" + "2" * 16 + "-01")


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("orders", "promises")


class Shop:
    """An order, and a ledger that promises for it."""

    def __init__(self, orders: Orders, api: Api, ledger: Speaking, clock: FixedClock, settings: Settings) -> None:
        self.orders, self.api, self.ledger, self.clock = orders, api, ledger, clock
        self._errand = reporting("orders", settings, httpx.ASGITransport(ledger.app))

    async def report(self) -> None:
        """What orders has to say reaches the ledger, and what that led to reaches orders."""
        while await self._errand.run(self.orders.database):
            pass
        await self.hear()

    async def promise(self, **changes: Any) -> str:
        """Promise something for the order. Returns its id."""
        ((customer,),) = await self.orders.rows("select customer_id from orders where order_id = $1", UUID(ORDER))
        due = {"said": "2026-11-27T18:00", "zone": "America/New_York"}
        given = {"customer_id": str(customer), "order_id": ORDER, "due": due, "currency": "USD", "order_minor": 100_00} | changes
        return str((await self.ledger.promise(**promise_body(**given)))["promise_id"])

    async def hear(self) -> None:
        """Orders hears all entries there are."""
        entries = await self.ledger.told(await self.ledger.count())
        heard = [Heard(uuid7(), ENTRY_RECORDED, "s", 1, self.clock.now(), entry, _CAUSE) for entry in entries]
        async with self.orders.database.transaction() as work:
            await _VIEWING.handle(work, heard)

    async def words_of(self, promise_id: str) -> str:
        return str((await self.ledger.standing(promise_id))["customer_text"])

    async def page(self) -> str:
        """The page once orders has heard everything."""
        await self.hear()
        return await page_of(self.api)


@pytest.fixture
async def shop(orders: Orders, api: Api, database_url: str, tmp_path: Path, clock: FixedClock) -> AsyncIterator[Shop]:
    async with speaking(database_url, tmp_path / "ledger", clock) as ledger:
        yield Shop(orders, api, ledger, clock, Settings(var=tmp_path / "ledger"))


async def made_good(shop: Shop) -> list[str]:
    """A refund that is open, a call that was made, an answer that did not come and what makes good for it: their sentences, as the page has them."""
    await shop.orders.hear(*READY)
    own = await shop.promise(kind="free_text", customer_text=SAID, department="care")
    called = await shop.promise()
    late = await shop.promise(kind="answer_by", due={"said": "2026-11-22T10:00", "zone": "America/New_York"})
    shown = {"id": "call-1", "type": "called", "at": shop.clock.now().isoformat()}
    assert (await shop.ledger.post(f"/v1/promises/{called}/evidence", shown)).status_code == 201
    shop.clock.advance(timedelta(hours=11))
    await shop.ledger.until(6)
    await shop.hear()
    good = str(compensation_id(UUID(late)))
    return [await shop.words_of(each) for each in (own, good, late, good, called)]


async def test_promises_are_shown_word_for_word_with_what_became_of_them(shop: Shop) -> None:
    sentences = await made_good(shop)
    page = await shop.page()
    shown = texts(page, "aria-labelledby")["all"]
    assert [text for text in shown if text in sentences] == sentences
    assert "by Friday 27 November, 18:00, Eastern Time (in\xa05\xa0d\xa07\xa0h)" in shown
    assert shown[shown.index("Not kept") + 1] == "was due by Sunday 22 November, 10:00, Eastern Time"
    assert shown[shown.index("We make good for it, and you need not ask:") + 1] == sentences[3]
    assert shown[shown.index("Kept") + 1] == "done Sunday 22 November, 00:00, Eastern Time"
    assert "As of entry #6 of our record of promises." in page


async def test_it_speaks_german_around_what_was_said(shop: Shop) -> None:
    await shop.orders.hear(shop.orders.event(SUBMITTED, body(customer__language="de", customer__zone="Europe/Berlin")))
    promised = await shop.promise(language="de", due={"said": "2026-11-27T18:00", "zone": "Europe/Berlin"})
    page = unescape(await shop.page())
    assert f'<p class="words">{await shop.words_of(promised)}</p>' in page
    assert "bis Freitag, 27. November, 18:00, Mitteleuropäische Zeit (in\xa05\xa0Tg.\xa012\xa0Std.)" in page
    assert "Stand: Eintrag Nr. 1 unserer Aufzeichnung" in page


async def test_promises_of_the_customer_s_other_orders_and_of_others_are_not_shown(shop: Shop) -> None:
    await shop.orders.hear(*READY)
    beside = await shop.promise(order_id=None, kind="credit", amount_minor=321)
    await shop.promise(order_id=str(uuid7()), kind="credit", amount_minor=654)
    await shop.promise(customer_id=str(uuid7()), order_id=None, kind="credit", amount_minor=987)
    page = unescape(await shop.page())
    assert await shop.words_of(beside) in page
    assert "$3.21" in page
    assert "$6.54" not in page and "$9.87" not in page


async def test_a_void_promise_is_not_shown(shop: Shop) -> None:
    await shop.orders.hear(*READY)
    mistaken = await shop.promise(kind="free_text", customer_text=SAID, department="care")
    assert (await shop.ledger.post(f"/v1/promises/{mistaken}/void", {"reason": "typed twice"})).status_code == 201
    page = unescape(await shop.page())
    assert SAID not in page
    assert "Everything we promised you" not in page


async def test_a_sentence_that_was_altered_in_the_view_is_not_shown(shop: Shop) -> None:
    await shop.orders.hear(*READY)
    await shop.promise(kind="free_text", customer_text=SAID, department="care")
    assert SAID in unescape(await shop.page())
    await shop.orders.database.pool.execute("update promise_view set words = 'A diamond, free of charge.'")
    page = await page_of(shop.api)
    assert "diamond" not in page
    assert "We are checking what we wrote here." in page


async def test_a_page_asks_as_often_for_many_promises_as_for_none(shop: Shop, reads: AsyncEngine) -> None:
    await shop.orders.hear(*READY)
    asked = list[str]()
    event.listen(reads.sync_engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    await page_of(shop.api)
    few = len(asked)
    for number in range(12):
        await shop.promise(kind="credit", amount_minor=100 + number)
    asked.clear()
    page = await shop.page()
    assert page.count('<article class="promise"') == 12
    assert len(asked) == few == 4


async def test_the_first_showing_is_noted_once_and_from_then_on_it_is_no_mistake_any_more(shop: Shop) -> None:
    await shop.orders.hear(*READY)
    shown, beside = await shop.promise(), await shop.promise(order_id=None, kind="credit", amount_minor=321)
    other = await shop.promise(order_id=str(uuid7()), kind="credit", amount_minor=654)
    for _ in range(3):
        await shop.page()
    assert await shop.orders.rows(NOTED) == [(2,)]
    await shop.report()
    assert [(await shop.ledger.standing(each))["told"] for each in (shown, beside, other)] == [True, True, False]
    ((told,),) = await shop.orders.rows("select standing::json ->> 'told' from promise_view where promise_id = $1", UUID(shown))
    assert told == "true"
    entries = (await shop.ledger.get(f"/v1/promises/{shown}/entries")).json()["entries"]
    assert '"channel":"page"' in str(entries[-1]) and '"department":"messages"' in str(entries[-1])
    refused = await shop.ledger.post(f"/v1/promises/{shown}/void", {"reason": "typed twice"})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:kept:problem:already-told")
    count = await shop.ledger.count()
    await shop.page()
    assert await shop.orders.rows(NOTED) == [(0,)], "a page that shows nothing new writes nothing"
    await shop.report()
    assert await shop.ledger.count() == count


async def test_what_was_not_shown_word_for_word_is_not_noted(shop: Shop) -> None:
    await shop.orders.hear(*READY)
    await shop.promise(kind="free_text", customer_text=SAID, department="care")
    await shop.hear()
    await shop.orders.database.pool.execute("update promise_view set words = 'A diamond, free of charge.'")
    await page_of(shop.api)
    assert await shop.orders.rows(NOTED) == [(0,)]


async def test_a_guess_sees_no_promise(shop: Shop) -> None:
    await made_good(shop)
    answer = await shop.api.page(f"/o/{new_secret()}")
    assert answer.status_code == 404
    assert "HDMI" not in answer.text


@pytest.mark.browser
async def test_everybody_can_read_the_promises_on_every_screen_letter_by_letter(shop: Shop, site: str, browser: Browser) -> None:
    sentences = await made_good(shop)
    link = site + await shop.api.link()
    page = await browser.new_page()
    await page.goto(link)
    assert await page.locator("[aria-labelledby=all] .words").evaluate_all("all => all.map(each => each.textContent)") == sentences
    await page.close()
    await is_for_everybody(browser, link, "order-promised")
