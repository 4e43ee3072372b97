"""What the handlers of shipping need from the outside."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from services.fulfilment.domain import WorkEvent
from services.fulfilment.shipping.domain import Rates, Shipment, Slot
from services.fulfilment.shipping.schedule.domain import CarrierService
from services.kit.values import Cause, Heard

DepartureKey = tuple[str, datetime]


@dataclass(slots=True)
class Places:
    """One departure's places while its row is locked. `limit` None: as many as come."""

    limit: int | None
    taken: int

    @property
    def left(self) -> bool:
        return self.limit is None or self.taken < self.limit


@dataclass(slots=True)
class Book:
    """Every state that a batch touches, locked: changed while the batch is folded, written once. `loaded_*` is how it stood."""

    services: Mapping[str, CarrierService]
    shipments: dict[UUID, Shipment]
    slots: dict[UUID, Slot]
    may_fly: frozenset[str] = frozenset()
    """SKUs of these orders that the catalogue lets fly; what it does not list stays on the ground."""
    places: dict[DepartureKey, Places] = field(default_factory=dict)
    aimed: set[UUID] = field(default_factory=set)
    """Orders released without a departure, for which one was found."""
    loaded_shipments: Mapping[UUID, Shipment] = field(init=False)
    loaded_slots: Mapping[UUID, Slot] = field(init=False)

    def __post_init__(self) -> None:
        self.loaded_shipments, self.loaded_slots = dict(self.shipments), dict(self.slots)

    def is_grounded(self, shipment: Shipment) -> bool:
        return not self.may_fly.issuperset(shipment.skus)

    def slots_of(self, order_id: UUID) -> list[Slot]:
        return [slot for slot in self.slots.values() if slot.order_id == order_id]

    def changed_shipments(self) -> list[Shipment]:
        return [shipment for id, shipment in self.shipments.items() if self.loaded_shipments.get(id) != shipment]

    def changed_slots(self) -> list[Slot]:
        return [slot for id, slot in self.slots.items() if self.loaded_slots.get(id) != slot]

    def moved(self) -> dict[UUID, datetime]:
        """Orders whose pick task has another hand-over than the floor was told."""
        changed = ((shipment, self.loaded_shipments.get(shipment.order_id)) for shipment in self.changed_shipments())
        return {
            now.order_id: now.hand_over_by
            for now, was in changed
            if now.hand_over_by and (now.order_id in self.aimed or (was and was.hand_over_by and was.hand_over_by != now.hand_over_by))
        }


class Store(Protocol):
    """The state behind the decisions, in one transaction."""

    @property
    def now(self) -> datetime:
        """The business instant, the same for the whole transaction."""

    @property
    def rates(self) -> Rates:
        """How long work takes."""

    async def open_book(self, order_ids: Collection[UUID], upgrade_ids: Collection[UUID], skus: Collection[str] = ()) -> Book:
        """Shipments and slots of these orders and upgrades, locked in id order, with all carrier services. `skus`: of orders not stored yet."""

    async def lock_places(self, book: Book, wanted: Mapping[DepartureKey, int | None]) -> None:
        """Put these departures into the book, locked in order; the values are the places that the schedule gives each."""

    async def record(self, book: Book) -> None:
        """Write what differs from how it was loaded, and move the pick tasks of the shipments whose hand-over changed."""

    async def see_customers(self, seen: Iterable[tuple[UUID, int, list[Mapping[str, Any]]]]) -> None:
        """Keep the newest addresses of each customer (id, version, addresses)."""

    def say(self, event: WorkEvent, cause: Cause) -> None:
        """Announce an event of the order."""

    def set_aside(self, heard: Heard[Any], reason: str, sentence: str) -> None:
        """Put an event among the dead letters, with its reason."""
