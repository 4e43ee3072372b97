"""Shipping's ports, kept in memory."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from services.fulfilment.domain import WorkEvent
from services.fulfilment.shipping.domain import Rates, Shipment, Slot
from services.fulfilment.shipping.ports import Book, DepartureKey, Places
from services.fulfilment.shipping.schedule.domain import CarrierService
from services.kit.values import Cause, Heard
from tests.unit.fulfilment_shipping.build import NOW, ground, service


class FakeStore:
    """`shipping.ports.Store`. `said`, `moved` and `aside` are what the world would see."""

    def __init__(self, *services: CarrierService) -> None:
        self.now, self.rates = NOW, Rates()
        self.services = {each.code: each for each in services or (service(), ground())}
        self.shipments: dict[UUID, Shipment] = {}
        self.slots: dict[UUID, Slot] = {}
        self.taken: dict[DepartureKey, int] = {}
        self.customers: dict[UUID, tuple[int, list[Mapping[str, Any]]]] = {}
        self.may_fly = {"85123A"}
        self.said: list[WorkEvent] = []
        self.moved: dict[UUID, datetime] = {}
        self.aside: list[str] = []

    async def open_book(self, order_ids: Collection[UUID], upgrade_ids: Collection[UUID], skus: Collection[str] = ()) -> Book:
        shipments = {id: shipment for id, shipment in self.shipments.items() if id in order_ids}
        slots = {id: slot for id, slot in self.slots.items() if id in upgrade_ids or slot.order_id in order_ids}
        asked = {sku for shipment in shipments.values() for sku in shipment.skus}.union(skus)
        return Book(self.services, shipments, slots, frozenset(asked & self.may_fly))

    async def lock_places(self, book: Book, wanted: Mapping[DepartureKey, int | None]) -> None:
        book.places.update({key: Places(limit, self.taken.get(key, 0)) for key, limit in wanted.items()})

    async def record(self, book: Book) -> None:
        self.moved |= book.moved()
        self.shipments |= book.shipments
        self.slots |= book.slots
        self.taken |= {key: places.taken for key, places in book.places.items()}

    async def see_customers(self, seen: Iterable[tuple[UUID, int, list[Mapping[str, Any]]]]) -> None:
        for customer_id, version, addresses in seen:
            if version > self.customers.get(customer_id, (0, []))[0]:
                self.customers[customer_id] = (version, addresses)

    def say(self, event: WorkEvent, cause: Cause) -> None:
        self.said.append(event)

    def set_aside(self, heard: Heard[Any], reason: str, sentence: str) -> None:
        self.aside.append(reason)
