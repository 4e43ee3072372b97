"""Everything at once on the same orders: nobody waits in a circle, and the books agree afterwards."""

import asyncio
from datetime import timedelta

from services.fulfilment.shipping.agents import foresee_delays
from services.fulfilment.shipping.messages import UpgradeGranted, UpgradeWithdrawn
from services.fulfilment.shipping.store import free_slots
from tests.integration.fulfilment_shipping.conftest import Shipping
from tests.integration.fulfilment_shipping.test_shipping_slots import TASK, wanted
from tests.unit.fulfilment_shipping.build import FLIGHT_AT, GROUND_BY, NOW, heard, uuid

ORDERS = range(1, 13)


async def test_grants_labels_delays_and_cancels_cross_without_a_deadlock(shipping: Shipping) -> None:
    await shipping.plan(departures=[{"weekday": day, "at": "01:15", "places": 50} for day in range(1, 8)])
    await shipping.release(*ORDERS)
    await shipping.address()
    for order in ORDERS:
        await shipping.rows(TASK, uuid(order + 600), uuid(order), NOW, GROUND_BY)
        await shipping.hear(heard(wanted(order)))
    parcels = [await shipping.pack(order) for order in ORDERS if order % 3 == 0]
    shipping.clock.instant = FLIGHT_AT - timedelta(seconds=100)
    granted = [heard(UpgradeGranted(uuid(order), uuid(order + 500))) for order in ORDERS]
    withdrawn = [heard(UpgradeWithdrawn(uuid(order), uuid(order + 500))) for order in reversed(ORDERS) if order % 4 == 0]

    async def cancel(order: int) -> None:
        async with shipping.database.transaction() as work:
            await work.connection.execute("select 1 from pick_tasks where order_id = $1 for update", uuid(order))
            await free_slots(work, [uuid(order)])

    await asyncio.gather(
        *(shipping.hear(event) for event in granted),
        shipping.hear(*withdrawn),
        *(shipping.call("POST", f"/v1/parcels/{parcel}/label", "picker") for parcel in parcels),
        *(shipping.fire(foresee_delays) for _ in range(4)),
        *(cancel(order) for order in ORDERS if order % 5 == 0),
    )
    while await shipping.fire(foresee_delays):
        pass
    held = await shipping.value("select count(*) from upgrade_slots where state in ('reserved', 'granted')")
    assert held == await shipping.value("select sum(taken) from departures")
    moved = """select count(*) from shipments s join pick_tasks t using (order_id)
    where s.state = 'released' and s.hand_over_by <> t.hand_over_by and t.state <> 'packed'"""
    assert await shipping.value(moved) == 0
