"""The customer's page in every state of an order: what it says first, what it offers, and that nobody finds it by guessing."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

import services.orders
from services.kit.ids import new_secret
from services.kit.promise.state import Risk
from services.orders.domain import State
from services.orders.speaking import words_of
from tests.integration.orders.conftest import ORDER, Api, Orders, example, new_id
from tests.unit.orders.samples import body

PACKAGE = Path(services.orders.__file__).parent
SUBMITTED = "storefront.OrderSubmitted.v1"
MADE = example("promises.PromiseMade.v1")
PROMISED = MADE["customer_text"]
SECOND = "Your order will be at your door by Saturday 28 November."
READY = [SUBMITTED, "promises.PromiseMade.v1", "fulfilment.StockReserved.v1"]


async def page_of(api: Api) -> str:
    answer = await api.page(await api.link())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    return answer.text


def hero(page: str) -> tuple[str, str, str]:
    """The first words: state, pill, and heading, with the heading's class."""
    found = re.search(
        r'<section class="hero" data-state="(\w+)".*?<span class="state pill"[^>]*>(.*?)</span>\s*<h1([^>]*)>(.*?)</h1>', page, re.DOTALL
    )
    assert found
    assert ('class="words"' in found[3]) == (found[4] in (PROMISED, SECOND, example("promises.PromiseDeclined.v1")["sentence"]))
    return found[1], found[2], found[4]


def step_now(page: str) -> str:
    (now,) = re.findall(r'<li class="now" aria-current="step" data-state="open">.*?<b>(.*?)</b>', page, re.DOTALL)
    return str(now)


def second(**changes: Any) -> dict[str, Any]:
    """A promise that follows the first one."""
    return MADE | {"promise_id": str(new_id()), "replaces": MADE["promise_id"], "customer_text": SECOND, "due_at": "2026-11-29T04:59:59Z"} | changes


async def test_an_order_that_is_being_checked(orders: Orders, api: Api) -> None:
    await orders.hear(SUBMITTED)
    page = await page_of(api)
    assert hero(page) == ("part", "Being checked", "We are checking your order")
    assert step_now(page) == "Now: we check it"
    assert "/cancel" in page


async def test_an_order_that_waits_says_for_what_without_the_note(orders: Orders, api: Api) -> None:
    await orders.hear(SUBMITTED, "fulfilment.StockShort.v1")
    assert "not on the shelf yet" in await page_of(api)
    await orders.hear("fulfilment.StockReserved.v1")
    await api.call("POST", f"/v1/orders/{ORDER}/holds", role="care", data={"reason": "fraud", "note": "odd card"})
    page = await page_of(api)
    assert "A person looks at it" in page
    assert "fraud" not in page
    assert "odd card" not in page


async def test_an_order_on_its_way_says_the_promise_word_for_word(orders: Orders, api: Api) -> None:
    await orders.hear(*READY)
    page = await page_of(api)
    assert hero(page) == ("open", "Promised", PROMISED)
    assert page.count(PROMISED) == 1
    for event, now in (("PickClaimed", "being picked"), ("OrderPacked", "packed, waiting for the carrier"), ("HandedOver", "on its way to you")):
        await orders.hear(f"fulfilment.{event}.v1")
        page = await page_of(api)
        assert step_now(page) == f"Now: {now}"
        assert "/cancel" not in page
        assert hero(page) == ("open", "Promised", PROMISED)


async def test_no_date_yet_says_the_answer_and_when_more_is_said(orders: Orders, api: Api) -> None:
    await orders.hear(SUBMITTED, "promises.PromiseDeclined.v1")
    page = await page_of(api)
    assert hero(page) == ("risk", "No date yet", example("promises.PromiseDeclined.v1")["sentence"])
    assert "We tell you more by Monday 23 November, 12:00" in page


async def test_a_delay_shows_the_old_promise_beside_the_new_one(orders: Orders, api: Api) -> None:
    await orders.hear(*READY, orders.event("promises.PromiseMade.v1", second()))
    page = await page_of(api)
    assert hero(page) == ("risk", "A new date", SECOND)
    assert "our fault" in page
    assert "That date still stands until it passes" in page
    assert page.count(PROMISED) == 2, "beside the new one, and among all promises"


async def test_a_delay_without_a_new_date_shows_the_answer_beside_the_promise(orders: Orders, api: Api) -> None:
    await orders.hear(*READY, "promises.PromiseDeclined.v1")
    page = await page_of(api)
    assert hero(page) == ("risk", "We will be late", PROMISED)
    assert f'<p class="words">{example("promises.PromiseDeclined.v1")["sentence"]}</p>' in page
    await orders.hear(orders.event("promises.PromiseMade.v1", second()))
    assert hero(await page_of(api)) == ("risk", "A new date", SECOND)


async def test_a_missed_date_with_a_new_one_says_so_plainly(orders: Orders, api: Api) -> None:
    await orders.hear(*READY, orders.event("promises.PromiseMade.v1", second()), "promises.PromiseBroken.v1")
    page = await page_of(api)
    assert hero(page) == ("open", "A new date", SECOND)
    assert "We did not keep the date we gave you first" in page
    assert 'data-state="broken" role="alert"' in page
    assert "It stays on record." in page


async def test_a_missed_date_without_a_new_one_says_so_plainly(orders: Orders, api: Api) -> None:
    await orders.hear(*READY, "promises.PromiseBroken.v1")
    page = await page_of(api)
    assert hero(page) == ("broken", "Not kept", PROMISED)
    assert "that is our fault" in page


STEPS = [f"fulfilment.{event}.v1" for event in ("PickClaimed", "OrderPacked", "HandedOver", "ParcelDelivered")]


async def test_a_delivered_order_is_kept(orders: Orders, api: Api) -> None:
    await orders.hear(*READY, *STEPS, "promises.PromiseKept.v1")
    page = await page_of(api)
    assert hero(page) == ("kept", "Kept", PROMISED)
    assert "At your door Monday 23 November, 07:58." in page
    assert page.count('<li data-state="kept">') == 6
    assert "/cancel" not in page


async def test_an_order_delivered_late_does_not_say_kept(orders: Orders, api: Api) -> None:
    await orders.hear(*READY, "promises.PromiseBroken.v1", *STEPS)
    assert hero(await page_of(api)) == ("broken", "Delivered late", PROMISED)


async def test_a_cancel_is_asked_for_on_the_page_and_decided(orders: Orders, api: Api) -> None:
    await orders.hear(*READY)
    link = await api.link()
    asked = await api.page(f"{link}/cancel", "POST")
    assert (asked.status_code, asked.headers["location"]) == (303, link)
    asked = await api.page(link)
    assert "Your cancel is being decided" in asked.text
    assert "Yes, cancel this order" not in asked.text
    again = await api.page(f"{link}/cancel", "POST")
    assert again.status_code == 303
    assert (await orders.names()).count("CancelRequested") == 1
    await orders.hear("fulfilment.CancelAccepted.v1")
    page = await page_of(api)
    assert hero(page) == ("void", "Cancelled", "Your order is cancelled")
    assert "What happens next" not in page


async def test_a_cancel_that_comes_too_late_says_what_can_be_done(orders: Orders, api: Api) -> None:
    await orders.hear(*READY, "fulfilment.PickClaimed.v1")
    before = await orders.snapshot()
    link = await api.link()
    late = await api.page(f"{link}/cancel", "POST")
    assert late.status_code == 409
    assert "It is too late to cancel" in late.text
    assert "return it free of charge" in late.text
    assert await orders.names() == ["OrderPlaced", "OrderReleased"]
    assert (await orders.snapshot()).count("cancelled") == before.count("cancelled")
    again = await api.page(f"{link}/cancel")
    assert (again.status_code, again.headers["location"]) == (303, link)


async def test_a_cancel_that_fulfilment_refused_is_shown(orders: Orders, api: Api) -> None:
    await orders.hear(*READY)
    await api.page(f"{await api.link()}/cancel", "POST")
    await orders.hear("fulfilment.PickClaimed.v1", "fulfilment.CancelRejected.v1")
    assert "It is too late to cancel" in await page_of(api)


async def test_times_are_the_customers_with_the_zone_named(orders: Orders, api: Api) -> None:
    await orders.hear(SUBMITTED)
    page = await page_of(api)
    assert "As of Sunday 22 November, 00:00, Eastern Time." in page
    assert "All times are Eastern Time" in page
    assert "Saturday 21 November, 23:58" in page


async def test_lines_charges_and_total_are_in_the_orders_currency(orders: Orders, api: Api) -> None:
    await orders.hear(SUBMITTED)
    page = await page_of(api)
    for text in ("WHITE HANGING HEART T-LIGHT HOLDER", "£2.55", "£15.30", "POSTAGE", "£3.95", "£19.25"):
        assert text in page


async def test_the_page_speaks_the_customers_language_or_english(orders: Orders, api: Api) -> None:
    await orders.hear(orders.event(SUBMITTED, body(customer__language="de", customer__zone="Europe/Berlin")))
    page = await page_of(api)
    assert '<html lang="de">' in page
    assert "Wir prüfen Ihre Bestellung" in page
    assert "Sonntag, 22. November, 05:58" in page
    await orders.hear("promises.PromiseMade.v1")
    assert f'<h1 class="words" id="said" lang="en">{PROMISED}</h1>' in await page_of(api)


async def test_a_language_without_words_is_answered_in_english(orders: Orders, api: Api) -> None:
    await orders.hear(orders.event(SUBMITTED, body(customer__language="ja")))
    assert '<html lang="en">' in await page_of(api)


async def test_both_catalogues_say_the_same_things() -> None:
    def keys(words: Any) -> Any:
        return {name: keys(value) if isinstance(value, dict) else sorted(re.findall(r"\{\w+\}", str(value))) for name, value in words.items()}

    assert keys(words_of("de")) == keys(words_of("en"))
    shown = "".join(path.read_text() for path in [*(PACKAGE / "templates").iterdir(), PACKAGE / "presenting.py", PACKAGE / "promised.py"])
    known = {*State, *Risk, "open", "kept", "broken", "released", "late_pill", "late_text", "kept_pill", "kept_text"}
    for name, value in words_of("en").items():
        for word in value if isinstance(value, dict) else [name]:
            assert word in known or word.startswith("waiting") or re.search(rf"\b{word}\b", shown), f"nobody says {name}.{word}"


async def test_the_page_takes_nothing_from_outside_and_offers_a_person(orders: Orders, api: Api) -> None:
    await orders.hear(*READY)
    page = await page_of(api)
    assert "<script" not in page
    assert "<style" not in page
    for address in re.findall(r'<(?:link|img|script|iframe)[^>]*(?:href|src)="([^"]*)"', page):
        assert address.startswith(("/static/", "/order-static/", "data:"))
        if address.startswith("/"):
            assert (await api.client.get(address)).status_code == 200
    for way in ('href="tel:+18005550142"', 'href="mailto:care@brookmill.example?subject=', 'href="https://chat.brookmill.example/"'):
        assert way in page
    assert '<meta name="robots" content="noindex">' in page


GUESSES = ["", "a", "x" * 27, "x" * 2000, "..", "%00", new_secret(), "null", "<script>", "' or 1=1 --"]


async def test_every_guess_meets_the_same_page(orders: Orders, api: Api) -> None:
    await orders.hear(SUBMITTED)
    link = await api.link()
    seen = set()
    for guess in (*GUESSES, link[3:-1], link[3:] + "A", link[3:].swapcase(), "/cancel"):
        answer = await api.page(f"/o/{guess}")
        if answer.status_code == 400:
            continue  # refused before any address is looked at
        assert answer.status_code == 404, guess
        seen.add(answer.text.replace(answer.headers["x-request-id"], ""))
    assert len(seen) == 1
    assert "There is nothing here" in seen.pop()


async def test_a_cancel_with_a_guess_cancels_nothing(orders: Orders, api: Api) -> None:
    await orders.hear(SUBMITTED)
    cancel = await api.page(f"/o/{new_secret()}/cancel", "POST")
    assert cancel.status_code == 404
    assert "CancelRequested" not in await orders.names()


@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("POST", "/cancel"), ("GET", "/cancel")])
async def test_who_guesses_on_is_told_to_wait_and_who_has_a_link_never(orders: Orders, api: Api, method: str, rest: str) -> None:
    await orders.hear(SUBMITTED)
    link = await api.link()

    async def guess(number: int) -> httpx.Response:
        """From what claims to be another address each time."""
        headers = {"accept": "text/html", "x-forwarded-for": f"10.0.0.{number}"}
        return await api.client.request(method, f"/o/{new_secret()}{rest}", headers=headers)

    assert [(await guess(number)).status_code for number in range(10)] == [404] * 10
    refused = await guess(10)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert "open the link just as it stands in our message" in refused.text
    assert [(await api.page(link)).status_code for _ in range(12)] == [200] * 12


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_not_taken(api: Api, method: str) -> None:
    assert (await api.page(f"/o/{new_secret()}", method)).status_code == 405
