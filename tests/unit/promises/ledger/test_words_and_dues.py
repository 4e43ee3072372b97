"""Sentences that nothing hides in, and local times where clocks change."""

from datetime import UTC, datetime

import pytest

from services.promises.ledger.domain.due import instant_of, is_said, readings
from services.promises.ledger.domain.words import fault_of


@pytest.mark.parametrize(
    "text", ["Wir liefern am Freitag, 27. November.", "O'Brien’s cable – free", "无线电缆免费送给您", "a", "x" * 280, "10\u202f%"]
)
def test_a_sentence_is_said_as_it_is(text: str) -> None:
    assert fault_of(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\u00a0",
        "x" * 281,
        "two\nlines",
        "tab\there",
        "a\u202eb",
        "a\u200bb",
        "a\u200db",
        "a\u2028b",
        "a\ufeffb",
        "u\u0308",
        "a\x00b",
        "a\x7fb",
        "\ue000",
        "a\u2003b",
    ],
)
def test_a_sentence_that_hides_something_is_not(text: str) -> None:
    assert fault_of(text)


@pytest.mark.parametrize(
    ("said", "zone", "at"),
    [
        ("2026-11-29", "Europe/Berlin", datetime(2026, 11, 29, 22, 59, 59, tzinfo=UTC)),
        ("2026-11-29T18:00", "America/New_York", datetime(2026, 11, 29, 23, tzinfo=UTC)),
        # two o'clock to three comes twice: the earlier one
        ("2026-10-25T02:30", "Europe/Berlin", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        # two to three does not come: the moment of the change
        ("2026-03-29T02:30", "Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        # clocks change by half an hour
        ("2026-04-05T01:45", "Australia/Lord_Howe", datetime(2026, 4, 4, 14, 45, tzinfo=UTC)),
        ("2026-10-04T02:15", "Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
        # a day that never was
        ("2011-12-30", "Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
        # midnight does not come
        ("2018-11-04T00:00", "America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),
        ("2018-11-03", "America/Sao_Paulo", datetime(2018, 11, 4, 2, 59, 59, tzinfo=UTC)),
    ],
)
def test_what_was_said_is_due_by_the_reading_that_is_stricter_on_us(said: str, zone: str, at: datetime) -> None:
    assert instant_of(said, zone) == at
    assert readings(said, zone)[0] == at


@pytest.mark.parametrize(
    ("said", "zone", "both"),
    [
        ("2026-10-25T02:30", "Europe/Berlin", ["2026-10-25T00:30:00+00:00", "2026-10-25T01:30:00+00:00"]),
        ("2026-03-29T02:30", "Europe/Berlin", ["2026-03-29T01:00:00+00:00", "2026-03-29T01:30:00+00:00"]),
        ("2026-11-29T18:00", "Europe/Berlin", ["2026-11-29T17:00:00+00:00"]),
        ("2026-10-25", "Europe/Berlin", ["2026-10-25T22:59:59+00:00"]),
        ("2011-12-30", "Pacific/Apia", ["2011-12-30T10:00:00+00:00", "2011-12-31T09:59:59+00:00"]),
    ],
)
def test_both_readings_are_told_the_stricter_first(said: str, zone: str, both: list[str]) -> None:
    assert [each.isoformat() for each in readings(said, zone)] == both


@pytest.mark.parametrize(
    "said", ["2026-02-30", "2026-11-29T24:01", "2026-11-29T18:00:30", "2026-11-29T18:00Z", "20261129", "tomorrow", "", "2026-W48-1"]
)
def test_what_no_calendar_has_was_not_said(said: str) -> None:
    assert not is_said(said)


def test_dates_and_minutes_are_said() -> None:
    assert is_said("2026-11-29")
    assert is_said("2026-11-29T18:00")
