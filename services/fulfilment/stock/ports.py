"""What the stock handlers need: the books of one unit of work, opened under lock and recorded once."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from services.fulfilment.domain import ItemListed, Says
from services.fulfilment.stock.domain import Movement, Place, Shelf, Want, move
from services.kit.values import Cause


@dataclass(slots=True)
class Books:
    """The shelves and wants that a unit of work has locked, as they are after what it decided so far."""

    shelves: dict[Place, Shelf]
    wants: dict[UUID, Want]
    earmarked: Counter[Place] = field(default_factory=Counter)
    """Units that wait for wants which are ripe: no later order may take them."""
    movements: list[Movement] = field(default_factory=list)
    causes: dict[Place, Cause] = field(default_factory=dict)
    changed: dict[UUID, None] = field(default_factory=dict)
    """Orders whose want is to be written."""
    loaded: Mapping[UUID, Want] = field(init=False)
    """The wants as they stood."""

    def __post_init__(self) -> None:
        self.loaded = dict(self.wants)

    def shelf(self, place: Place) -> Shelf:
        found = self.shelves.get(place)
        if found is None:
            found = self.shelves[place] = Shelf(*place)
        return found

    def apply(self, movements: Iterable[Movement], cause: Cause) -> None:
        """Move the units, remember why."""
        for movement in movements:
            place = (movement.site, movement.sku)
            self.shelves[place] = move(self.shelf(place), movement)
            self.movements.append(movement)
            self.causes[place] = cause

    def keep(self, want: Want) -> None:
        """This is what the order needs and has now."""
        self.wants[want.order_id] = want
        self.changed[want.order_id] = None


class StockStore(Says, Protocol):
    async def open(self, orders: Iterable[UUID], places: Iterable[Place] = (), read: Iterable[UUID] = ()) -> Books:
        """Lock the shelves of these orders and places, sorted, and read them with the orders' wants and parts; of `read` only the wants and parts."""

    async def record(self, books: Books) -> None:
        """Write what changed, each table once, and say StockChanged once per shelf."""

    async def list_items(self, items: Sequence[tuple[ItemListed, int]]) -> None:
        """Keep the newest version of each item."""

    async def book_paper(self, paper_id: UUID, kind: str, content: Mapping[str, Any], by: str) -> bool:
        """False when this very paper was booked before. Raises IdReused when the id stands for another content."""

    async def unknown(self, skus: Iterable[str]) -> list[str]:
        """Which of them the catalogue does not list, sorted."""
