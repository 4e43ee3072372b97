"""Which promises a customer hears of, what of them, and at what hour."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.kit.promise.state import Kind, Made, Promise, Risk, Standing, Verdict
from services.notifications.telling.domain import (
    News,
    NoAddress,
    NothingToSend,
    Telling,
    held_until,
    in_order,
    is_later,
    is_to_be_told,
    may_send,
    news_of,
    offers_a_day,
)
from tests.unit.notifications.build import INFORMATION, uuid

PROMISED, LATE, SHORT = News(Telling.PROMISED), News(Telling.AT_RISK, Risk.LATE), News(Telling.AT_RISK, Risk.SHORT)


def promise(said: Made = INFORMATION, **stands: Any) -> Promise:
    return Promise(uuid(7), 3, said, Standing(**stands))


def test_what_was_just_promised_is_to_be_told() -> None:
    assert is_to_be_told(promise(), "We call.", None)
    for is_not in ((promise(), None, None), (promise(), "We call.", promise()), (promise(told=True), "We call.", None)):
        assert not is_to_be_told(*is_not)
    for verdict in (Verdict.VOID, Verdict.RELEASED):
        assert not is_to_be_told(promise(verdict=verdict), "We call.", None)


def test_nothing_is_news_before_the_ledger_has_noted_it() -> None:
    assert news_of(promise(at_risk=(Risk.LATE,))) == frozenset()
    assert news_of(promise(told=True)) == {PROMISED}


@pytest.mark.parametrize("verdict", Verdict)
def test_a_verdict_ends_risks_and_what_does_not_count_is_not_told(verdict: Verdict) -> None:
    told = news_of(promise(told=True, verdict=verdict, at_risk=(Risk.LATE, Risk.SHORT, Risk.UNACKNOWLEDGED)))
    open, settled = {PROMISED, SHORT}, {PROMISED}
    assert told == {Verdict.OPEN: open, Verdict.KEPT: settled, Verdict.BROKEN: settled}.get(verdict, frozenset())


def test_who_heard_that_there_is_none_is_not_told_that_it_will_be_late_until_there_is() -> None:
    assert news_of(promise(told=True, at_risk=(Risk.LATE,))) == {PROMISED, LATE}
    assert news_of(promise(told=True, at_risk=(Risk.SHORT, Risk.LATE))) == {PROMISED, SHORT}


def test_what_was_promised_comes_before_its_risks() -> None:
    assert in_order(frozenset({SHORT, LATE, PROMISED})) == [PROMISED, LATE, SHORT]


@pytest.mark.parametrize(
    ("cause", "replaces", "intent"),
    [(None, None, Telling.PROMISED), (None, uuid(1), Telling.REPLACED), (uuid(1), None, Telling.MADE_GOOD), (uuid(1), uuid(2), Telling.MADE_GOOD)],
)
def test_a_promise_is_told_by_what_it_follows(cause: UUID | None, replaces: UUID | None, intent: Telling) -> None:
    assert news_of(promise(replace(INFORMATION, cause=cause, replaces=replaces), told=True)) == {News(intent)}


@pytest.mark.parametrize(
    ("now", "zone", "until"),
    [
        ("2026-11-25T19:59:59Z", "Europe/Berlin", None),
        ("2026-11-25T20:00:00Z", "Europe/Berlin", "2026-11-26T07:00:00Z"),
        ("2026-11-26T06:59:59Z", "Europe/Berlin", "2026-11-26T07:00:00Z"),
        ("2026-11-26T07:00:00Z", "Europe/Berlin", None),
        ("2026-11-26T07:00:00Z", "America/New_York", "2026-11-26T13:00:00Z"),
        ("2026-03-28T21:00:00Z", "Europe/Berlin", "2026-03-29T06:00:00Z"),
        ("2026-10-24T21:00:00Z", "Europe/Berlin", "2026-10-25T07:00:00Z"),
    ],
)
def test_nobody_is_woken_for_what_they_did_not_ask_for(now: str, zone: str, until: str | None) -> None:
    expected = datetime.fromisoformat(until) if until else None
    for intent in Telling:
        waits = intent in (Telling.MADE_GOOD, Telling.AT_RISK)
        assert held_until(intent, datetime.fromisoformat(now), zone) == (expected if waits else None)


@pytest.mark.parametrize(
    ("kind", "news", "offers"),
    [
        (Kind.DELIVERY_DATE, LATE, True),
        (Kind.DELIVERY_DATE, SHORT, True),
        (Kind.DELIVERY_DATE, PROMISED, False),
        (Kind.GIFT, LATE, True),
        (Kind.GIFT, SHORT, False),
        (Kind.CALL_BACK, LATE, False),
    ],
)
def test_another_day_is_offered_for_what_can_be_brought_on_it(kind: Kind, news: News, offers: bool) -> None:
    said = replace(INFORMATION, kind=kind, order_id=uuid(9))
    assert offers_a_day(said, news) is offers
    assert not offers_a_day(replace(said, order_id=None), news), "the warehouse knows orders"


def test_what_still_keeps_the_promise_is_no_other_day() -> None:
    due = INFORMATION.due.at
    assert [is_later(INFORMATION, at) for at in (due, due + timedelta(seconds=1))] == [False, True]


def test_information_is_sent_for_a_promise_of_it_to_whom_we_can_write() -> None:
    for verdict in (Verdict.OPEN, Verdict.BROKEN, Verdict.KEPT):
        may_send(promise(verdict=verdict), has_address=True)
    with pytest.raises(NoAddress):
        may_send(promise(), has_address=False)
    for refused in (promise(replace(INFORMATION, kind=Kind.CALL_BACK)), promise(verdict=Verdict.VOID), promise(verdict=Verdict.RELEASED)):
        with pytest.raises(NothingToSend):
            may_send(refused, has_address=True)
