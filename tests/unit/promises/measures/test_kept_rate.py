"""The kept rate: by the first date, once for each commitment, whatever it was replaced by."""

from datetime import timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.promise.state import Department, Kind, Promise, Verdict
from services.promises.ledger.domain.kinds import duties_of
from services.promises.measures.kept_rate import KeptRate, kept_rate
from services.promises.measures.ratio import Ratio
from tests.unit.promises.measures.cases import at, ids, promise

OPEN, KEPT, BROKEN, RELEASED, VOID = Verdict.OPEN, Verdict.KEPT, Verdict.BROKEN, Verdict.RELEASED, Verdict.VOID
FIRST, SECOND, THIRD = "2026-05-04 18:00", "2026-05-06 18:00", "2026-05-08 18:00"
LATER = "2026-05-20 12:00"
NOTHING = Ratio(0, 0)


def _rate(*promises: Promise, taken_back: str = "", when: str = LATER) -> tuple[Ratio, Ratio]:
    overall = kept_rate(promises, ids(taken_back.split()), at(when)).overall
    return overall.first, overall.revised


def test_nothing_to_count_has_no_share() -> None:
    first, revised = _rate()
    assert (first, first.share, revised.share) == (NOTHING, None, None)


@pytest.mark.parametrize(
    ("verdict", "settled", "counts"),
    [
        (KEPT, FIRST, Ratio(1, 1)),
        (BROKEN, FIRST, Ratio(0, 1)),
        (RELEASED, "2026-05-03 09:00", NOTHING),
        (VOID, "2026-05-03 09:00", NOTHING),
        (OPEN, "", Ratio(0, 1)),
    ],
)
def test_one_that_was_never_replaced_counts_by_its_verdict(verdict: Verdict, settled: str, counts: Ratio) -> None:
    assert _rate(promise("A", FIRST, verdict, settled)) == (counts, counts)


def test_an_open_one_is_not_counted_until_its_due_instant_has_passed() -> None:
    assert _rate(promise("A", FIRST), when=FIRST) == (NOTHING, NOTHING)
    assert _rate(promise("A", FIRST), when="2026-05-04 18:01") == (Ratio(0, 1), Ratio(0, 1))


def test_released_at_our_request_counts_like_a_break_at_once() -> None:
    released = promise("A", FIRST, RELEASED, "2026-05-03 09:00")
    assert _rate(released, taken_back="A", when="2026-05-03 10:00") == (Ratio(0, 1), Ratio(0, 1))


def test_moved_with_consent_and_then_kept_is_missed_by_the_first_date() -> None:
    moved = promise("A", FIRST, RELEASED, "2026-05-03 09:00"), promise("B", SECOND, KEPT, "2026-05-06 11:00", "A")
    assert _rate(*moved) == (Ratio(0, 1), Ratio(1, 1))


def test_moved_with_consent_and_kept_before_the_first_date_all_the_same_is_kept() -> None:
    moved = promise("A", FIRST, RELEASED, "2026-05-03 09:00"), promise("B", SECOND, KEPT, FIRST, "A")
    assert _rate(*moved) == (Ratio(1, 1), Ratio(1, 1))


def test_moved_with_consent_does_not_count_before_the_first_date() -> None:
    moved = promise("A", FIRST, RELEASED, "2026-05-03 09:00"), promise("B", SECOND, replaces="A")
    assert _rate(*moved, when=FIRST) == (NOTHING, NOTHING)
    assert _rate(*moved, when="2026-05-05 12:00") == (Ratio(0, 1), NOTHING)


def test_replaced_twice_is_one_commitment_with_the_first_and_the_last_date() -> None:
    a, b = promise("A", FIRST, RELEASED, "2026-05-03 09:00"), promise("B", SECOND, RELEASED, "2026-05-05 09:00", "A")
    assert _rate(promise("C", THIRD, KEPT, "2026-05-08 11:00", "B"), b, a) == (Ratio(0, 1), Ratio(1, 1))
    assert _rate(promise("C", THIRD, BROKEN, THIRD, "B"), b, a) == (Ratio(0, 1), Ratio(0, 1))


def test_brought_forward_and_then_broken_is_missed_by_both_dates() -> None:
    sooner = promise("A", SECOND, RELEASED, "2026-05-03 09:00"), promise("B", FIRST, BROKEN, FIRST, "A")
    assert _rate(*sooner) == (Ratio(0, 1), Ratio(0, 1))


def test_replaced_without_consent_and_broken_on_its_own_date_counts_once() -> None:
    a = promise("A", FIRST, BROKEN, FIRST)
    assert _rate(a, promise("B", SECOND, KEPT, "2026-05-06 11:00", "A")) == (Ratio(0, 1), Ratio(1, 1))
    assert _rate(a, promise("B", SECOND, BROKEN, SECOND, "A")) == (Ratio(0, 1), Ratio(0, 1))


def test_a_verdict_that_was_given_is_not_mended_by_what_replaced_it() -> None:
    assert _rate(promise("A", FIRST, BROKEN, FIRST), promise("B", SECOND, KEPT, FIRST, "A"))[0] == Ratio(0, 1)


def test_moved_and_then_given_up_by_the_customer_counts_only_after_the_first_date() -> None:
    a = promise("A", FIRST, RELEASED, "2026-05-03 09:00")
    assert _rate(a, promise("B", SECOND, RELEASED, FIRST, "A")) == (NOTHING, NOTHING)
    assert _rate(a, promise("B", SECOND, RELEASED, "2026-05-05 09:00", "A")) == (Ratio(0, 1), NOTHING)
    assert _rate(a, promise("B", SECOND, RELEASED, FIRST, "A"), taken_back="B") == (Ratio(0, 1), Ratio(0, 1))


def test_a_clerical_error_gives_no_date() -> None:
    void = promise("A", FIRST, VOID, "2026-05-01 09:00")
    assert _rate(void, promise("B", SECOND, KEPT, "2026-05-06 11:00", "A")) == (Ratio(1, 1), Ratio(1, 1))
    assert _rate(promise("A", FIRST, KEPT, FIRST), promise("B", SECOND, VOID, "2026-05-03 09:00", "A")) == (Ratio(1, 1), Ratio(1, 1))


def test_a_due_instant_on_a_day_of_a_clock_change_is_an_instant() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    twice = at("2026-10-25 00:30")
    due = promise("A", "2026-10-25 00:30")
    assert kept_rate([due], (), twice.astimezone(berlin)).overall.first == NOTHING
    assert kept_rate([due], (), (twice + timedelta(hours=1)).astimezone(berlin)).overall.first == Ratio(0, 1), "2:30 again, an hour later"


def test_by_kind_and_department_of_the_first_promise() -> None:
    rate = kept_rate(
        [
            promise("A", FIRST, KEPT, FIRST, kind=Kind.GIFT, duties=duties_of(Kind.GIFT, sku="HDMI-2M")),
            promise("B", FIRST, BROKEN, FIRST, kind=Kind.CALL_AHEAD, duties=duties_of(Kind.CALL_AHEAD)),
            promise("C", SECOND, KEPT, SECOND, "B", kind=Kind.CALL_BACK, duties=duties_of(Kind.CALL_BACK)),
        ],
        (),
        at(LATER),
    )
    assert {kind: (kept.first, kept.revised) for kind, kept in rate.by_kind.items()} == {
        Kind.CALL_AHEAD: (Ratio(0, 1), Ratio(1, 1)),
        Kind.GIFT: (Ratio(1, 1), Ratio(1, 1)),
    }
    assert {department: kept.first for department, kept in rate.by_department.items()} == {
        Department.DELIVERY: Ratio(1, 2),
        Department.WAREHOUSE: Ratio(1, 1),
    }


def test_a_commitment_without_its_beginning_is_refused() -> None:
    with pytest.raises(ValueError, match="give all of a commitment"):
        _rate(promise("B", SECOND, KEPT, SECOND, "A"))
    with pytest.raises(ValueError, match="give all of a commitment"):
        _rate(promise("A", FIRST, replaces="B"), promise("B", SECOND, replaces="A"))


@st.composite
def _commitments(draw: st.DrawFn) -> list[Promise]:
    """Up to four commitments, each moved up to three times to a later date with the customer's consent, the last date kept, broken or open."""
    made: list[Promise] = []
    for number in range(draw(st.integers(0, 4))):
        days = sorted(draw(st.sets(st.integers(2, 20), min_size=1, max_size=4)))
        names = [f"{number}/{day}" for day in days]
        before = ["", *names]
        for (name, after), day, replaced in zip(pairwise([*names, ""]), days, before, strict=False):
            verdict = RELEASED if after else draw(st.sampled_from([KEPT, BROKEN, OPEN]))
            made.append(promise(name, f"2026-05-{day:02} 18:00", verdict, f"2026-05-{day if verdict is KEPT else 1:02} 12:00", replaced))
    return draw(st.permutations(made))


@given(_commitments())
def test_moving_dates_back_never_improves_the_rate(promises: list[Promise]) -> None:
    rate: KeptRate = kept_rate(promises, (), at("2026-06-01 12:00"))
    begun = [each for each in promises if each.said.replaces is None]
    assert rate.overall.first.denominator == rate.overall.revised.denominator == len(begun)
    assert rate.overall.first.numerator <= rate.overall.revised.numerator
    replaced = {each.said.replaces for each in promises}
    assert rate.overall.first.numerator == sum(each.stands.verdict is KEPT and each.promise_id not in replaced for each in begun)
