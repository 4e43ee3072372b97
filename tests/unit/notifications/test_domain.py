"""Which news becomes a message, and what a mail server's answer makes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications.domain import (
    ATTEMPTS,
    Amended,
    Intent,
    Message,
    Order,
    Settled,
    State,
    Undone,
    amend,
    decline,
    later,
    pause_seconds,
    promise,
    settle,
    tell,
)
from tests.support.ids import numbered_ids
from tests.unit.notifications.build import ORDER, heard, promised, uuid


def told(order: Order, intent: Intent) -> tuple[Order, Message | None]:
    return tell(order, intent, uuid(77), heard(promised()).cause)


def test_the_first_promise_confirms_and_one_that_replaces_it_tells_of_a_delay() -> None:
    order, first = promise(Order(ORDER), promised(1))
    order, second = promise(order, promised(2, replaces=1))
    assert (first, second) == (Intent.CONFIRMED, Intent.DELAYED)
    assert order.promises == (uuid(1_001), uuid(1_002))


def test_a_promise_counts_once() -> None:
    order, _ = promise(Order(ORDER), promised(1))
    assert promise(order, promised(1)) == (order, None)


def test_a_further_promise_that_replaces_none_says_nothing() -> None:
    order, _ = promise(Order(ORDER), promised(1))
    assert promise(order, promised(2))[1] is None


def test_a_message_carries_the_latest_promise() -> None:
    order, _ = promise(Order(ORDER), promised(1))
    order, _ = promise(order, promised(2, replaces=1))
    _, message = told(order, Intent.HANDED_OVER)
    assert message is not None
    assert (message.promise_version, message.promise_id) == (2, uuid(1_002))


def test_a_hand_over_ahead_of_any_promise_is_told_without_words() -> None:
    _, message = told(Order(ORDER), Intent.HANDED_OVER)
    assert message is not None
    assert (message.promise_version, message.promise_id) == (0, None)


def test_an_answer_confirms_and_is_no_promise_so_that_the_first_promise_after_it_confirms_too() -> None:
    order, answered = decline(Order(ORDER), uuid(900))
    order, one = told(order, Intent.CONFIRMED)
    order, first = promise(order, promised(1))
    order, other = told(order, Intent.CONFIRMED)
    assert (answered, first, order.promises) == (Intent.CONFIRMED, Intent.CONFIRMED, (uuid(900), uuid(1_001)))
    assert one is not None
    assert other is not None
    assert [(message.promise_version, message.promise_id) for message in (one, other)] == [(1, uuid(900)), (2, uuid(1_001))]


def test_an_answer_after_a_promise_tells_of_a_delay() -> None:
    order, _ = promise(Order(ORDER), promised(1))
    assert decline(order, uuid(900))[1] is Intent.DELAYED


def test_an_answer_counts_once() -> None:
    order, _ = decline(Order(ORDER), uuid(900))
    assert decline(order, uuid(900)) == (order, None)


@pytest.mark.parametrize("intent", [Intent.HANDED_OVER, Intent.DELIVERED])
def test_where_an_answer_was_the_latest_word_a_step_carries_none(intent: Intent) -> None:
    order, _ = promise(Order(ORDER), promised(1))
    order, _ = decline(order, uuid(900))
    _, message = told(order, intent)
    assert message is not None
    assert (message.promise_version, message.promise_id) == (2, None)


AMENDED, NEW_DATE = Amended(ORDER, uuid(800), 2435, "GBP", dated=False), Amended(ORDER, uuid(801), 2435, "GBP", dated=True)


def test_a_change_is_told_with_the_words_that_stand_once_however_often_it_comes() -> None:
    order, _ = promise(Order(ORDER), promised(1))
    order, intent = amend(order, AMENDED)
    assert intent is Intent.AMENDED
    order, message = tell(order, intent, uuid(77), heard(AMENDED).cause, AMENDED.amendment_id)
    assert message is not None
    assert (message.promise_id, message.amendment_id) == (uuid(1_001), uuid(800))
    assert amend(order, AMENDED) == (order, None)
    assert amend(order, Undone(ORDER, uuid(800), "No.")) == (order, None)


@pytest.mark.parametrize("promise_first", [True, False])
def test_a_change_of_the_date_is_told_once_with_the_new_words_and_never_as_a_delay(promise_first: bool) -> None:
    order, _ = promise(Order(ORDER), promised(1))
    new = promised(2, replaces=1, amendment=801)
    if promise_first:
        order, first = promise(order, new)
        order, second = amend(order, NEW_DATE)
    else:
        order, first = amend(order, NEW_DATE)
        order, second = promise(order, new)
    assert (first, second, order.promises[-1]) == (None, Intent.AMENDED, uuid(1_002))


def test_each_change_is_told_and_a_cancel_is_the_last_word() -> None:
    order, one = told(Order(ORDER), Intent.AMENDED)
    order, other = told(order, Intent.AMENDED)
    assert one
    assert other
    order, _ = told(order, Intent.CANCELLED)
    assert told(order, Intent.AMENDMENT_UNDONE)[1] is None


@given(st.lists(st.sampled_from(["promise", "delay", "answer", *Intent]), max_size=30))
def test_whatever_comes_however_often_each_thing_is_told_once(news: list[str]) -> None:
    order, messages, ids = Order(ORDER), list[Message](), numbered_ids()
    for what in news:
        intent: Intent | None
        if what in ("promise", "delay"):
            number = len(order.promises) + 1
            order, intent = promise(order, promised(number, replaces=number - 1 if what == "delay" and number > 1 else None))
        elif what == "answer":
            order, intent = decline(order, uuid(9_000 + len(order.promises)))
        elif what in (Intent.AMENDED, Intent.AMENDMENT_UNDONE):
            order, intent = amend(order, AMENDED if what == Intent.AMENDED else Undone(ORDER, uuid(802), "No."))
        else:
            intent = Intent(what) if what not in (Intent.CONFIRMED, Intent.DELAYED) else None
        if intent is not None:
            order, message = tell(order, intent, ids(), heard(promised()).cause)
            messages += [message] if message else []
    keys = [(message.intent, message.promise_version) for message in messages]
    assert len(set(keys)) == len(keys)
    once = [message.intent for message in messages if message.intent not in (Intent.CONFIRMED, Intent.DELAYED)]
    assert len(set(once)) == len(once)


@pytest.mark.parametrize(
    ("code", "attempts", "at_recipient", "settled"),
    [
        (550, 1, True, Settled(State.FAILED, "mailbox-unknown")),
        (554, 1, False, Settled(State.FAILED, "refused")),
        (421, 1, False, Settled(State.WAITING, "temporarily-refused")),
        (450, ATTEMPTS - 1, True, Settled(State.WAITING, "temporarily-refused")),
        (450, ATTEMPTS, True, Settled(State.FAILED, "temporarily-refused")),
    ],
)
def test_a_refusal_is_final_or_not_as_its_first_digit_says(code: int, attempts: int, at_recipient: bool, settled: Settled) -> None:
    assert settle(code, attempts, at_recipient=at_recipient) == settled


def test_tries_come_further_and_further_apart_and_end() -> None:
    pauses = [pause_seconds(attempts) for attempts in range(1, ATTEMPTS)]
    assert pauses == sorted(pauses)
    assert 3600 < sum(pauses) < 3 * 3600
    assert later("busy", ATTEMPTS + 1).state is State.FAILED
