"""When the last moment is at which a promise can still be kept."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.kit.promise.state import Department, Kind, Promise, Risk, Verdict
from services.promises.ledger.domain.commands import may_be_late
from services.promises.ledger.domain.kinds import SHAPES, last_moment
from tests.unit.promises.ledger.asking import DUE_AT, MADE, NOW
from tests.unit.promises.ledger.test_decisions import ID

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("kind", "minutes"),
    [
        (Kind.REFUND, 10), (Kind.CREDIT, 10), (Kind.SEND_INFORMATION, 10), (Kind.CALL_BACK, 15), (Kind.CALL_AHEAD, 15), (Kind.FOLLOW_UP, 15),
        (Kind.ANSWER_BY, 30), (Kind.FREE_TEXT, 30), (Kind.SUPPLIERS_DATE, 60),
    ],
)  # fmt: skip
def test_it_is_as_long_before_due_as_the_work_takes(kind: Kind, minutes: int) -> None:
    assert last_moment(replace(MADE, kind=kind), NOW) == DUE_AT - minutes * MINUTE


def test_what_was_promised_just_before_has_half_of_its_time_first() -> None:
    said = replace(MADE, kind=Kind.CALL_BACK)
    assert last_moment(said, DUE_AT - 20 * MINUTE) == DUE_AT - 10 * MINUTE
    assert last_moment(said, DUE_AT - 30 * MINUTE) == DUE_AT - 15 * MINUTE
    assert last_moment(said, DUE_AT - 40 * MINUTE) == DUE_AT - 15 * MINUTE


def test_a_departure_says_it_where_there_is_one_and_every_other_kind_has_a_last_moment() -> None:
    without = {kind for kind in Kind if last_moment(replace(MADE, kind=kind), NOW) is None}
    assert without == {kind for kind, shape in SHAPES.items() if any(owner is Department.WAREHOUSE for owner, *_ in shape.works) and shape.held}


@pytest.mark.parametrize(
    ("verdict", "at_risk", "warned"),
    [
        (Verdict.OPEN, (), True), (Verdict.OPEN, (Risk.SHORT, Risk.UNACKNOWLEDGED), True), (Verdict.OPEN, (Risk.LATE,), False),
        (Verdict.KEPT, (), False), (Verdict.BROKEN, (), False), (Verdict.RELEASED, (), False), (Verdict.VOID, (), False),
    ],
)  # fmt: skip
def test_only_an_open_promise_that_nobody_was_warned_of_may_be_late(verdict: Verdict, at_risk: tuple[Risk, ...], warned: bool) -> None:
    promise = Promise(ID, 1, MADE)
    assert may_be_late(replace(promise, stands=replace(promise.stands, verdict=verdict, at_risk=at_risk))) is warned
