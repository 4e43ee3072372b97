"""Loyalty's worker on real topics: a surprise from the shop's catalogue to the grant, in the middle of rubbish."""

from datetime import UTC, datetime
from typing import Any

from services.kit.database import Database
from services.kit.ids import uuid7
from services.kit.ports import Outgoing
from services.kit.settings import KitSettings
from services.kit.worker import Worker
from services.loyalty.agents import STAGE
from services.loyalty.domain import held_out
from tests.integration.loyalty.conftest import Loyalty
from tests.support.polling import poll_until
from tests.support.workers import example, on_topic, produce, working
from tests.unit.loyalty.build import uuid

ORDER = "019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a01"
CUSTOMER = str(next(id for id in map(uuid, range(100)) if not held_out(id, 10)))
"""The customer of the golden examples is held out."""
NOW = datetime(2026, 11, 22, 4, 58, tzinfo=UTC)


def told(prefix: str, topic: str, type: str, version: int = 1, key: str = ORDER, **changes: Any) -> Outgoing:
    return on_topic(f"{prefix}{topic}", uuid7(), type, example(type, **changes), key=key, version=version)


def catalogue(prefix: str) -> list[Outgoing]:
    air = example("fulfilment.CarrierServiceScheduled.v1")
    ground: dict[str, Any] = {"carrier_service": "ground-standard", "service": "standard", "by_air": False}
    lane = air["lanes"][0] | {"transit_days": 4, "label_minor": 112}
    return [
        told(prefix, "storefront.item.v1", "storefront.ItemListed.v1", key="85123A"),
        told(prefix, "fulfilment.capacity.v1", "fulfilment.CarrierServiceScheduled.v1", key="airline-overnight"),
        told(prefix, "fulfilment.capacity.v1", "fulfilment.CarrierServiceScheduled.v1", key="ground-standard", lanes=[lane], **ground),
    ]


def rubbish(prefix: str) -> list[Outgoing]:
    """Two of what cannot be read on every topic."""
    kinds = {
        "orders.order.v1": "orders.OrderPlaced.v1",
        "fulfilment.work.v1": "fulfilment.UpgradeSlotReserved.v1",
        "fulfilment.capacity.v1": "fulfilment.CarrierServiceScheduled.v1",
        "storefront.item.v1": "storefront.ItemListed.v1",
    }
    values: tuple[bytes | dict[str, Any], ...] = (b"\xff{", {"order_id": 7})
    return [on_topic(prefix + topic, uuid7(), type, value, key="x") for topic, type in kinds.items() for value in values]


async def test_a_loyal_customers_order_is_wanted_and_granted_amid_rubbish(
    loyalty: Loyalty, database: Database, database_url: str, kafka: str, prefix: str
) -> None:
    settings = KitSettings(
        KAFKA_BOOTSTRAP_SERVERS=kafka, DATABASE_URL=database_url, topic_prefix=prefix, driver="raw", clock=f"fixed:{NOW.isoformat()}"
    )
    placed = [told(prefix, "orders.order.v1", "orders.OrderPlaced.v1", order_id=str(uuid7()), customer_id=CUSTOMER) for _ in range(2)]
    async with working(Worker(STAGE, settings=settings)):
        await produce(kafka, [*rubbish(prefix), *catalogue(prefix), *placed])
        await poll_until(lambda: _count(loyalty, "lanes_view", 2))
        await poll_until(lambda: _count(loyalty, "items_view", 1))
        await produce(kafka, [told(prefix, "orders.order.v1", "orders.OrderPlaced.v1", customer_id=CUSTOMER)])
        await produce(kafka, [told(prefix, "orders.order.v1", "orders.OrderReleased.v1", 2)])
        await poll_until(lambda: _count(loyalty, "upgrades", 1))
        ((upgrade_id, state, cost),) = await loyalty.rows("select upgrade_id, state, cost_minor from upgrades")
        assert (state, cost) == ("wanted", 300)
        reserved = told(prefix, "fulfilment.work.v1", "fulfilment.UpgradeSlotReserved.v1", upgrade_id=str(upgrade_id))
        await produce(kafka, [reserved, reserved])
        await poll_until(lambda: _granted(loyalty))
        await poll_until(lambda: _count(loyalty, "dead_letters", 8))
    assert await loyalty.rows("select reserved_minor, spent_minor from budget_days where reserved_minor + spent_minor > 0") == [(0, 300)]
    assert await loyalty.rows("select distinct kind from dead_letters") == [("unreadable",)]


async def _count(loyalty: Loyalty, table: str, wanted: int) -> bool:
    ((count,),) = await loyalty.rows(f"select count(*) from {table}")
    return bool(count >= wanted)


async def _granted(loyalty: Loyalty) -> bool:
    return await loyalty.rows("select state from upgrades") == [("granted",)]
