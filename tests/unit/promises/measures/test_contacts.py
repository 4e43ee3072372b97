"""Cases, first contact, failure demand and effort, worked by hand."""

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import pairwise
from pkgutil import iter_modules
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.promise.state import Kind
from services.promises import measures
from services.promises.measures.contacts import WITHIN, Contact, Demand, cases
from services.promises.measures.effort import Effort, effort, effortless
from services.promises.measures.failure_demand import failure_demand
from services.promises.measures.first_contact import FirstContact, first_contact
from services.promises.measures.ratio import Ratio, ratio
from tests.unit.promises.measures.cases import at, contact, id_of, promise, span


def _drawn(number: int, hours: int, customer: str, **more: Any) -> Contact:
    when = at("2026-05-01 00:00") + timedelta(hours=hours)
    return contact(str(number), when.strftime("%Y-%m-%d %H:%M"), customer, **more)


CONTACTS = st.lists(
    st.builds(
        _drawn, st.integers(0, 10**6), st.integers(0, 900), st.sampled_from(["Ann", "Ben"]), subject=st.sampled_from(["invoice", "return"]),
        channel=st.sampled_from(["phone", "mail"]), resolved=st.booleans(), demand=st.sampled_from(Demand),
    ),
    max_size=12, unique_by=lambda each: each.contact_id,
)  # fmt: skip


def _one(*contacts: Contact, when: str = "2026-06-30 12:00") -> FirstContact:
    return first_contact(contacts, at(when))


def test_a_share_has_both_its_numbers_or_none() -> None:
    assert (Ratio(1, 4).share, Ratio(0, 3).share, Ratio(0, 0).share) == (0.25, 0.0, None)
    assert ratio([True, None, False, True]) == Ratio(2, 3)
    for part, whole in [(2, 1), (-1, 1)]:
        with pytest.raises(ValueError, match="is no share"):
            Ratio(part, whole)


def test_seven_days_later_by_another_channel_is_the_same_case_and_a_minute_more_is_not() -> None:
    first = contact("1", "2026-05-01 09:00", channel="phone")
    assert len(cases([contact("2", "2026-05-08 09:00", channel="mail"), first])) == 1
    assert len(cases([contact("2", "2026-05-08 09:01", channel="mail"), first])) == 2


def test_another_customer_or_another_subject_is_another_case() -> None:
    first = contact("1", "2026-05-01 09:00")
    assert len(cases([first, contact("2", "2026-05-01 10:00", "Ben"), contact("3", "2026-05-01 10:00", subject="invoice")])) == 3


def test_the_days_are_168_hours_on_a_week_of_a_clock_change_too() -> None:
    """From Friday 9:00 to Friday 9:00 in Berlin are 169 hours when the clocks go back in between."""
    berlin = ZoneInfo("Europe/Berlin")

    def on(name: str, day: int, month: int, hour: int) -> Contact:
        local = datetime(2026, month, day, hour, tzinfo=berlin)
        return Contact(
            contact_id=id_of(name), customer_id=id_of("Ann"), order_id=None, subject="return", channel="phone", at=local, demand=Demand.VALUE
        )

    assert len(cases([on("1", 23, 10, 9), on("2", 30, 10, 9)])) == 2
    assert len(cases([on("1", 23, 10, 9), on("2", 30, 10, 8)])) == 1
    assert len(cases([on("1", 27, 3, 9), on("2", 3, 4, 10)])) == 1, "seven days and an hour by the clock, 168 hours"


def test_resolved_at_first_contact_only_where_nobody_came_back() -> None:
    call = contact("1", "2026-05-01 09:00", resolved=True)
    assert _one(call) == FirstContact(Ratio(1, 1), Ratio(0, 1))
    assert _one(call, contact("2", "2026-05-04 09:00", channel="mail")) == FirstContact(Ratio(0, 1), Ratio(1, 1))
    assert _one(contact("1", "2026-05-01 09:00")) == FirstContact(Ratio(0, 1), Ratio(0, 0))


def test_a_contact_whose_days_are_not_over_does_not_count_whether_it_came_back_or_not() -> None:
    call = contact("1", "2026-05-01 09:00", resolved=True)
    for more in [(), (contact("2", "2026-05-02 09:00", resolved=True),)]:
        assert _one(call, *more, when="2026-05-08 09:00") == FirstContact(Ratio(0, 0), Ratio(0, 0))
    assert _one(call, when="2026-05-08 09:01").resolved == Ratio(1, 1)


def test_reopened_twice_counts_twice() -> None:
    contacts = [contact(str(day), f"2026-05-{day:02} 09:00", resolved=True) for day in (1, 3, 5)]
    assert _one(*contacts) == FirstContact(Ratio(0, 1), Ratio(2, 3))


def test_a_failure_without_a_promise_is_a_failure_all_the_same() -> None:
    found = failure_demand([contact("1", "2026-05-01 09:00", demand=Demand.FAILURE), contact("2", "2026-05-01 09:00")], [])
    assert (found.share, found.linked, found.by_promise, found.by_kind) == (Ratio(1, 2), Ratio(0, 1), {}, {})


def test_failure_demand_names_the_promises_and_a_link_to_no_promise_is_none() -> None:
    promises = [promise("A", "2026-05-01 18:00", kind=Kind.REFUND), promise("B", "2026-05-01 18:00", kind=Kind.REFUND)]
    causes = ["A", "B", "B", "unknown"]
    contacts = [contact(str(n), "2026-05-02 09:00", demand=Demand.FAILURE, caused_by=id_of(cause)) for n, cause in enumerate(causes)]
    found = failure_demand(contacts, promises)
    assert (found.share, found.linked) == (Ratio(4, 4), Ratio(3, 4))
    assert list(found.by_promise.items()) == [(id_of("B"), 2), (id_of("A"), 1)]
    assert found.by_kind == {Kind.REFUND: 3}


def test_no_contacts_no_share() -> None:
    assert (failure_demand([], []).share.share, _one().resolved.share, effortless([]).share) == (None, None, None)


def test_effort_counts_what_happened_in_a_case() -> None:
    hold = span("2026-05-01", "09:10", "09:12")
    case = [
        contact("1", "2026-05-01 09:00", channel="phone", transfers=2, holds=(hold, hold)),
        contact("2", "2026-05-02 09:00", channel="mail", escalations=1),
        contact("3", "2026-05-03 09:00", channel="phone", holds=(hold,)),
        contact("4", "2026-05-03 10:00", channel="phone"),
    ]
    (found,) = effort(case)
    assert found == Effort(id_of("Ann"), "where-is-it", repeats=3, transfers=2, channel_switches=2, escalations=1, holds=3)
    assert found.total == 11
    assert effortless(effort([*case, contact("5", "2026-05-01 09:00", "Ben")])) == Ratio(1, 2)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"caused_by": id_of("A")}, "tag it as failure"), ({"transfers": -1}, "count from 0"), ({"escalations": -1}, "count from 0")],
)
def test_what_cannot_be_is_no_contact(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        contact("1", "2026-05-01 09:00", **wrong)


def test_a_contact_has_an_instant_with_a_zone() -> None:
    with pytest.raises(ValueError, match="say its time zone"):
        Contact(
            contact_id=id_of("1"), customer_id=id_of("Ann"), order_id=None, subject="return", channel="phone",
            at=datetime(2026, 5, 1, 9, tzinfo=UTC).replace(tzinfo=None), demand=Demand.VALUE,
        )  # fmt: skip


@given(CONTACTS)
def test_each_contact_is_in_one_case_and_the_figures_fit_together(contacts: list[Contact]) -> None:
    found = cases(contacts)
    assert sorted(each.contact_id for case in found for each in case) == sorted(each.contact_id for each in contacts)
    for case in found:
        assert len({(each.customer_id, each.subject) for each in case}) == 1
        assert all(timedelta(0) <= after.at - before.at <= WITHIN for before, after in pairwise(case))
    for one, other in pairwise(found):
        if (one[0].customer_id, one[0].subject) == (other[0].customer_id, other[0].subject):
            assert other[0].at - one[-1].at > WITHIN
    assert sum(each.repeats for each in effort(contacts)) == len(contacts) - len(found)
    assert _one(*contacts, when="2027-01-01 00:00").resolved.denominator == len(found)


@given(CONTACTS)
def test_value_and_failure_add_up(contacts: list[Contact]) -> None:
    share = failure_demand(contacts, []).share
    assert share.denominator - share.numerator == sum(each.demand is Demand.VALUE for each in contacts)


def test_nothing_here_can_hold_how_long_somebody_of_ours_took() -> None:
    """A contact has a beginning and no end. A field that would be one, or a length of one, has such a name."""
    forbidden = ("handle", "handling", "talk", "duration", "wrap", "length", "ended", "closed", "finished", "agent", "aht")
    modules = [import_module(f"{measures.__name__}.{each.name}") for each in iter_modules(measures.__path__)]
    assert len(modules) == 8
    names = {name.lower() for module in modules for name in vars(module)}
    held = {field.name for module in modules for kind in vars(module).values() if is_dataclass(kind) for field in fields(kind)}
    assert {"transfers", "waits", "holds"} <= held
    assert [name for name in names | held if any(word in name for word in forbidden)] == []
    assert {field.name for field in fields(Contact) if field.type in (datetime, timedelta)} == {"at"}
