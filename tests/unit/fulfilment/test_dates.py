"""Which days can be promised for an order: with a free place, our own vans first, and never before the goods are there."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from services.fulfilment.duties.domain import (
    AlreadyPicked,
    Expected,
    Lack,
    NoPlace,
    Offer,
    OrderEnded,
    by_day,
    by_itself,
    goods_at,
    offers,
    refuse_place,
    take_place,
    with_dates,
    with_room,
)
from services.fulfilment.shipping.domain import Phase, Rates, Shipment, ShipmentState
from services.kit.values import NotFound
from tests.unit.fulfilment.build import cause
from tests.unit.fulfilment_shipping.build import NOW, ground, lane, service, uuid, weekly

VAN = service("van", carrier="own", service="standard", by_air=False, departures=weekly("07:00", 1), lanes=(lane(deliver_by=time(20)),))
GROUND = ground(lanes=(lane(transit_days=1, deliver_by=time(12)),))


def shipment(**changes: Any) -> Shipment:
    return replace(Shipment(uuid(1), "SDF1", 1, ("LM-43",), 1, cause(), ShipmentState.RELEASED, country="US", postcode_prefix="402"), **changes)


def days(taken: int = 0, limit: int = 3, now: datetime = NOW) -> list[tuple[str, str, int | None]]:
    """What can be promised where so many places of the first van are taken."""
    made = offers(shipment(), [GROUND, VAN], now, Rates())
    found = by_day(with_room(made, {("van", made[0].departs_at): taken}), limit)
    return [(offer.expected_on.isoformat(), offer.carrier_service, offer.places_left) for offer in found]


def test_a_day_is_brought_by_our_own_van_where_one_has_room() -> None:
    assert days() == [("2026-11-21", "van", 1), ("2026-11-22", "van", 1), ("2026-11-23", "van", 1)]
    assert days(taken=1) == [("2026-11-22", "van", 1), ("2026-11-23", "van", 1), ("2026-11-24", "van", 1)]
    assert days(taken=1, limit=1) == [("2026-11-22", "van", 1)]


def test_a_day_without_a_van_of_ours_is_brought_by_others() -> None:
    made = offers(shipment(), [GROUND, VAN], NOW, Rates())
    full = {(offer.carrier_service, offer.departs_at): 1 for offer in made if offer.carrier_service == "van"}
    found = by_day(with_room(made, full), 2)
    assert [(offer.expected_on, offer.carrier_service, offer.places_left) for offer in found] == [
        (date(2026, 11, 22), "ground-standard", None),
        (date(2026, 11, 23), "ground-standard", None),
    ]


def test_the_soonest_day_comes_first_whoever_brings_it() -> None:
    made = offers(shipment(), [GROUND, VAN], NOW, Rates())
    full = {("van", NOW.replace(day=day, hour=12, minute=0)): 1 for day in (21, 22, 23)}
    found = by_day(with_room(made, full), 3)
    assert [(offer.expected_on.day, offer.carrier_service) for offer in found] == [(22, "ground-standard"), (23, "ground-standard"), (24, "van")]


def test_a_parcel_of_its_own_is_yet_to_be_picked() -> None:
    loaded = shipment(lines=900, phase=Phase.LOADED, labelled=True)
    (first, *_) = offers(by_itself(loaded), [VAN], datetime(2026, 11, 21, 11, 59, tzinfo=UTC), Rates())
    assert first.departs_at == datetime(2026, 11, 22, 12, tzinfo=UTC)
    (first, *_) = offers(by_itself(loaded), [VAN], datetime(2026, 11, 21, 11, 30, tzinfo=UTC), Rates())
    assert first.departs_at == datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_the_day_is_the_one_at_the_door() -> None:
    late = service("van", carrier="own", departures=weekly("07:00"), lanes=(lane(zone="Asia/Tokyo", deliver_by=time(1)),))
    (offer, *_) = offers(shipment(), [late], NOW, Rates())
    assert (offer.expected_at, offer.expected_on, offer.zone) == (datetime(2026, 11, 21, 16, tzinfo=UTC), date(2026, 11, 22), "Asia/Tokyo")


def test_no_day_comes_before_the_goods_and_the_work() -> None:
    assert days(now=datetime(2026, 11, 23, 11, 59, tzinfo=UTC))[0] == ("2026-11-24", "van", 1), "picking takes longer than a minute"
    assert days(now=datetime(2026, 11, 23, 11, 30, tzinfo=UTC))[0] == ("2026-11-23", "van", 1)


def at(hours: int) -> datetime:
    return NOW + timedelta(hours=hours)


@pytest.mark.parametrize(
    ("lacks", "expected", "there"),
    [
        ([Lack("A", 3, 1, 0)], [("A", 1, 1), ("B", 9, 2), ("A", 1, 3), ("A", 1, 4)], 3),
        ([Lack("A", 1, 0, 2)], [("A", 2, 1), ("A", 1, 5)], 5),  # two units go to older orders
        ([Lack("A", 1, 0, 0), Lack("B", 1, 0, 0)], [("B", 1, 2), ("A", 1, 7)], 7),
        ([Lack("A", 1, 0, 0), Lack("B", 1, 0, 0)], [("A", 1, 7)], None),
        ([Lack("A", 2, 0, 0)], [("A", 1, 1)], None),
        ([Lack("A", 2, 2, 9), Lack("B", 1, 0, 0)], [("B", 1, 2)], 2),  # of A there is enough on the shelf
    ],
)
def test_the_goods_are_there_when_the_last_that_is_missing_has_come(
    lacks: list[Lack], expected: list[tuple[str, int, int]], there: int | None
) -> None:
    found = goods_at(lacks, [Expected(sku, quantity, at(hours)) for sku, quantity, hours in expected])
    assert found == (at(there) if there is not None else None)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"state": ShipmentState.PLACED, "country": ""}, NoPlace),
        ({"state": ShipmentState.CANCELLED}, OrderEnded),
        ({"state": ShipmentState.HANDED_OVER}, AlreadyPicked),
        ({"state": ShipmentState.DELIVERED}, AlreadyPicked),
        ({"labelled": True}, AlreadyPicked),
    ],
)
def test_an_order_that_is_on_its_way_or_goes_nobody_knows_where_has_no_days(changes: dict[str, Any], refusal: type[Exception]) -> None:
    for look in (with_dates, refuse_place):
        with pytest.raises(refusal):
            look(shipment(**changes))


def test_days_are_told_of_an_order_that_waits_as_soon_as_it_is_known_where_it_goes() -> None:
    waits = shipment(state=ShipmentState.PLACED)
    assert with_dates(waits) == waits
    assert with_dates(shipment()) == shipment()
    with pytest.raises(NotFound):
        with_dates(None)


def test_who_finds_no_place_is_told_a_day_of_each() -> None:
    made = offers(shipment(), [GROUND, VAN, replace(VAN, code="van-2")], NOW, Rates())
    first: Offer = made[0]
    with pytest.raises(NoPlace) as refused:
        take_place(made, first.departs_at)
    told = refused.value.facts["dates"]
    assert isinstance(told, list)
    assert [(each["expected_at"][:10], each["carrier_service"]) for each in told] == [
        ("2026-11-22", "van"),
        ("2026-11-23", "van"),
        ("2026-11-24", "van"),
    ]
