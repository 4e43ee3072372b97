"""Local days and hours as instants, on the days on which five zones changed their clocks."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.promises.domain import day_exists, end_of_day, local_day, moment, next_weekday, plain_postcode

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo")


@pytest.mark.parametrize(
    ("zone", "day", "at", "instant"),
    [
        ("Europe/Berlin", date(2026, 3, 29), time(2, 30), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        ("Europe/Berlin", date(2026, 3, 29), time(3, 0), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        ("Europe/Berlin", date(2026, 10, 25), time(2, 30), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("America/New_York", date(2026, 3, 8), time(2, 15), datetime(2026, 3, 8, 7, 0, tzinfo=UTC)),
        ("America/New_York", date(2026, 11, 1), time(1, 15), datetime(2026, 11, 1, 5, 15, tzinfo=UTC)),
        ("Australia/Lord_Howe", date(2026, 10, 4), time(2, 10), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
        ("Australia/Lord_Howe", date(2026, 4, 5), time(1, 45), datetime(2026, 4, 4, 14, 45, tzinfo=UTC)),
        ("Pacific/Apia", date(2011, 12, 30), time(12, 0), datetime(2011, 12, 30, 10, 0, tzinfo=UTC)),
        ("America/Sao_Paulo", date(2018, 11, 4), time(0, 20), datetime(2018, 11, 4, 3, 0, tzinfo=UTC)),
        ("America/Sao_Paulo", date(2018, 2, 17), time(23, 30), datetime(2018, 2, 18, 1, 30, tzinfo=UTC)),
    ],
)
def test_a_local_time_on_a_change_day_is_read_strictly(zone: str, day: date, at: time, instant: datetime) -> None:
    assert moment(day, at, zone) == instant


@pytest.mark.parametrize(
    ("zone", "day", "instant"),
    [
        ("America/Sao_Paulo", date(2018, 2, 17), datetime(2018, 2, 18, 1, 59, 59, tzinfo=UTC)),
        ("America/Sao_Paulo", date(2018, 11, 3), datetime(2018, 11, 4, 2, 59, 59, tzinfo=UTC)),
        ("Pacific/Apia", date(2011, 12, 29), datetime(2011, 12, 30, 9, 59, 59, tzinfo=UTC)),
        ("Pacific/Apia", date(2011, 12, 31), datetime(2011, 12, 31, 9, 59, 59, tzinfo=UTC)),
        ("Europe/Berlin", date(2026, 3, 29), datetime(2026, 3, 29, 21, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_day_ends_at_its_last_second_where_it_is(zone: str, day: date, instant: datetime) -> None:
    assert end_of_day(day, zone) == instant


def test_a_day_that_a_zone_skipped_does_not_exist() -> None:
    assert not day_exists(date(2011, 12, 30), "Pacific/Apia")
    assert day_exists(date(2011, 12, 29), "Pacific/Apia")
    assert day_exists(date(2011, 12, 30), "Pacific/Auckland")


@given(st.dates(date(1990, 1, 1), date(2037, 12, 31)), st.integers(0, 1439), st.sampled_from(ZONES))
def test_a_local_time_never_lies_after_any_of_its_readings(day: date, minute: int, zone: str) -> None:
    at = time(minute // 60, minute % 60)
    instant = moment(day, at, zone)
    later = datetime.combine(day, at.replace(fold=1), ZoneInfo(zone)).astimezone(UTC)
    earlier = datetime.combine(day, at, ZoneInfo(zone)).astimezone(UTC)
    assert instant <= max(earlier, later)
    assert instant >= min(earlier, later)
    assert instant.second == 0


@given(st.dates(date(1990, 1, 1), date(2037, 12, 31)), st.sampled_from(ZONES))
def test_times_of_a_day_keep_their_order(day: date, zone: str) -> None:
    instants = [moment(day, time(hour, minute), zone) for hour in range(24) for minute in (0, 29, 30, 59)]
    assert instants == sorted(instants)


def test_every_zone_of_the_database_can_say_when_a_day_ends() -> None:
    assert all(local_day(end_of_day(date(2026, 11, 26), zone), zone) == date(2026, 11, 26) for zone in sorted(available_timezones()))


def test_the_next_weekday_steps_over_the_weekend() -> None:
    assert next_weekday(date(2026, 11, 27)) == date(2026, 11, 30)
    assert next_weekday(date(2026, 11, 24)) == date(2026, 11, 25)


def test_postcodes_are_compared_without_spaces_and_case() -> None:
    assert plain_postcode(" sw1a 1aa ") == "SW1A1AA"
    assert plain_postcode("40202-1234") == "402021234"
