"""The shop of the television: what it sells, its van, its shelves, and everybody in it, each signed in under a name and a role."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from demo.driver import Driver
from demo.house import Caller, House
from demo.shop import Storefront
from demo.story.teller import Teller
from services.kit.ids import named_uuid, uuid7

SITE, CHANNEL, CURRENCY, VAN = "SDF1", "retail", "USD", "van"
ZONE = ZoneInfo("America/Kentucky/Louisville")
LM_34, LM_43, CABLE, LONG_CABLE = "LM-34", "LM-43", "HDMI-2M", "HDMI-5M"
PRICES = {LM_34: 24_900, LM_43: 29_900}
BINS = {LM_34: "T-01-1", LM_43: "T-01-2", CABLE: "C-04-1", LONG_CABLE: "C-04-2"}
VAN_LEAVES, AT_THE_DOOR = "13:00", "18:00"

_NAMES = {LM_34: "Television 34 inch", LM_43: "Television 43 inch", CABLE: "HDMI cable, 2 m", LONG_CABLE: "HDMI cable, 5 m"}
_GRAMS = {LM_34: 6_900, LM_43: 9_400, CABLE: 110, LONG_CABLE: 240}
_WORKDAYS = (1, 2, 3, 4, 5, 6)
_SHELVES = {LM_34: 1, LM_43: 3, CABLE: 1, LONG_CABLE: 9}
"""What the books say: the shelf of the first is empty all the same."""


def at(day: int, time: str, month: int = 12) -> datetime:
    """A local time in the winter of 2026."""
    hour, minute = time.split(":")
    return datetime(2026, month, day, int(hour), int(minute), tzinfo=ZONE)


@dataclass(frozen=True, slots=True)
class Customer:
    name: str
    reference: str
    street: str

    @property
    def id(self) -> UUID:
        return named_uuid("customer", CHANNEL, self.reference)

    @property
    def email(self) -> str:
        return f"{self.reference}@customers.example"


Look = Callable[[str, str], Awaitable[None]]
"""Is shown what there is to see, and where: a path of a page of ours."""


async def look_away(what: str, path: str) -> None:
    """Nobody watches."""


@dataclass
class Stage:
    """All that a story needs: the house and those in it, the clock, and who tells it."""

    house: House
    shop: Storefront
    driver: Driver
    teller: Teller
    look: Look = look_away
    counter: Caller = field(init=False)
    clerk: Caller = field(init=False)
    agent: Caller = field(init=False)
    planner: Caller = field(init=False)
    picker: Caller = field(init=False)
    loader: Caller = field(init=False)
    van_driver: Caller = field(init=False)

    def __post_init__(self) -> None:
        caller = self.house.caller
        self.counter = caller("storefront", f"shop-{CHANNEL}", channel=CHANNEL)
        self.clerk, self.agent = caller("care", "clerk-3"), caller("care", "care-7")
        self.planner = caller("planner", "planner-1")
        self.picker, self.loader = caller("picker", "picker-1", site=SITE), caller("loader", "loader-1", site=SITE)
        self.van_driver = caller("driver", "driver-1", site=SITE)

    async def open(self) -> None:
        """The van and its days, the catalogue, the shelves, what is as good as the cable, and when more televisions come."""
        await self.planner.ask("PUT", "fulfilment", f"/v1/carrier-services/{VAN}", _van(), expect=(200, 201))
        await self.shop.list_items(_item(sku) for sku in BINS)
        await self.driver.settle()
        lines = [{"sku": sku, "bin": BINS[sku], "quantity": units} for sku, units in _SHELVES.items()]
        await self.planner.post("fulfilment", "/v1/stock/receipts", {"receipt_id": str(uuid7()), "site": SITE, "lines": lines})
        await self.planner.ask("PUT", "fulfilment", f"/v1/items/{CABLE}/substitutes", {"substitutes": [LONG_CABLE]}, expect=(200,))
        await self.expect(LM_34, at(3, "09:00"))
        await self.expect(CABLE, at(8, "09:00"))
        await self.driver.settle()

    async def expect(self, sku: str, arrives: datetime) -> None:
        body = {"site": SITE, "sku": sku, "quantity": 10, "expected_at": arrives.isoformat()}
        await self.planner.ask("PUT", "fulfilment", f"/v1/stock/expected-receipts/{named_uuid('expected', sku)}", body, expect=(200,))

    async def until(self, instant: datetime) -> None:
        """Let time go on to then, and everything settle that is due by it."""
        await self.driver.run(until=instant)


def _item(sku: str) -> dict[str, Any]:
    return {
        "sku": sku, "description": _NAMES[sku], "barcode": f"20{named_uuid('barcode', sku).int % 10**11:011d}", "weight_grams": _GRAMS[sku],
        "length_mm": 200, "width_mm": 150, "height_mm": 60, "may_fly": False, "withdrawn": False,
    }  # fmt: skip


def line_of(number: int, sku: str) -> dict[str, Any]:
    return {"line": number, "sku": sku, "quantity": 1, "unit_price_minor": PRICES[sku], "description": _NAMES[sku]}


def weight_of(skus: list[str]) -> int:
    return sum(_GRAMS[sku] for sku in skus) + 500


def _van() -> dict[str, Any]:
    """It leaves at one o'clock from Monday to Saturday, and is at every door in town by six."""
    lane = {
        "country": "US", "postcode_prefix": "402", "transit_days": 0, "deliver_by": AT_THE_DOOR, "delivers_on": list(_WORKDAYS),
        "destination_zone": str(ZONE), "label_minor": 0, "currency": CURRENCY,
    }  # fmt: skip
    departures = [{"weekday": day, "at": VAN_LEAVES, "places": 8} for day in _WORKDAYS]
    return {
        "carrier": "own", "site": SITE, "service": "standard", "zone": str(ZONE), "withdrawn": False, "by_air": False, "departures": departures,
        "closed_on": [], "lanes": [lane],
    }  # fmt: skip
