"""Fulfilment's worker on real topics: from the shop's catalogue to a task that can be claimed, in the middle of rubbish."""

from typing import Any

from services.fulfilment.agents import ERRANDS, STAGE, TIMERS
from services.kit.ids import uuid7
from services.kit.ports import Outgoing
from services.kit.settings import KitSettings
from services.kit.worker import Worker
from tests.integration.fulfilment.conftest import Fulfilment
from tests.support.polling import poll_until
from tests.support.workers import example, on_topic, produce, working
from tests.unit.fulfilment.build import NOW

ORDER = "019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a01"
LATER = "019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a02"
SKU = "85123A"


def told(prefix: str, type: str, version: int = 1, order: str = ORDER, **changes: Any) -> Outgoing:
    owner, name, _ = type.split(".")
    if name == "ItemListed":
        return on_topic(f"{prefix}storefront.item.v1", uuid7(), type, example(type, **changes), key=SKU, version=version)
    return on_topic(f"{prefix}{owner}.order.v1", uuid7(), type, example(type, order_id=order, **changes), key=order, version=version)


def rubbish(prefix: str) -> list[Outgoing]:
    """What cannot be read, on every topic."""
    kinds = {
        "orders.order.v1": "orders.OrderPlaced.v1",
        "orders.customer.v1": "orders.CustomerSeen.v1",
        "storefront.item.v1": "storefront.ItemListed.v1",
        "loyalty.upgrade.v1": "loyalty.UpgradeWanted.v1",
    }
    values: tuple[bytes | dict[str, Any], ...] = (b"\xff{", {"order_id": 7})
    return [on_topic(prefix + topic, uuid7(), type, value, key="x") for topic, type in kinds.items() for value in values]


async def test_a_short_order_gets_its_units_from_a_receipt_and_is_released_to_a_picker(
    shop: Fulfilment, database_url: str, kafka: str, prefix: str
) -> None:
    clock = f"fixed:{NOW.isoformat()}"
    settings = KitSettings(KAFKA_BOOTSTRAP_SERVERS=kafka, DATABASE_URL=database_url, topic_prefix=prefix, driver="raw", clock=clock)
    placed = told(prefix, "orders.OrderPlaced.v1")
    async with working(Worker(STAGE, TIMERS, ERRANDS, settings=settings)):
        await produce(kafka, [*rubbish(prefix), told(prefix, "storefront.ItemListed.v1"), placed, placed])
        await poll_until(lambda: _states(shop, "wants", "short"))
        await poll_until(lambda: _count(shop, "items", 1))
        receipt = {"receipt_id": shop.id(), "site": "SDF1", "lines": [{"sku": SKU, "bin": "A-1", "quantity": 7}]}
        assert (await shop.post("/v1/stock/receipts", receipt, role="planner")).status_code == 201
        await poll_until(lambda: _states(shop, "wants", "reserved"))
        await produce(kafka, [told(prefix, "orders.OrderReleased.v1", 2), told(prefix, "orders.OrderPlaced.v1", order=LATER)])
        await poll_until(lambda: _states(shop, "pick_tasks", "ready"))
        await poll_until(lambda: _states(shop, "wants", "reserved", "short"))
        assert (await shop.claim()).json()["order_id"] == ORDER
        await produce(kafka, [told(prefix, "orders.CancelRequested.v1", 3), told(prefix, "orders.CancelRequested.v1", 2, order=LATER)])
        await poll_until(lambda: _count(shop, "cancel_decisions", 2))
        await poll_until(lambda: _count(shop, "dead_letters", 8))
    assert await shop.rows("select order_id::text, refused_in from cancel_decisions order by 1") == [(ORDER, "claimed"), (LATER, None)]
    assert await shop.rows("select distinct kind from dead_letters") == [("unreadable",)]
    assert await shop.books(SKU) == {"on_hand": 7, "reserved": 6, "held": 0, "available": 1}


async def _states(shop: Fulfilment, table: str, *wanted: str) -> bool:
    return await shop.rows(f"select state from {table} order by state") == [(state,) for state in sorted(wanted)]


async def _count(shop: Fulfilment, table: str, wanted: int) -> bool:
    return bool(await shop.value(f"select count(*) from {table}") >= wanted)
