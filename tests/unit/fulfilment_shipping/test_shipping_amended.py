"""A changed order's way out: what was promised with the change, where it goes now, and whether it still flies."""

from datetime import timedelta
from typing import Any

import pytest

from services.fulfilment.domain import Destination, OrderAmended, OrderCancelled, PlacedLine
from services.fulfilment.shipping.domain import ShipmentState, SlotState
from services.fulfilment.shipping.handlers import on_events
from services.fulfilment.shipping.messages import UpgradeSlotRefused
from tests.unit.fulfilment_shipping.build import DUE, FLIGHT_AT, GROUND_BY, ground, heard, lane, placed, service, uuid
from tests.unit.fulfilment_shipping.fakes import FakeStore
from tests.unit.fulfilment_shipping.test_shipping_handlers import DAY, KEY, refusals, release, upgrade, wanted

FAR = (lane(transit_days=3), lane("606", transit_days=1))


def amended(order: int, *skus: str, postcode: str = "402", **dated: Any) -> OrderAmended:
    to, kind = Destination("US", postcode, "America/New_York"), dated.pop("kind", "standard")
    lines = tuple(PlacedLine(line, sku, 1) for line, sku in enumerate(skus or ("85123A",), 1))
    return OrderAmended(uuid(order), uuid(60), uuid(7000), uuid(7002), "SDF1", lines, kind, to, **dated)


async def test_a_changed_order_aims_at_what_was_promised_with_the_change() -> None:
    store = FakeStore()
    await release(store, 1)
    dated = {"carrier_service": "ground-standard", "hand_over_by": GROUND_BY + DAY, "due_at": DUE + DAY}
    await on_events([heard(amended(1, "85123A", "22423", **dated), 3)], store)
    shipment = store.shipments[uuid(1)]
    assert (shipment.address, shipment.lines, shipment.skus) == ((uuid(7000), uuid(7002)), 2, ("22423", "85123A"))
    assert (shipment.hand_over_by, shipment.promised_by, shipment.due_at) == (GROUND_BY + DAY, GROUND_BY + DAY, DUE + DAY)
    assert store.moved == {uuid(1): GROUND_BY + DAY}


async def test_where_no_date_is_said_the_one_that_stands_stays() -> None:
    store = FakeStore()
    await release(store, 1)
    await on_events([heard(amended(1, kind="overnight"), 3)], store)
    shipment = store.shipments[uuid(1)]
    assert (shipment.address, shipment.carrier_service, shipment.hand_over_by) == ((uuid(7000), uuid(7002)), "ground-standard", GROUND_BY)
    assert store.moved == {}


async def test_an_order_that_goes_elsewhere_leaves_in_time_for_the_date_that_stands() -> None:
    store = FakeStore(service(), ground(lanes=FAR))
    await release(store, 1)
    await on_events([heard(amended(1, postcode="606"), 3)], store)
    shipment = store.shipments[uuid(1)]
    last = GROUND_BY + 4 * DAY  # a day on the way, and due at the end of the 26th there
    assert (shipment.postcode_prefix, shipment.carrier_service, shipment.hand_over_by, shipment.promised_by) == ("606", "ground-standard", last, last)


async def test_an_order_that_goes_where_its_carrier_does_not_leaves_with_another() -> None:
    store = FakeStore(service(), ground(), service("other", service="standard", by_air=False, lanes=(lane("606"),)))
    await release(store, 1)
    await on_events([heard(amended(1, postcode="606"), 3)], store)
    assert store.shipments[uuid(1)].carrier_service == store.shipments[uuid(1)].promised_service == "other"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (amended(1, postcode="606"), "no-lane"),
        (amended(1, "85123A", "AEROSOL"), "not-by-air"),
        (amended(1, carrier_service="airline-overnight", hand_over_by=FLIGHT_AT + DAY, due_at=DUE), "too-late"),
    ],
)
async def test_an_upgrade_that_no_longer_fits_is_given_up(change: OrderAmended, reason: str) -> None:
    store = FakeStore(service(), ground(lanes=FAR))
    await release(store, 1)
    await upgrade(store, 1, 51)
    assert store.taken == {KEY: 1}
    await on_events([heard(change, 3)], store)
    assert (refusals(store), store.taken, store.slots[uuid(51)].state) == ([reason], {KEY: 0}, SlotState.FREED)
    shipment = store.shipments[uuid(1)]
    assert (shipment.carrier_service, shipment.hand_over_by) == (shipment.promised_service, shipment.promised_by)
    assert store.moved[uuid(1)] == shipment.hand_over_by


async def test_an_upgrade_that_still_fits_stays() -> None:
    store = FakeStore()
    store.may_fly.add("22423")
    await release(store, 1)
    await upgrade(store, 1, 51)
    await on_events([heard(amended(1, "22423", carrier_service="ground-standard", hand_over_by=GROUND_BY + DAY, due_at=DUE), 3)], store)
    shipment = store.shipments[uuid(1)]
    assert (shipment.carrier_service, shipment.hand_over_by, shipment.promised_by) == ("airline-overnight", FLIGHT_AT, GROUND_BY + DAY)
    assert (refusals(store), store.taken) == ([], {KEY: 1})


async def test_an_upgrade_wanted_for_where_the_order_was_to_go_is_refused() -> None:
    store = FakeStore(service(lanes=(lane(), lane("606"))), ground(lanes=FAR))
    await release(store, 1)
    await on_events([heard(amended(1, postcode="606"), 3)], store)
    await on_events([heard(wanted(1, 51))], store)
    assert refusals(store) == ["no-lane"]


async def test_before_the_release_only_the_goods_are_known_and_after_the_end_nothing_changes() -> None:
    store = FakeStore()
    await on_events([heard(placed(1), 1), heard(amended(1, "85123A", "22423", postcode="606"), 2)], store)
    assert (store.shipments[uuid(1)].lines, store.shipments[uuid(1)].postcode_prefix) == (2, "")
    await release(store, 2)
    await on_events([heard(amended(2, "85123A", "22423"), 2)], store)
    assert store.shipments[uuid(2)].lines == 1, "that is older than what is known"
    await on_events([heard(OrderCancelled(uuid(2)), 3), heard(amended(2, "85123A", "22423"), 4)], store)
    assert (store.shipments[uuid(2)].state, store.shipments[uuid(2)].lines) == (ShipmentState.CANCELLED, 1)
    assert [said for said in store.said if isinstance(said, UpgradeSlotRefused)] == []


async def test_an_order_that_had_no_departure_gets_one_and_the_floor_is_told() -> None:
    store = FakeStore(ground(lanes=(lane("606", transit_days=1),)))
    await release(store, 1, carrier_service=None, hand_over_by=None, due_at=None)
    assert store.moved == {}
    await on_events([heard(amended(1, postcode="606"), 3)], store)
    assert store.moved == {uuid(1): GROUND_BY}
    assert GROUND_BY - store.now < timedelta(days=1)
