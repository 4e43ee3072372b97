"""Which way money goes, and what is done with a provider that does not answer: it is asked what it did, and never told twice in the dark."""

from typing import Any
from uuid import UUID

import pytest

from demo.provider.app import How
from services.kit.promise.state import Kind
from services.kit.values import Money
from services.orders.payments.domain import Owed, Payment, Reason, Way, decide
from services.orders.payments.handlers import settle
from services.orders.payments.ports import Asked, ProviderAway
from tests.unit.orders_payments.fakes import FakeBook, FakeProvider

ONE, TWO, THREE = (UUID(int=n) for n in (1, 2, 3))
EUR = Money(500, "EUR")


def owed(**changes: Any) -> Owed:
    return Owed(**({"promise_id": ONE, "order_id": TWO, "customer_id": THREE, "kind": Kind.REFUND, "amount": EUR, "cause": None} | changes))


def payment(captured: int = 900, refunded: int = 0, currency: str = "EUR", *, awaited: bool = False) -> Payment:
    return Payment(currency, captured, {"pay-1": captured - refunded}, awaited)


def several(**left: int) -> Payment:
    return Payment("EUR", 900, left, awaited=False)


@pytest.mark.parametrize(
    ("what", "paid", "way"),
    [
        (owed(), payment(), Way.CARD),
        (owed(), payment(500), Way.CARD),
        (owed(), payment(499), Reason.ABOVE_CAPTURED),
        (owed(), payment(900, 400), Way.CARD),
        (owed(), payment(900, 401), Reason.ABOVE_CAPTURED),
        (owed(cause=ONE), payment(900, 401), Reason.ABOVE_CAPTURED),
        (owed(), several(first=400, second=500), Way.CARD),
        (owed(), several(first=400, second=499), Reason.SEVERAL_PAYMENTS),
        (owed(), several(first=400, second=99), Reason.ABOVE_CAPTURED),
        (owed(), payment(currency="USD"), Reason.OTHER_CURRENCY),
        (owed(), None, Reason.UNKNOWN_ORDER),
        (owed(), payment(0, awaited=True), None),
        (owed(), payment(0), Reason.NOTHING_CAPTURED),
        (owed(cause=ONE), payment(0), Way.ACCOUNT),
        (owed(cause=ONE), payment(0, awaited=True), None),
        (owed(kind=Kind.CREDIT, order_id=None), None, Way.ACCOUNT),
        (owed(kind=Kind.CREDIT), payment(0, currency="USD"), Way.ACCOUNT),
    ],
)
def test_a_refund_never_exceeds_what_was_captured_less_what_was_given_back(what: Owed, paid: Payment | None, way: Way | Reason | None) -> None:
    assert decide(what, paid) == way


@pytest.mark.parametrize(
    ("left", "bearer"),
    [({"first": 500, "second": 500}, "second"), ({"first": 500, "second": 499}, "first"), ({"first": 499, "second": 499}, None), ({}, None)],
)
def test_the_newest_payment_that_bears_it_is_given_back(left: dict[str, int], bearer: str | None) -> None:
    paid = several(**left)
    assert paid.bearer(500) == bearer
    if bearer:
        assert paid.without(bearer, 500).left_minor == {**left, bearer: 0}


def asked(id: UUID = ONE, *, wanted: bool = True, amount: Money = EUR) -> Asked:
    return Asked(id, "pay-1", amount, wanted=wanted)


async def paying(book: FakeBook, provider: FakeProvider) -> int:
    return await settle(book, lambda: provider, 20)


async def test_what_is_owed_is_paid_once_it_was_noted() -> None:
    book, provider = FakeBook([asked()], credited=2), FakeProvider()
    assert await paying(book, provider) == 3
    assert (book.settled, provider.calls) == ([("paid", ONE, "re|pay-1")], [("refund", ONE)])


@pytest.mark.parametrize("how", [How.LOST, How.DOES_AND_FAILS, How.GARBLES])
async def test_an_answer_that_got_lost_is_asked_for(how: How) -> None:
    book, provider = FakeBook([asked()]), FakeProvider()
    provider.misbehave(how)
    assert await paying(book, provider) == 1
    assert (book.settled, provider.calls) == ([("paid", ONE, "re|pay-1")], [("refund", ONE), ("find", ONE)])


async def test_a_call_that_did_nothing_is_asked_about_before_it_is_made_again() -> None:
    book, provider = FakeBook([asked()]), FakeProvider()
    provider.misbehave(How.SILENT)
    assert await paying(book, provider) == 0
    assert book.settled == []
    book.left = [asked()]
    assert await paying(book, provider) == 1
    assert provider.calls == [("refund", ONE), ("find", ONE), ("find", ONE), ("refund", ONE)]


async def test_what_nobody_wants_any_more_is_withdrawn_where_the_provider_did_nothing_and_noted_where_it_did() -> None:
    book, provider = FakeBook(left=[asked(ONE, wanted=False), asked(TWO, wanted=False)]), FakeProvider()
    await provider.refund(TWO, "pay-1", EUR)
    assert await paying(book, provider) == 2
    assert sorted(book.settled) == [("paid", TWO, "re|pay-1"), ("withdrawn", ONE, "")]
    assert provider.moved() == [(TWO, 500, "pay-1")]


async def test_a_no_of_the_provider_is_for_a_person() -> None:
    book, provider = FakeBook([asked()]), FakeProvider()
    provider.misbehave(How.REFUSES)
    assert await paying(book, provider) == 1
    assert book.settled == [("refused", ONE, Reason.PROVIDER_REFUSED)]


async def test_another_amount_than_ours_under_our_key_is_for_a_person() -> None:
    book, provider = FakeBook(left=[asked()]), FakeProvider()
    await provider.refund(ONE, "pay-1", Money(501, "EUR"))
    assert await paying(book, provider) == 1
    assert book.settled == [("refused", ONE, Reason.PROVIDER_DIFFERS)]


async def test_one_that_gets_no_answer_holds_nobody_up_and_none_at_all_is_told() -> None:
    book, provider = FakeBook(left=[asked(ONE), asked(TWO)]), FakeProvider()
    provider.misbehave(How.SILENT, method="GET")
    assert await paying(book, provider) == 1
    assert book.settled == [("paid", TWO, "re|pay-1")]
    provider.misbehave(How.SILENT, 2, method="GET")
    with pytest.raises(ProviderAway):
        await paying(book, provider)


async def test_without_a_provider_credits_are_paid_all_the_same() -> None:
    def nobody() -> FakeProvider:
        raise ProviderAway("none is configured")

    assert await settle(FakeBook([asked()], credited=1), nobody, 20) == 1
    with pytest.raises(ProviderAway):
        await settle(FakeBook([asked()]), nobody, 20)
