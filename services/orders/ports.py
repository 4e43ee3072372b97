"""What the handlers need of the world: one transaction's store."""

from datetime import datetime
from typing import Any, Protocol

from services.kit.values import Heard
from services.orders.book import Book, Wanted


class Store(Protocol):
    """The state of one transaction."""

    @property
    def now(self) -> datetime:
        """The business instant of everything decided in it."""

    async def load(self, wanted: Wanted) -> Book:
        """Everything named, locked in one order for all, so that two transactions never wait for each other."""

    async def load_waiting(self, limit: int) -> Book:
        """Orders whose items are all listed or whose time is out, in `waiting` and `standings`; early events whose time is out, in `early`."""

    async def record(self, book: Book) -> None:
        """Write what was decided and say what is to be said."""

    def set_aside(self, heard: Heard[Any], reason: str, sentence: str) -> None:
        """Refuse this event of the batch."""
