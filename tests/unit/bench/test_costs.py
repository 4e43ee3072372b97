"""What an order costs, from two readings of the whole stack."""

from bench.costs import Costs

BEFORE = Costs({"orders-worker": 1000, "postgres for orders": 200, "mailbox": 50}, 400, {"orders.order.v1": 10})
AFTER = Costs({"orders-worker": 1300, "postgres for orders": 300, "mailbox": 150, "notifications-worker": 200}, 500, {"orders.order.v1": 30})


def test_an_order_costs_what_was_spent_between_two_readings() -> None:
    told = AFTER.since(BEFORE).per_order(100)
    assert told["cpu_ms_by"] == {"orders-worker": 3.0, "notifications-worker": 2.0, "postgres for orders": 1.0, "mailbox": 1.0}
    assert (told["transactions"], told["events"]) == (1.0, 0.2)


def test_the_world_outside_is_left_out_of_the_sum_and_messages_are_told_apart() -> None:
    told = AFTER.since(BEFORE).per_order(100)
    assert (told["cpu_ms"], told["cpu_ms_without_messages"]) == (6.0, 4.0)


def test_who_did_nothing_is_not_named() -> None:
    assert AFTER.since(AFTER).per_order(100)["cpu_ms_by"] == {}
