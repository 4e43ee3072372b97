"""The date that can be kept: its terms, its honesty, its calendar, and what is answered when it cannot be given."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.promises.domain import Departure, Lane, Service, local_day
from services.promises.quoting.domain import Ask, Basis, DateNotPossible, DatePast, NoLane, Queue, make_quote, work_seconds
from tests.unit.promises.quoting_cases import EVERY_DAY, SUNDAY, air, ask, bases, basis, ground

SECOND = timedelta(seconds=1)
thorough = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_the_midnight_order_is_promised_as_the_contract_shows_it() -> None:
    queue = Queue("SDF1", work_seconds=1200, pickers=4, measured_at=SUNDAY)
    quote = make_quote(ask(lines=9), basis(ground(), queue=queue))
    assert [(term.name, term.seconds, term.until.isoformat()) for term in quote.terms] == [
        ("release", 1, "2026-11-22T04:58:01+00:00"),
        ("queue", 300, "2026-11-22T05:03:01+00:00"),
        ("pick", 240, "2026-11-22T05:07:01+00:00"),
        ("pack", 120, "2026-11-22T05:09:01+00:00"),
        ("pick_up", 64259, "2026-11-22T23:00:00+00:00"),
        ("transit", 367199, "2026-11-27T04:59:59+00:00"),
        ("calendar", 0, "2026-11-27T04:59:59+00:00"),
    ]
    assert (quote.due_on, quote.due_at) == (date(2026, 11, 26), datetime(2026, 11, 27, 4, 59, 59, tzinfo=UTC))
    assert quote.hand_over_by == datetime(2026, 11, 22, 23, tzinfo=UTC)
    assert quote.valid_until == datetime(2026, 11, 22, 22, 48, 59, tzinfo=UTC)


def test_an_overnight_order_is_due_when_the_lane_delivers() -> None:
    quote = make_quote(ask(Service.OVERNIGHT), basis(air(), ground()))
    assert (quote.carrier_service, quote.due_on, quote.due_at) == ("air", date(2026, 11, 22), datetime(2026, 11, 22, 13, tzinfo=UTC))


@thorough
@given(bases())
def test_terms_chain_without_gaps_from_now_to_due(case: tuple[Ask, Basis]) -> None:
    quote = make_quote(*case)
    first = quote.terms[0].until - timedelta(seconds=quote.terms[0].seconds)
    assert timedelta(0) <= first - case[1].now < SECOND
    assert all(after.until == before.until + timedelta(seconds=after.seconds) for before, after in pairwise(quote.terms))
    assert all(term.seconds >= 0 for term in quote.terms)
    assert quote.terms[-1].until == quote.due_at


@thorough
@given(bases())
def test_no_date_is_earlier_than_its_own_physics(case: tuple[Ask, Basis]) -> None:
    asked, given_ = case
    quote = make_quote(asked, given_)
    run = next(r for r in given_.runs if r.carrier_service == quote.carrier_service and r.lane.destination_zone == quote.zone)
    work = sum(seconds for _, seconds in work_seconds(asked, given_.queues["SDF1"], given_.policy))
    assert quote.hand_over_by >= given_.now + timedelta(seconds=work)
    assert quote.due_at > quote.hand_over_by
    assert quote.due_on == local_day(quote.due_at, quote.zone)
    candidates = [r for r in given_.runs if r.carrier_service == quote.carrier_service and r.lane.destination_zone == quote.zone]
    assert any(quote.due_on.isoweekday() in r.lane.delivers_on and quote.due_on not in r.closed_on for r in candidates)
    assert run.service == asked.service


@thorough
@given(bases(), st.floats(0, 1))
def test_the_same_date_is_given_until_valid_until(case: tuple[Ask, Basis], share: float) -> None:
    asked, given_ = case
    quote = make_quote(asked, given_)
    assert quote.valid_until >= given_.now
    between = given_.now + (quote.valid_until - given_.now) * share
    for moment in (between, quote.valid_until):
        again = make_quote(asked, replace(given_, now=moment))
        assert (again.due_on, again.due_at, again.hand_over_by, again.valid_until) == (
            quote.due_on, quote.due_at, quote.hand_over_by, quote.valid_until)  # fmt: skip


@thorough
@given(bases(), st.integers(0, 40))
def test_a_later_order_is_never_promised_sooner(case: tuple[Ask, Basis], hours: int) -> None:
    asked, given_ = case
    later = make_quote(asked, replace(given_, now=given_.now + timedelta(hours=hours)))
    assert later.due_at >= make_quote(asked, given_).due_at


@thorough
@given(bases(), st.integers(0, 20))
def test_a_chosen_day_is_met_or_refused_with_what_can_be(case: tuple[Ask, Basis], ahead: int) -> None:
    asked, given_ = case
    chosen = given_.now.date() + timedelta(days=ahead + 1)
    try:
        quote = make_quote(replace(asked, chosen_on=chosen), given_)
    except DateNotPossible as refusal:
        offer = refusal.facts["can_promise"][0]  # type: ignore[index]
        kept = make_quote(replace(asked, chosen_on=date.fromisoformat(offer["due_on"])), given_)
        assert kept.due_on != chosen
    else:
        assert quote.due_on == chosen
        assert make_quote(replace(asked, chosen_on=chosen), replace(given_, now=quote.valid_until)).due_at == quote.due_at


def test_one_second_after_valid_until_the_next_pick_up_counts() -> None:
    quote = make_quote(ask(), basis(ground()))
    after = make_quote(ask(), basis(ground(), now=quote.valid_until + SECOND))
    assert after.hand_over_by == quote.hand_over_by + timedelta(days=1)
    assert after.due_on == quote.due_on + timedelta(days=1)


def test_days_on_which_the_carrier_is_closed_neither_leave_nor_count_nor_deliver() -> None:
    closed = frozenset({date(2026, 11, 22), date(2026, 11, 25), date(2026, 11, 28)})
    quote = make_quote(ask(), basis(ground(closed_on=closed)))
    assert local_day(quote.hand_over_by, "America/New_York") == date(2026, 11, 23)
    assert quote.due_on == date(2026, 11, 30), "four open days after Monday 23 are 24, 26, 27 and, 28 being closed, Sunday 29: no delivery day"
    assert {term.name: term.seconds for term in quote.terms}["calendar"] == 3 * 86_400


def test_a_lane_without_weekend_delivery_rolls_to_monday() -> None:
    run = ground(lane=Lane("US", "402", 6, time(20), frozenset({1, 2, 3, 4, 5}), "America/New_York"))
    assert make_quote(ask(), basis(run)).due_on == date(2026, 11, 30)


def test_what_leaves_after_the_delivery_hour_arrives_the_next_day() -> None:
    quote = make_quote(ask(Service.OVERNIGHT), basis(air(Departure(7, time(23, 0), None))))
    assert quote.due_on == date(2026, 11, 23)


def test_a_departure_without_places_takes_nothing() -> None:
    quote = make_quote(ask(Service.OVERNIGHT), basis(air(Departure(7, time(1, 15), 0), Departure(1, time(1, 15), 1))))
    assert local_day(quote.hand_over_by, "America/New_York") == date(2026, 11, 23)


def test_the_soonest_carrier_wins_and_at_equal_dates_the_earlier_truck() -> None:
    slow = ground(carrier_service="slow", lane=replace(ground().lane, transit_days=5))
    late = ground(Departure(7, time(20), None), carrier_service="late")
    assert make_quote(ask(), basis(slow, late, ground())).carrier_service == "ground"
    assert make_quote(ask(), basis(slow, late)).carrier_service == "late"


def test_a_site_is_only_used_when_it_may_be() -> None:
    elsewhere = ground(site="LAX1", lane=replace(ground().lane, transit_days=1))
    assert make_quote(ask(), basis(elsewhere, ground())).site == "SDF1"
    assert make_quote(ask(site=None), basis(elsewhere, ground())).site == "LAX1"


def test_work_without_pickers_counts_as_one_pickers() -> None:
    queue = Queue("SDF1", 1000, 0, SUNDAY)
    assert dict(work_seconds(ask(), queue, basis().policy))["queue"] == 1000
    assert dict(work_seconds(ask(), replace(queue, pickers=3), basis().policy))["queue"] == 334


def test_a_day_that_apia_skipped_is_never_promised() -> None:
    run = ground(zone="Pacific/Apia", lane=Lane("US", "402", 1, time(20), EVERY_DAY, "Pacific/Apia"))
    quote = make_quote(ask(), basis(run, now=datetime(2011, 12, 29, 20, tzinfo=UTC)))
    assert local_day(quote.hand_over_by, "Pacific/Apia") == date(2011, 12, 29)
    assert quote.due_on == date(2011, 12, 31)


def test_the_end_of_a_day_that_ends_twice_is_the_earlier() -> None:
    run = ground(lane=Lane("US", "402", 0, time(20), EVERY_DAY, "America/Sao_Paulo"), zone="America/Sao_Paulo")
    quote = make_quote(ask(), basis(run, now=datetime(2018, 2, 17, 12, tzinfo=UTC)))
    assert quote.due_at == datetime(2018, 2, 18, 1, 59, 59, tzinfo=UTC)


def test_an_address_nobody_drives_to_is_told_which_service_does() -> None:
    with pytest.raises(NoLane) as refused:
        make_quote(ask(Service.OVERNIGHT), basis(ground()))
    assert "Thursday 26 November 2026 with standard delivery" in refused.value.sentence
    assert refused.value.facts["can_promise"] == [{"service": "standard", "due_on": "2026-11-26", "due_at": "2026-11-27T04:59:59+00:00"}]


def test_an_address_nobody_drives_to_at_all_is_told_what_to_do() -> None:
    with pytest.raises(NoLane, match="call us"):
        make_quote(ask(), basis())


def test_a_service_that_never_leaves_is_no_lane() -> None:
    with pytest.raises(NoLane):
        make_quote(ask(), basis(replace(ground(), departures=())))


def test_a_day_too_early_names_the_next_day_and_the_other_service() -> None:
    with pytest.raises(DateNotPossible) as refused:
        make_quote(ask(chosen_on=date(2026, 11, 24)), basis(ground(), air()))
    assert [(o["service"], o["due_on"]) for o in refused.value.facts["can_promise"]] == [("standard", "2026-11-26"), ("overnight", "2026-11-24")]  # type: ignore[union-attr, attr-defined]


def test_a_day_beyond_the_horizon_names_the_first_that_can_be() -> None:
    with pytest.raises(DateNotPossible, match="26 November 2026"):
        make_quote(ask(chosen_on=date(9999, 12, 31)), basis(ground()))


def test_a_past_day_is_malformed_where_it_is_past() -> None:
    with pytest.raises(DatePast) as refused:
        make_quote(ask(chosen_on=date(2026, 11, 20)), basis(ground()))
    assert refused.value.status == 422
    with pytest.raises(DateNotPossible):
        make_quote(ask(chosen_on=date(2026, 11, 21)), basis(ground()))
