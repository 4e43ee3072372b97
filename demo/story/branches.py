"""The same story where it goes wrong: no cable lies in stock, and a van that does not come."""

from datetime import datetime

from demo.story import doing
from demo.story.stage import CABLE, LM_43, LONG_CABLE, Customer, Stage, at
from services.kit.ids import uuid7

HENRY = Customer("Henry Ito", "henry", "9 Oak Ave")
IRIS = Customer("Iris Kaya", "iris", "77 Main St")
_THURSDAY, _FRIDAY = "2026-12-03T18:00", "2026-12-04T18:00"
_TOO_MANY = 5


async def no_cable(stage: Stage) -> list[str]:
    """Promised is only what is there; the refusal says what is, and that is promised instead."""
    teller = stage.teller
    teller.chapter("Thursday: there is no cable")
    await stage.until(at(3, "09:10"))
    order_id = await doing.order(stage, HENRY, "TV-1002", LM_43)
    day = await doing.promised(stage, stage.agent, doing.day_of(HENRY, order_id, _THURSDAY, LM_43))
    wanted = doing.cable_of(HENRY, order_id, _THURSDAY, CABLE, "an HDMI cable for your television", rides_with=day["promise_id"])
    _, asked = await doing.ask_to_promise(stage, stage.agent, wanted)
    refused = (await stage.agent.post("promises", "/v1/promises", asked, expect=(409,), idempotency_key=str(uuid7()))).json()
    teller.must(refused["type"] == "urn:kept:problem:not-in-stock", "it is refused for want of cables")
    teller.step("Henry is to have a cable as well, and none is left. Nothing is promised that cannot be reserved: refused, and nothing written.")
    teller.quote(refused["detail"])
    teller.must([each["sku"] for each in refused["substitutes"]] == [LONG_CABLE], "the longer cable is offered")
    teller.must(refused["expected"] and "credit" in refused["instead"], "so are a date and a credit")
    when = datetime.fromisoformat(refused["expected"][0]["expected_at"]).astimezone(at(3, "09:10").tzinfo)
    teller.step(f"What can be promised instead: the longer cable, which is there; a day after {when:%A} {when.day} {when:%B}; or a credit.")
    longer = doing.cable_of(HENRY, order_id, _THURSDAY, LONG_CABLE, "a long HDMI cable for your television", rides_with=day["promise_id"])
    gift = await doing.promised(stage, stage.agent, longer)
    teller.step("He takes the longer one.")
    teller.quote(gift["customer_text"])
    await stage.until(at(3, "10:15"))
    parcel_id = await doing.pick_and_pack(stage, await doing.claim(stage))
    await stage.until(at(3, "12:50"))
    load_list = await doing.load(stage, [parcel_id], at(3, "13:00"))
    await doing.leave(stage, load_list)
    await stage.until(at(3, "16:05"))
    stop = await doing.start(stage, load_list, order_id)
    await doing.hand_over(stage, load_list, order_id, stop["parcels"][0]["barcode"])
    for each in (day, gift):
        await doing.settled(stage, each["promise_id"], "kept")
    teller.step("Handed over at five past four: both kept.")
    return [day["promise_id"], gift["promise_id"]]


async def no_van(stage: Stage) -> list[str]:
    """Day and cable break together; the delivery is paid once."""
    teller = stage.teller
    teller.chapter("Friday: the van does not come")
    await stage.until(at(4, "09:00"))
    order_id = await doing.order(stage, IRIS, "TV-1003", LM_43)
    day = await doing.promised(stage, stage.agent, doing.day_of(IRIS, order_id, _FRIDAY, LM_43))
    gift = doing.cable_of(IRIS, order_id, _FRIDAY, LONG_CABLE, "a long HDMI cable for your television", rides_with=day["promise_id"])
    cable = await doing.promised(stage, stage.agent, gift)
    await doing.pick_and_pack(stage, await doing.claim(stage))
    teller.step("Iris has a day and a free cable, both stand packed in the lane. The van breaks down, and nobody loads it.")
    await stage.until(at(4, "18:01"))
    for each in (day, cable):
        broken = await doing.settled(stage, each["promise_id"], "broken")
        teller.must(datetime.fromisoformat(broken["settled_at"]) == at(4, "18:00"), "each broke at its due instant")
    paid = await doing.made_good(stage, IRIS, day["promise_id"])
    listed = (await stage.agent.get("promises", f"/v1/customers/{IRIS.id}/promises")).json()["promises"]
    teller.must(len(paid) == len([each for each in listed if each["cause"]]) == 1, "one delivery is paid once")
    teller.step("Six o'clock: both are broken, and one compensation is paid, since the cable rode with the delivery.")
    teller.quote(paid[0]["customer_text"])
    return [day["promise_id"], cable["promise_id"], paid[0]["promise_id"]]
