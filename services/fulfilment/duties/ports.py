"""What holding goods and places needs: the holds themselves, and the floor, the shelves and the departures of one transaction."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from services.fulfilment.duties.domain import Hold, HoldState
from services.fulfilment.floor.domain.task import Pace
from services.fulfilment.floor.ports import FloorStore
from services.fulfilment.shipping.ports import Store
from services.fulfilment.stock.ports import StockStore


class HoldBook(Protocol):
    async def find(self, promise_id: UUID) -> Hold | None:
        """What is held for the promise; nobody else holds for it until the commit."""

    async def of_promises(self, ids: Collection[UUID]) -> list[Hold]:
        """Of these promises, locked, in the order of their orders."""

    async def add(self, hold: Hold) -> None: ...

    def put(self, ids: Sequence[UUID], state: HoldState) -> None:
        """These are in this state from now on."""

    async def site_of(self, order_id: UUID) -> str | None:
        """Where the order is picked."""

    async def goods_at(self, order_id: UUID, site: str) -> datetime | None:
        """From when on the order's own goods are there: now where all are set apart, None where nobody said when what it lacks comes."""

    async def instead(self, site: str, sku: str, quantity: int, now: datetime) -> dict[str, list[dict[str, Any]]]:
        """What could be promised in place of goods that are not there: what is as good, and when more comes."""


class House(Protocol):
    """The stores of one unit of work."""

    @property
    def holds(self) -> HoldBook: ...

    @property
    def floor(self) -> FloorStore: ...

    @property
    def stock(self) -> StockStore: ...

    @property
    def shipping(self) -> Store: ...

    @property
    def pace(self) -> Pace:
        """How long picking takes."""

    async def give_back(self, places: Sequence[tuple[str, datetime]]) -> None:
        """These places on departures are free again."""
