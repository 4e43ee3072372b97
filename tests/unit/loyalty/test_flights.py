"""Which departure an order would take, when it is at the door, and what it costs more."""

from dataclasses import replace
from datetime import UTC, date, datetime, time

import pytest

from services.kit.values import Money
from services.loyalty.flights.domain import CarrierService, Departure, Destination, Journey, at_the_door, business_day, flight_of, next_departure
from tests.unit.loyalty.build import HERE, NOW, ground, lane, overnight

JOURNEY = Journey("SDF1", HERE, "ground")


def test_an_order_of_two_minutes_to_midnight_is_at_the_door_at_eight() -> None:
    flight = flight_of(JOURNEY, [overnight(), ground()], NOW)
    assert flight is not None
    assert flight.expected_at == datetime(2026, 11, 22, 13, tzinfo=UTC)
    assert flight.cost == Money(600, "GBP")


def test_the_business_day_is_the_sites_not_that_of_utc() -> None:
    assert business_day([overnight()], "SDF1", NOW) == date(2026, 11, 21)
    assert business_day([overnight()], "LHR2", NOW) == date(2026, 11, 22)


def test_a_departure_must_lie_ahead() -> None:
    at_departure = datetime(2026, 11, 22, 6, 15, tzinfo=UTC)
    assert next_departure(overnight(), at_departure) == datetime(2026, 11, 23, 6, 15, tzinfo=UTC)


def test_a_closed_day_has_no_departure() -> None:
    assert next_departure(overnight(closed_on=(date(2026, 11, 22),)), NOW) == datetime(2026, 11, 23, 6, 15, tzinfo=UTC)


def test_departures_keep_their_wall_clock_when_the_clocks_change() -> None:
    before = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)  # 01:30 in summer time: 01:15 comes again after the change, but is meant once
    assert next_departure(overnight(), before) == datetime(2026, 11, 2, 6, 15, tzinfo=UTC)


def test_a_service_that_never_leaves_has_no_departure() -> None:
    assert next_departure(overnight(departures=()), NOW) is None


def test_a_parcel_waits_for_the_next_day_on_which_the_lane_delivers() -> None:
    on_weekdays = lane(delivers_on=(1, 2, 3, 4, 5))
    departs = datetime(2026, 11, 21, 6, 15, tzinfo=UTC)  # Saturday
    assert at_the_door(overnight(), on_weekdays, departs) == datetime(2026, 11, 23, 13, tzinfo=UTC)


def test_an_evening_departure_does_not_arrive_before_it_left() -> None:
    departs = datetime(2026, 11, 23, 3, tzinfo=UTC)  # 22:00 on Sunday
    assert at_the_door(overnight(), lane(), departs) == datetime(2026, 11, 23, 13, tzinfo=UTC)


def test_the_longest_prefix_wins() -> None:
    service = overnight(lanes=(lane(500, postcode_prefix=""), lane(900, postcode_prefix="402"), lane(700, postcode_prefix="4")))
    assert service.lane_to(HERE) == lane(900, postcode_prefix="402")
    assert service.lane_to(Destination("US", "41", "America/New_York")) == lane(700, postcode_prefix="4")
    assert service.lane_to(Destination("GB", "402", "Europe/London")) is None


WEEKENDS_OFF = overnight(lanes=(lane(delivers_on=(1, 2, 3, 4, 5)),))
NOT_ON_SUNDAY_NIGHT = replace(WEEKENDS_OFF, departures=tuple(Departure(day, time(1, 15)) for day in (2, 3, 4, 5)))
EUROS = overnight(lanes=(lane(label=Money(900, "EUR")),))


@pytest.mark.parametrize(
    ("service", "flies"),
    [
        (overnight(), True),
            (overnight(lanes=(lane(transit_days=1),)), False),
        (WEEKENDS_OFF, True),
        (NOT_ON_SUNDAY_NIGHT, False),
        (overnight(site="LHR2"), False),
        (overnight(lanes=()), False),
        (overnight(departures=()), False),
        (EUROS, False),
    ],
    ids=["tonight", "a day late", "on Monday, the next day it delivers", "only on Tuesday", "another site", "no lane",
         "withdrawn", "another currency"],
)  # fmt: skip
def test_a_flight_comes_on_the_next_day_its_lane_delivers_or_not_at_all(service: CarrierService, flies: bool) -> None:
    assert (flight_of(JOURNEY, [service, ground()], NOW) is not None) is flies


def test_the_first_at_the_door_wins_then_the_cheapest() -> None:
    cheap, dear = overnight(carrier_service="cheap", lanes=(lane(400),)), overnight(carrier_service="dear")
    early = overnight(carrier_service="early", lanes=(lane(2000, deliver_by=time(7)),))
    assert _chosen(cheap, dear) == "cheap"
    assert _chosen(cheap, dear, early) == "early"


def test_the_difference_is_to_the_promised_label_and_never_below_nothing() -> None:
    other = replace(ground(100), carrier_service="parcel")
    assert _cost(JOURNEY, overnight(), ground(300), other) == 600
    assert _cost(replace(JOURNEY, promised_service=None), overnight(), ground(300), other) == 800
    assert _cost(JOURNEY, overnight(), ground(1000)) == 0


def test_without_the_promised_label_there_is_no_difference_to_reckon() -> None:
    assert flight_of(replace(JOURNEY, promised_service="gone"), [overnight(), ground()], NOW) is None


def _chosen(*services: CarrierService) -> str:
    flight = flight_of(JOURNEY, [*services, ground()], NOW)
    assert flight is not None
    return flight.carrier_service


def _cost(journey: Journey, *services: CarrierService) -> int:
    flight = flight_of(journey, services, NOW)
    assert flight is not None
    return flight.cost.amount_minor
