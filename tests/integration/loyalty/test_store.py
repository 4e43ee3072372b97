"""The stage on real rows: what is decided is what stands in the tables, and money holds under contention."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from asyncpg import CheckViolationError

from services.kit.values import Heard, Money
from services.loyalty.domain import SlotRefused, SlotReserved, held_out
from services.loyalty.flights.domain import Item
from services.loyalty.history.domain import Amended, Cancelled, Completed
from tests.integration.loyalty.conftest import Loyalty
from tests.unit.loyalty.build import ground, heard, lane, order, overnight, released, uuid

VIEWS = (heard(Item("CUP", True)), heard(overnight()), heard(ground()))
BUDGET = "select limit_minor, reserved_minor, spent_minor from budget_days"
CUSTOMERS = [number for number in range(1, 200) if not held_out(order(number, customer=number).customer_id, 10)]
"""Whom the first rules do not hold out."""


def history(customer: int) -> list[Heard[Any]]:
    """Two orders before the one that counts: silver with it."""
    return [heard(order(1_000 * customer + number, customer=customer), 1) for number in (1, 2)]


async def prepare(loyalty: Loyalty, *customers: int) -> None:
    await loyalty.hear(*VIEWS, *(event for customer in customers for event in [*history(customer), heard(order(customer, customer=customer), 1)]))


async def want(loyalty: Loyalty, customer: int) -> Any:
    """Release the customer's order; returns the upgrade's id."""
    await loyalty.hear(heard(released(customer), 2))
    return (await loyalty.rows("select upgrade_id from upgrades where order_id = $1", uuid(customer)))[0][0]


async def test_an_order_is_wanted_granted_and_withdrawn_and_every_step_is_said_once(loyalty: Loyalty) -> None:
    customer = CUSTOMERS[0]
    await prepare(loyalty, customer)
    upgrade_id = await want(loyalty, customer)
    assert await loyalty.rows(BUDGET) == [(25_000, 600, 0)]
    await loyalty.hear(heard(SlotReserved(uuid(customer), upgrade_id)))
    assert await loyalty.rows(BUDGET) == [(25_000, 0, 600)]
    await loyalty.hear(heard(SlotReserved(uuid(customer), upgrade_id)), heard(Cancelled(uuid(customer)), 3))
    assert await loyalty.rows(BUDGET) == [(25_000, 0, 0)]
    assert [name for name, _ in await loyalty.said()] == ["UpgradeWanted", "UpgradeGranted", "UpgradeWithdrawn"]


async def test_an_amended_order_stands_as_it_now_is_and_gives_its_surprise_back(loyalty: Loyalty) -> None:
    customer = CUSTOMERS[0]
    await prepare(loyalty, customer)
    await want(loyalty, customer)
    await loyalty.hear(heard(Amended(uuid(customer), None, True, True, ("POT",), Money(2500, "GBP")), 3))
    assert await loyalty.rows(BUDGET) == [(25_000, 0, 0)]
    kept = "select skus::text, total_minor, po_box, signature_required from orders_view where order_id = $1"
    assert await loyalty.rows(kept, uuid(customer)) == [('["POT"]', 2500, True, True)]
    assert [name for name, _ in await loyalty.said()] == ["UpgradeWanted", "UpgradeWithdrawn", "UpgradeDeclined"]


async def test_an_order_placed_and_released_in_one_batch_is_looked_at_like_any_other(loyalty: Loyalty) -> None:
    """Its items are known to the view alone: neither the order nor they are of an earlier batch's orders."""
    customer = CUSTOMERS[0]
    await loyalty.hear(*VIEWS, *history(customer))
    await loyalty.hear(heard(order(customer, customer=customer), 1), heard(released(customer), 2))
    assert [(name, data.get("reason")) for name, data in await loyalty.said()] == [("UpgradeWanted", None)]


async def test_a_refused_place_gives_back_money_and_turn(loyalty: Loyalty) -> None:
    customer = CUSTOMERS[0]
    await prepare(loyalty, customer)
    await loyalty.hear(heard(SlotRefused(uuid(customer), await want(loyalty, customer), "no-place")))
    assert await loyalty.rows(BUDGET) == [(25_000, 0, 0)]
    assert (await loyalty.said())[-1][1]["reason"] == "slot-no-place"
    assert await loyalty.rows("select upgraded_at from customers where customer_id = $1", order(customer=customer).customer_id) == [(None,)]


async def test_fifty_wants_at_once_never_overspend(loyalty: Loyalty) -> None:
    """25,000 bear 41 differences of 600."""
    customers = CUSTOMERS[:50]
    await prepare(loyalty, *customers)
    await asyncio.gather(*(loyalty.hear(heard(released(customer), 2)) for customer in customers))
    assert await loyalty.rows(BUDGET) == [(25_000, 24_600, 0)]
    said = [(name, data.get("reason")) for name, data in await loyalty.said()]
    assert said.count(("UpgradeWanted", None)) == 41
    assert said.count(("UpgradeDeclined", "budget-spent")) == 9


async def test_two_orders_of_one_customer_at_once_are_one_surprise(loyalty: Loyalty) -> None:
    customer = CUSTOMERS[0]
    await prepare(loyalty, customer)
    await asyncio.gather(*(loyalty.hear(heard(released(number), 2)) for number in (customer, 1_000 * customer + 1, 1_000 * customer + 2)))
    assert sorted(data.get("reason") or "wanted" for _, data in await loyalty.said()) == ["upgraded-lately", "upgraded-lately", "wanted"]


async def test_first_orders_of_one_customer_at_once_are_all_counted(loyalty: Loyalty) -> None:
    await asyncio.gather(*(loyalty.hear(heard(order(number, customer=1), 1)) for number in range(20)))
    assert await loyalty.rows("select pending, completed from customers") == [(20, 0)]


async def test_batches_that_share_orders_customers_and_the_day_do_not_deadlock(loyalty: Loyalty) -> None:
    customers = CUSTOMERS[:12]
    await prepare(loyalty, *customers)
    forwards = [heard(released(customer), 2) for customer in customers]
    cancels = [heard(Cancelled(uuid(customer)), 3) for customer in customers]
    await asyncio.gather(*(loyalty.hear(*batch) for batch in (forwards, forwards[::-1], cancels, cancels[::-1])))
    assert [row[1:] for row in await loyalty.rows(BUDGET)] == [(0, 0)]


async def test_a_completed_order_counts_as_completed(loyalty: Loyalty) -> None:
    await prepare(loyalty, 1)
    await loyalty.hear(heard(Completed(uuid(1)), 5))
    assert await loyalty.rows("select pending, completed from customers") == [(2, 1)]


async def test_those_held_out_are_recorded_and_cost_nothing(loyalty: Loyalty) -> None:
    customer = next(number for number in range(1, 200) if number not in CUSTOMERS)
    await prepare(loyalty, customer)
    await want(loyalty, customer)
    assert [data["reason"] for _, data in await loyalty.said()] == ["holdout"]
    assert await loyalty.rows(BUDGET) == [(25_000, 0, 0)]


async def test_a_service_replaces_its_lanes_and_an_older_version_does_not(loyalty: Loyalty) -> None:
    dear = overnight(lanes=(lane(5_000), lane(7_000, postcode_prefix="40")))
    await loyalty.hear(heard(overnight(), 1), heard(dear, 2))
    await loyalty.hear(heard(overnight(), 1))
    assert await loyalty.rows("select postcode_prefix, label_minor from lanes_view order by 1") == [("40", 7_000), ("402", 5_000)]


async def test_a_withdrawn_service_takes_nobody(loyalty: Loyalty) -> None:
    customer = CUSTOMERS[0]
    await prepare(loyalty, customer)
    await loyalty.hear(heard(replace(overnight(), departures=(), lanes=()), 2))
    await want(loyalty, customer)
    assert [data["reason"] for _, data in await loyalty.said()] == ["no-overnight"]


async def test_what_is_about_nothing_known_is_set_aside_and_nothing_is_written(loyalty: Loyalty) -> None:
    nothing = (Completed(uuid(9)), Cancelled(uuid(9)), released(9), SlotReserved(uuid(9), uuid(1)), SlotRefused(uuid(9), uuid(1), "no-place"))
    refused = await loyalty.hear(*(heard(data, 9) for data in nothing))
    assert [reason for reason, _ in refused] == ["unknown-order"] * 3 + ["unknown-upgrade"] * 2
    for table in ("customers", "orders_view", "upgrades", "outbox"):
        assert await loyalty.rows(f"select count(*) from {table}") == [(0,)]


async def test_the_database_itself_refuses_a_day_above_its_limit(loyalty: Loyalty) -> None:
    await prepare(loyalty, CUSTOMERS[0])
    await want(loyalty, CUSTOMERS[0])
    with pytest.raises(CheckViolationError):
        await loyalty.rows("update budget_days set reserved_minor = limit_minor + 1 returning 1")
