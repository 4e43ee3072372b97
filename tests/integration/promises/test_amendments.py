"""What a change of an order makes of its date: answered once, and promised beside the old one only when the order became what was asked for."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.promises.conftest import Promises
from tests.unit.promises.events import AMENDMENT, DUE_AT, ORDER, PLACED, heard

MONDAY = {"chosen_on": "2026-11-30"}
"""A day later than the one that is promised."""
NOWHERE = {"destination": {"country": "FR", "postcode_prefix": "750", "zone": "Europe/Paris"}}


async def answered(promises: Promises) -> tuple[str, dict[str, Any]]:
    """The answers to the change."""
    (told,) = [(name, data) for name, data in await promises.said() if name.startswith("Amendment")]
    return told


async def names(promises: Promises) -> list[str]:
    return [name for name, _ in await promises.said()]


async def test_a_change_that_asks_for_no_more_keeps_its_date_however_late_it_is(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"))
    promises.at("2026-11-25T12:00:00+00:00")
    fewer = [PLACED["lines"][0] | {"quantity": 5}]
    await promises.hear(heard("AmendmentRequested", lines=fewer), heard("OrderAmended", lines=fewer))
    name, data = await answered(promises)
    assert (name, data["amendment_id"], data["due_on"], data["due_at"], data["hand_over_by"]) == ("AmendmentDated", AMENDMENT, None, None, None)
    assert await names(promises) == ["PromiseMade", "AmendmentDated"]


async def test_a_change_that_asks_for_more_has_the_date_that_more_can_have(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"))
    promises.at("2026-11-23T12:00:00+00:00")
    await promises.hear(heard("AmendmentRequested"))
    name, data = await answered(promises)
    assert (name, data["due_on"], data["carrier_service"]) == ("AmendmentDated", "2026-11-27", "ground-standard")
    assert await names(promises) == ["PromiseMade", "AmendmentDated"], "nothing is promised before the order became what was asked for"


async def test_where_the_day_is_the_same_nothing_is_told_and_nothing_promised_anew(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"))
    await promises.hear(heard("AmendmentRequested"), heard("OrderAmended"))
    name, data = await answered(promises)
    assert (name, data["due_at"], data["hand_over_by"], data["carrier_service"]) == ("AmendmentDated", None, None, None)
    assert await names(promises) == ["PromiseMade", "AmendmentDated"]
    assert await promises.rows("select ask -> 'lines' -> 0 ->> 'quantity' from orders_view") == [("8",)]


async def test_an_amended_order_has_a_promise_beside_the_old_one_which_the_customer_released(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"))
    await promises.hear(heard("AmendmentRequested", **MONDAY))
    promises.at("2026-11-22T05:20:02+00:00")
    await promises.hear(heard("OrderAmended", **MONDAY))
    await promises.hear(heard("OrderAmended", **MONDAY))
    (_, first), (_, new) = await promises.said("PromiseMade")
    assert (new["replaces"], new["amendment_id"], new["due_on"]) == (first["promise_id"], AMENDMENT, "2026-11-30")
    assert first["amendment_id"] is None
    (_, released), = await promises.said("PromiseReleased")  # fmt: skip
    assert (released["promise_id"], released["consent"]) == (first["promise_id"], "the customer changed the order")
    assert released["released_at"] == "2026-11-22T05:20:01Z"
    assert await promises.rows("select state from promises order by made_at_position") == [("released",), ("open",)]
    assert await promises.rows("select ask ->> 'chosen_on', ask ->> 'channel', amending from orders_view") == [("2026-11-30", "web", None)]


async def test_a_date_that_passed_before_the_order_was_amended_is_broken_all_the_same(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"))
    await promises.hear(heard("AmendmentRequested", **MONDAY))
    promises.at(DUE_AT + timedelta(seconds=2))
    await promises.hear(heard("OrderAmended", **MONDAY, amended_at=(DUE_AT + timedelta(seconds=1)).isoformat()))
    assert await names(promises) == ["PromiseMade", "AmendmentDated", "PromiseMade", "PromiseBroken"]


async def test_a_change_that_was_undone_leaves_the_promise_and_is_forgotten(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"))
    await promises.hear(heard("AmendmentRequested", **MONDAY), heard("AmendmentUndone"))
    assert await names(promises) == ["PromiseMade", "AmendmentDated"]
    assert await promises.rows("select amending from orders_view") == [(None,)]
    assert await promises.hear(heard("OrderAmended", **MONDAY)) == ["unknown-amendment"]
    assert await promises.rows("select state from promises") == [("open",)]


@pytest.mark.parametrize(
    ("change", "reason"), [(NOWHERE, "no-lane"), ({"chosen_on": "2027-11-30"}, "date-not-possible"), ({"chosen_on": "2026-11-20"}, "date-past")]
)
@pytest.mark.parametrize("language", ["en", "de"])
async def test_where_no_date_can_be_had_the_customer_is_told_why_in_their_language(
    promises: Promises, change: dict[str, Any], reason: str, language: str
) -> None:
    await promises.hear(heard("OrderPlaced", language=language))
    await promises.hear(heard("AmendmentRequested", **change))
    name, data = await answered(promises)
    assert (name, data["reason"]) == ("AmendmentNotDated", reason)
    assert ("bleibt" if language == "de" else "stays as it was") in data["sentence"]
    assert await promises.rows("select amending from orders_view") == [(None,)]


async def test_an_order_that_waits_for_a_date_waits_on_for_the_same_reason_and_is_looked_at_as_it_now_is(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced", **NOWHERE))
    lines = [PLACED["lines"][0] | {"quantity": 9}]
    await promises.hear(heard("AmendmentRequested", lines=lines, **NOWHERE))
    name, data = await answered(promises)
    assert (name, data["due_at"]) == ("AmendmentDated", None)
    await promises.hear(heard("OrderAmended", lines=lines, **NOWHERE))
    assert await names(promises) == ["PromiseDeclined", "AmendmentDated"]
    assert await promises.rows("select ask -> 'lines' -> 0 ->> 'quantity', answer_by is not null from orders_view") == [("9", True)]


async def test_an_order_that_waits_for_a_date_is_promised_one_where_it_now_goes(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced", **NOWHERE))
    await promises.hear(heard("AmendmentRequested"), heard("OrderAmended"))
    assert await names(promises) == ["PromiseDeclined", "AmendmentDated", "PromiseMade"]
    (_, made), = await promises.said("PromiseMade")  # fmt: skip
    assert (made["replaces"], made["amendment_id"]) == (None, AMENDMENT)
    assert await promises.rows("select declined, answer_by from orders_view") == [(None, None)]


async def test_an_order_whose_day_a_person_promises_keeps_what_stands(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"))
    await promises.hear(heard("AmendmentRequested", service="appointment", **NOWHERE), heard("OrderAmended", service="appointment", **NOWHERE))
    name, data = await answered(promises)
    assert (name, data["due_at"], data["carrier_service"]) == ("AmendmentDated", None, None)
    assert await names(promises) == ["PromiseMade", "AmendmentDated"]


async def test_an_order_that_ended_is_not_dated_anew(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"), heard("ParcelDelivered"))
    await promises.hear(heard("AmendmentRequested", **MONDAY))
    name, data = await answered(promises)
    assert (name, data["reason"]) == ("AmendmentNotDated", "order-ended")


async def test_a_cancel_ends_the_change_with_the_order(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"))
    await promises.hear(heard("AmendmentRequested", **MONDAY))
    await promises.hear(heard("OrderCancelled"))
    assert await promises.rows("select amending from orders_view") == [(None,)]
    assert await names(promises) == ["PromiseMade", "AmendmentDated", "PromiseReleased"]


async def test_a_change_of_an_unknown_order_is_set_aside(promises: Promises) -> None:
    assert await promises.hear(heard("AmendmentRequested"), heard("OrderAmended"), heard("AmendmentUndone")) == ["unknown-order"] * 3


async def test_changes_of_many_orders_are_answered_each_once(promises: Promises) -> None:
    orders = [(str(uuid4()), str(uuid4())) for _ in range(12)]
    await promises.hear(*(heard("OrderPlaced", order_id=order) for order, _ in orders))
    await asyncio.gather(*(promises.hear(heard("AmendmentRequested", order_id=order, amendment_id=id, **MONDAY)) for order, id in orders))
    await promises.hear(*(heard("OrderAmended", order_id=order, amendment_id=id, **MONDAY) for order, id in orders))
    made = [data["amendment_id"] for name, data in await promises.said() if name == "PromiseMade" and data["replaces"]]
    assert sorted(made) == sorted(id for _, id in orders)
    assert str(ORDER) not in made
