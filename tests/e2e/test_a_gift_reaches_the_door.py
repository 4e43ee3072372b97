"""A free gift, promised on the telephone: held, picked with the order, carried and kept, and in the same words wherever anybody reads it."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from demo import day
from demo.house import Caller
from services.kit.ids import uuid7
from tests.e2e.today import GOODS, Customer, Ordered, Today
from tests.e2e.window import Window
from tests.support.polling import poll_until

pytestmark = pytest.mark.browser

WORDS = "For the trouble you had: a white hanging light holder, free, comes with your order."


async def test_a_gift_is_kept_in_the_very_words_that_were_said(today: Today, window: Window) -> None:
    customer, care = Customer("gifted"), today.house.caller("care", "care-7")
    free = await today.available(GOODS[0])
    order = await today.order(customer, "gift-1")
    promise_id = await _gift(care, today, order)
    assert await today.available(GOODS[0]) == free - 1
    await poll_until(lambda: _stands(care, promise_id, lambda told: told["received"] == ["delivery", "warehouse"] and told["told"]))
    await today.driver.settle()

    read = {"ledger": (await _promise(care, promise_id))["customer_text"], "task": await _on_the_task(today, order)}
    mail = await poll_until(lambda: _mail(today, customer))
    read |= {"mail": _line(mail.text), "mail's other part": _line(mail.read)}
    await window.follow((await today.mails(customer))[0])
    read["page"] = await window.page.get_by_text(WORDS, exact=True).first.text_content() or ""
    await window.serves_everybody()

    await today.claim()
    await poll_until(lambda: _stands(care, promise_id, lambda told: told["seen"] == ["warehouse"]))
    await today.until(today.at("16:45"))
    read["load list"] = await _on_the_load_list(today, order)
    assert read == dict.fromkeys(read, WORDS)

    await today.until(datetime.fromisoformat((await today.view(order))["promises"][0]["due_at"]))
    kept = await poll_until(lambda: _stands(care, promise_id, lambda told: told["verdict"] == "kept"))
    assert (kept["fulfilment"], kept["settled_by"]) == ("done", "delivery")
    await window.reload()
    assert await window.says(WORDS)
    await window.serves_everybody()


async def test_a_gift_that_is_not_there_is_refused_with_what_can_be_promised(today: Today) -> None:
    care = today.house.caller("care", "care-7")
    order = await today.order(Customer("unlucky"), "gift-2")
    body = _body(today, order) | {"quantity": 100_000}
    seen = (await care.post("promises", "/v1/promises:dry-run", body)).json()
    asked = body | {"promise_id": str(uuid7()), "preview": seen["preview"]}
    refused = (await care.post("promises", "/v1/promises", asked, expect=(409,), idempotency_key=str(uuid7()))).json()
    assert refused["type"] == "urn:kept:problem:not-in-stock"
    assert {"refund", "credit", "call_back"} <= set(refused["instead"])
    await today.claim()
    await today.until(today.at("09:30"))


def _body(today: Today, order: Ordered) -> dict[str, Any]:
    due = {"said": (today.driver.now.astimezone(day.ZONE) + timedelta(days=10)).strftime("%Y-%m-%d"), "zone": str(day.ZONE)}
    return {
        "customer_id": str(order.customer.id), "order_id": order.id, "kind": "gift", "sku": GOODS[0], "customer_text": WORDS, "due": due,
        "currency": "GBP",
    }  # fmt: skip


async def _gift(care: Caller, today: Today, order: Ordered) -> str:
    """Looked at, then promised: its id."""
    body, promise_id = _body(today, order), str(uuid7())
    seen = (await care.post("promises", "/v1/promises:dry-run", body)).json()
    asked = body | {"promise_id": promise_id, "preview": seen["preview"]}
    await care.post("promises", "/v1/promises", asked, idempotency_key=str(uuid7()))
    return promise_id


async def _promise(care: Caller, promise_id: str) -> dict[str, Any]:
    told: dict[str, Any] = (await care.get("promises", f"/v1/promises/{promise_id}")).json()
    return told


async def _stands(care: Caller, promise_id: str, how: Any) -> dict[str, Any] | None:
    told = await _promise(care, promise_id)
    return told if how(told) else None


async def _mail(today: Today, customer: Customer) -> Any:
    return next((mail for mail in await today.mails(customer) if WORDS in mail.text), None)


def _line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip() == WORDS), text)


async def _on_the_task(today: Today, order: Ordered) -> str:
    planner = today.house.caller("planner", "planner-1")
    tasks = (await planner.get("fulfilment", f"/v1/pick-tasks?site={day.SITE}&state=ready&limit=100")).json()["tasks"]
    (task,) = [each for each in tasks if each["order_id"] == order.id]
    assert [line["sku"] for line in task["lines"]] == [GOODS[1], GOODS[0]]
    return str(task["promised"][0]["customer_text"])


async def _on_the_load_list(today: Today, order: Ordered) -> str:
    planner = today.house.caller("planner", "planner-1")
    rows = (await planner.get("fulfilment", f"/v1/departures?site={day.SITE}")).json()["departures"]
    for trailer in [trailer["load_list_id"] for row in rows for trailer in row["trailers"]]:
        listed = (await planner.get("fulfilment", f"/v1/load-lists/{trailer}")).json()
        for parcel in listed["parcels"]:
            if parcel["order_id"] == order.id:
                return str(parcel["promised"][0]["customer_text"])
    raise AssertionError("the parcel is in no trailer")
