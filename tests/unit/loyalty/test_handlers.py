"""What becomes of a batch: history kept, every order looked at once, money where it belongs."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.values import Heard, Money
from services.loyalty.domain import SlotRefused, SlotReserved, UpgradeDeclined, UpgradeState
from services.loyalty.flights.domain import Item
from services.loyalty.handlers import on_events
from services.loyalty.history.domain import Amended, Cancelled, Completed, OrderState
from tests.support.ids import numbered_ids
from tests.unit.loyalty.build import RULES, FakeStore, heard, order, overnight, released, uuid


async def hear(store: FakeStore, *batch: Heard[Any], first_id: int = 1) -> None:
    await on_events(batch, store, numbered_ids(first_id))


async def wanting(*, number: int = 1, store: FakeStore | None = None) -> FakeStore:
    """A store with one order that waits for its place."""
    store = store or FakeStore()
    store.loyal(order(number, customer=number).customer_id)
    await hear(store, heard(order(number, customer=number), 1), heard(released(number), 2), first_id=number)
    return store


async def test_an_order_placed_and_released_in_one_batch_is_wanted_and_its_money_reserved() -> None:
    store = await wanting()
    assert store.words() == ["UpgradeWanted"]
    assert (store.today.reserved_minor, store.today.spent_minor) == (600, 0)
    assert store.customers[order().customer_id].upgraded_at == store.now


async def test_a_reserved_place_grants_and_spends() -> None:
    store = await wanting()
    await hear(store, heard(SlotReserved(uuid(1), store.upgrades[uuid(1)].upgrade_id)))
    assert store.words() == ["UpgradeWanted", "UpgradeGranted"]
    assert (store.today.reserved_minor, store.today.spent_minor) == (0, 600)


async def test_a_refused_place_declines_gives_the_money_back_and_keeps_the_customers_turn() -> None:
    store = await wanting()
    await hear(store, heard(SlotRefused(uuid(1), store.upgrades[uuid(1)].upgrade_id, "no-place")))
    assert store.said[-1] == UpgradeDeclined(uuid(1), store.upgrades[uuid(1)].upgrade_id, "slot-no-place")
    assert (store.today.reserved_minor, store.today.spent_minor) == (0, 0)
    assert store.customers[order(customer=1).customer_id].upgraded_at is None


async def test_a_place_given_up_after_the_grant_withdraws_and_gives_the_money_back_once() -> None:
    store = await wanting()
    upgrade_id = store.upgrades[uuid(1)].upgrade_id
    await hear(store, heard(SlotReserved(uuid(1), upgrade_id)), *[heard(SlotRefused(uuid(1), upgrade_id, "too-late"))] * 2)
    assert store.words() == ["UpgradeWanted", "UpgradeGranted", "UpgradeWithdrawn"]
    assert store.upgrades[uuid(1)].reason == "slot-too-late"
    assert store.today.left_minor == 2000


async def test_a_cancel_after_the_grant_withdraws_and_gives_the_money_back() -> None:
    store = await wanting()
    await hear(store, heard(SlotReserved(uuid(1), store.upgrades[uuid(1)].upgrade_id)))
    await hear(store, heard(Cancelled(uuid(1)), 3), heard(Cancelled(uuid(1)), 4))
    assert store.words() == ["UpgradeWanted", "UpgradeGranted", "UpgradeWithdrawn"]
    assert store.today.left_minor == 2000


async def test_a_cancel_before_the_answer_withdraws_and_declines_and_a_late_place_changes_nothing() -> None:
    store = await wanting()
    upgrade_id = store.upgrades[uuid(1)].upgrade_id
    await hear(store, heard(Cancelled(uuid(1)), 3), heard(SlotReserved(uuid(1), upgrade_id)), heard(SlotRefused(uuid(1), upgrade_id, "cancelled")))
    assert store.words() == ["UpgradeWanted", "UpgradeWithdrawn", "UpgradeDeclined"]
    assert store.today.left_minor == 2000
    assert store.versions[uuid(1)] == [1, 2, 3]


async def test_an_order_is_looked_at_once() -> None:
    store = await wanting()
    await hear(store, heard(released(), 3), heard(released(), 4))
    assert store.words() == ["UpgradeWanted"]


async def test_an_overnight_order_and_a_cancelled_one_are_not_looked_at() -> None:
    store = FakeStore()
    await hear(store, heard(order(1), 1), heard(released(1, service="overnight"), 2))
    await hear(store, heard(order(2), 1), heard(Cancelled(uuid(2)), 2), heard(released(2), 3))
    assert store.said == []


async def test_a_second_order_of_the_same_customer_waits_for_its_turn_even_in_the_same_batch() -> None:
    store = FakeStore()
    store.loyal(order().customer_id)
    await hear(store, heard(order(1), 1), heard(order(2), 1), heard(released(1), 2), heard(released(2), 2))
    assert [getattr(outcome, "reason", None) for outcome in store.said] == [None, "upgraded-lately"]


async def test_what_a_batch_brings_counts_for_the_orders_behind_it() -> None:
    store = FakeStore()
    store.loyal(order().customer_id)
    store.services.pop("air")
    await hear(store, heard(Item("LAMP", True)), heard(overnight()), heard(order(1, skus=("CUP", "LAMP")), 1), heard(released(1), 2))
    assert store.words() == ["UpgradeWanted"]


async def test_history_counts_each_order_once_however_often_it_is_heard() -> None:
    store = FakeStore()
    await hear(store, heard(order(1), 1), heard(order(1), 1), heard(order(2), 1), heard(Completed(uuid(1)), 5), heard(Completed(uuid(1)), 5))
    customer = store.customers[order().customer_id]
    assert (customer.pending, customer.completed) == (1, 1)


async def test_an_old_event_changes_nothing() -> None:
    store = FakeStore()
    await hear(store, heard(order(1), 4), heard(Cancelled(uuid(1)), 3))
    assert store.orders[uuid(1)].state is OrderState.PENDING


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (Completed(uuid(9)), "unknown-order"),
        (Cancelled(uuid(9)), "unknown-order"),
        (released(9), "unknown-order"),
        (SlotReserved(uuid(9), uuid(1)), "unknown-upgrade"),
        (SlotRefused(uuid(1), uuid(1), "no-place"), "unknown-upgrade"),
    ],
)
async def test_what_is_about_nothing_known_is_set_aside_and_changes_nothing(data: Any, reason: str) -> None:
    store = await wanting()
    before = (dict(store.orders), dict(store.upgrades), dict(store.budgets), list(store.said))
    await hear(store, heard(data, 9))
    assert store.aside == [reason]
    assert (store.orders, store.upgrades, store.budgets, store.said) == before


STEPS = st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["release", "reserve", "refuse", "cancel", "limit"])), max_size=40)


@given(STEPS, st.integers(600, 2500))
async def test_the_budget_holds_and_every_order_has_one_answer_in_any_interleaving(steps: list[tuple[int, str]], limit: int) -> None:
    store = FakeStore(replace(RULES, daily_limit=Money(limit, "GBP")))
    for number in range(1, 7):
        store.loyal(order(number, customer=number).customer_id)
        await hear(store, heard(order(number, customer=number), 1))
    for at, (number, what) in enumerate(steps, start=2):
        await _step(store, number, what, at)
        _check_money(store)
    _check_answers(store)


async def _step(store: FakeStore, number: int, what: str, version: int) -> None:
    upgrade = store.upgrades.get(uuid(number))
    if what == "limit":
        store.rules = replace(store.rules, version=version, daily_limit=Money(number * 400, "GBP"))
    elif what == "release":
        await hear(store, heard(released(number), version), first_id=number)
    elif what == "cancel":
        await hear(store, heard(Cancelled(uuid(number)), version))
    elif upgrade is not None and upgrade.state is not UpgradeState.DECLINED:
        answer = SlotReserved(uuid(number), upgrade.upgrade_id)
        await hear(store, heard(answer if what == "reserve" else SlotRefused(uuid(number), upgrade.upgrade_id, "no-place"), version))


def _check_money(store: FakeStore) -> None:
    """What is reserved and spent is exactly what upgrades hold: money comes back once, and never more than the day's limit is committed."""
    if store.budgets:
        held = Counter({state: 600 * sum(up.state is state for up in store.upgrades.values()) for state in UpgradeState})
        assert store.today.reserved_minor == held[UpgradeState.WANTED]
        assert store.today.spent_minor == held[UpgradeState.GRANTED]
        assert store.today.reserved_minor + store.today.spent_minor <= store.today.limit.amount_minor


def _check_answers(store: FakeStore) -> None:
    answers = Counter(outcome.order_id for outcome in store.said if type(outcome).__name__ in ("UpgradeGranted", "UpgradeDeclined"))
    waiting = {id for id, upgrade in store.upgrades.items() if upgrade.state is UpgradeState.WANTED}
    assert set(answers) == set(store.upgrades) - waiting
    assert all(count == 1 for count in answers.values())
    assert all(versions == list(range(1, len(versions) + 1)) for versions in store.versions.values())


def amended(number: int = 1, *skus: str) -> Amended:
    return Amended(uuid(number), None, False, True, skus or ("CUP", "POT"), Money(2500, "GBP"))


@pytest.mark.parametrize("granted", [True, False])
async def test_a_surprise_that_was_decided_on_another_order_is_taken_back_with_its_money(granted: bool) -> None:
    store = await wanting()
    upgrade_id = store.upgrades[uuid(1)].upgrade_id
    if granted:
        await hear(store, heard(SlotReserved(uuid(1), upgrade_id)))
    await hear(store, heard(amended(), 5), heard(amended(), 5))
    assert store.words().count("UpgradeWithdrawn") == 1
    assert store.upgrades[uuid(1)].state is UpgradeState.WITHDRAWN
    assert (store.today.reserved_minor, store.today.spent_minor) == (0, 0)
    await hear(store, heard(SlotReserved(uuid(1), upgrade_id)))
    assert "UpgradeGranted" not in store.words()[-1:]


async def test_an_order_is_looked_at_as_it_now_is() -> None:
    store = FakeStore()
    store.loyal(order(1, customer=1).customer_id)
    await hear(store, heard(order(1, customer=1), 1), heard(amended(), 2), heard(released(1), 3))
    assert store.said[-1] == UpgradeDeclined(uuid(1), store.upgrades[uuid(1)].upgrade_id, "po-box")
    assert (store.orders[uuid(1)].skus, store.orders[uuid(1)].total) == (("CUP", "POT"), Money(2500, "GBP"))


async def test_an_order_that_became_overnight_is_not_looked_at() -> None:
    store = FakeStore()
    store.loyal(order(1, customer=1).customer_id)
    await hear(store, heard(order(1, customer=1), 1), heard(amended(), 2), heard(released(1, service="overnight"), 3))
    assert store.said == []
