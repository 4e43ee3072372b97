"""What a customer is told of the ledger's promises: their words, when they are due, what became of them, and what makes good for those not kept."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.kit.promise.state import Fulfilment, Kind, Promise, Risk, Standing, Verdict
from services.kit.promise.view import Row
from services.orders.promised import agreed_day, cards, untold
from services.orders.speaking import Speaker
from tests.unit.promises.ledger.asking import DUE_AT, MADE, NOW, SALT, WORDS

ENGLISH, GERMAN = Speaker("en", "Europe/Berlin"), Speaker("de", "Europe/Berlin")


def row(number: int = 1, words: str | None = WORDS, due_in: timedelta | None = None, cause: int | None = None, **stands: Any) -> Row:
    """A promise as the view holds it."""
    due = replace(MADE.due, at=NOW + due_in) if due_in is not None else MADE.due
    made = replace(MADE, due=due, cause=UUID(int=cause) if cause else None)
    return Row(Promise(UUID(int=number), 1, made, Standing(**stands)), number, SALT, words)


def opened(*rows: Row, say: Speaker = ENGLISH) -> list[dict[str, Any]]:
    found, settled = cards(rows, say, NOW)
    assert settled == []
    return found


def settled(*rows: Row, say: Speaker = ENGLISH) -> list[dict[str, Any]]:
    return cards(rows, say, NOW)[1]


def test_an_open_promise_says_its_words_and_when_it_is_due() -> None:
    (card,) = opened(row())
    assert (card["verdict"], card["word"], card["customer_text"], card["good"]) == ("open", "Promised", WORDS, None)
    assert card["facts"] == ["by Friday 27 November, 23:59, Central European Time (in\xa02\xa0d\xa013\xa0h)"]
    (german,) = opened(row(), say=GERMAN)
    assert (german["word"], german["customer_text"]) == ("Versprochen", WORDS)
    assert german["facts"] == ["bis Freitag, 27. November, 23:59, Mitteleuropäische Zeit (in\xa02\xa0Tg.\xa013\xa0Std.)"]


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (timedelta(hours=3, minutes=10), "(in 3 h 10 min)"),
        (timedelta(hours=3), "(in 3 h)"),
        (timedelta(minutes=9, seconds=59), "(in 9 min 59 s)"),
        (timedelta(days=1, hours=7), "(in 1 d 7 h)"),
        (timedelta(), "(due now)"),
        (timedelta(minutes=-3), "(due now)"),
    ],
)
def test_it_says_how_long_there_is_left(left: timedelta, said: str) -> None:
    (card,) = opened(row(due_in=left))
    assert card["facts"][0].endswith(said.replace(" ", "\xa0"))


@pytest.mark.parametrize(
    ("reasons", "state", "word"),
    [
        ((Risk.UNACKNOWLEDGED,), "open", "Promised"),
        ((Risk.LATE,), "risk", "It may be late"),
        ((Risk.SHORT,), "risk", "Something for it is missing"),
        ((Risk.LATE, Risk.SHORT, Risk.UNACKNOWLEDGED), "risk", "Something for it is missing"),
    ],
)
def test_customers_are_told_of_late_and_short_and_never_of_unacknowledged(reasons: tuple[Risk, ...], state: str, word: str) -> None:
    (card,) = opened(row(at_risk=reasons))
    assert (card["verdict"], card["word"]) == (state, word)


def test_what_was_done_of_it_is_said() -> None:
    (part,) = opened(row(fulfilment=Fulfilment.PART))
    assert part["facts"][1:] == ["Part of it is done."]
    (late,) = settled(row(verdict=Verdict.BROKEN, settled_at=DUE_AT, fulfilment=Fulfilment.DONE))
    assert late["facts"] == ["was due by Friday 27 November, 23:59, Central European Time", "It was done, but late.", "It stays on record."]


def test_a_kept_and_an_ended_promise_say_when() -> None:
    kept, ended = settled(row(1, verdict=Verdict.RELEASED, settled_at=NOW), row(2, verdict=Verdict.KEPT, settled_at=NOW + timedelta(minutes=1)))
    assert (kept["word"], kept["facts"]) == ("Kept", ["done Wednesday 25 November, 10:13, Central European Time"])
    assert (ended["word"], ended["facts"]) == ("Ended, as agreed with you", ["ended Wednesday 25 November, 10:12, Central European Time"])


def test_a_void_one_and_one_whose_words_were_erased_are_not_shown() -> None:
    assert cards([row(1, verdict=Verdict.VOID, settled_at=NOW), row(2, words=None)], ENGLISH, NOW) == ([], [])


def test_words_that_the_ledger_did_not_commit_to_are_not_shown() -> None:
    (card,) = opened(row(words=WORDS + " "))
    assert card["customer_text"] == ""


def test_a_broken_one_says_what_makes_good_for_it_which_stands_by_itself_while_it_is_open() -> None:
    broken, good = row(1, verdict=Verdict.BROKEN, settled_at=DUE_AT), row(2, cause=1)
    open_ones, past = cards([broken, good], ENGLISH, NOW)
    assert [card["customer_text"] for card in open_ones] == [WORDS]
    (card,) = past
    assert (card["word"], card["good"]["verdict"], card["good"]["customer_text"]) == ("Not kept", "open", WORDS)
    paid = row(2, cause=1, verdict=Verdict.KEPT, settled_at=NOW)
    open_ones, past = cards([broken, paid], ENGLISH, NOW)
    assert (open_ones, len(past), past[0]["good"]["word"]) == ([], 1, "Kept")


def test_what_makes_good_and_was_not_kept_either_says_what_makes_good_for_that() -> None:
    twice = [row(1, verdict=Verdict.BROKEN), row(2, cause=1, verdict=Verdict.BROKEN), row(3, cause=2, verdict=Verdict.KEPT, settled_at=NOW)]
    (card,) = settled(*twice)
    assert (card["good"]["word"], card["good"]["good"]["word"]) == ("Not kept", "Kept")


def test_what_makes_good_for_a_promise_that_is_not_shown_stands_by_itself() -> None:
    (card,) = settled(row(2, cause=1, verdict=Verdict.KEPT, settled_at=NOW))
    assert card["word"] == "Kept"


def test_the_soonest_due_comes_first_then_the_last_settled() -> None:
    rows = [row(1, due_in=timedelta(days=3)), row(2, due_in=timedelta(days=1)), row(3, verdict=Verdict.KEPT, settled_at=NOW - timedelta(days=2)),
            row(4, verdict=Verdict.KEPT, settled_at=NOW - timedelta(days=1))]  # fmt: skip
    open_ones, past = cards(rows, ENGLISH, NOW)
    assert [card["facts"][0][-8:] for card in open_ones] == ["(in\xa01\xa0d)", "(in\xa03\xa0d)"]
    assert [card["facts"][0][:15] for card in past] == ["done Tuesday 24", "done Monday 23 "]


def _day(number: int, verdict: Verdict = Verdict.OPEN, words: str = WORDS) -> Row:
    one = row(number, words, verdict=verdict, settled_at=NOW)
    return replace_said(one, kind=Kind.DELIVERY_DATE)


def replace_said(one: Row, **said: Any) -> Row:
    return Row(replace(one.promise, said=replace(one.promise.said, **said)), one.position, one.salt, one.words)


def test_the_day_that_was_agreed_is_the_last_one_that_counts() -> None:
    assert agreed_day([replace_said(row(1), kind=Kind.GIFT)], ENGLISH, NOW) is None
    broken, released, later = _day(1, Verdict.BROKEN), _day(2, Verdict.RELEASED), _day(3)
    assert (agreed_day([broken, released], ENGLISH, NOW) or {})["verdict"] == "broken"
    assert (agreed_day([later, broken, released], ENGLISH, NOW) or {})["verdict"] == "open"


def test_what_is_shown_and_was_not_told_is_to_be_noted() -> None:
    broken, kept = {"verdict": Verdict.BROKEN, "settled_at": NOW}, {"verdict": Verdict.KEPT, "settled_at": NOW}
    assert untold([row(1), row(2, told=True), row(3, **broken), row(4, **kept, told=True)]) == [UUID(int=1), UUID(int=3)]


def test_what_is_not_shown_word_for_word_was_told_to_nobody() -> None:
    assert untold([row(1, words=None, erased=True), row(2, words="A diamond."), row(3, verdict=Verdict.VOID, settled_at=NOW)]) == []
