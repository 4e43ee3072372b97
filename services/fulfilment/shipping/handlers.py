"""Folds a batch of what orders, customers and loyalty said into shipments and slots. Places are settled at the end of the batch, while their
departures' rows are locked: those that became free first, then the wants in the order in which they came.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from services.fulfilment.domain import OrderAmended, OrderCancelled, OrderPlaced, OrderReleased
from services.fulfilment.shipping import messages as m
from services.fulfilment.shipping.domain import (
    Shipment,
    ShipmentState,
    Slot,
    SlotRefusal,
    SlotState,
    aim,
    amended,
    back_to_promise,
    departure_for,
    foresee,
    is_upgraded,
    misfit,
    promised_anew,
    slack,
    upgraded,
)
from services.fulfilment.shipping.ports import Book, DepartureKey, Store
from services.fulfilment.shipping.schedule.domain import CarrierService, Departure, departures_within, expected_at, lane_for
from services.kit.values import Heard


async def on_events(batch: Sequence[Heard[Any]], store: Store) -> None:
    """Decide what this batch means for shipments and upgrade slots. Events of no concern here are passed over."""
    seen = [(h.data.customer_id, h.version, list(h.data.addresses)) for h in batch if isinstance(h.data, m.CustomerSeen)]
    if seen:
        await store.see_customers(seen)
    concerned = [heard for heard in batch if type(heard.data) in _FOLDS]
    if not concerned:
        return
    upgrades = {heard.data.upgrade_id for heard in concerned if getattr(heard.data, "upgrade_id", None) is not None}
    skus = {line.sku for heard in concerned if isinstance(heard.data, OrderPlaced | OrderAmended) for line in heard.data.lines}
    book = await store.open_book({heard.data.order_id for heard in concerned}, upgrades, skus)
    for heard in concerned:
        _FOLDS[type(heard.data)](heard, book, store)
    await _settle_places(book, store)
    await store.record(book)


async def on_waiting_wants(slots: Sequence[tuple[UUID, UUID]], store: Store) -> None:
    """Settle wants (order id, upgrade id) whose order did not come in time: they are refused."""
    book = await store.open_book({order_id for order_id, _ in slots}, {upgrade_id for _, upgrade_id in slots})
    for _, upgrade_id in slots:
        slot = book.slots[upgrade_id]
        if slot.state is SlotState.WANTED and _undecidable(book.shipments.get(slot.order_id)):
            _refuse(slot, SlotRefusal.UNKNOWN_ORDER, book, store)
    await _settle_places(book, store)
    await store.record(book)


async def on_late(order_ids: Sequence[UUID], store: Store) -> None:
    """Give up upgrades that can no longer be made, and tell the delays that are foreseen, with the next departure."""
    book = await store.open_book(order_ids, ())
    for order_id in order_ids:
        _look_at(order_id, book, store)
    await _settle_places(book, store)
    await store.record(book)


def _look_at(order_id: UUID, book: Book, store: Store) -> None:
    shipment = book.shipments[order_id]
    spare = slack(shipment, store.now, store.rates)
    if spare is not None and spare.total_seconds() < 0 and is_upgraded(shipment) and not shipment.labelled:
        for slot in book.slots_of(order_id):
            if slot.state is SlotState.GRANTED:
                _give_up(slot, book, store)
        shipment = back_to_promise(shipment)
    service = book.services.get(shipment.carrier_service or "")
    book.shipments[order_id], delay = foresee(shipment, service, store.now, store.rates)
    if delay is not None:
        seconds = min(-1, int(delay.slack.total_seconds()))
        said = m.DelayForeseen(order_id, seconds, delay.hand_over_by, delay.next_hand_over_by, delay.cause, store.now)
        store.say(said, shipment.cause)


def _on_placed(heard: Heard[OrderPlaced], book: Book, store: Store) -> None:
    said = heard.data
    if said.order_id in book.shipments:
        return
    skus, to = tuple(sorted({line.sku for line in said.lines})), said.destination
    placed = Shipment(said.order_id, said.site, len(said.lines), skus, heard.version, heard.cause)
    book.shipments[said.order_id] = replace(placed, country=to.country, postcode_prefix=to.postcode_prefix) if to else placed


def _on_released(heard: Heard[OrderReleased], book: Book, store: Store) -> None:
    shipment = _newer(heard, book, store)
    if shipment is None or shipment.state not in (ShipmentState.PLACED, ShipmentState.RELEASED):
        return
    if shipment.state is ShipmentState.RELEASED:
        book.shipments[shipment.order_id] = promised_anew(shipment, heard.data.carrier_service, heard.data.hand_over_by, heard.data.due_at)
        return
    said, to = heard.data, heard.data.destination
    released = replace(
        shipment, state=ShipmentState.RELEASED, address=(said.customer_id, said.address_id), country=to.country, postcode_prefix=to.postcode_prefix,
        due_at=said.due_at, carrier_service=said.carrier_service or shipment.carrier_service, hand_over_by=said.hand_over_by or shipment.hand_over_by,
    )  # fmt: skip
    aimed = aim(released, said.service, dict(book.services), store.now, store.rates)
    book.shipments[said.order_id] = replace(aimed, promised_service=aimed.carrier_service, promised_by=aimed.hand_over_by)
    if said.hand_over_by is None and aimed.hand_over_by is not None:
        book.aimed.add(said.order_id)


def _on_amended(heard: Heard[OrderAmended], book: Book, store: Store) -> None:
    """Other goods, another place or another day; an upgrade that no longer fits is given up."""
    shipment = _newer(heard, book, store)
    if shipment is None or shipment.state not in (ShipmentState.PLACED, ShipmentState.RELEASED):
        return
    said, order_id, had = heard.data, shipment.order_id, shipment.hand_over_by
    shipment = replace(shipment, lines=len(said.lines), skus=tuple(sorted({line.sku for line in said.lines})))
    if shipment.state is ShipmentState.RELEASED:
        shipment = amended(shipment, said, dict(book.services), store.now, store.rates)
        for slot in book.slots_of(order_id):
            reason = misfit(slot, shipment, book.services.get(slot.carrier_service), book.is_grounded(shipment))
            if reason:
                shipment = back_to_promise(shipment) if slot.state is SlotState.GRANTED else shipment
                _give_up(slot, book, store, reason)
    book.shipments[order_id] = shipment
    if had is None and shipment.hand_over_by is not None:
        book.aimed.add(order_id)


def _on_held(heard: Heard[m.OrderHeld], book: Book, store: Store) -> None:
    _note_stock(heard, book, store, short=True)


def _on_lifted(heard: Heard[m.HoldLifted], book: Book, store: Store) -> None:
    _note_stock(heard, book, store, short=False)


def _note_stock(heard: Heard[m.OrderHeld] | Heard[m.HoldLifted], book: Book, store: Store, *, short: bool) -> None:
    """A hold leaves the shipment's version alone, as stock does: a release that was refused before it may still be retried."""
    shipment = _known(heard, book, store)
    if shipment is not None and heard.data.reason == "stock":
        book.shipments[shipment.order_id] = replace(shipment, short_of_stock=short, cause=heard.cause)


def _on_cancelled(heard: Heard[OrderCancelled], book: Book, store: Store) -> None:
    shipment = _newer(heard, book, store)
    if shipment is None or shipment.state not in (ShipmentState.PLACED, ShipmentState.RELEASED):
        return
    book.shipments[shipment.order_id] = replace(shipment, state=ShipmentState.CANCELLED)
    for slot in book.slots_of(shipment.order_id):
        if slot.holds_a_place:
            book.slots[slot.upgrade_id] = replace(slot, state=SlotState.FREED)


def _on_wanted(heard: Heard[m.UpgradeWanted], book: Book, store: Store) -> None:
    said, to = heard.data, heard.data.destination
    if said.upgrade_id not in book.slots:
        book.slots[said.upgrade_id] = Slot(
            said.upgrade_id, said.order_id, said.carrier_service, to.country, to.postcode_prefix, store.now, heard.cause
        )


def _on_granted(heard: Heard[m.UpgradeGranted], book: Book, store: Store) -> None:
    slot = book.slots.get(heard.data.upgrade_id)
    if slot is None or slot.state in (SlotState.WANTED, SlotState.REFUSED):
        store.set_aside(heard, "slot-not-reserved", f"upgrade {heard.data.upgrade_id} is granted, but holds no place")
        return
    shipment = book.shipments.get(slot.order_id)
    if slot.state is not SlotState.RESERVED or shipment is None:
        return
    if shipment.state is not ShipmentState.RELEASED or shipment.labelled:
        _give_up(slot, book, store)
        return
    book.slots[slot.upgrade_id] = replace(slot, state=SlotState.GRANTED)
    book.shipments[slot.order_id] = upgraded(shipment, slot)


def _on_taken_back(heard: Heard[m.UpgradeDeclined | m.UpgradeWithdrawn], book: Book, store: Store) -> None:
    slot = book.slots.get(heard.data.upgrade_id) if heard.data.upgrade_id else None
    if slot is None or slot.state in (SlotState.REFUSED, SlotState.FREED):
        return
    shipment = book.shipments.get(slot.order_id)
    if slot.state is SlotState.GRANTED and shipment is not None:
        if shipment.labelled:
            return
        book.shipments[slot.order_id] = back_to_promise(shipment)
    book.slots[slot.upgrade_id] = replace(slot, state=SlotState.FREED)


_FOLDS: dict[type, Callable[[Heard[Any], Book, Store], None]] = {
    OrderPlaced: _on_placed,
    OrderReleased: _on_released,
    m.OrderHeld: _on_held,
    m.HoldLifted: _on_lifted,
    OrderCancelled: _on_cancelled,
    OrderAmended: _on_amended,
    m.UpgradeWanted: _on_wanted,
    m.UpgradeGranted: _on_granted,
    m.UpgradeDeclined: _on_taken_back,
    m.UpgradeWithdrawn: _on_taken_back,
}


def _newer(heard: Heard[Any], book: Book, store: Store) -> Shipment | None:
    """The shipment with the event's version taken over; None where `_known` is."""
    shipment = _known(heard, book, store)
    if shipment is None:
        return None
    book.shipments[shipment.order_id] = replace(shipment, version=heard.version, cause=heard.cause)
    return book.shipments[shipment.order_id]


def _known(heard: Heard[Any], book: Book, store: Store) -> Shipment | None:
    """The shipment; None when the event is older than what is known, or of an unknown order."""
    shipment = book.shipments.get(heard.data.order_id)
    if shipment is None:
        store.set_aside(heard, "unknown-order", f"{heard.type} of order {heard.data.order_id}, which was never placed here")
        return None
    return shipment if heard.version > shipment.version else None


async def _settle_places(book: Book, store: Store) -> None:
    """Give back the places that were let go, then find one for each want whose order can be judged."""
    wants = [slot for slot in book.slots.values() if slot.state is SlotState.WANTED and not _undecidable(book.shipments.get(slot.order_id))]
    found = {slot.upgrade_id: _departure_of(slot, book, store) for slot in sorted(wants, key=lambda slot: (slot.wanted_at, slot.upgrade_id))}
    freed = [old for old in book.loaded_slots.values() if old.holds_a_place and not book.slots[old.upgrade_id].holds_a_place]
    keys: dict[DepartureKey, int | None] = {(slot.carrier_service, slot.departs_at): _places_of(slot, book) for slot in freed if slot.departs_at}
    for upgrade_id, departure in found.items():
        if isinstance(departure, Departure):
            keys[book.slots[upgrade_id].carrier_service, departure.departs_at] = departure.places
    if keys:
        await store.lock_places(book, keys)
    for slot in freed:
        if slot.departs_at:
            book.places[slot.carrier_service, slot.departs_at].taken -= 1
    for upgrade_id, departure in found.items():
        _settle(book.slots[upgrade_id], departure, book, store)


def _settle(slot: Slot, departure: Departure | SlotRefusal, book: Book, store: Store) -> None:
    if isinstance(departure, SlotRefusal):
        _refuse(slot, departure, book, store)
        return
    places = book.places[slot.carrier_service, departure.departs_at]
    if not places.left:
        _refuse(slot, SlotRefusal.NO_PLACE, book, store)
        return
    places.taken += 1
    book.slots[slot.upgrade_id] = replace(slot, state=SlotState.RESERVED, departs_at=departure.departs_at)
    at = _expected(book.services[slot.carrier_service], slot, departure)
    said = m.UpgradeSlotReserved(slot.order_id, slot.upgrade_id, slot.carrier_service, departure.departs_at, at)
    store.say(said, slot.cause)


def _departure_of(slot: Slot, book: Book, store: Store) -> Departure | SlotRefusal:
    shipment, service = book.shipments[slot.order_id], book.services.get(slot.carrier_service)
    return departure_for(slot, shipment, service, book.is_grounded(shipment), store.now, store.rates)


def _places_of(slot: Slot, book: Book) -> int | None:
    """The places that the schedule gives the departure of a slot that lets go; any number where the schedule has changed since."""
    service = book.services.get(slot.carrier_service)
    if service is None or slot.departs_at is None:
        return None
    return next((departure.places for departure in departures_within(service, slot.departs_at, slot.departs_at, 1)), None)


def _expected(service: CarrierService, slot: Slot, departure: Departure) -> Any:
    lane = lane_for(service, slot.country, slot.postcode_prefix)
    at = expected_at(service, lane, departure.departs_at) if lane else None
    assert at is not None, f"upgrade {slot.upgrade_id} holds a departure without a delivery"
    return at


def _refuse(slot: Slot, reason: SlotRefusal, book: Book, store: Store) -> None:
    book.slots[slot.upgrade_id] = replace(slot, state=SlotState.REFUSED, reason=reason)
    store.say(m.UpgradeSlotRefused(slot.order_id, slot.upgrade_id, reason.value), slot.cause)


def _give_up(slot: Slot, book: Book, store: Store, reason: SlotRefusal = SlotRefusal.TOO_LATE) -> None:
    """A place that can no longer be used goes back, and loyalty hears it: the money is free again."""
    book.slots[slot.upgrade_id] = replace(slot, state=SlotState.FREED, reason=reason)
    said = m.UpgradeSlotRefused(slot.order_id, slot.upgrade_id, reason.value)
    store.say(said, slot.cause)


def _undecidable(shipment: Shipment | None) -> bool:
    """Whether the order is not here yet, or not released."""
    return shipment is None or shipment.state is ShipmentState.PLACED
