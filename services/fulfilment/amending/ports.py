"""What changing an order needs: changes that were asked for, how far the order is on its way out, what there is in place of missing goods, and the
units that are to go back to their bins."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.fulfilment.amending.domain import Amendment, PullBack
from services.fulfilment.floor.domain.task import Item
from services.fulfilment.floor.ports import Who
from services.fulfilment.shipping.domain import Shipment
from services.fulfilment.stock.domain import Instead, Place

Key = tuple[UUID, UUID]
"""The order and the change of it."""


@dataclass(slots=True)
class Changes:
    """What a batch has open of its orders' changes, locked, and what it made of them."""

    known: dict[Key, Amendment]
    shipments: Mapping[UUID, Shipment] = field(default_factory=dict)
    instead: Mapping[Place, Instead] = field(default_factory=dict)
    changed: dict[Key, None] = field(default_factory=dict)
    pulled: list[PullBack] = field(default_factory=list)
    opened: list[UUID] = field(default_factory=list)
    """Parcels whose carton is open again."""

    @property
    def places(self) -> set[Place]:
        """Shelves on which units lie for a change."""
        return {(each.site, part.sku) for each in self.known.values() for part in each.apart}

    def keep(self, amendment: Amendment) -> None:
        """This is what became of the change."""
        self.known[amendment.key] = amendment
        self.changed[amendment.key] = None


class AmendStore(Protocol):
    async def open(self, orders: Collection[UUID], requests: Collection[UUID]) -> Changes:
        """The prepared changes of these orders, and what was answered to these requests, locked. The orders' tasks are."""

    async def look_at(self, changes: Changes, orders: Collection[UUID], places: Collection[Place]) -> None:
        """Put in how far these orders are on their way, locked, and what there is in place of these items. The shelves are locked."""

    async def record(self, changes: Changes) -> None:
        """Write what changed."""


class PullBacks(Protocol):
    @property
    def now(self) -> datetime:
        """The business instant."""

    async def lock(self, pull_back_id: UUID, who: Who) -> PullBack:
        """The pull-back, locked. Raises NotFound, also for one of another site."""

    async def items(self, site: str, code: str) -> Sequence[Item]:
        """All that answer to the code."""

    def put_away(self, done: PullBack, scan_id: UUID) -> None:
        """Its units lie in their bin again, as that scan shows."""
