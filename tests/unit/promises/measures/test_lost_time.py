"""The customer's lost minutes, worked by hand: each moment once, on days of a clock change too."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.promises.measures.contacts import Contact
from services.promises.measures.lost_time import Lost, MissedSlot, lost_by_customer, lost_by_order
from services.promises.measures.spans import Span, elapsed
from tests.unit.promises.measures.cases import at, contact, id_of, span

DAY = "2026-05-04"
BERLIN = ZoneInfo("Europe/Berlin")


def _call(name: str, clock: str, *, waits: tuple[Span, ...] = (), holds: tuple[Span, ...] = (), **more: Any) -> Contact:
    return contact(name, f"{DAY} {clock}", waits=waits, holds=holds, **more)


def _slot(begins: str, ends: str, freed: str = "", order: str = "7KQ4") -> MissedSlot:
    during = span(DAY, begins, ends)
    return MissedSlot(customer_id=id_of("Ann"), order_id=id_of(order), slot=during, freed_at=at(f"{DAY} {freed}") if freed else None)


def _minutes(lost: Lost) -> tuple[int, int, int, int, int]:
    """Holding, waiting, waiting in, repeating, total."""
    parts = (lost.holding, lost.waiting, lost.waiting_in, lost.repeating)
    a, b, c, d = (int(each.total_seconds() // 60) for each in parts)
    return a, b, c, d, lost.minutes


def _of(contacts: list[Contact], slots: list[MissedSlot]) -> tuple[int, int, int, int, int]:
    return _minutes(lost_by_order(contacts, slots)[id_of("7KQ4")])


def test_waiting_and_holding_of_one_call() -> None:
    call = _call("1", "09:00", waits=(span(DAY, "09:00", "09:04"),), holds=(span(DAY, "09:10", "09:12"), span(DAY, "09:20", "09:23")))
    assert _of([call], []) == (5, 4, 0, 0, 9)


def test_a_call_that_is_answered_at_once_and_settled_loses_nothing() -> None:
    assert _of([_call("1", "09:00")], []) == (0, 0, 0, 0, 0)


def test_waits_that_overlap_are_counted_once() -> None:
    phone = _call("1", "09:00", waits=(span(DAY, "09:00", "09:20"),), subject="invoice")
    chat = _call("2", "09:10", waits=(span(DAY, "09:10", "09:30"),), channel="chat")
    inside = _call("3", "09:12", waits=(span(DAY, "09:12", "09:15"),), subject="return")
    assert _of([phone, chat, inside], []) == (0, 30, 0, 0, 30)


def test_what_is_of_two_kinds_is_holding_before_waiting_before_waiting_in() -> None:
    """Waiting in from 10 to 12; of that waiting from 10:30 to 11:00, and of that on hold from 10:50 to 11:10."""
    call = _call("1", "10:30", waits=(span(DAY, "10:30", "11:00"),), holds=(span(DAY, "10:50", "11:10"),))
    assert _of([call], [_slot("10:00", "12:00")]) == (20, 20, 80, 0, 120)


@pytest.mark.parametrize(
    ("freed", "minutes"),
    [("", 240), ("11:30", 90), ("16:00", 360), ("10:00", 0), ("08:00", 0)],
)
def test_a_missed_slot_lasts_until_the_customer_is_free(freed: str, minutes: int) -> None:
    assert _of([], [_slot("10:00", "14:00", freed)])[2] == minutes


def test_each_telling_again_counts_five_minutes() -> None:
    calls = [_call("1", "09:00", transfers=2), _call("2", "12:00"), _call("3", "15:00", transfers=1), _call("4", "15:00", subject="invoice")]
    assert _of(calls, []) == (0, 0, 0, 25, 25)


def test_telling_may_be_weighed_otherwise() -> None:
    calls = [_call("1", "09:00"), _call("2", "12:00")]
    (lost,) = lost_by_order(calls, [], telling=timedelta(minutes=7)).values()
    assert lost.repeating == timedelta(minutes=7)
    (alone,) = lost_by_order(calls, [], within=timedelta(hours=2)).values()
    assert alone.repeating == timedelta()


def test_a_minute_that_was_begun_is_lost() -> None:
    begins = at(f"{DAY} 09:00")
    assert _of([_call("1", "09:00", waits=(Span(begins, begins + timedelta(seconds=61)),))], [])[4] == 2
    assert _of([_call("1", "09:00", waits=(Span(begins, begins + timedelta(seconds=60)),))], [])[4] == 1


def test_by_order_and_what_belongs_to_none() -> None:
    calls = [
        _call("1", "09:00", waits=(span(DAY, "09:00", "09:04"),)),
        _call("2", "10:00", waits=(span(DAY, "10:00", "10:03"),), order="8XYZ"),
        _call("3", "11:00", waits=(span(DAY, "11:00", "11:01"),), order="", subject="invoice"),
    ]
    lost = lost_by_order(calls, [_slot("15:00", "16:00", order="9ABC")])
    assert {order: each.minutes for order, each in lost.items()} == {id_of("7KQ4"): 4, id_of("8XYZ"): 8, None: 1, id_of("9ABC"): 60}


def test_an_hour_lost_over_two_orders_counts_for_each_and_once_for_the_customer() -> None:
    slots = [_slot("10:00", "12:00"), _slot("11:00", "13:00", order="8XYZ")]
    assert [each.minutes for each in lost_by_order([], slots).values()] == [120, 120]
    assert [each.minutes for each in lost_by_customer([], slots).values()] == [180]


def test_on_a_day_on_which_the_clocks_change_what_has_passed_counts() -> None:
    spring = Span(datetime(2026, 3, 29, 1, 30, tzinfo=BERLIN), datetime(2026, 3, 29, 3, 30, tzinfo=BERLIN))
    autumn = Span(datetime(2026, 10, 25, 1, 30, tzinfo=BERLIN), datetime(2026, 10, 25, 3, 30, tzinfo=BERLIN))
    for during, minutes in [(spring, 60), (autumn, 180)]:
        slot = MissedSlot(customer_id=id_of("Ann"), order_id=None, slot=during)
        assert lost_by_order([], [slot])[None].minutes == minutes
        assert lost_by_order([_call("1", "09:00", order="", waits=(during,))], [slot])[None].minutes == minutes


def test_the_hour_that_comes_twice_has_a_first_and_a_second() -> None:
    first, second = (datetime(2026, 10, 25, 2, 30, fold=fold, tzinfo=BERLIN) for fold in (0, 1))
    assert elapsed([Span(first, second)]) == timedelta(hours=1)
    with pytest.raises(ValueError, match="ends after it begins"):
        Span(second, first)


def test_a_span_that_ends_before_it_begins_or_lacks_its_zone_is_none() -> None:
    begins = at(f"{DAY} 09:00")
    with pytest.raises(ValueError, match="ends after it begins"):
        Span(begins, begins - timedelta(seconds=1))
    with pytest.raises(ValueError, match="say its time zone"):
        Span(begins.replace(tzinfo=None), begins.replace(tzinfo=None))
    with pytest.raises(ValueError, match="say its time zone"):
        MissedSlot(customer_id=id_of("Ann"), order_id=None, slot=span(DAY, "10:00", "12:00"), freed_at=begins.replace(tzinfo=None))


MINUTES = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 40)), max_size=6)


@given(MINUTES, MINUTES, MINUTES)
def test_as_much_is_lost_as_there_are_minutes_in_any_of_the_spans(
    holds: list[tuple[int, int]], waits: list[tuple[int, int]], home: list[tuple[int, int]]
) -> None:
    """Held against counting minute by minute."""
    spans = [[Span(_at(begins), _at(begins + long)) for begins, long in each] for each in (holds, waits, home)]
    on_hold, on_the_line, in_all = set(_covered(holds)), set(_covered(holds + waits)), set(_covered(holds + waits + home))
    slots = [MissedSlot(customer_id=id_of("Ann"), order_id=id_of("7KQ4"), slot=during) for during in spans[2]]
    lost = _of([_call("1", "09:00", holds=tuple(spans[0]), waits=tuple(spans[1]))], slots)
    assert lost == (len(on_hold), len(on_the_line - on_hold), len(in_all - on_the_line), 0, len(in_all))


def _at(minute: int) -> datetime:
    return at(f"{DAY} 09:00") + timedelta(minutes=minute)


def _covered(spans: list[tuple[int, int]]) -> list[int]:
    return [minute for begins, long in spans for minute in range(begins, begins + long)]
