"""Before the shop opens: carriers and their departures, the catalogue, stock on the shelves, what is known of the customers, the upgrade rules."""

from math import cos, hypot, radians
from typing import Any

from demo import day
from demo.house import House
from demo.shop import Storefront
from services.kit.ids import named_uuid, uuid7

GROUND, AIR = "ground-standard", "airline-overnight"
_WEEK = (1, 2, 3, 4, 5, 6, 7)
_HUB = (38.17, -85.74)
_KM_PER_DEGREE = 111.2
_THANKSGIVING = "2011-11-24"

DEPARTURES = {GROUND: ("17:00", "21:00"), AIR: ("23:30",)}
"""Local times at the warehouse, every day: the last truck to the air hub, 15 minutes away, leaves at half past eleven."""

SHORT_SKUS = 2
"""How many items lie short on the shelf when the shop opens; the rest of them arrives in the afternoon."""


async def open_the_house(house: House, shop: Storefront) -> None:
    """Carriers and catalogue, through the interfaces that a shop would use."""
    planner = house.caller("planner", "planner-1")
    for code, body in carrier_services().items():
        await planner.ask("PUT", "fulfilment", f"/v1/carrier-services/{code}", body, expect=(200, 201))
    await shop.list_items(item.listed() for item in day.items().values())


async def remember_customers(house: House) -> None:
    """How often each customer had ordered before; the rules of the surprise stay as they come."""
    planner = house.caller("planner", "planner-1")
    for reference, orders, _ in day.history():
        customer = named_uuid("customer", day.CHANNEL, reference)
        await planner.ask("PUT", "loyalty", f"/v1/customers/{customer}/history", {"orders_before": orders}, expect=(200,))


async def receive(house: House, wanted: dict[str, int]) -> None:
    """Book units that arrived, each SKU in its bin."""
    planner = house.caller("planner", "planner-1", site=day.SITE)
    lines = [{"sku": sku, "bin": bin_of(sku), "quantity": quantity} for sku, quantity in sorted(wanted.items())]
    for at in range(0, len(lines), 500):
        body = {"receipt_id": str(uuid7()), "site": day.SITE, "lines": lines[at : at + 500]}
        await planner.post("fulfilment", "/v1/stock/receipts", body)


def short_items() -> dict[str, int]:
    """The best-sold items of the day, and how many units of each are missing in the morning."""
    best = sorted(day.demand().items(), key=lambda pair: (-pair[1], pair[0]))[:SHORT_SKUS]
    return {sku: units // 2 for sku, units in best}


def bin_of(sku: str) -> str:
    """Where an item lies: aisle, shelf, place."""
    number = named_uuid("bin", sku).int
    return f"{'ABCDEFGH'[number % 8]}-{number // 8 % 30 + 1:02d}-{number // 240 % 4 + 1}"


def carrier_services() -> dict[str, dict[str, Any]]:
    """A ground carrier that takes two to five days by distance, and an airline that is at the door by eight the next morning."""
    lanes = {row["zip"][:3]: _kilometres(row) for row in day.places()}
    states = {row["zip"][:3]: row["state"] for row in day.places()}
    by_prefix = sorted(lanes.items())
    ground = [_lane(prefix, states[prefix], 2 + min(3, int(km // 700)), "20:00", _WEEK[:6], 380 + int(km // 10)) for prefix, km in by_prefix]
    air = [_lane(prefix, states[prefix], 1, "08:00", _WEEK, 990 + int(km // 4)) for prefix, km in by_prefix if km < 2500]
    return {GROUND: _service("ground", "standard", False, GROUND, ground), AIR: _service("airline", "overnight", True, AIR, air)}


async def fill_shelves(house: House) -> None:
    """Stock for the day, but for what is short in the morning. The items must be known by now."""
    short = short_items()
    await receive(house, {sku: units - short.get(sku, 0) for sku, units in day.demand().items()})


def _service(carrier: str, service: str, by_air: bool, code: str, lanes: list[dict[str, Any]]) -> dict[str, Any]:
    departures = [{"weekday": weekday, "at": at, "places": 200 if by_air else None} for weekday in _WEEK for at in DEPARTURES[code]]
    return {
        "carrier": carrier, "site": day.SITE, "service": service, "zone": str(day.ZONE), "withdrawn": False, "by_air": by_air,
        "departures": departures, "closed_on": [_THANKSGIVING], "lanes": lanes,
    }  # fmt: skip


def _lane(prefix: str, state: str, days: int, by: str, on: tuple[int, ...], price: int) -> dict[str, Any]:
    return {
        "country": "US", "postcode_prefix": prefix, "transit_days": days, "deliver_by": by, "delivers_on": list(on),
        "destination_zone": day.zone_of(state), "label_minor": price, "currency": day.CURRENCY,
    }  # fmt: skip


def _kilometres(place: dict[str, str]) -> float:
    lat, lng = float(place["lat"]), float(place["lng"])
    return _KM_PER_DEGREE * hypot(lat - _HUB[0], (lng - _HUB[1]) * cos(radians(lat)))
