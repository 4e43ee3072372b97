"""Business time from each of its sources."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.kit.clock import FileClock, FileClockDriver, FixedClock, ScaledClock, SystemClock, clock_from, record_now

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_the_system_clock_is_the_records() -> None:
    before = record_now()
    assert before <= SystemClock().now() <= record_now()


def test_a_fixed_clock_moves_only_when_told() -> None:
    clock = FixedClock(NOON)
    clock.advance(timedelta(hours=1))
    assert clock.now() == NOON + timedelta(hours=1)


def test_a_scaled_clock_runs_from_its_anchor() -> None:
    real = datetime(2026, 11, 1, tzinfo=UTC)
    clock = ScaledClock(60, NOON, real, system=lambda: real + timedelta(minutes=2))
    assert clock.now() == NOON + timedelta(hours=2)


def test_a_file_clock_is_moved_by_its_driver_for_everybody(tmp_path: Path) -> None:
    driver = FileClockDriver(tmp_path / "clock", NOON)
    reader, late = FileClock(tmp_path / "clock"), NOON + timedelta(microseconds=1)
    assert reader.now() == NOON
    driver.advance_to(late)
    assert reader.now() == late


def test_a_file_clock_goes_on_where_an_earlier_driver_left_it(tmp_path: Path) -> None:
    FileClockDriver(tmp_path / "clock", NOON).advance_to(NOON + timedelta(days=1))
    assert FileClockDriver(tmp_path / "clock", NOON).instant == NOON + timedelta(days=1)


def test_business_time_does_not_step_back(tmp_path: Path) -> None:
    driver = FileClockDriver(tmp_path / "clock", NOON)
    with pytest.raises(ValueError, match="does not step back"):
        driver.advance_to(NOON - timedelta(seconds=1))


def test_an_instant_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="has no offset"):
        FixedClock(NOON.replace(tzinfo=None))


def test_settings_name_each_kind(tmp_path: Path) -> None:
    FileClockDriver(tmp_path / "clock", NOON)
    assert isinstance(clock_from("system"), SystemClock)
    assert clock_from("fixed:2026-03-02T13:00:00+01:00").now() == NOON
    assert clock_from(f"file:{tmp_path / 'clock'}").now() == NOON
    assert clock_from("scaled:2:2026-03-02T12:00:00Z@2026-03-02T12:00:00Z").now() > NOON


@pytest.mark.parametrize("spec", ["", "sundial", "system:x", "fixed:", "file:", "scaled:2", "scaled:2:2026-03-02T12:00:00Z", "fixed:noon"])
def test_anything_else_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match=r"none of|isoformat"):
        clock_from(spec)
