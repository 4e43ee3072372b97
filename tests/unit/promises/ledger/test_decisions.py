"""What becomes of a promise: two axes, one verdict, refusals that say what to do instead."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID

import pytest

from services.kit.ids import uuid7
from services.kit.merkle import Frontier
from services.kit.promise.line import NAMES
from services.kit.promise.state import (
    Corrected,
    Department,
    Evidenced,
    Fact,
    Fulfilment,
    Promise,
    Risk,
    Verdict,
    after,
)
from services.kit.values import NotFound, Refusal
from services.promises.ledger.batch import Head, Look, settle
from services.promises.ledger.domain.commands import (
    Acknowledge,
    AlreadyDue,
    AlreadySettled,
    AlreadyTold,
    Break,
    Command,
    FromTheFuture,
    Make,
    NobodyMustAct,
    NoSuchEvidence,
    NotTheirDuty,
    NotYetDue,
    PutAtRisk,
    Release,
    ShowEvidence,
    Stale,
    Tell,
    Void,
    decide,
)
from tests.unit.promises.ledger.asking import AFTER_DUE, DUE_AT, MADE, NOW, broken, make

ID = UUID("019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a77")
SECOND = timedelta(seconds=1)


def _promise(**changes: Any) -> Promise:
    return Promise(ID, 1, replace(MADE, **changes))


def _next(promise: Promise, command: Command, now: datetime = NOW, department: str = "delivery") -> Promise:
    fact = decide(promise, command, now)
    assert fact is not None
    return after(promise, fact, department, now)


def _scan(at: datetime = NOW, quantity: int = 1, type: str = "hand_over_scan", id: str = "scan-1") -> ShowEvidence:
    return ShowEvidence(Evidenced(type, id, quantity, at))


def test_evidence_at_the_due_instant_keeps_it() -> None:
    kept = _next(_promise(), _scan(DUE_AT), AFTER_DUE)
    assert (kept.stands.verdict, kept.stands.fulfilment, kept.stands.settled_at, kept.stands.settled_by, kept.stands.settled_seq) == (
        Verdict.KEPT,
        Fulfilment.DONE,
        DUE_AT,
        "delivery",
        2,
    )


def test_evidence_after_it_does_not_and_what_was_done_stays_done() -> None:
    late = _next(_promise(), _scan(AFTER_DUE), AFTER_DUE)
    assert (late.stands.verdict, late.stands.fulfilment) == (Verdict.OPEN, Fulfilment.DONE)
    broken = _next(late, Break(), AFTER_DUE)
    assert (broken.stands.verdict, broken.stands.fulfilment) == (Verdict.BROKEN, Fulfilment.DONE)


def test_it_breaks_at_its_due_instant_whenever_that_is_noticed() -> None:
    broken = _next(_promise(), Break(), DUE_AT + timedelta(days=3), "ledger")
    assert (broken.stands.verdict, broken.stands.settled_at, broken.stands.settled_by) == (Verdict.BROKEN, DUE_AT, "ledger")
    with pytest.raises(NotYetDue):
        decide(_promise(), Break(), DUE_AT)


def test_what_a_driver_has_before_them_may_be_shown_for_half_an_hour_more_and_breaks_at_its_due_instant_all_the_same() -> None:
    at_the_door = _next(_promise(), Acknowledge(Department.DELIVERY, seen=True))
    with pytest.raises(NotYetDue):
        decide(at_the_door, Break(), DUE_AT + timedelta(minutes=30))
    assert _next(_promise(), Break(), DUE_AT + timedelta(seconds=1)).stands.settled_at == DUE_AT
    assert _next(at_the_door, Break(), AFTER_DUE).stands.settled_at == DUE_AT


def test_half_of_it_is_part_and_the_rest_keeps_it() -> None:
    two = _promise(quantity=2)
    one = _next(two, _scan())
    assert (one.stands.verdict, one.stands.fulfilment, one.stands.done) == (Verdict.OPEN, Fulfilment.PART, 1)
    both = _next(one, _scan(quantity=5, id="scan-2"))
    assert (both.stands.verdict, both.stands.fulfilment, both.stands.done) == (Verdict.KEPT, Fulfilment.DONE, 2)


def test_a_picked_cable_is_not_a_given_one() -> None:
    picked = _next(_promise(), _scan(type="pick_scan", id="pick-1"))
    assert (picked.stands.verdict, picked.stands.fulfilment, picked.stands.shown) == (Verdict.OPEN, Fulfilment.NONE, ("pick-1",))
    assert _next(picked, _scan()).stands.verdict is Verdict.KEPT
    broken = _next(picked, Break(), AFTER_DUE, "ledger")
    assert _next(broken, _scan(DUE_AT, type="pick_scan", id="pick-2"), AFTER_DUE).stands.verdict is Verdict.BROKEN


def test_the_same_evidence_again_changes_nothing() -> None:
    one = _next(_promise(quantity=2), _scan())
    assert decide(one, _scan(), NOW) is None
    assert decide(_next(one, _scan(id="scan-2")), _scan(), NOW) is None


def test_evidence_that_comes_late_and_proves_on_time_mends_the_verdict() -> None:
    broken = _next(_promise(), Break(), AFTER_DUE, "ledger")
    fact = decide(broken, _scan(DUE_AT), AFTER_DUE)
    assert fact == Corrected(2, Evidenced("hand_over_scan", "scan-1", 1, DUE_AT))
    mended = after(broken, fact, "delivery", AFTER_DUE)
    assert (mended.stands.verdict, mended.stands.fulfilment, mended.stands.settled_at, mended.stands.settled_seq) == (
        Verdict.KEPT,
        Fulfilment.DONE,
        DUE_AT,
        3,
    )


def test_evidence_that_proves_late_leaves_the_verdict() -> None:
    broken = _next(_promise(), Break(), AFTER_DUE, "ledger")
    done = _next(broken, _scan(AFTER_DUE), AFTER_DUE)
    assert (done.stands.verdict, done.stands.fulfilment, done.stands.settled_seq) == (Verdict.BROKEN, Fulfilment.DONE, 2)


def test_each_department_acknowledges_its_own_duties_and_seeing_is_more_than_receiving() -> None:
    received = _next(_promise(), Acknowledge(Department.WAREHOUSE, seen=False))
    assert (received.stands.received, received.stands.seen) == (("warehouse",), ())
    seen = _next(received, Acknowledge(Department.WAREHOUSE, seen=True))
    assert (seen.stands.received, seen.stands.seen) == (("warehouse",), ("warehouse",))
    assert decide(seen, Acknowledge(Department.WAREHOUSE, seen=False), NOW) is None
    with pytest.raises(NotTheirDuty) as refused:
        decide(seen, Acknowledge(Department.PAYMENTS, seen=False), NOW)
    assert refused.value.facts == {"departments": ["delivery", "warehouse"]}


def test_reasons_of_risk_come_and_go_and_a_verdict_ends_them() -> None:
    short = _next(_promise(), PutAtRisk(Risk.SHORT, raised=True))
    both = _next(short, PutAtRisk(Risk.LATE, raised=True))
    assert both.stands.at_risk == (Risk.LATE, Risk.SHORT)
    assert decide(both, PutAtRisk(Risk.LATE, raised=True), NOW) is None
    assert _next(both, PutAtRisk(Risk.SHORT, raised=False)).stands.at_risk == (Risk.LATE,)
    assert _next(both, _scan()).stands.at_risk == ()


def test_what_the_customer_was_told_cannot_be_void() -> None:
    assert _next(_promise(), Void(b"x" * 32)).stands.verdict is Verdict.VOID
    told = _next(_promise(), Tell("mail"))
    assert decide(told, Tell("page"), NOW) is None
    with pytest.raises(AlreadyTold):
        decide(told, Void(b"x" * 32), NOW)
    assert _next(told, Release(b"x" * 32, asked_by_us=True)).stands.verdict is Verdict.RELEASED


@pytest.mark.parametrize("ended", [Break(), Release(b"x" * 32, asked_by_us=False), Void(b"x" * 32)])
@pytest.mark.parametrize("again", [Break(), Release(b"x" * 32, asked_by_us=False), Void(b"x" * 32), PutAtRisk(Risk.LATE, raised=True)])
def test_a_verdict_is_given_once_and_told_before_a_stale_seq(ended: Command, again: Command) -> None:
    settled = _next(_promise(), ended, AFTER_DUE)
    with pytest.raises(AlreadySettled) as refused:
        decide(settled, again, AFTER_DUE, if_match=1)
    assert refused.value.facts["verdict"] == settled.stands.verdict
    assert refused.value.facts["settled_by"] == "delivery"
    assert refused.value.facts["settled_at"]


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (Make(replace(MADE, duties=())), NobodyMustAct),
        (Make(replace(MADE, due=replace(MADE.due, at=NOW))), AlreadyDue),
    ],
)
def test_what_cannot_be_promised_is_refused(command: Command, refusal: type[Refusal]) -> None:
    with pytest.raises(refusal):
        decide(None, command, NOW)


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (Make(MADE), Refusal),
        (_scan(type="pick"), NoSuchEvidence),
        (_scan(NOW + SECOND), FromTheFuture),
    ],
)
def test_what_does_not_fit_the_promise_is_refused(command: Command, refusal: type[Refusal]) -> None:
    with pytest.raises(refusal):
        decide(_promise(), command, NOW)


def test_a_stale_seq_is_refused_with_the_one_that_is() -> None:
    with pytest.raises(Stale) as refused:
        decide(_promise(), Release(b"x" * 32, asked_by_us=False), NOW, if_match=2)
    assert refused.value.facts == {"seq": 1}
    assert decide(_promise(), Release(b"x" * 32, asked_by_us=False), NOW, if_match=1)


def test_a_promise_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound):
        decide(None, Break(), NOW)


def test_what_is_released_takes_no_evidence() -> None:
    released = _next(_promise(), Release(b"x" * 32, asked_by_us=False))
    with pytest.raises(AlreadySettled):
        decide(released, _scan(), NOW)


def _empty() -> tuple[Look, Head]:
    return Look({}, {}, {}, {}, {}), Head(datetime(1970, 1, 1, tzinfo=UTC), Frontier())


def test_time_rises_inside_a_batch_though_the_clock_stands_still() -> None:
    look, head = _empty()
    batch = settle([make(customer_id=uuid7()) for _ in range(3)], look, head, NOW)
    assert [entry.receipt.recorded_at - NOW for entry in batch.entries] == [timedelta(microseconds=n) for n in range(3)]
    later = settle([make(customer_id=uuid7())], look, batch.head, NOW - SECOND)
    assert later.entries[0].receipt.recorded_at == batch.head.recorded_at + timedelta(microseconds=1)


def test_a_break_that_comes_too_early_is_not_remembered_and_comes_again() -> None:
    look, head = _empty()
    made = make()
    early = settle([made, broken(made.promise_id)], look, head, NOW)
    assert early.answers[1].refused is not None
    assert (early.answers[1].refused.slug, early.refusals) == ("not-yet-due", [])
    late = settle([broken(made.promise_id)], look, early.head, AFTER_DUE)
    assert late.answers[0].receipt is not None


def test_every_fact_is_one_of_the_kinds_that_a_line_may_have() -> None:
    assert set(get_args(Fact)) == set(NAMES)
