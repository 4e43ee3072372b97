"""A change of an order: asked for, pending until warehouse and date agree, undone when one of them does not; and where the money goes."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import msgspec
import pytest

from services.kit.values import Refusal
from services.orders.changing import ChangeWire
from services.orders.domain import Amendment, Order, State, Status
from services.orders.events import AmendmentUndone, OrderAmended
from services.orders.handlers import Change, Reach, amend, cancel, submit
from services.orders.messages import (
    AmendmentDated,
    AmendmentNotDated,
    AmendmentPrepared,
    AmendmentRefused,
    CancelAccepted,
    PaymentSecured,
    PickClaimed,
    PromiseMade,
    StockReserved,
)
from services.orders.validation import Item, OrderInvalid
from tests.unit.orders.samples import NOW, FakeStore, cause, heard, new_id, priced, read, submission

ORDER = submission().order_id
LATER = NOW + timedelta(days=4)


async def taken(state: str = "captured", total: int = 1000) -> FakeStore:
    """A store with one order of two units."""
    store = FakeStore()
    store.items["RED"], store.items["GONE"] = Item("RED", withdrawn=False), Item("GONE", withdrawn=True)
    sent = submission(**priced(2, total // 2, payment__state=state))
    await submit(store, [(sent, cause())])
    return store


def order(store: FakeStore) -> Order:
    return store.orders[ORDER]


def lines(quantity: int, unit: int = 500, sku: str = "85123A") -> list[dict[str, Any]]:
    return [{"line": 1, "sku": sku, "quantity": quantity, "unit_price_minor": unit, "description": "A HEART"}]


async def ask(store: FakeStore, paid: int = 0, version: int | None = None, **change: Any) -> UUID:
    """Ask for a change, two units for the total of three unless told otherwise."""
    wanted = msgspec.convert({"lines": lines(3), "total_minor": 1500} | change, ChangeWire)
    known = store.orders[ORDER]
    id, reference = new_id(), "pay-2" if paid else None
    asked = Change(ORDER, known.customer_id, version or known.version, id, new_id(), wanted, paid, reference, "one more", "customer")
    await amend(store, asked, Reach(), cause())
    return id


def yes(id: UUID) -> tuple[AmendmentPrepared, AmendmentDated]:
    return AmendmentPrepared(ORDER, id), AmendmentDated(ORDER, id)


async def test_a_change_is_said_whole_and_numbered_and_the_order_stays_as_it_is() -> None:
    store = await taken()
    id = await ask(store, 500)
    said = store.said[-1]
    assert type(said.event).__name__ == "AmendmentRequested"
    assert (said.version, said.event.amendment_id, said.event.total_minor) == (2, id, 1500)  # type: ignore[union-attr]
    assert [(line.sku, line.quantity) for line in said.event.lines] == [("85123A", 3)]  # type: ignore[union-attr]
    assert (order(store).total_minor, order(store).state, order(store).amending is not None) == (1000, State.VALIDATING, True)


@pytest.mark.parametrize("first", [0, 1])
async def test_in_whichever_order_both_agree_the_order_becomes_what_was_asked_for_once(first: int) -> None:
    store = await taken()
    id = await ask(store, 500)
    answers = yes(id)
    await store.hear(answers[first])
    assert store.names == ["OrderPlaced", "AmendmentRequested"]
    await store.hear(answers[1 - first])
    await store.hear(
        AmendmentDated(ORDER, id), AmendmentNotDated(ORDER, id, "no-lane", "No."), AmendmentRefused(ORDER, id, "labelled", "No."), version=8
    )
    assert store.names == ["OrderPlaced", "AmendmentRequested", "OrderAmended"]
    assert (order(store).total_minor, order(store).amending, store.amendments[id].status) == (1500, None, Status.AGREED)
    assert [said.version for said in store.said if said.key == ORDER] == [1, 2, 3]


async def test_the_order_is_amended_with_its_new_date_and_a_release_has_it() -> None:
    store = await taken()
    await store.hear(StockReserved(ORDER))
    id = await ask(store, 500)
    made = {"promise_id": new_id(), "order_id": ORDER, "due_at": NOW, "hand_over_by": NOW, "carrier_service": "ground", "made_at": NOW}
    await store.hear(PromiseMade(**made, customer_text="By then.", language="en", zone="UTC"))
    assert order(store).state is State.VALIDATING, "an order is not released while a change of it is pending"
    await store.hear(AmendmentPrepared(ORDER, id), version=2)
    await store.hear(AmendmentDated(ORDER, id, LATER, LATER, "air"))
    amended, released = (said.event for said in store.said[-2:])
    assert isinstance(amended, OrderAmended)
    assert (amended.due_at, amended.hand_over_by, amended.carrier_service) == (LATER, LATER, "air")
    assert (type(released).__name__, released.due_at, released.hand_over_by) == ("OrderReleased", LATER, LATER)  # type: ignore[union-attr]


NO = [AmendmentRefused(ORDER, ORDER, "not-in-stock", "Only two are here."), AmendmentNotDated(ORDER, ORDER, "date-not-possible", "Not then.")]


@pytest.mark.parametrize("no", NO, ids=lambda no: no.reason)
@pytest.mark.parametrize("late", [True, False])
async def test_one_no_undoes_it_once_whatever_the_other_says(no: AmendmentRefused | AmendmentNotDated, late: bool) -> None:
    store = await taken()
    await store.hear(StockReserved(ORDER))
    id = await ask(store, 500)
    no, (prepared, dated) = replace(no, amendment_id=id), yes(id)
    other = dated if isinstance(no, AmendmentRefused) else prepared
    for version, answer in enumerate((no, other, no) if late else (other, no, other), start=2):
        await store.hear(answer, version=version)
    undone = [said.event for said in store.said if isinstance(said.event, AmendmentUndone)]
    assert [(event.amendment_id, event.reason, event.sentence) for event in undone] == [(id, no.reason, no.sentence)]
    assert (order(store).total_minor, store.amendments[id].status, store.amendments[id].sentence) == (1000, Status.UNDONE, no.sentence)


async def test_after_a_no_the_order_is_released_as_it_was() -> None:
    store = await taken()
    id = await ask(store, 500)
    await store.hear(StockReserved(ORDER), read("promises.PromiseDeclined.v1", {"order_id": str(ORDER), "reason": "date-not-possible",
                     "sentence": "Not then.", "answer_by": "2026-11-23T17:00:00Z"}))  # fmt: skip
    assert order(store).state is State.VALIDATING
    await store.hear(AmendmentRefused(ORDER, id, "not-in-stock", "Only two are here."), version=5)
    assert store.names[-2:] == ["AmendmentUndone", "OrderReleased"]


@pytest.mark.parametrize("answers", list(permutations(range(3))))
async def test_a_cancel_that_is_accepted_ends_the_change_whatever_comes_before_or_after(answers: tuple[int, ...]) -> None:
    store = await taken()
    id = await ask(store, 500)
    await cancel(store, ORDER, Reach(), new_id(), "not wanted", "customer", cause())
    told = (AmendmentDated(ORDER, id), AmendmentPrepared(ORDER, id), CancelAccepted(ORDER, new_id(), NOW))
    for version, answer in enumerate((told[place] for place in answers), start=2):
        await store.hear(answer, version=version)
    assert store.names.count("OrderCancelled") == 1
    assert "AmendmentUndone" not in store.names
    agreed = answers.index(2) == 2
    assert store.amendments[id].status is (Status.AGREED if agreed else Status.UNDONE)
    assert (order(store).state, order(store).paid_minor) == (State.CANCELLED, 1500)


async def test_the_customer_moves_in_where_the_change_says_and_is_the_same_otherwise() -> None:
    store = await taken()
    before = store.customers[order(store).customer_id]
    await ask(store, lines=lines(2), total_minor=1000, ship_to=priced()["ship_to"] | {"line1": "1 New Street", "postcode": "10001"})
    after = store.customers[order(store).customer_id]
    assert [address.line1 for address in after.addresses] == [before.addresses[0].line1, "1 New Street"]
    assert replace(after, addresses=before.addresses, version=before.version) == before
    assert store.said[-2].event.destination.postcode_prefix == "100"  # type: ignore[union-attr]


REFUSALS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("version-differs", {}, {"version": 99}),
    ("too-late", {"state": State.HANDED_OVER}, {}),
    ("too-late", {"state": State.DELIVERED}, {}),
    ("too-late", {"state": State.CANCELLED, "cancelled_at": NOW}, {}),
    ("cancel-requested", {"cancel_request_id": ORDER}, {}),
    ("awaiting-items", {"announced": False}, {}),
    ("nothing-changed", {}, {"lines": lines(2), "total_minor": 1000}),
    ("payment-short", {}, {"paid": 499}),
    ("payment-above", {}, {"paid": 501}),
    ("payment-above", {}, {"lines": lines(1), "total_minor": 500, "paid": 1}),
]


@pytest.mark.parametrize(("slug", "stands", "change"), REFUSALS)
async def test_what_cannot_be_changed_is_refused_with_what_to_do_and_nothing_is_said(
    slug: str, stands: dict[str, Any], change: dict[str, Any]
) -> None:
    store = await taken()
    store.orders[ORDER] = replace(order(store), **stands)
    before = (dict(store.orders), list(store.said), dict(store.customers))
    with pytest.raises(Refusal) as refused:
        await ask(store, **{"paid": 500} | change)
    assert refused.value.slug == slug
    assert ":" in refused.value.sentence
    assert (store.orders, store.said, store.customers) == before


@pytest.mark.parametrize("state", [State.VALIDATING, State.RELEASED, State.PICKING, State.PACKED])
async def test_until_the_hand_over_it_is_the_warehouse_that_decides(state: State) -> None:
    store = await taken()
    store.orders[ORDER] = replace(order(store), state=state)
    await ask(store, 500)
    assert store.names[-1] == "AmendmentRequested"


async def test_a_second_change_waits_for_the_first() -> None:
    store = await taken()
    first = await ask(store, 500)
    with pytest.raises(Refusal) as refused:
        await ask(store, 500)
    assert (refused.value.slug, refused.value.facts["amendment_id"]) == ("amendment-pending", first)
    await store.hear(*yes(first))
    await ask(store, 500, lines=lines(4), total_minor=2000)
    assert store.names[-1] == "AmendmentRequested"


async def test_lines_are_judged_as_a_new_orders_but_what_it_has_may_be_withdrawn_by_now() -> None:
    store = await taken()
    for sku, code in (("GONE", "withdrawn-sku"), ("NEVER", "unknown-sku")):
        with pytest.raises(OrderInvalid) as refused:
            await ask(store, 500, lines=lines(3, sku=sku))
        assert [reason.code for reason in refused.value.reasons] == [code]
    with pytest.raises(OrderInvalid) as refused:
        await ask(store, 500, total_minor=1499)
    assert [reason.code for reason in refused.value.reasons] == ["total"]
    store.items["85123A"] = Item("85123A", withdrawn=True)
    await ask(store, 500)


async def decided(store: FakeStore, paid: int, quantity: int, *, agreed: bool = True) -> Amendment:
    id = await ask(store, paid, lines=lines(quantity), total_minor=500 * quantity)
    version = order(store).work_version + 1
    if agreed:
        await store.hear(AmendmentDated(ORDER, id), heard(AmendmentPrepared(ORDER, id), version))
    else:
        await store.hear(AmendmentRefused(ORDER, id, "not-in-stock", "No."), version=version)
    return store.amendments[id]


MONEY: list[tuple[str, list[tuple[int, int, bool]], list[int], tuple[int, int, int]]] = [
    # payment, (paid in addition, units, agreed)..., what is owed back after each, then total, paid and promised back
    ("captured", [(500, 3, True)], [0], (1500, 1500, 0)),
    ("captured", [(0, 1, True)], [500], (500, 1000, 500)),
    ("captured", [(0, 1, True), (500, 2, True)], [500, 0], (1000, 1500, 500)),
    ("captured", [(500, 3, False)], [500], (1000, 1500, 500)),
    ("captured", [(500, 3, True), (0, 1, True)], [0, 1000], (500, 1500, 1000)),
    ("authorised", [(0, 1, True)], [0], (500, 500, 0)),
    ("authorised", [(500, 3, False)], [0], (1000, 1000, 0)),
    ("pending", [(0, 3, True), (0, 1, True)], [0, 0], (500, 0, 0)),
]


@pytest.mark.parametrize(("state", "changes", "owed", "stands"), MONEY)
async def test_what_was_taken_never_follows_the_total_and_what_is_too_much_is_owed_back_once(
    state: str, changes: list[tuple[int, int, bool]], owed: list[int], stands: tuple[int, int, int]
) -> None:
    store = await taken(state)
    found = [(await decided(store, paid, units, agreed=agreed)).refund_minor for paid, units, agreed in changes]
    assert found == owed
    assert (order(store).total_minor, order(store).paid_minor, order(store).returned_minor) == stands


async def test_a_payment_that_comes_while_a_change_is_pending_is_of_the_total_that_stands_and_undoes_what_it_does_not_cover() -> None:
    store = await taken("pending")
    id = await ask(store)
    paid = PaymentSecured("web", order(store).external_ref, "captured", "pay-1", 1500)
    await store.hear(paid)
    assert store.aside[-1][1] == "payment-differs"
    await store.hear(replace(paid, amount_minor=1000), *yes(id), version=2)
    undone = [said.event for said in store.said if isinstance(said.event, AmendmentUndone)]
    assert [event.reason for event in undone] == ["payment-short"]
    assert (order(store).total_minor, order(store).paid_minor, order(store).returned_minor) == (1000, 1000, 0)


async def test_a_payment_that_comes_after_a_change_is_of_the_new_total() -> None:
    store = await taken("pending")
    await store.hear(*yes(await ask(store)))
    old = PaymentSecured("web", order(store).external_ref, "captured", "pay-1", 1000)
    await store.hear(old)
    assert store.aside[-1][1] == "payment-differs"
    await store.hear(replace(old, amount_minor=1500))
    assert (order(store).payment_state, order(store).paid_minor) == ("captured", 1500)


async def test_facts_from_the_floor_move_an_order_whose_change_is_pending() -> None:
    store = await taken()
    store.orders[ORDER] = replace(order(store), state=State.RELEASED)
    id = await ask(store, 500)
    await store.hear(PickClaimed(ORDER, NOW), AmendmentPrepared(ORDER, id), AmendmentDated(ORDER, id))
    assert (order(store).state, order(store).total_minor) == (State.PICKING, 1500)
