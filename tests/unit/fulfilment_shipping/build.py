"""Carrier services, shipments and events as the tests of shipping need them."""

from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from services.fulfilment.domain import Destination, OrderPlaced, OrderReleased, PlacedLine
from services.fulfilment.shipping.schedule.domain import CarrierService, Lane, WeeklyDeparture
from services.kit.values import Cause, Heard, Money

NOW = datetime(2026, 11, 21, 4, 58, tzinfo=UTC)
"""Friday, 23:58 in Louisville."""

DUE = datetime(2026, 11, 27, 4, 59, 59, tzinfo=UTC)
GROUND_BY = datetime(2026, 11, 21, 23, tzinfo=UTC)
FLIGHT_AT = datetime(2026, 11, 21, 6, 15, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
EVERY_DAY = frozenset(range(1, 8))


def uuid(number: int) -> UUID:
    return UUID(int=(0x01900000_0000_7000_8000_000000000000) + number)


def lane(prefix: str = "402", country: str = "US", zone: str = "America/New_York", **changes: Any) -> Lane:
    given: dict[str, Any] = {"transit_days": 0, "deliver_by": time(8), "delivers_on": EVERY_DAY, "label": Money(412, "GBP")} | changes
    return Lane(country, prefix, destination_zone=zone, **given)


def weekly(at: str, places: int | None = None, days: frozenset[int] = EVERY_DAY) -> tuple[WeeklyDeparture, ...]:
    return tuple(WeeklyDeparture(day, time.fromisoformat(at), places) for day in sorted(days))


def service(code: str = "airline-overnight", **changes: Any) -> CarrierService:
    given: dict[str, Any] = {
        "carrier": "airline", "site": "SDF1", "service": "overnight", "zone": "America/New_York", "withdrawn": False, "by_air": True,
        "departures": weekly("01:15", 120), "closed_on": frozenset[date](), "lanes": (lane(),),
    }  # fmt: skip
    return CarrierService(code, **given | changes)


def ground(**changes: Any) -> CarrierService:
    given: dict[str, Any] = {
        "carrier": "ground",
        "service": "standard",
        "by_air": False,
        "departures": weekly("18:00"),
        "lanes": (lane(transit_days=3),),
    }
    return service("ground-standard", **given | changes)


def heard(data: Any, version: int = 1, number: int = 900) -> Heard[Any]:
    id = uuid(number)
    return Heard(id, f"test.{type(data).__name__}.v1", str(getattr(data, "order_id", "")), version, NOW, data, Cause(id, id, TRACE))


def placed(number: int, *skus: str) -> OrderPlaced:
    lines = tuple(PlacedLine(line, sku, 1) for line, sku in enumerate(skus or ("85123A",), 1))
    return OrderPlaced(uuid(number), "SDF1", NOW, lines)


def released(number: int, **changes: Any) -> OrderReleased:
    given: dict[str, Any] = {
        "customer_id": uuid(7000), "address_id": uuid(7001), "site": "SDF1", "placed_at": NOW, "released_at": NOW, "service": "standard",
        "destination": Destination("US", "402", "America/New_York"), "language": "en", "carrier_service": "ground-standard",
        "hand_over_by": GROUND_BY, "due_at": DUE,
    }  # fmt: skip
    return OrderReleased(uuid(number), **given | changes)
