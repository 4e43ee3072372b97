"""When carriers leave and arrive, over the days on which clocks change."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fulfilment.shipping.schedule.domain import (
    WeeklyDeparture,
    departures_from,
    departures_within,
    expected_at,
    fastest,
    hand_over_limit,
    instant,
    lane_for,
    next_departure,
)
from services.kit.values import Money
from tests.unit.fulfilment_shipping.build import DUE, FLIGHT_AT, NOW, ground, lane, service, weekly

ZONES = ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia")
CHANGES = (
    date(2026, 3, 8), date(2026, 11, 1), date(2026, 3, 29), date(2026, 10, 25), date(2026, 4, 5), date(2026, 10, 4), date(2011, 12, 30),
)  # fmt: skip
near_changes = st.builds(lambda day, off: day + timedelta(days=off), st.sampled_from(CHANGES), st.integers(-3, 3))
times = st.builds(time, st.integers(0, 23), st.integers(0, 59))
weeklies = st.lists(st.builds(WeeklyDeparture, st.integers(1, 7), times, st.none() | st.integers(0, 9)), min_size=1, max_size=12)
instants = st.builds(lambda day, at: datetime.combine(day, at, UTC), near_changes, times)


@pytest.mark.parametrize(
    ("zone", "day", "at", "expected"),
    [
        ("America/New_York", date(2026, 11, 21), time(1, 15), "2026-11-21T06:15:00+00:00"),
        ("America/New_York", date(2026, 3, 8), time(2, 30), "2026-03-08T06:30:00+00:00"),  # 02:30 does not exist: read as 01:30 before the change
        ("America/New_York", date(2026, 11, 1), time(1, 30), "2026-11-01T05:30:00+00:00"),  # 01:30 exists twice: the first
        ("Europe/Berlin", date(2026, 3, 29), time(2, 30), "2026-03-29T00:30:00+00:00"),
        ("Europe/Berlin", date(2026, 10, 25), time(2, 30), "2026-10-25T00:30:00+00:00"),
        ("Australia/Lord_Howe", date(2026, 10, 4), time(2, 15), "2026-10-03T15:15:00+00:00"),  # a gap of half an hour
        ("Australia/Lord_Howe", date(2026, 4, 5), time(1, 45), "2026-04-04T14:45:00+00:00"),
        ("Pacific/Apia", date(2011, 12, 30), time(9), None),  # a day that never was
        ("Pacific/Apia", date(2011, 12, 31), time(9), "2011-12-30T19:00:00+00:00"),
    ],
)
def test_a_local_time_is_read_at_its_earlier_instant(zone: str, day: date, at: time, expected: str | None) -> None:
    read = instant(day, at, ZoneInfo(zone))
    assert (read.isoformat() if read else None) == expected


@given(near_changes, times, st.sampled_from(ZONES))
def test_no_reading_of_a_local_time_is_earlier_than_the_one_taken(day: date, at: time, zone: str) -> None:
    read = instant(day, at, ZoneInfo(zone))
    if read is None:
        assert (day, zone) == (date(2011, 12, 30), "Pacific/Apia")
        return
    local = datetime.combine(day, at, ZoneInfo(zone))
    assert all(read <= local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    assert abs(read.astimezone(ZoneInfo(zone)).replace(tzinfo=None) - datetime.combine(day, at)) <= timedelta(hours=1)


@given(weeklies, instants, st.sampled_from(ZONES))
def test_departures_come_in_order_each_once_and_none_too_early(rows: list[WeeklyDeparture], earliest: datetime, zone: str) -> None:
    runs = service(departures=tuple(rows), zone=zone)
    found = departures_within(runs, earliest, earliest + timedelta(days=9), 1000)
    ats = [departure.departs_at for departure in found]
    assert ats == sorted(set(ats))
    assert all(earliest <= at <= earliest + timedelta(days=9) for at in ats)
    days = {earliest.astimezone(ZoneInfo(zone)).date() + timedelta(days=ahead) for ahead in range(-1, 11)}
    read = {instant(day, row.at, ZoneInfo(zone)) for day in days for row in rows if row.weekday == day.isoweekday() and row.places != 0}
    assert set(ats) == {at for at in read if at is not None and earliest <= at <= earliest + timedelta(days=9)}


@given(weeklies, instants, st.sampled_from(ZONES), st.sampled_from(ZONES), st.integers(0, 5), times, st.sets(st.integers(1, 7), min_size=1))
def test_a_delivery_is_after_its_departure_and_on_a_delivering_day(
    rows: list[WeeklyDeparture], earliest: datetime, zone: str, there: str, transit: int, by: time, on: set[int]
) -> None:
    to = lane(zone=there, transit_days=transit, deliver_by=by, delivers_on=frozenset(on))
    runs = service(departures=tuple(rows), zone=zone, lanes=(to,))
    departure = next_departure(runs, earliest)
    if departure is None:
        assert all(row.places == 0 for row in rows)
        return
    at = expected_at(runs, to, departure.departs_at)
    assert at is not None
    assert departure.departs_at < at < departure.departs_at + timedelta(days=transit + 10)


def test_the_midnight_order_makes_the_flight_and_is_there_at_eight() -> None:
    departure = next_departure(service(), NOW + timedelta(minutes=5))
    assert departure is not None
    assert departure.departs_at == FLIGHT_AT
    assert expected_at(service(), lane(), FLIGHT_AT) == datetime(2026, 11, 21, 13, tzinfo=UTC)


def test_a_departure_at_the_very_instant_can_still_be_made() -> None:
    for earliest, wait in ((FLIGHT_AT, timedelta()), (FLIGHT_AT + timedelta(microseconds=1), timedelta(days=1))):
        departure = next_departure(service(), earliest)
        assert departure is not None
        assert departure.departs_at == FLIGHT_AT + wait


def test_a_closed_day_has_neither_departure_nor_delivery_and_does_not_count_as_transit() -> None:
    closed = ground(closed_on=frozenset({date(2026, 11, 21), date(2026, 11, 23)}))
    departure = next_departure(closed, NOW)
    assert departure is not None
    assert departure.departs_at == datetime(2026, 11, 22, 23, tzinfo=UTC)
    assert expected_at(closed, closed.lanes[0], departure.departs_at) == datetime(2026, 11, 26, 13, tzinfo=UTC)


def test_a_departure_without_places_and_a_withdrawn_service_do_not_leave() -> None:
    assert list(departures_from(service(departures=weekly("01:15", 0)), NOW)) == []
    assert list(departures_from(service(withdrawn=True), NOW)) == []


def test_two_local_times_on_one_instant_are_one_departure_with_the_fewer_places() -> None:
    sunday = frozenset({7})
    runs = service(departures=weekly("01:30", 5, sunday) + weekly("02:30", 3, sunday))
    found = departures_within(runs, datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC), 10)
    assert [(each.departs_at, each.places) for each in found] == [(datetime(2026, 3, 8, 6, 30, tzinfo=UTC), 3)]


@pytest.mark.parametrize(("postcode", "prefix"), [("40202", "402"), ("40299", "402"), ("402 99", "402"), ("41000", "4"), ("90210", None)])
def test_the_longest_prefix_that_fits_is_the_lane(postcode: str, prefix: str | None) -> None:
    runs = service(lanes=(lane("4"), lane("402"), lane("40299", country="CA")))
    found = lane_for(runs, "US", postcode)
    assert (found.postcode_prefix if found else None) == prefix


def test_the_hand_over_limit_is_the_last_departure_that_is_in_time() -> None:
    to = ground().lanes[0]
    assert hand_over_limit(ground(), to, NOW, DUE) == datetime(2026, 11, 23, 23, tzinfo=UTC)
    assert hand_over_limit(ground(), to, NOW, NOW + timedelta(days=1)) is None


def test_the_fastest_service_is_taken_and_the_cheaper_of_two_equal_ones() -> None:
    dear = ground(lanes=(lane(transit_days=3, label=Money(900, "GBP")),))
    found = fastest([dear, ground(), service()], "standard", "US", "402", NOW)
    assert found is not None
    assert found[0].lanes[0].label == Money(412, "GBP")
    assert fastest([service()], "standard", "US", "402", NOW) is None
