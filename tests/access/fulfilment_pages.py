"""For each page of fulfilment an example: as the browser asks for it, and as a form on it is sent."""

from urllib.parse import urlencode
from uuid import UUID

from services.kit.ids import uuid7
from services.kit.values import short_reference
from tests.access.asking import SITE, Ask, Example
from tests.access.fulfilment import CODE, PIN, Warehouse, _trailer


def _form(path: str, **fields: object) -> Ask:
    headers = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
    return Ask(path, urlencode(fields).encode(), headers)


class Pages:
    def __init__(self, house: Warehouse) -> None:
        self._house = house

    async def floor(self, whose: str, who: str) -> Ask:
        task = await self._house.claimed(whose, f"{who}-{uuid7()}" if whose == "theirs" or who == "nobody" else who)
        if whose == "missing":
            return Ask("/floor", shows=task["task_id"])
        order_id = (await self._house.do(f"GET {task['path']}", None, "planner"))["order_id"]
        return Ask("/floor", shows=short_reference(UUID(order_id)))

    async def scan(self, whose: str, who: str) -> Ask:
        task = await self._house.claimed(whose, f"{who}-{uuid7()}" if whose == "theirs" or who == "nobody" else who)
        return _form("/floor", do="scan", scan_id=uuid7(), code=task["sku"], quantity=1, fence=task["fence"], task_id=task["task_id"])

    async def pull_backs(self, whose: str, who: str) -> Ask:
        return Ask("/pull-backs", shows=(await self._house.pulled_back(whose, f"picker-{uuid7()}"))[0])

    async def pull_back(self, whose: str, who: str) -> Ask:
        return Ask(f"/pull-backs/{(await self._house.pulled_back(whose, f'picker-{uuid7()}'))[0]}")

    async def put_back(self, whose: str, who: str) -> Ask:
        id, sku = await self._house.pulled_back(whose, f"picker-{uuid7()}")
        return _form(f"/pull-backs/{id}", scan_id=uuid7(), code=sku, bin=f"A-{sku}")

    async def dock(self, whose: str, who: str) -> Ask:
        return Ask(f"/dock?site={SITE[whose]}")

    async def open_trailer(self, whose: str, who: str) -> Ask:
        return _form("/dock", do="open", **_trailer(str(uuid7()), CODE[whose]))

    async def trailer(self, whose: str, who: str) -> Ask:
        return Ask(f"/dock/{await self._house.trailer(whose)}")

    async def load(self, whose: str, who: str) -> Ask:
        trailer, parcel = await self._house.trailer(whose), (await self._house.labelled(whose))["parcel"]
        return _form(f"/dock/{trailer}", do="load", scan_id=uuid7(), code=parcel)

    async def vans(self, whose: str, who: str) -> Ask:
        return Ask("/stops", shows=(await self._house.on_the_road(whose))["load_list"])

    async def stops(self, whose: str, who: str) -> Ask:
        return Ask(f"/stops/{(await self._house.on_the_road(whose))['load_list']}")

    async def start(self, whose: str, who: str) -> Ask:
        van = await self._house.on_the_road(whose)
        return _form(f"/stops/{van['load_list']}", do="start", order_id=van["order"])

    async def sign_in_form(self, whose: str, who: str) -> Ask:
        return Ask("/sign-in")

    async def sign_in(self, whose: str, who: str) -> Ask:
        return _form("/sign-in", badge="ann", pin=PIN if whose == "mine" else "000000")

    async def sign_out(self, whose: str, who: str) -> Ask:
        return _form("/sign-out")


def of_pages(made: Pages) -> dict[str, Example]:
    return {
        "GET /floor": made.floor,
        "POST /floor": made.scan,
        "GET /pull-backs": made.pull_backs,
        "GET /pull-backs/{pull_back_id}": made.pull_back,
        "POST /pull-backs/{pull_back_id}": made.put_back,
        "GET /dock": made.dock,
        "POST /dock": made.open_trailer,
        "GET /dock/{load_list_id}": made.trailer,
        "POST /dock/{load_list_id}": made.load,
        "GET /stops": made.vans,
        "GET /stops/{load_list_id}": made.stops,
        "POST /stops/{load_list_id}": made.start,
        "GET /sign-in": made.sign_in_form,
        "POST /sign-in": made.sign_in,
        "POST /sign-out": made.sign_out,
    }
