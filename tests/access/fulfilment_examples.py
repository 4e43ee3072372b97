"""For each operation of fulfilment an example that must earn its success."""

import json
from collections.abc import Mapping

from standardwebhooks.webhooks import Webhook

from services.kit.clock import record_now
from services.kit.ids import uuid7
from tests.access.asking import SITE, Ask, Example
from tests.access.fulfilment import CODE, SERVICE, Warehouse, _pack, _trailer
from tests.access.fulfilment_pages import Pages, of_pages
from tests.integration.fulfilment_shipping.conftest import SECRET, event


class _Stock:
    def __init__(self, house: Warehouse) -> None:
        self._house = house

    async def receipt(self, whose: str, who: str) -> Ask:
        lines = [{"sku": await self._house.sku("mine"), "bin": "A-1", "quantity": 1}]
        return Ask("/v1/stock/receipts", {"receipt_id": uuid7(), "site": SITE[whose], "lines": lines})

    async def count(self, whose: str, who: str) -> Ask:
        sku = await self._house.sku("mine")
        return Ask("/v1/stock/counts", {"count_id": uuid7(), "site": SITE[whose], "sku": sku, "bin": f"A-{sku}", "counted": 5})

    async def sku(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/stock/{await self._house.sku(whose)}")


class _Duties:
    def __init__(self, house: Warehouse) -> None:
        self._house = house

    async def _order(self, whose: str) -> tuple[str, str]:
        """An order that is released, and its SKU."""
        task_id, sku = await self._house.ready(whose)
        if whose == "missing":
            return str(uuid7()), sku
        return (await self._house.do(f"GET /v1/pick-tasks/{task_id}", None, "planner"))["order_id"], sku

    async def hold(self, whose: str, who: str) -> Ask:
        order_id, sku = await self._order("mine")
        return Ask(f"/v1/promise-holds/{uuid7()}", {"order_id": order_id, "sku": sku, "quantity": 1, "due_at": "2026-11-30T10:00:00Z"})

    async def dates(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/orders/{(await self._order(whose))[0]}/dates")

    async def substitutes(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/items/{await self._house.sku('mine')}/substitutes", {"substitutes": ["S-OTHER"]})

    async def expect(self, whose: str, who: str) -> Ask:
        body = {"site": SITE[whose], "sku": await self._house.sku("mine"), "quantity": 5, "expected_at": "2026-11-30T10:00:00Z"}
        return Ask(f"/v1/stock/expected-receipts/{uuid7()}", body)

    async def expect_no_more(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/stock/expected-receipts/{uuid7()}")


class _Floor:
    def __init__(self, house: Warehouse) -> None:
        self._house = house

    async def claim_next(self, whose: str, who: str) -> Ask:
        await self._house.ready(whose)
        return Ask("/v1/pick-tasks:claim-next", {"claim_id": uuid7(), "site": SITE[whose]})

    async def claim(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/pick-tasks/{(await self._house.ready(whose))[0]}/claim", {"claim_id": uuid7()})

    async def _fenced(self, whose: str, who: str, rest: str) -> Ask:
        task = await self._house.claimed(whose, _hands(whose, who))
        return Ask(f"{task['path']}/{rest}", {"fence": task["fence"]})

    async def heartbeat(self, whose: str, who: str) -> Ask:
        return await self._fenced(whose, who, "heartbeat")

    async def put_back(self, whose: str, who: str) -> Ask:
        return await self._fenced(whose, who, "put-back")

    async def take_back(self, whose: str, who: str) -> Ask:
        return await self._fenced(whose, who, "take-back")

    async def scan(self, whose: str, who: str) -> Ask:
        task = await self._house.claimed(whose, _hands(whose, who))
        return Ask(f"{task['path']}/scans", {"scan_id": uuid7(), "code": task["sku"], "quantity": 1, "fence": task["fence"]})

    async def scans(self, whose: str, who: str) -> Ask:
        task = await self._house.claimed(whose, _hands(whose, who))
        scans = [{"scan_id": uuid7(), "code": task["sku"], "quantity": 1}]
        return Ask(f"{task['path']}/scans:batch", {"fence": task["fence"], "scans": scans})

    async def undo(self, whose: str, who: str) -> Ask:
        task = await self._house.picked(whose, _hands(whose, who))
        return Ask(f"{task['path']}/scans/{task['scan_id']}/undo", {"fence": task["fence"]})

    async def short(self, whose: str, who: str) -> Ask:
        task = await self._house.claimed(whose, _hands(whose, who))
        return Ask(f"{task['path']}/short", {"report_id": uuid7(), "fence": task["fence"], "line": 1, "found": 0, "reason": "not-found"})

    async def pack(self, whose: str, who: str) -> Ask:
        task = await self._house.picked(whose, _hands(whose, who))
        return Ask(f"{task['path']}/pack", _pack(task, str(uuid7())))

    async def unpack(self, whose: str, who: str) -> Ask:
        task = await self._house.packed(whose, _hands(whose, who))
        return Ask(f"{task['path']}/unpack", {"parcel_id": task["parcel"]})

    async def tasks(self, whose: str, who: str) -> Ask:
        task = await self._house.claimed(whose, _hands(whose, who))
        return Ask(f"/v1/pick-tasks?site={SITE[whose]}&state=claimed&limit=100", shows=task["task_id"])

    async def task(self, whose: str, who: str) -> Ask:
        return Ask((await self._house.claimed(whose, _hands(whose, who)))["path"])

    async def pull_backs(self, whose: str, who: str) -> Ask:
        id, _ = await self._house.pulled_back(whose, f"picker-{uuid7()}")
        return Ask(f"/v1/pull-backs?site={SITE[whose]}&limit=100", shows=id)

    async def put_away(self, whose: str, who: str) -> Ask:
        id, sku = await self._house.pulled_back(whose, f"picker-{uuid7()}")
        return Ask(f"/v1/pull-backs/{id}/done", {"scan_id": uuid7(), "code": sku, "bin": f"A-{sku}"})

    async def audit(self, whose: str, who: str) -> Ask:
        return Ask(f"{(await self._house.picked(whose, _hands(whose, who)))['path']}/scans")


def _hands(whose: str, who: str) -> str:
    """In whose hands a task is: in one's own, or in those of somebody at the other site."""
    return f"{who}-{uuid7()}" if whose == "theirs" or who == "nobody" else who


class _Shipping:
    def __init__(self, house: Warehouse) -> None:
        self._house = house

    async def put_service(self, whose: str, who: str) -> Ask:
        """One of its own: whoever sends it rubbish that fits changes no service that others load trailers for."""
        path, body = f"/v1/carrier-services/new-{str(uuid7())[-12:]}", SERVICE | {"site": SITE[whose]}
        if whose != "missing":
            await self._house.do(f"PUT {path}", body, "planner")
        return Ask(path, body)

    async def service(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/carrier-services/{CODE[whose]}")

    async def services(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/carrier-services?site={SITE[whose]}", shows=CODE[whose])

    async def label(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/parcels/{(await self._house.packed(whose, f'packer-{uuid7()}'))['parcel']}/label")

    async def _parcel(self, whose: str, rest: str = "", body: object = None) -> Ask:
        return Ask(f"/v1/parcels/{(await self._house.labelled(whose))['parcel']}{rest}", body)

    async def void(self, whose: str, who: str) -> Ask:
        return await self._parcel(whose, "/label/void")

    async def parcel(self, whose: str, who: str) -> Ask:
        return await self._parcel(whose)

    async def stage(self, whose: str, who: str) -> Ask:
        return await self._parcel(whose, "/stage", {"lane": "L3"})

    async def webhook(self, whose: str, who: str) -> Ask:
        number, id = (await self._house.labelled(whose)).get("tracking_number", "1Z999999"), str(uuid7())
        raw, now = json.dumps(event("accepted", number, f"evt_{id}")).encode(), record_now()
        signature = Webhook(SECRET).sign(id, now, raw.decode())
        headers = {"webhook-id": id, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
        return Ask("/v1/webhooks/carriers/ground", raw, headers)

    async def carrier_events(self, whose: str, who: str) -> Ask:
        return Ask("/v1/carrier-events")


class _Dock:
    def __init__(self, house: Warehouse) -> None:
        self._house = house

    async def departures(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/departures?site={SITE[whose]}", shows=CODE[whose])

    async def open_list(self, whose: str, who: str) -> Ask:
        return Ask("/v1/load-lists", _trailer(str(uuid7()), CODE[whose]))

    async def load_list(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/load-lists/{await self._house.trailer(whose)}")

    async def load(self, whose: str, who: str) -> Ask:
        id, parcel = await self._house.trailer(whose), (await self._house.labelled(whose))["parcel"]
        return Ask(f"/v1/load-lists/{id}/loads", {"scan_id": uuid7(), "parcel_id": parcel})

    async def unload(self, whose: str, who: str) -> Ask:
        id, parcel = await self._house.loaded(whose)
        return Ask(f"/v1/load-lists/{id}/unload", {"scan_id": uuid7(), "parcel_id": parcel})

    async def close(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/load-lists/{(await self._house.loaded(whose))[0]}/close")

    async def reopen(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/load-lists/{(await self._house.closed(whose))[0]}/reopen")

    async def hand_over(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/load-lists/{await self._house.told(whose)}/hand-over")

    async def manifests(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/manifests?site={SITE[whose]}", shows=(await self._house.closed(whose))[1])

    async def close_manifest(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/manifests/{(await self._house.closed(whose))[1]}/close")


class _Vans:
    def __init__(self, house: Warehouse) -> None:
        self._house = house

    async def sheets(self, whose: str, who: str) -> Ask:
        return Ask("/v1/run-sheets", shows=(await self._house.on_the_road(whose))["load_list"])

    async def sheet(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/run-sheets/{(await self._house.on_the_road(whose))['load_list']}")

    async def start(self, whose: str, who: str) -> Ask:
        van = await self._house.on_the_road(whose)
        return Ask(f"/v1/run-sheets/{van['load_list']}/stops/{van['order']}/start")

    async def hand_over(self, whose: str, who: str) -> Ask:
        van = await self._house.on_the_road(whose, started=True)
        return Ask(f"/v1/run-sheets/{van['load_list']}/stops/{van['order']}/hand-over", {"scan_id": uuid7(), "parcel_id": van["parcel"]})

    async def missed(self, whose: str, who: str) -> Ask:
        van = await self._house.on_the_road(whose, started=True)
        return Ask(f"/v1/run-sheets/{van['load_list']}/stops/{van['order']}/missed", {"scan_id": uuid7(), "reason": "nobody-home"})


def examples(house: Warehouse) -> Mapping[str, Example]:
    """By operation."""
    goods = _of_stock(_Stock(house)) | _of_duties(_Duties(house))
    work = _of_the_floor(_Floor(house)) | _of_shipping(_Shipping(house)) | _of_the_dock(_Dock(house)) | _of_vans(_Vans(house))
    return goods | work | of_pages(Pages(house))


def _of_vans(made: _Vans) -> dict[str, Example]:
    stop = "/v1/run-sheets/{load_list_id}/stops/{order_id}"
    return {
        "GET /v1/run-sheets": made.sheets,
        "GET /v1/run-sheets/{load_list_id}": made.sheet,
        f"POST {stop}/start": made.start,
        f"POST {stop}/hand-over": made.hand_over,
        f"POST {stop}/missed": made.missed,
    }


def _of_duties(made: _Duties) -> dict[str, Example]:
    return {
        "PUT /v1/promise-holds/{promise_id}": made.hold,
        "GET /v1/orders/{order_id}/dates": made.dates,
        "PUT /v1/items/{sku}/substitutes": made.substitutes,
        "PUT /v1/stock/expected-receipts/{expected_receipt_id}": made.expect,
        "DELETE /v1/stock/expected-receipts/{expected_receipt_id}": made.expect_no_more,
    }


def _of_stock(made: _Stock) -> dict[str, Example]:
    return {"POST /v1/stock/receipts": made.receipt, "POST /v1/stock/counts": made.count, "GET /v1/stock/{sku}": made.sku}


def _of_the_floor(made: _Floor) -> dict[str, Example]:
    steps: dict[str, Example] = {
        "claim": made.claim, "heartbeat": made.heartbeat, "put-back": made.put_back, "take-back": made.take_back, "scans": made.scan,
        "scans:batch": made.scans, "scans/{scan_id}/undo": made.undo, "short": made.short, "pack": made.pack, "unpack": made.unpack,
    }  # fmt: skip
    return {f"POST /v1/pick-tasks/{{task_id}}/{step}": example for step, example in steps.items()} | {
        "POST /v1/pick-tasks:claim-next": made.claim_next,
        "GET /v1/pull-backs": made.pull_backs,
        "POST /v1/pull-backs/{pull_back_id}/done": made.put_away,
        "GET /v1/pick-tasks": made.tasks,
        "GET /v1/pick-tasks/{task_id}": made.task,
        "GET /v1/pick-tasks/{task_id}/scans": made.audit,
    }


def _of_shipping(made: _Shipping) -> dict[str, Example]:
    return {
        "PUT /v1/carrier-services/{code}": made.put_service,
        "GET /v1/carrier-services/{code}": made.service,
        "GET /v1/carrier-services": made.services,
        "POST /v1/parcels/{parcel_id}/label": made.label,
        "POST /v1/parcels/{parcel_id}/label/void": made.void,
        "GET /v1/parcels/{parcel_id}": made.parcel,
        "POST /v1/parcels/{parcel_id}/stage": made.stage,
        "POST /v1/webhooks/carriers/{carrier}": made.webhook,
        "GET /v1/carrier-events": made.carrier_events,
    }


def _of_the_dock(made: _Dock) -> dict[str, Example]:
    steps: dict[str, Example] = {"loads": made.load, "unload": made.unload, "close": made.close, "reopen": made.reopen, "hand-over": made.hand_over}
    return {f"POST /v1/load-lists/{{load_list_id}}/{step}": example for step, example in steps.items()} | {
        "GET /v1/departures": made.departures,
        "POST /v1/load-lists": made.open_list,
        "GET /v1/load-lists/{load_list_id}": made.load_list,
        "GET /v1/manifests": made.manifests,
        "POST /v1/manifests/{manifest_id}/close": made.close_manifest,
    }
