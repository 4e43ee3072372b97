"""Orders, shelves and events as the tests of stock and floor need them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.fulfilment.domain import (
    AmendmentRequested,
    AmendmentUndone,
    CancelRequested,
    Destination,
    ItemListed,
    OrderAmended,
    OrderCancelled,
    OrderPlaced,
    OrderReleased,
    PlacedLine,
)
from services.kit.values import Cause, Heard

NOW = datetime(2026, 11, 22, 4, 58, tzinfo=UTC)
HAND_OVER = datetime(2026, 11, 22, 23, tzinfo=UTC)
SITE = "SDF1"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def uuid(number: int) -> UUID:
    return UUID(int=0x01900000_0000_7000_9000_000000000000 + number)


def cause(number: int = 1) -> Cause:
    return Cause(uuid(700_000 + number), uuid(800_000 + number), TRACE)


def heard(data: Any, version: int = 1, number: int = 1) -> Heard[Any]:
    name = type(data).__name__
    owner = "storefront" if name == "ItemListed" else "orders"
    return Heard(uuid(500_000 + 1_000 * version + number), f"{owner}.{name}.v1", "", version, NOW, data, cause(number))


def lines(*wanted: tuple[str, int]) -> tuple[PlacedLine, ...]:
    """These SKUs and quantities, numbered from 1."""
    return tuple(PlacedLine(line, sku, quantity) for line, (sku, quantity) in enumerate(wanted, 1))


def placed(number: int = 1, *wanted: tuple[str, int], after: int = 0, site: str = SITE) -> Heard[OrderPlaced]:
    """Order `number` wants these SKUs and quantities; placed `after` seconds past the usual instant."""
    to = Destination("US", "402", "America/New_York")
    return heard(OrderPlaced(uuid(number), site, NOW + timedelta(seconds=after), lines(*wanted or (("CUP", 1),)), to), 1, number)


def released(number: int = 1, *, by: datetime | None = HAND_OVER, version: int = 2, after: int = 0, site: str = SITE) -> Heard[OrderReleased]:
    return heard(
        OrderReleased(
            order_id=uuid(number), customer_id=uuid(100_000), address_id=uuid(200_000), site=site, placed_at=NOW + timedelta(seconds=after),
            released_at=NOW, service="standard", destination=Destination("US", "402", "America/New_York"), language="en",
            carrier_service="ground", hand_over_by=by,
        ), version, number,
    )  # fmt: skip


def cancel(number: int = 1, request: int = 1, version: int = 3) -> Heard[CancelRequested]:
    return heard(CancelRequested(uuid(number), uuid(300_000 + request)), version, number)


def cancelled(number: int = 1, version: int = 4) -> Heard[OrderCancelled]:
    return heard(OrderCancelled(uuid(number)), version, number)


def asked_to_amend(number: int, *wanted: tuple[str, int], change: int = 1, version: int = 3, site: str = SITE) -> Heard[AmendmentRequested]:
    """Order `number` would want these SKUs and quantities; `change` is which change of it."""
    return heard(AmendmentRequested(uuid(number), uuid(400_000 + change), site, lines(*wanted)), version, number)


def amended(
    number: int, *wanted: tuple[str, int], change: int = 1, version: int = 4, postcode: str = "402", site: str = SITE, **dated: Any
) -> Heard[OrderAmended]:
    """That change is agreed."""
    to = Destination("US", postcode, "America/New_York")
    key, where = (uuid(number), uuid(400_000 + change)), (uuid(100_000), uuid(200_000))
    return heard(OrderAmended(*key, *where, site, lines(*wanted), "standard", to, **dated), version, number)


def undone(number: int, change: int = 1, version: int = 4) -> Heard[AmendmentUndone]:
    """That change came to nothing."""
    return heard(AmendmentUndone(uuid(number), uuid(400_000 + change)), version, number)


def item(sku: str = "CUP", **changes: Any) -> Heard[ItemListed]:
    return heard(replace(ItemListed(sku, f"A {sku.lower()}", 200, 100, 90, 80, True, False, f"50{sku}"), **changes))
