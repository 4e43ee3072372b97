"""Which departure an order aims at: the promised one, an upgrade's, the next one when it can no longer be made."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.fulfilment.domain import Destination, OrderCancelled
from services.fulfilment.shipping.domain import Phase, ShipmentState, SlotState
from services.fulfilment.shipping.handlers import on_events, on_late, on_waiting_wants
from services.fulfilment.shipping.messages import (
    CustomerSeen,
    DelayForeseen,
    HoldLifted,
    OrderHeld,
    UpgradeDeclined,
    UpgradeGranted,
    UpgradeSlotRefused,
    UpgradeSlotReserved,
    UpgradeWanted,
    UpgradeWithdrawn,
)
from services.fulfilment.shipping.messages import Destination as Whither
from tests.unit.fulfilment_shipping.build import DUE, FLIGHT_AT, GROUND_BY, ground, heard, lane, placed, released, service, uuid, weekly
from tests.unit.fulfilment_shipping.fakes import FakeStore

KEY = ("airline-overnight", FLIGHT_AT)
DAY = timedelta(days=1)


def wanted(order: int, upgrade: int, prefix: str = "402", code: str = "airline-overnight") -> UpgradeWanted:
    return UpgradeWanted(uuid(order), uuid(upgrade), Whither("US", prefix), code)


async def release(store: FakeStore, *orders: int, **changes: Any) -> None:
    for order in orders:
        await on_events([heard(placed(order), 1), heard(released(order, **changes), 2)], store)


async def upgrade(store: FakeStore, order: int, number: int) -> None:
    await on_events([heard(wanted(order, number))], store)
    await on_events([heard(UpgradeGranted(uuid(order), uuid(number)))], store)


def refusals(store: FakeStore) -> list[str]:
    return [said.reason for said in store.said if isinstance(said, UpgradeSlotRefused)]


async def test_a_released_order_aims_at_what_its_promise_names() -> None:
    store = FakeStore()
    await release(store, 1)
    shipment = store.shipments[uuid(1)]
    assert (shipment.state, shipment.carrier_service, shipment.hand_over_by) == (ShipmentState.RELEASED, "ground-standard", GROUND_BY)
    assert store.moved == {}


async def test_an_order_without_a_promise_takes_the_fastest_of_its_kind_and_the_floor_is_told() -> None:
    store = FakeStore()
    await release(store, 1, carrier_service=None, hand_over_by=None, due_at=None)
    assert store.shipments[uuid(1)].carrier_service == "ground-standard"
    assert store.moved == {uuid(1): GROUND_BY}


async def test_an_order_that_nothing_goes_to_waits_for_a_planner() -> None:
    store = FakeStore()
    nowhere = Destination("FR", "75", "Europe/Paris")
    await release(store, 1, carrier_service=None, hand_over_by=None, due_at=None, destination=nowhere)
    assert store.shipments[uuid(1)].hand_over_by is None


async def test_a_wanted_upgrade_gets_a_place_and_the_grant_moves_the_task() -> None:
    store = FakeStore()
    await release(store, 1)
    await on_events([heard(wanted(1, 51))], store)
    assert store.said == [UpgradeSlotReserved(uuid(1), uuid(51), "airline-overnight", FLIGHT_AT, FLIGHT_AT + timedelta(hours=6, minutes=45))]
    assert store.moved == {}
    await on_events([heard(UpgradeGranted(uuid(1), uuid(51)))], store)
    assert store.moved == {uuid(1): FLIGHT_AT}
    assert (store.taken[KEY], store.shipments[uuid(1)].promised_by) == (1, GROUND_BY)


async def test_a_repeated_want_and_a_repeated_grant_take_one_place() -> None:
    store = FakeStore()
    await release(store, 1)
    await on_events([heard(wanted(1, 51)), heard(wanted(1, 51))], store)
    await on_events([heard(wanted(1, 51))], store)
    await upgrade(store, 1, 51)
    assert store.taken[KEY] == 1
    assert len(store.said) == 1


async def test_the_last_place_goes_to_the_first_who_wants_it() -> None:
    store = FakeStore(service(departures=weekly("01:15", 1)), ground())
    await release(store, 1, 2)
    await on_events([heard(wanted(2, 52)), heard(wanted(1, 51))], store)
    assert store.taken[KEY] == 1
    assert refusals(store) == ["no-place"]


async def test_a_place_let_go_is_had_by_another_in_the_same_batch() -> None:
    store = FakeStore(service(departures=weekly("01:15", 1)), ground())
    await release(store, 1, 2)
    await on_events([heard(wanted(1, 51))], store)
    await on_events([heard(UpgradeWithdrawn(uuid(1), uuid(51))), heard(wanted(2, 52))], store)
    assert refusals(store) == []
    assert (store.slots[uuid(51)].state, store.slots[uuid(52)].state, store.taken[KEY]) == (SlotState.FREED, SlotState.RESERVED, 1)


@pytest.mark.parametrize(
    ("reason", "services", "want"),
    [
        ("no-lane", (service(lanes=(lane("9"),)), ground()), wanted(1, 51)),
        ("no-lane", (ground(),), wanted(1, 51)),
        ("no-lane", (service(), ground()), wanted(1, 51, code="ground-standard")),
        ("no-lane", (service(site="LHR1"), ground()), wanted(1, 51)),
        ("too-late", (service(departures=()), ground()), wanted(1, 51)),
        ("too-late", (service(departures=weekly("01:15", None, frozenset({3}))), ground()), wanted(1, 51)),
        ("too-late", (service(lanes=(lane(transit_days=9),)), ground()), wanted(1, 51)),
        ("too-late", (service(departures=weekly("01:15", 0)), ground()), wanted(1, 51)),
    ],
)
async def test_no_place_is_had_where_the_upgrade_cannot_be_kept(reason: str, services: tuple[Any, ...], want: UpgradeWanted) -> None:
    store = FakeStore(*services)
    await release(store, 1)
    await on_events([heard(want)], store)
    assert refusals(store) == [reason]
    assert store.taken == {}


async def test_what_may_not_fly_gets_no_place_in_an_aircraft_and_one_on_the_road() -> None:
    for by_air, expected in ((True, ["not-by-air"]), (False, [])):
        store = FakeStore(service(by_air=by_air), ground())
        store.may_fly = set()
        await release(store, 1)
        await on_events([heard(wanted(1, 51))], store)
        assert refusals(store) == expected


async def test_a_want_ahead_of_its_order_waits_and_is_refused_when_the_order_does_not_come() -> None:
    store = FakeStore()
    await on_events([heard(wanted(1, 51)), heard(wanted(2, 52)), heard(placed(2), 1)], store)
    assert store.said == []
    await on_events([heard(released(2), 2)], store)
    assert [type(said) for said in store.said] == [UpgradeSlotReserved]
    await on_waiting_wants([(uuid(1), uuid(51)), (uuid(2), uuid(52))], store)
    assert refusals(store) == ["unknown-order"]


async def test_a_cancel_frees_the_place_and_refuses_what_is_wanted_later() -> None:
    store = FakeStore()
    await release(store, 1)
    await upgrade(store, 1, 51)
    await on_events([heard(OrderCancelled(uuid(1)), 3), heard(wanted(1, 53))], store)
    assert (store.taken[KEY], store.slots[uuid(51)].state) == (0, SlotState.FREED)
    assert refusals(store) == ["cancelled"]


async def test_a_declined_or_withdrawn_upgrade_goes_back_to_the_promise() -> None:
    for event in (UpgradeDeclined(uuid(1), uuid(51)), UpgradeWithdrawn(uuid(1), uuid(51))):
        store = FakeStore()
        await release(store, 1)
        await upgrade(store, 1, 51)
        await on_events([heard(event), heard(event)], store)
        assert (store.taken[KEY], store.moved[uuid(1)], store.shipments[uuid(1)].carrier_service) == (0, GROUND_BY, "ground-standard")


async def test_a_label_stands_against_a_grant_and_loyalty_hears_it() -> None:
    store = FakeStore()
    await release(store, 1)
    await on_events([heard(wanted(1, 51))], store)
    store.shipments[uuid(1)] = replace(store.shipments[uuid(1)], labelled=True)
    await on_events([heard(UpgradeGranted(uuid(1), uuid(51)))], store)
    assert refusals(store) == ["too-late"]
    assert (store.taken[KEY], store.shipments[uuid(1)].carrier_service) == (0, "ground-standard")


async def test_a_labelled_order_wants_in_vain() -> None:
    store = FakeStore()
    await release(store, 1)
    store.shipments[uuid(1)] = replace(store.shipments[uuid(1)], labelled=True)
    await on_events([heard(wanted(1, 51))], store)
    assert refusals(store) == ["too-late"]


async def test_a_grant_without_a_place_is_set_aside() -> None:
    store = FakeStore()
    await on_events([heard(UpgradeGranted(uuid(1), uuid(51)))], store)
    assert store.aside == ["slot-not-reserved"]


async def test_events_of_an_order_never_placed_here_are_set_aside_and_old_ones_passed_over() -> None:
    store = FakeStore()
    await on_events([heard(released(1), 2)], store)
    assert store.aside == ["unknown-order"]
    await release(store, 2)
    await on_events([heard(released(2, hand_over_by=GROUND_BY + DAY), 2)], store)
    assert store.shipments[uuid(2)].hand_over_by == GROUND_BY


async def test_a_release_that_was_refused_is_retried_after_a_hold_came_and_went() -> None:
    store = FakeStore()
    await on_events([heard(placed(1), 1)], store)
    await on_events([heard(OrderHeld(uuid(1), uuid(9), "stock", "fulfilment"), 3), heard(HoldLifted(uuid(1), uuid(9), "stock"), 4)], store)
    await on_events([heard(released(1), 2)], store)
    assert (store.shipments[uuid(1)].state, store.shipments[uuid(1)].version) == (ShipmentState.RELEASED, 2)


async def test_an_order_released_again_aims_at_its_new_promise_unless_it_flies() -> None:
    store = FakeStore()
    await release(store, 1, 2)
    await upgrade(store, 2, 52)
    for order in (1, 2):
        await on_events([heard(released(order, hand_over_by=GROUND_BY + DAY), 3)], store)
    assert (store.shipments[uuid(1)].hand_over_by, store.shipments[uuid(2)].hand_over_by) == (GROUND_BY + DAY, FLIGHT_AT)


async def test_a_delay_is_told_once_with_the_next_departure_that_can_be_made() -> None:
    store = FakeStore()
    await release(store, 1)
    store.now = GROUND_BY - timedelta(seconds=100)
    await on_late([uuid(1)], store)
    await on_late([uuid(1)], store)
    assert store.said == [DelayForeseen(uuid(1), -100, GROUND_BY, GROUND_BY + DAY, "queue", store.now)]
    assert store.moved == {uuid(1): GROUND_BY + DAY}
    store.now = GROUND_BY + DAY
    await on_late([uuid(1)], store)
    assert [said.hand_over_by for said in store.said if isinstance(said, DelayForeseen)] == [GROUND_BY, GROUND_BY + DAY]


async def test_a_delay_while_stock_is_short_says_so() -> None:
    store = FakeStore()
    await release(store, 1)
    await on_events([heard(OrderHeld(uuid(1), uuid(9), "stock", "fulfilment"), 3)], store)
    store.now = GROUND_BY
    await on_late([uuid(1)], store)
    await on_events([heard(HoldLifted(uuid(1), uuid(9), "stock"), 4)], store)
    store.now = GROUND_BY + DAY
    await on_late([uuid(1)], store)
    assert [said.cause for said in store.said if isinstance(said, DelayForeseen)] == ["stock", "queue"]


async def test_a_delay_without_a_next_departure_is_told_once_too() -> None:
    store = FakeStore(service(), ground(withdrawn=True))
    await release(store, 1)
    store.now = GROUND_BY
    await on_late([uuid(1)], store)
    await on_late([uuid(1)], store)
    assert [said.next_hand_over_by for said in store.said if isinstance(said, DelayForeseen)] == [None]


async def test_an_upgrade_that_cannot_be_made_is_given_up_and_the_promise_stands_undelayed() -> None:
    store = FakeStore()
    await release(store, 1)
    await upgrade(store, 1, 51)
    store.now = FLIGHT_AT - timedelta(minutes=1)
    await on_late([uuid(1)], store)
    assert refusals(store) == ["too-late"]
    assert not [said for said in store.said if isinstance(said, DelayForeseen)]
    assert (store.taken[KEY], store.moved[uuid(1)]) == (0, GROUND_BY)


async def test_a_labelled_upgrade_takes_the_next_flight_and_is_late_only_when_the_promise_is() -> None:
    store = FakeStore()
    await release(store, 1)
    await upgrade(store, 1, 51)
    store.shipments[uuid(1)] = replace(store.shipments[uuid(1)], labelled=True, phase=Phase.PACKED)
    store.now = FLIGHT_AT
    await on_late([uuid(1)], store)
    assert store.shipments[uuid(1)].hand_over_by == FLIGHT_AT + DAY
    assert len(store.said) == 1
    store.now = DUE
    await on_late([uuid(1)], store)
    assert [said.hand_over_by for said in store.said if isinstance(said, DelayForeseen)] == [GROUND_BY]


async def test_what_is_in_the_trailer_is_not_late() -> None:
    store = FakeStore()
    await release(store, 1)
    store.shipments[uuid(1)] = replace(store.shipments[uuid(1)], phase=Phase.LOADED)
    store.now = GROUND_BY + DAY
    await on_late([uuid(1)], store)
    assert store.said == []


async def test_the_newest_addresses_of_a_customer_are_kept() -> None:
    store = FakeStore()
    new, old = CustomerSeen(uuid(7000), ({"city": "Louisville"},)), CustomerSeen(uuid(7000), ())
    await on_events([heard(new, 5), heard(old, 4)], store)
    assert store.customers[uuid(7000)] == (5, [{"city": "Louisville"}])
    await on_events([heard(old, 6)], store)
    assert store.customers[uuid(7000)][1] == []
