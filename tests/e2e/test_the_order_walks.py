"""A customer's days with a shop: through the shop's topic, the warehouse's scanner, the carrier's webhooks, the mailbox and a real browser."""

import re
from collections import Counter
from datetime import datetime, timedelta

import pytest

from tests.e2e.today import GOODS, Customer, Mail, Ordered, Today
from tests.e2e.window import Window

pytestmark = pytest.mark.browser


async def test_an_order_walks_to_the_door_and_every_channel_says_the_same(today: Today, window: Window) -> None:
    customer = Customer("walker")
    order = await today.order(customer, "walk-1")

    (confirmed,) = await today.mails(customer)
    (promised,) = [event.data["customer_text"] for event in await today.told(order) if event.name == "PromiseMade"]
    await window.follow(confirmed)
    view = await today.view(order)
    assert [await window.promise(), view["promises"][0]["customer_text"]] == [promised, promised]
    assert promised in confirmed.text.splitlines()
    assert promised in confirmed.read.splitlines()
    assert (await window.state(), await window.now()) == ("Promised", "Now: next in line to be picked")
    await window.serves_everybody()

    await today.claim()
    await window.reload()
    assert await window.now() == "Now: being picked"
    await window.serves_everybody()

    await today.until(today.at("09:30"))
    await window.reload()
    assert await window.now() == "Now: packed, waiting for the carrier"
    await window.serves_everybody()

    await today.until(today.at("17:00"))
    await window.reload()
    assert await window.now() == "Now: on its way to you"
    assert await window.promise() == promised
    await window.serves_everybody()
    await window.picture("customer-order-way-phone")

    await today.until(_due(view))
    await window.reload()
    assert (await window.state(), await window.promise()) == ("Kept", promised)
    assert (await window.done())[-2:] == ["Handed to the carrier", "At your door"]
    assert await window.says("Eastern Time")
    await window.serves_everybody()
    await window.picture("customer-order-delivered-desktop", desktop=True, scheme="dark")

    ref = view["order_ref"]
    subjects = [mail.subject for mail in await today.mails(customer)]
    assert subjects == [f"Your order {ref}", f"Your order {ref} is on its way", f"Your order {ref} is there"]
    told = await today.told(order)
    assert Counter(event.name for event in told) == Counter(_WALK)
    (submitted,) = [event for event in told if event.name == "OrderSubmitted"]
    assert [event.name for event in told if event.trace_id != submitted.trace_id] == []


_WALK = (
    "OrderSubmitted", "OrderPlaced", "PromiseMade", "StockReserved", "OrderReleased", "UpgradeDeclined", "PickReleased", "PickClaimed", "OrderPacked",
    "ParcelLabelled", "HandedOver", "ParcelDelivered", "PromiseKept", "OrderCompleted", "MessageSent", "MessageSent", "MessageSent",
)  # fmt: skip


async def test_a_customer_cancels_until_somebody_starts_to_pick(today: Today, window: Window) -> None:
    sooner, later = Customer("sooner"), Customer("later")
    free = await today.available(GOODS[1])
    order = await today.order(sooner, "cancel-1")
    assert await today.available(GOODS[1]) == free - 2
    await window.follow((await today.mails(sooner))[0])
    await _cancel(window)
    assert await window.says("Your cancel is being decided")
    await today.driver.settle()
    await window.reload()
    assert await window.state() == "Cancelled"
    assert await window.page.get_by_text("Cancel the order").count() == 0
    await window.serves_everybody()
    assert (await today.mails(sooner))[-1].subject == f"Your order {(await today.view(order))['order_ref']} is cancelled"
    assert await today.available(GOODS[1]) == free

    kept = await today.order(later, "cancel-2")
    await window.follow((await today.mails(later))[0])
    await today.claim()
    await _cancel(window)
    assert await window.says("It is too late to cancel")
    assert await window.says("The parcel is already being picked; return it free of charge once it arrives.")
    await window.is_readable()
    await today.driver.settle()
    assert (await today.view(kept))["state"] == "picking"
    assert len(await today.mails(later)) == 1
    await today.until(today.at("09:30"))


async def test_a_late_order_shows_both_promises_and_what_became_of_them(today: Today, window: Window) -> None:
    customer = Customer("patience")
    order = await today.order(customer, "late-1")
    await today.until(today.at("17:05"))
    assert len((await today.view(order))["promises"]) == 1, "the truck at nine still keeps the date"
    await today.until(today.at("21:05"))
    first, second = (await today.view(order))["promises"]
    _, delayed = await today.mails(customer)
    await window.follow(delayed)
    assert (await window.state(), await window.promise()) == ("A new date", second["customer_text"])
    assert await window.says(first["customer_text"])
    assert await window.says("That date still stands until it passes.")
    assert second["customer_text"] in delayed.text.splitlines()
    await window.serves_everybody()
    await window.picture("customer-order-delayed-phone")

    await today.claim()
    await today.until(datetime.fromisoformat(first["due_at"]) + timedelta(minutes=5))
    await window.reload()
    assert await window.promise() == second["customer_text"]
    assert await window.says("We did not keep the date we gave you first:")
    await window.serves_everybody()

    await today.until(datetime.fromisoformat(second["due_at"]))
    await window.reload()
    assert await window.state() == "Delivered late"
    assert [promise["verdict"] for promise in (await today.view(order))["promises"]] == ["broken", "kept"]
    await window.serves_everybody()


async def test_the_surprise_stays_secret_until_it_arrives(today: Today) -> None:
    plain, loyal = Customer("plain"), await _loyal(today)
    orders = [await today.order(plain, "secret-1"), await today.order(loyal, "secret-2")]
    assert ["UpgradeGranted" in {event.name for event in await today.told(order)} for order in orders] == [False, True]
    await _told_alike(today, orders)
    await today.claim("picker-1")
    await today.claim("picker-2")
    await _told_alike(today, orders)
    await today.until(today.at("09:30"))
    await _told_alike(today, orders)
    labels = [await today.label(order) for order in orders]
    assert [label["carrier"] for label in labels] == ["ground", "airline"]
    assert "@" not in str(labels)
    await today.until(today.at("23:59"))
    await _told_alike(today, orders, same_times=False)
    due = _due(await today.view(orders[0]))
    await today.until(due)
    seen = await _told_alike(today, orders, same_times=False)
    reached = [datetime.fromisoformat((await today.view(order))["reached"]["delivered"]) for order in orders]
    assert reached[1] < reached[0] - timedelta(days=1)
    for word in ("ground", "airline", "overnight", "upgrade", *[label["tracking_number"] for label in labels]):
        assert not re.search(rf"\b{word}", seen, re.IGNORECASE), word


async def _cancel(window: Window) -> None:
    await window.page.get_by_text("Cancel the order").click()
    await window.page.get_by_role("button", name="Yes, cancel this order").click()


async def _loyal(today: Today) -> Customer:
    """Somebody who ordered often, whom the rules surprise."""
    planner = today.house.caller("planner", "planner-1")
    shown = await planner.get("loyalty", "/v1/upgrade-rules")
    rules = {name: value for name, value in shown.json().items() if name != "version"} | {"holdout_percent": 0}
    await planner.ask("PUT", "loyalty", "/v1/upgrade-rules", rules, expect=(200,), if_match=shown.headers["etag"])
    loyal = Customer("loyal")
    await planner.ask("PUT", "loyalty", f"/v1/customers/{loyal.id}/history", {"orders_before": 12}, expect=(200,))
    return loyal


async def _told_alike(today: Today, orders: list[Ordered], *, same_times: bool = True) -> str:
    """Page, answer and mails of these orders are equal byte for byte but for what names the order; what is said is returned."""
    one, other = [await _all_told(today, order, same_times) for order in orders]
    assert one == other
    return one


async def _all_told(today: Today, order: Ordered, same_times: bool) -> str:
    view, mails = await today.view(order), await today.mails(order.customer)
    page = (await today.house.http.get(mails[0].link)).text
    answer = (await today.answer(order)).decode()
    told = "\n".join([page, answer, *[f"{mail.subject}\n{mail.text}\n{mail.html}" for mail in mails]])
    own = [view[name] for name in ("order_id", "order_ref", "external_ref", "customer_id")] + [each["promise_id"] for each in view["promises"]]
    for value in (*own, *_tokens(mails)):
        told = told.replace(value, "OWN")
    return told if same_times else _TIME.sub("TIME", told)


_TIME = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z|[A-Z][a-z]+day \d+ [A-Z][a-z]+, \d\d:\d\d")
"""An instant in an answer, and one that the page tells; a promise names no such instant."""


def _tokens(mails: list[Mail]) -> list[str]:
    return [mail.link.rpartition("/")[2] for mail in mails]


def _due(view: dict[str, object]) -> datetime:
    promises = view["promises"]
    assert isinstance(promises, list)
    return datetime.fromisoformat(promises[-1]["due_at"])
