"""Durations as people read them."""

from datetime import timedelta

import pytest

from services.kit.durations import two_units


@pytest.mark.parametrize(
    ("duration", "said"),
    [
        (timedelta(seconds=-5), "0 s"),
        (timedelta(), "0 s"),
        (timedelta(seconds=4.9), "4 s"),
        (timedelta(seconds=60), "1 min"),
        (timedelta(minutes=1, seconds=52), "1 min 52 s"),
        (timedelta(hours=3, minutes=10, seconds=59), "3 h 10 min"),
        (timedelta(hours=3, seconds=59), "3 h"),
        (timedelta(days=1, hours=7, minutes=59), "1 d 7 h"),
        (timedelta(days=400), "400 d"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(duration: timedelta, said: str) -> None:
    assert two_units(duration) == said


def test_the_units_are_the_reader_s() -> None:
    assert two_units(timedelta(days=2, hours=1), ("Tg.", "Std.", "Min.", "Sek.")) == "2 Tg. 1 Std."
