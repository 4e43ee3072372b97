"""What the people of the story do, each by the interface that is theirs. Every command carries an id of its own, as a careful client's does."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from demo.house import Caller
from demo.story.reading import promise
from demo.story.stage import CHANNEL, CURRENCY, PRICES, SITE, VAN, ZONE, Customer, Stage, line_of, weight_of
from services.kit.ids import uuid7

Answer = dict[str, Any]


async def order(stage: Stage, customer: Customer, reference: str, sku: str) -> str:
    """An order by appointment, taken at the counter and paid there: its id, once the goods are set apart."""
    order_id, total = str(uuid7()), PRICES[sku]
    await stage.counter.post("orders", "/v1/orders", {
        "order_id": order_id, "channel": CHANNEL, "external_ref": reference, "placed_at": stage.driver.now.isoformat(),
        "customer": {
            "external_ref": customer.reference, "name": customer.name, "email": customer.email, "phone": "+1 502 555 0143", "language": "en",
            "zone": str(ZONE),
        },
        "ship_to": {
            "name": customer.name, "line1": customer.street, "line2": None, "city": "Louisville", "region": "KY", "postcode": "40202",
            "country": "US", "po_box": False,
        },
        "currency": CURRENCY, "lines": [line_of(1, sku)], "charges": [], "total_minor": total,
        "payment": {"state": "captured", "reference": f"card-{reference}", "amount_minor": total},
        "service": "appointment", "quote_id": None, "chosen_on": None, "signature_required": False,
    }, idempotency_key=reference)  # fmt: skip
    await stage.driver.settle()
    return order_id


async def ask_to_promise(stage: Stage, who: Caller, body: Answer) -> tuple[Answer, Answer]:
    """The preview that is read out, and the request that names it."""
    looked_at = {name: value for name, value in body.items() if name != "replaces"}
    preview: Answer = (await who.post("promises", "/v1/promises:dry-run", looked_at)).json()
    return preview, body | {"promise_id": str(uuid7()), "preview": preview["preview"]}


async def promised(stage: Stage, who: Caller, body: Answer) -> Answer:
    """Looked at, then promised; how it stands once those who must act have said that they have it."""
    _, asked = await ask_to_promise(stage, who, body)
    await who.post("promises", "/v1/promises", asked, expect=(201,), idempotency_key=str(uuid7()))

    async def received() -> Answer | None:
        told = await promise(stage, asked["promise_id"])
        return told if told["received"] == ["delivery", "warehouse"] and told["told"] else None

    told = await stage.teller.until("warehouse and delivery have it, and the customer is told", received)
    await stage.driver.settle()
    return told


def day_of(customer: Customer, order_id: str, said: str, sku: str, **more: Any) -> Answer:
    """The day of a delivery, in the ledger's own words."""
    return {
        "customer_id": str(customer.id), "order_id": order_id, "kind": "delivery_date", "due": {"said": said, "zone": str(ZONE)},
        "currency": CURRENCY, "order_minor": PRICES[sku],
    } | more  # fmt: skip


def cable_of(customer: Customer, order_id: str, said: str, sku: str, thing: str, **more: Any) -> Answer:
    """A free cable that comes with a delivery."""
    return {
        "customer_id": str(customer.id), "order_id": order_id, "kind": "gift", "sku": sku, "thing": thing,
        "due": {"said": said, "zone": str(ZONE)}, "currency": CURRENCY,
    } | more  # fmt: skip


async def claim(stage: Stage) -> Answer:
    """The picker's next task."""
    answer = await stage.picker.post("fulfilment", "/v1/pick-tasks:claim-next", {"claim_id": str(uuid7()), "site": SITE}, expect=(200,))
    task: Answer = answer.json()
    return task


async def find_none(stage: Stage, task: Answer) -> Answer:
    """The picker stands before an empty shelf."""
    body = {"report_id": str(uuid7()), "fence": task["fence"], "line": task["lines"][0]["line"], "found": 0, "reason": "not-found"}
    answer: Answer = (await stage.picker.post("fulfilment", f"/v1/pick-tasks/{task['task_id']}/short", body)).json()
    await stage.driver.settle()
    return answer


async def pick_and_pack(stage: Stage, task: Answer) -> str:
    """Every line scanned, the carton closed, labelled and set in the van's lane: the parcel's id."""
    path, parcel_id = f"/v1/pick-tasks/{task['task_id']}", str(uuid7())
    for line in task["lines"]:
        scan = {"scan_id": str(uuid7()), "fence": task["fence"], "code": line["sku"], "quantity": line["quantity"], "bin": line["bin"]}
        await stage.picker.post("fulfilment", f"{path}/scans", scan)
    weight = weight_of([line["sku"] for line in task["lines"]])
    body = {"parcel_id": parcel_id, "fence": task["fence"], "carton": "L2", "weight_grams": weight, "weight_confirmed": False}
    await stage.picker.post("fulfilment", f"{path}/pack", body)
    await stage.picker.post("fulfilment", f"/v1/parcels/{parcel_id}/label")
    await stage.picker.post("fulfilment", f"/v1/parcels/{parcel_id}/stage", {"lane": "VAN"})
    await stage.driver.settle()
    return parcel_id


async def load(stage: Stage, parcels: Sequence[str], departs_at: datetime) -> str:
    """The van's load list, with these in it and closed."""
    load_list = str(uuid7())
    body = {"load_list_id": load_list, "carrier_service": VAN, "departs_at": departs_at.isoformat()}
    await stage.loader.post("fulfilment", "/v1/load-lists", body)
    for parcel_id in parcels:
        await stage.loader.post("fulfilment", f"/v1/load-lists/{load_list}/loads", {"scan_id": str(uuid7()), "parcel_id": parcel_id})
    closed = (await stage.loader.post("fulfilment", f"/v1/load-lists/{load_list}/close")).json()
    for manifest in closed["manifests"]:
        await stage.loader.post("fulfilment", f"/v1/manifests/{manifest}/close")
    return load_list


async def leave(stage: Stage, load_list: str) -> None:
    """The van is the driver's."""
    await stage.loader.post("fulfilment", f"/v1/load-lists/{load_list}/hand-over")
    await stage.driver.settle()


async def start(stage: Stage, load_list: str, order_id: str) -> Answer:
    """The driver reads what goes to this door."""
    stop: Answer = (await stage.van_driver.post("fulfilment", f"/v1/run-sheets/{load_list}/stops/{order_id}/start")).json()
    await stage.driver.settle()
    return stop


async def hand_over(stage: Stage, load_list: str, order_id: str, barcode: str) -> None:
    body = {"scan_id": str(uuid7()), "barcode": barcode}
    await stage.van_driver.post("fulfilment", f"/v1/run-sheets/{load_list}/stops/{order_id}/hand-over", body)
    await stage.driver.settle()


async def load_list_of(stage: Stage, load_list: str) -> Answer:
    found: Answer = (await stage.loader.get("fulfilment", f"/v1/load-lists/{load_list}")).json()
    return found


async def run_sheet(stage: Stage, load_list: str) -> Answer:
    found: Answer = (await stage.van_driver.get("fulfilment", f"/v1/run-sheets/{load_list}")).json()
    return found


async def settled(stage: Stage, promise_id: str, verdict: str) -> Answer:
    """How it stands, once it has this verdict."""

    async def look() -> Answer | None:
        told = await promise(stage, promise_id)
        return told if told["verdict"] == verdict else None

    return await stage.teller.until(f"the promise is {verdict}", look)


async def made_good(stage: Stage, customer: Customer, promise_id: str) -> list[Answer]:
    """What was promised because this one broke, once all of it is paid."""

    async def look() -> list[Answer] | None:
        listed = (await stage.agent.get("promises", f"/v1/customers/{customer.id}/promises")).json()["promises"]
        found = [each for each in listed if each["cause"] == promise_id]
        return found if found and all(each["verdict"] == "kept" for each in found) else None

    return await stage.teller.until("the break is paid", look)
