"""What loyalty does with what it hears: one batch, loaded once, folded in order, recorded once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from services.kit.values import Heard, NewId
from services.loyalty.domain import (
    Candidate,
    Released,
    SlotRefused,
    SlotReserved,
    Upgrade,
    UpgradeState,
    declined,
    grant,
    granted,
    holds_money,
    look_at,
    refuse_slot,
    wanted,
    withdraw,
    withdrawn,
)
from services.loyalty.flights.domain import CarrierService, Item
from services.loyalty.history.domain import Amended, Cancelled, Completed, Order, OrderState, change, complete, place, take_out
from services.loyalty.ports import Needs, State, Store


async def on_events(batch: Sequence[Heard[Any]], store: Store, new_id: NewId) -> None:
    """Bring history and views up to date, look at released orders, settle what became of upgrades. May run twice for the same events."""
    state = await store.load(_needs(batch))
    desk = _Desk(state, store, new_id)
    for heard in batch:
        _FOLDS[type(heard.data)](desk, heard)
    await store.record(state)


def _needs(batch: Sequence[Heard[Any]]) -> Needs:
    things = [heard.data for heard in batch]
    return Needs(
        order_ids=frozenset(thing.order_id for thing in things if not isinstance(thing, Item | CarrierService)),
        customer_ids=frozenset(thing.customer_id for thing in things if isinstance(thing, Order)),
        released=[thing for thing in things if isinstance(thing, Released)],
        skus=frozenset(sku for thing in things if isinstance(thing, Order | Amended) for sku in thing.skus),
        zones=frozenset(thing.zone for thing in things if isinstance(thing, CarrierService)),
    )


@dataclass(slots=True)
class _Desk:
    """The batch at work: its state, and where it speaks."""

    state: State
    store: Store
    new_id: NewId

    def placed(self, heard: Heard[Order]) -> None:
        order = heard.data
        if order.order_id not in self.state.orders:
            self.state.orders[order.order_id] = replace(order, version=heard.version)
            self.state.customers[order.customer_id] = place(self.state.customers[order.customer_id])

    def completed(self, heard: Heard[Completed]) -> None:
        order = self._order(heard)
        if order is not None:
            customer = self.state.customers[order.customer_id]
            self.state.customers[order.customer_id], self.state.orders[order.order_id] = complete(customer, order)

    def cancelled(self, heard: Heard[Cancelled]) -> None:
        order = self._order(heard)
        if order is None:
            return
        customer = self.state.customers[order.customer_id]
        self.state.customers[order.customer_id], self.state.orders[order.order_id] = take_out(customer, order)
        upgrade = self.state.upgrades.get(order.order_id)
        if upgrade is not None and holds_money(upgrade):
            self._take_back(upgrade, withdraw(upgrade))
            self._say_withdrawn(upgrade, heard)

    def amended(self, heard: Heard[Amended]) -> None:
        """A surprise is taken back: what flies, where to and by which service is not what it was decided on."""
        order = self._order(heard)
        if order is None:
            return
        self.state.orders[order.order_id] = change(order, heard.data)
        upgrade = self.state.upgrades.get(order.order_id)
        if upgrade is not None and holds_money(upgrade):
            self._take_back(upgrade, withdraw(upgrade, "order-amended"))
            self._say_withdrawn(upgrade, heard)

    def released(self, heard: Heard[Released]) -> None:
        """Overnight orders are not looked at: their customers chose it."""
        order = self._order(heard)
        released = heard.data
        if order is None or order.state is not OrderState.PENDING or released.service != "standard" or order.order_id in self.state.upgrades:
            return
        state, customer = self.state, self.state.customers[order.customer_id]
        candidate = Candidate(order, customer, self.new_id(), released.journey, released.due_at, state.may_fly, tuple(state.services.values()))
        upgrade = look_at(candidate, state.rules, state.budgets, self.store.now)
        state.upgrades[order.order_id] = upgrade
        if upgrade.state is UpgradeState.DECLINED:
            self.store.say(declined(upgrade), heard.cause, upgrade.version)
        else:
            self._reserve(upgrade)
            self.store.say(wanted(upgrade, released.journey.destination), heard.cause, upgrade.version)

    def slot_reserved(self, heard: Heard[SlotReserved]) -> None:
        """A place that comes after a cancel changes nothing: fulfilment frees it when it hears of the withdrawal."""
        upgrade = self._upgrade(heard)
        if upgrade is not None and upgrade.state is UpgradeState.WANTED:
            key, amount = _money(upgrade)
            self.state.budgets[key] = self.state.budgets[key].spend(amount)
            upgrade = self.state.upgrades[upgrade.order_id] = grant(upgrade)
            self.store.say(granted(upgrade, self.store.now), heard.cause, upgrade.version)

    def slot_refused(self, heard: Heard[SlotRefused]) -> None:
        """A place that is given up after the grant (the parcel was labelled already) takes the upgrade back."""
        upgrade = self._upgrade(heard)
        if upgrade is None or not holds_money(upgrade):
            return
        if upgrade.state is UpgradeState.WANTED:
            after = refuse_slot(upgrade, heard.data.reason)
            self.store.say(declined(after), heard.cause, after.version)
        else:
            after = withdraw(upgrade, f"slot-{heard.data.reason}")
            self.store.say(withdrawn(after), heard.cause, after.version)
        self._take_back(upgrade, after)

    def listed(self, heard: Heard[Item]) -> None:
        self.state.may_fly[heard.data.sku] = heard.data.may_fly
        self.state.listed[heard.data.sku] = heard.data, heard.version

    def scheduled(self, heard: Heard[CarrierService]) -> None:
        self.state.services[heard.data.carrier_service] = heard.data
        self.state.scheduled[heard.data.carrier_service] = heard.data, heard.version

    def _order(self, heard: Heard[Any]) -> Order | None:
        """The order that the event is about, at the event's version; None when it is unknown (set aside) or the event is an old one."""
        order = self.state.orders.get(heard.data.order_id)
        if order is None:
            self.store.set_aside(heard, "unknown-order", "No order of this id was placed; retry once its OrderPlaced is here.")
            return None
        if heard.version <= order.version:
            return None
        order = self.state.orders[order.order_id] = replace(order, version=heard.version)
        return order

    def _upgrade(self, heard: Heard[Any]) -> Upgrade | None:
        upgrade = self.state.upgrades.get(heard.data.order_id)
        if upgrade is None or upgrade.upgrade_id != heard.data.upgrade_id:
            self.store.set_aside(heard, "unknown-upgrade", "No upgrade of this id was wanted for the order.")
            return None
        return upgrade

    def _reserve(self, upgrade: Upgrade) -> None:
        key, amount = _money(upgrade)
        self.state.budgets[key] = self.state.budgets[key].limited_to(self.state.rules.daily_limit).reserve(amount)
        customer = self.state.customers[upgrade.customer_id]
        self.state.customers[upgrade.customer_id] = replace(customer, upgraded_at=upgrade.decided_at)

    def _take_back(self, upgrade: Upgrade, after: Upgrade) -> None:
        """The money is free again, and so is the customer's turn."""
        key, amount = _money(upgrade)
        self.state.budgets[key] = self.state.budgets[key].free(amount, upgrade.state)
        self.state.upgrades[upgrade.order_id] = after
        customer = self.state.customers[upgrade.customer_id]
        if customer.upgraded_at == upgrade.decided_at:
            self.state.customers[upgrade.customer_id] = replace(customer, upgraded_at=None)

    def _say_withdrawn(self, before: Upgrade, heard: Heard[Any]) -> None:
        """One that was only wanted has its answer as well: every order looked at is granted or declined, once."""
        after = self.state.upgrades[before.order_id]
        self.store.say(withdrawn(after), heard.cause, after.version)
        if before.state is UpgradeState.WANTED:
            after = self.state.upgrades[before.order_id] = replace(after, version=after.version + 1)
            self.store.say(declined(after), heard.cause, after.version)


def _money(upgrade: Upgrade) -> tuple[tuple[date, str], int]:
    assert upgrade.cost is not None, f"upgrade {upgrade.upgrade_id} holds no money"
    return (upgrade.decided_on, upgrade.cost.currency), upgrade.cost.amount_minor


_FOLDS: dict[type[Any], Callable[[_Desk, Heard[Any]], None]] = {
    Order: _Desk.placed,
    Completed: _Desk.completed,
    Cancelled: _Desk.cancelled,
    Amended: _Desk.amended,
    Released: _Desk.released,
    SlotReserved: _Desk.slot_reserved,
    SlotRefused: _Desk.slot_refused,
    Item: _Desk.listed,
    CarrierService: _Desk.scheduled,
}
