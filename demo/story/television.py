"""The television and the cable: an order typed wrongly, an empty shelf, a promise broken and paid unasked, and one that is kept by everybody."""

from datetime import datetime
from typing import Any

from demo.story import doing, reading
from demo.story.stage import CABLE, LM_34, LM_43, PRICES, Customer, Stage, at, line_of

GRACE = Customer("Grace Hughes", "grace", "14 Elm St")
_TUESDAY, _WEDNESDAY, _SIX = "2026-12-01T18:00", "2026-12-02T18:00", 18
Answer = dict[str, Any]


async def tell(stage: Stage) -> list[str]:
    """The whole of it. Returns the promises that were made."""
    order_id, first = await saturday(stage)
    paid = await tuesday(stage, order_id, first)
    kept = await wednesday(stage, order_id, first)
    return [first, *paid, *kept]


async def saturday(stage: Stage) -> tuple[str, str]:
    """The wrong television is ordered, and promised for Tuesday."""
    teller = stage.teller
    teller.chapter("Saturday")
    await stage.until(at(28, "10:05", month=11))
    order_id = await doing.order(stage, GRACE, "TV-1001", LM_34)
    teller.step(
        f"At the counter {GRACE.name} buys a television. She wants the LM-43; the salesman types LM-34. She pays, and gets order {order_id[-8:]}."
    )
    seen, _ = await doing.ask_to_promise(stage, stage.clerk, doing.day_of(GRACE, order_id, _TUESDAY, LM_34))
    teller.step("Before anything is promised the clerk reads out what it would be.")
    teller.quote(seen["customer_text"])
    first = await doing.promised(stage, stage.clerk, doing.day_of(GRACE, order_id, _TUESDAY, LM_34))
    teller.must(first["customer_text"] == seen["customer_text"], "what was promised is what was read out")
    teller.step("It is promised: a place on Tuesday's van is held, warehouse and delivery have said that they have it, and she is told by mail.")
    mail = await reading.mail_with(stage, GRACE, first["customer_text"])
    words, read = await reading.everywhere(stage, GRACE, mail.link, first["promise_id"], {"the pick task": await _tasks(stage)})
    teller.same(words, read)
    return order_id, first["promise_id"]


async def tuesday(stage: Stage, order_id: str, first: str) -> list[str]:
    """The shelf is empty; she hears of it, and of a day that can be kept; it breaks, and is paid."""
    teller = stage.teller
    teller.chapter("Tuesday")
    await stage.until(at(1, "05:12"))
    short = await doing.find_none(stage, await doing.claim(stage))
    teller.must(short["state"] == "short", "the task is put aside")
    await teller.until("the promise is at risk", lambda: _at_risk(stage, first, "short"))
    teller.step("The picker stands before an empty shelf and says so. In that moment the promise is at risk: short.")
    before = len(await reading.mails(stage, GRACE))
    await stage.until(at(1, "07:59"))
    teller.must(len(await reading.mails(stage, GRACE)) == before, "nobody is woken for it")
    await stage.until(at(1, "08:00"))
    warned = await teller.until("she is told", lambda: _mail_after(stage, before))
    teller.must("Thursday" in warned.text, "the mail names a day that can be kept")
    teller.step("She slept. At eight she is told, with a day that can be kept: Thursday, when more come. She does not answer.")
    await stage.until(at(1, "13:00"))
    await teller.until("it is known to be late", lambda: _at_risk(stage, first, "late"))
    teller.must(len(await reading.mails(stage, GRACE)) == before + 1, "she is told once")
    teller.step("One o'clock: the van leaves without it. What was said stands until six.")
    await stage.until(at(1, "17:59"))
    teller.must((await reading.promise(stage, first))["verdict"] == "open", "it is open until it is due")
    await stage.until(at(1, "18:01"))
    broken = await doing.settled(stage, first, "broken")
    teller.must(datetime.fromisoformat(broken["settled_at"]) == at(1, "18:00"), "it broke at its due instant")
    teller.step("Six o'clock: broken, at that instant. Nobody looked, nobody decided.")
    paid = await doing.made_good(stage, GRACE, first)
    (refund,) = paid
    await reading.mail_with(stage, GRACE, refund["customer_text"])
    teller.step(
        "In the same commit the tariff of the day on which it was promised owes her money. It is on her card, and she is told; nobody asked for it."
    )
    teller.quote(refund["customer_text"])
    await stage.look("broken and made good", warned.link)
    return [refund["promise_id"]]


async def wednesday(stage: Stage, order_id: str, first: str) -> list[str]:
    """One call: the order is mended, a day and a cable are promised, and everybody keeps both."""
    teller = stage.teller
    teller.chapter("Wednesday")
    await stage.until(at(2, "09:30"))
    listed = (await stage.agent.get("promises", f"/v1/customers/{GRACE.id}/promises")).json()["promises"]
    teller.must(sorted(each["verdict"] for each in listed) == ["broken", "kept"], "the desk sees the broken one, and that it was made good")
    teller.step("She calls, once. The agent has her promises in front of them: one broken, and what was paid for it.")
    await _amend(stage, order_id)
    teller.step("It never was the LM-34 that she wanted. The order is mended while she is on the line: the shelf, the totals and the day agree.")
    day = await doing.promised(stage, stage.agent, doing.day_of(GRACE, order_id, _WEDNESDAY, LM_43, replaces=first))
    teller.step("A new day, with a place on the van that leaves at one. The old promise stays broken; nothing is painted over.")
    teller.quote(day["customer_text"])
    gift = doing.cable_of(GRACE, order_id, _WEDNESDAY, CABLE, "an HDMI cable for your television", rides_with=day["promise_id"])
    cable = await doing.promised(stage, stage.agent, gift)
    teller.step("And a free cable, without asking a supervisor: it lies set apart before the sentence is said. Warehouse and delivery have it.")
    teller.quote(cable["customer_text"])
    await stage.until(at(2, "10:30"))
    task = await doing.claim(stage)
    teller.must(sorted(line["sku"] for line in task["lines"]) == [CABLE, LM_43], "both are in the pick task")
    parcel_id = await doing.pick_and_pack(stage, task)
    teller.step("The picker has read both promises with the task, scanned the television and the cable, and closed the carton.")
    await stage.until(at(2, "12:40"))
    load_list = await doing.load(stage, [parcel_id], at(2, "13:00"))
    loaded = await doing.load_list_of(stage, load_list)
    await stage.until(at(2, "12:55"))
    await doing.leave(stage, load_list)
    sheet = await doing.run_sheet(stage, load_list)
    teller.step("Loaded, the list closed, the van handed over. The driver has the run sheet.")
    link = (await reading.mail_with(stage, GRACE, day["customer_text"])).link
    for told in (day, cable):
        places = {"the pick task": task, "the load list": loaded, "the run sheet": sheet}
        teller.same(*await reading.everywhere(stage, GRACE, link, told["promise_id"], places))
    await stage.look("on its way", link)
    await stage.look("the run sheet", f"/stops/{load_list}")
    await stage.until(at(2, "15:20"))
    stop = await doing.start(stage, load_list, order_id)
    teller.step("At her door the driver reads what goes there, in her words, before the van is opened.")
    await doing.hand_over(stage, load_list, order_id, stop["parcels"][0]["barcode"])
    for told in (day, cable):
        kept = await doing.settled(stage, told["promise_id"], "kept")
        teller.must(kept["seen"] == ["delivery", "warehouse"], "picker and driver have seen it")
        teller.must(kept["fulfilment"] == "done", "all of it was done")
    teller.step("Television and cable are scanned into her hands: both kept. She called once.")
    shown = await reading.page_words(stage, link)
    teller.must({day["customer_text"], cable["customer_text"]} <= {*shown}, "her page shows what was kept, in the same words")
    await stage.look("kept", link)
    return [day["promise_id"], cable["promise_id"]]


async def _amend(stage: Stage, order_id: str) -> None:
    """LM-34 becomes LM-43, the difference is paid at once. Raises StoryBroken unless all agree."""
    path = f"/v1/orders/{order_id}"
    version = (await stage.agent.get("orders", path)).json()["version"]
    difference = PRICES[LM_43] - PRICES[LM_34]
    body = {
        "lines": [line_of(1, LM_43)], "total_minor": PRICES[LM_43], "payment": {"reference": "card-TV-1001-2", "amount_minor": difference},
        "reason": "The counter typed the wrong television.",
    }  # fmt: skip
    headers = {"idempotency_key": f"amend-{order_id}", "if_match": f'"{version}"'}
    asked = (await stage.agent.post("orders", f"{path}/amendments", body, expect=(202,), **headers)).json()

    async def agreed() -> Answer | None:
        told = (await stage.agent.get("orders", f"{path}/amendments/{asked['amendment_id']}")).json()
        stage.teller.must(told["status"] != "undone", f"the amendment was undone: {told.get('sentence')}")
        return told if told["status"] == "agreed" else None

    await stage.teller.until("fulfilment, the dates and the totals agree", agreed)
    await stage.driver.settle()
    order = (await stage.agent.get("orders", path)).json()
    stage.teller.must([line["sku"] for line in order["lines"]] == [LM_43], "the order is for the other television")


async def _tasks(stage: Stage) -> Answer:
    tasks: Answer = (await stage.planner.get("fulfilment", "/v1/pick-tasks?site=SDF1&state=ready&limit=100")).json()
    return tasks


async def _at_risk(stage: Stage, promise_id: str, reason: str) -> bool:
    return reason in (await reading.promise(stage, promise_id))["at_risk"]


async def _mail_after(stage: Stage, count: int) -> reading.Mail | None:
    found = await reading.mails(stage, GRACE)
    return found[count] if len(found) > count else None
