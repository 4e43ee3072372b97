"""What is heard and what is said because of it, over whole batches."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.kit.values import NotFound, Refusal
from services.orders.capture import OrderIdTaken, ReferenceReused
from services.orders.domain import Hold, HoldReason, State
from services.orders.events import CancelRefused, CustomerSeen, OrderCancelled, OrderCompleted, OrderRefused, OrderReleased
from services.orders.handlers import Reach, cancel, lift_hold, on_time, place_hold, submit
from services.orders.messages import (
    CancelAccepted,
    CancelAsked,
    CancelRejected,
    HandedOver,
    OrderPacked,
    ParcelDelivered,
    PaymentSecured,
    PickClaimed,
    PromiseKept,
    PromiseMade,
    StockReserved,
    StockShort,
)
from services.orders.validation import Item, OrderInvalid, Submission
from tests.unit.orders.samples import EXAMPLE, NOW, SCHEMAS, FakeStore, body, cause, heard, new_id, priced, read, submission

ORDER = UUID(EXAMPLE["order_id"])
MADE: PromiseMade = read("promises.PromiseMade.v1", json.loads((SCHEMAS / "promises/PromiseMade.v1.example.json").read_text()))
UNLISTED = body(lines=[{"line": 1, "sku": "NEW", "quantity": 6, "unit_price_minor": 255, "description": "NEW"}])


def order_of(data: dict[str, Any]) -> Submission:
    made = read("storefront.OrderSubmitted.v1", data)
    assert isinstance(made, Submission)
    return made


async def released() -> FakeStore:
    store = FakeStore()
    await store.hear(submission(), StockReserved(ORDER), MADE)
    return store


async def test_an_order_with_everything_is_placed_and_released_in_one_batch() -> None:
    store = await released()
    assert store.names == ["OrderPlaced", "OrderReleased"]
    assert [said.version for said in store.said if said.key == ORDER] == [1, 2]
    assert store.orders[ORDER].state is State.RELEASED
    (event,) = [said.event for said in store.said if isinstance(said.event, OrderReleased)]
    assert event.hand_over_by == MADE.hand_over_by


async def test_the_customer_is_said_once_and_again_only_with_something_new() -> None:
    store = FakeStore()
    await store.hear(submission())
    await store.hear(submission(order_id=str(new_id()), external_ref="2"))
    await store.hear(submission(order_id=str(new_id()), external_ref="3", ship_to__city="Paris"))
    seen = [said for said in store.said if isinstance(said.event, CustomerSeen)]
    assert [(said.version, len(said.event.addresses)) for said in seen] == [(1, 1), (2, 2)]  # type: ignore[union-attr]
    assert len({said.key for said in seen}) == 1


async def test_a_guest_is_one_per_order() -> None:
    store = FakeStore()
    await store.hear(submission(customer__external_ref=None))
    await store.hear(submission(customer__external_ref=None, order_id=str(new_id()), external_ref="2"))
    assert len(store.customers) == 2
    assert all(customer.guest for customer in store.customers.values())


async def test_the_same_body_again_changes_nothing() -> None:
    store = FakeStore()
    await store.hear(submission(), submission())
    await store.hear(submission(placed_at="2026-11-21T23:58:00-05:00"))
    assert store.names == ["OrderPlaced"]
    assert store.aside == []


async def test_another_body_under_the_same_reference_is_set_aside_with_what_differs() -> None:
    store = FakeStore()
    await store.hear(submission())
    (refused,) = await submit(store, [(submission(ship_to__city="Paris", signature_required=True), cause())])
    assert isinstance(refused, ReferenceReused)
    assert refused.facts == {"fields": ("ship_to.city", "signature_required")}
    await store.hear(submission(ship_to__city="Paris"))
    assert [reason for _, reason in store.aside] == ["reference-reused"]
    assert store.names == ["OrderPlaced"]


async def test_an_order_id_stands_for_one_order() -> None:
    store = FakeStore()
    await store.hear(submission(), submission(external_ref="another"))
    assert [reason for _, reason in store.aside] == ["order-id-taken"]
    (refused,) = await submit(store, [(submission(external_ref="another"), cause())])
    assert isinstance(refused, OrderIdTaken)


async def test_a_refused_order_leaves_no_order_and_is_said_once() -> None:
    store = FakeStore()
    await store.hear(order_of(priced(1, 0)), order_of(priced(1, 0)))
    assert store.names == ["OrderRefused"]
    assert store.orders == {}
    assert store.aside == []
    (refused,) = store.refused
    assert [reason.code for reason in refused.reasons] == ["zero-price"]


async def test_a_refused_order_sent_again_in_order_is_taken_with_a_later_version() -> None:
    store = FakeStore()
    await store.hear(order_of(priced(1, 0)), submission())
    assert [(type(said.event).__name__, said.version) for said in store.said if said.key == ORDER] == [("OrderRefused", 1), ("OrderPlaced", 2)]


async def test_a_request_is_refused_at_once_and_nothing_changes() -> None:
    store = FakeStore()
    (refused,) = await submit(store, [(order_of(UNLISTED), cause())])
    assert isinstance(refused, OrderInvalid)
    assert [reason.code for reason in refused.reasons] == ["unknown-sku"]
    assert (store.orders, store.said, store.refused) == ({}, [], [])


async def test_an_order_ahead_of_its_items_goes_on_when_they_are_listed() -> None:
    store = FakeStore()
    await store.hear(order_of(UNLISTED))
    assert store.names == []
    assert [hold.reason for hold in store.orders[ORDER].holds] == [HoldReason.ITEMS]
    assert await on_time(store.after(seconds=20)) == 0
    await store.hear(Item("NEW", False))
    assert await on_time(store) == 1
    assert store.names == ["OrderPlaced"]
    assert store.orders[ORDER].holds == ()
    assert await on_time(store) == 0


async def test_an_order_whose_items_never_come_is_refused_and_gone() -> None:
    store = FakeStore()
    await store.hear(order_of(UNLISTED))
    assert await on_time(store.after(seconds=29)) == 0
    assert await on_time(store.after(seconds=1)) == 1
    (event,) = [said.event for said in store.said]
    assert isinstance(event, OrderRefused)
    assert [reason.code for reason in event.reasons] == ["unknown-sku"]
    assert (store.orders, store.standings, store.waiting) == ({}, {}, {})


async def test_a_cancel_of_an_order_that_waits_is_said_after_it_is_placed() -> None:
    store = FakeStore()
    await store.hear(order_of(UNLISTED), CancelAsked("web", "536365", "changed my mind"))
    assert store.names == []
    await store.hear(Item("NEW", False))
    await on_time(store)
    assert store.names == ["OrderPlaced", "CancelRequested"]


@pytest.mark.parametrize("split", [True, False], ids=["two batches", "one batch"])
async def test_a_cancel_and_a_payment_ahead_of_their_order_are_taken_up_with_it(split: bool) -> None:
    store = FakeStore()
    early = [CancelAsked("web", "536365", "changed my mind"), PaymentSecured("web", "536365", "captured", "pay_1", 1925)]
    order = submission(payment__state="pending")
    if split:
        await store.hear(*early)
        assert len(store.early) == 2
        await store.hear(order)
    else:
        await store.hear(*early, order)
    assert store.names == ["OrderPlaced", "CancelRequested"]
    assert store.orders[ORDER].payment_state == "captured"
    assert (store.early, store.buried, store.aside) == ([], [], [])


async def test_a_cancel_of_an_order_that_never_comes_is_buried_when_its_time_is_out() -> None:
    store = FakeStore()
    event = heard(CancelAsked("web", "nobody", "changed my mind"))
    await store.hear(event)
    assert await on_time(store.after(seconds=29)) == 0
    assert await on_time(store.after(seconds=1)) == 1
    assert store.buried == [(event.id, "unknown-order")]
    assert store.early == []


async def test_an_early_payment_of_another_amount_is_buried_when_its_order_comes() -> None:
    store = FakeStore()
    await store.hear(PaymentSecured("web", "536365", "captured", "pay_1", 5))
    await store.hear(submission(payment__state="pending"))
    assert [reason for _, reason in store.buried] == ["payment-differs"]
    assert store.names == ["OrderPlaced"]


async def test_the_floor_moves_the_order_to_its_end() -> None:
    store = await released()
    steps = [PickClaimed(ORDER, NOW), OrderPacked(ORDER, NOW), HandedOver(ORDER, NOW), ParcelDelivered(ORDER, NOW, last=False)]
    await store.hear(*steps, version=5)
    assert store.orders[ORDER].state is State.HANDED_OVER
    await store.hear(ParcelDelivered(ORDER, NOW, last=True), version=9)
    assert store.orders[ORDER].state is State.DELIVERED
    assert [event for event in (said.event for said in store.said) if isinstance(event, OrderCompleted)] == [
        OrderCompleted(ORDER, store.orders[ORDER].customer_id, datetime(2026, 11, 22, 4, 58, tzinfo=UTC), NOW, 1925, "GBP")
    ]
    assert store.aside == []


async def test_late_and_repeated_facts_change_nothing() -> None:
    store = await released()
    await store.hear(PickClaimed(ORDER, NOW), OrderPacked(ORDER, NOW), version=5)
    before = store.orders[ORDER]
    await store.hear(PickClaimed(ORDER, NOW), version=5)
    await store.hear(StockReserved(ORDER), version=1)
    await store.hear(PickClaimed(ORDER, NOW + timedelta(hours=1)), version=7)
    assert store.orders[ORDER].version == before.version
    assert store.orders[ORDER].picking_at == NOW
    assert store.orders[ORDER].state is State.PACKED
    assert store.aside == []


async def test_an_old_shortage_that_comes_late_does_not_hold_the_order() -> None:
    store = FakeStore()
    await store.hear(submission())
    await store.hear(StockReserved(ORDER), version=2)
    await store.hear(StockShort(ORDER), version=1)
    await store.hear(MADE)
    assert store.names == ["OrderPlaced", "OrderReleased"]


async def test_a_claim_of_a_cancelled_order_is_set_aside() -> None:
    store = await released()
    request = new_id()
    await store.hear(CancelAccepted(ORDER, request, NOW), version=4)
    await store.hear(PickClaimed(ORDER, NOW), version=5)
    assert [reason for _, reason in store.aside] == ["transition-refused"]
    assert store.orders[ORDER].state is State.CANCELLED
    assert [said.event.request_id for said in store.said if isinstance(said.event, OrderCancelled)] == [request]


async def test_a_cancel_by_event_after_the_claim_is_answered_by_event() -> None:
    store = await released()
    await store.hear(PickClaimed(ORDER, NOW), version=4)
    await store.hear(CancelAsked("web", "536365", "changed my mind"))
    (refused,) = [said.event for said in store.said if isinstance(said.event, CancelRefused)]
    assert refused.state == "picking"
    assert "return it" in refused.sentence


async def test_a_cancel_that_loses_to_the_claim_is_refused_and_the_order_goes_on() -> None:
    store = await released()
    request = new_id()
    await cancel(store, ORDER, Reach(), request, "late", "customer", cause())
    await store.hear(PickClaimed(ORDER, NOW), CancelRejected(ORDER, request), version=4)
    assert store.names[-2:] == ["CancelRequested", "CancelRefused"]
    with pytest.raises(Refusal):
        await cancel(store, ORDER, Reach(), new_id(), "late", "customer", cause())


async def test_a_customer_cancels_only_what_is_theirs() -> None:
    store = await released()
    mine = str(store.orders[ORDER].customer_id)
    for reach in (Reach(customer_id=str(new_id())), Reach(channel="phone")):
        with pytest.raises(NotFound):
            await cancel(store, ORDER, reach, new_id(), "late", "customer", cause())
    order = await cancel(store, ORDER, Reach(customer_id=mine), new_id(), "late", "customer", cause())
    assert order.cancel_requested
    with pytest.raises(NotFound):
        await cancel(store, new_id(), Reach(), new_id(), "late", "care", cause())


async def test_holds_are_placed_and_lifted_and_release_the_order_at_the_end() -> None:
    store = FakeStore()
    await store.hear(submission(), StockReserved(ORDER))
    hold = Hold(new_id(), HoldReason.FRAUD, "care", "", NOW)
    await place_hold(store, ORDER, hold, cause())
    await store.hear(MADE)
    assert store.orders[ORDER].state is State.VALIDATING
    await lift_hold(store, ORDER, hold.hold_id, cause())
    assert store.names == ["OrderPlaced", "OrderHeld", "HoldLifted", "OrderReleased"]
    with pytest.raises(Refusal):
        await lift_hold(store, ORDER, hold.hold_id, cause())


async def test_a_shortage_holds_until_the_goods_come() -> None:
    store = FakeStore()
    await store.hear(submission(), StockShort(ORDER), MADE, StockReserved(ORDER))
    assert store.names == ["OrderPlaced", "OrderHeld", "HoldLifted", "OrderReleased"]


async def test_a_verdict_is_given_once_and_an_unknown_promise_is_set_aside() -> None:
    store = await released()
    kept = read("promises.PromiseKept.v1", {"promise_id": str(MADE.promise_id), "evidence": {"occurred_at": "2026-11-23T12:58:00Z"}})
    broken = read("promises.PromiseBroken.v1", {"promise_id": str(MADE.promise_id), "broke_at": "2026-11-27T04:59:59Z"})
    assert isinstance(kept, PromiseKept)
    await store.hear(kept, broken)
    assert store.promises[MADE.promise_id].verdict == "kept"
    await store.hear(read("promises.PromiseKept.v1", {"promise_id": str(new_id()), "evidence": {"occurred_at": "2026-11-23T12:58:00Z"}}))
    assert [reason for _, reason in store.aside] == ["unknown-promise"]


@pytest.mark.parametrize("data", [StockReserved(new_id()), PickClaimed(new_id(), NOW), CancelAccepted(new_id(), new_id(), NOW)])
async def test_work_on_an_order_never_heard_of_is_set_aside(data: Any) -> None:
    store = FakeStore()
    await store.hear(data)
    assert [reason for _, reason in store.aside] == ["unknown-order"]


async def test_one_refused_event_does_not_stop_the_others_of_its_batch() -> None:
    store = FakeStore()
    await store.hear(StockReserved(new_id()), submission(), StockReserved(ORDER), MADE)
    assert store.names == ["OrderPlaced", "OrderReleased"]
    assert len(store.aside) == 1
