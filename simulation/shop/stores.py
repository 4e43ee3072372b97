"""What the shop's handlers stand on: the stores in the fake PostgreSQL, or the services' own. And their tables, as the handlers see them."""

from dataclasses import replace
from typing import Any, Protocol
from uuid import UUID

from services.fulfilment.amending.store import AmendSql
from services.fulfilment.floor.store import FloorSql
from services.fulfilment.settings import fulfilment_settings
from services.fulfilment.shipping.store import ShippingStore
from services.fulfilment.stock.domain import Kind, Movement
from services.fulfilment.stock.store import StockSql
from services.fulfilment.work import WorkLog
from services.kit.database import Transaction
from services.kit.values import Cause
from services.orders.book import Wanted
from services.orders.store import PostgresStore
from simulation.databases import FakeDatabases, Tables
from simulation.real import RealDatabases
from simulation.shop.fulfilment import SimulatedAmends, SimulatedFloor, SimulatedStock
from simulation.shop.orders import SimulatedOrders


class Stores(Protocol):
    """Made anew for each transaction."""

    def orders(self, work: Transaction) -> Any: ...
    def stock(self, work: Transaction, log: WorkLog) -> Any: ...
    def floor(self, work: Transaction, log: WorkLog) -> Any: ...
    def amends(self, work: Transaction, log: WorkLog) -> Any: ...

    def pending(self) -> int:
        """Orders that wait for their items, events that wait for their order, wants to be tried again."""

    def tables(self) -> Tables:
        """What is committed."""


class FakeStores:
    """On the fake PostgreSQL."""

    def __init__(self, databases: FakeDatabases) -> None:
        self._servers, self._databases = databases.servers, databases

    def orders(self, work: Transaction) -> SimulatedOrders:
        return SimulatedOrders(work)

    def stock(self, work: Transaction, log: WorkLog) -> SimulatedStock:
        return SimulatedStock(work, log)

    def floor(self, work: Transaction, log: WorkLog) -> SimulatedFloor:
        return SimulatedFloor(work, log)

    def amends(self, work: Transaction, log: WorkLog) -> SimulatedAmends:
        return SimulatedAmends()

    def pending(self) -> int:
        orders, ripe = self._servers["orders"], [want for want in self._servers["fulfilment"].rows("wants") if want.ripe]
        return len(orders.rows("waiting")) + len(orders.rows("early")) + len(ripe)

    def tables(self) -> Tables:
        return self._databases.tables


class RealStores:
    """On the services' own stores."""

    def __init__(self, databases: RealDatabases) -> None:
        self._servers = databases.servers

    def orders(self, work: Transaction) -> PostgresStore:
        return PostgresStore(work)

    def stock(self, work: Transaction, log: WorkLog) -> StockSql:
        return StockSql(work, log)

    def floor(self, work: Transaction, log: WorkLog) -> FloorSql:
        return FloorSql(work, log, fulfilment_settings().lease)

    def amends(self, work: Transaction, log: WorkLog) -> AmendSql:
        return AmendSql(work, ShippingStore(work, log))

    def pending(self) -> int:
        orders = self._servers["orders"].ask("select (select count(*) from waiting_orders) + (select count(*) from early_events)")[0][0]
        return int(orders + self._servers["fulfilment"].ask("select count(*) from wants where ripe")[0][0])

    def tables(self) -> Tables:
        told = {name: {"dead_letters": self._letters(name)} for name in self._servers}
        return {**told, "orders": told["orders"] | self._orders(), "fulfilment": told["fulfilment"] | self._fulfilment()}

    def _letters(self, service: str) -> dict[Any, Any]:
        rows = self._servers[service].ask("select * from dead_letters")
        return {(row["topic"], row["partition"], row["offset"]): dict(row) for row in rows}

    def _orders(self) -> dict[str, dict[Any, Any]]:
        server = self._servers["orders"]
        ids = {row[0] for row in server.ask("select order_id from orders")}
        book = _once(server, lambda work: PostgresStore(work).load(Wanted(order_ids=ids)))
        refused = server.ask("select order_id, version, external_ref from refusals")
        return {"orders": book.orders, "refusals": {(row["order_id"], row["version"]): row["external_ref"] for row in refused}}

    def _fulfilment(self) -> dict[str, dict[Any, Any]]:
        server = self._servers["fulfilment"]
        ids = {row[0] for row in server.ask("select order_id from wants")}
        places = {(row["site"], row["sku"]) for row in server.ask("select site, sku from shelves")}
        books = _once(server, lambda work: StockSql(work, WorkLog(work)).open(ids, places))
        tasks = _once(server, lambda work: self.floor(work, WorkLog(work)).of_orders(ids))
        rows = server.ask("select id, kind, site, sku, bin, on_hand, reserved, order_id from stock_movements")
        moved = {row["id"]: Movement(Kind(row["kind"]), row["site"], row["sku"], row["bin"], row["on_hand"], row["reserved"]) for row in rows}
        return {"wants": books.wants, "shelves": books.shelves, "tasks": tasks, "movements": moved}


def comparable(tables: Tables) -> dict[str, Any]:
    """What must be equal on the fake and on the real one: rows that have an order by chance are sorted, and the random part of an event's id is not
    told."""
    orders, fulfilment = tables["orders"], tables["fulfilment"]
    return {
        "orders": dict(orders.get("orders", {})),
        "refusals": sorted(orders.get("refusals", {})),
        "wants": {id: replace(want, parts=tuple(sorted(want.parts, key=str)), cause=_A_CAUSE) for id, want in fulfilment.get("wants", {}).items()},
        "shelves": {place: replace(shelf, bins=tuple(sorted(shelf.bins, key=str))) for place, shelf in fulfilment.get("shelves", {}).items()},
        "tasks": dict(fulfilment.get("tasks", {})),
        "letters": sorted(
            (name, str(letter["event_id"]), letter["kind"], letter["reason"], letter["topic"], letter["partition"], letter["offset"])
            for name, each in tables.items()
            for letter in each.get("dead_letters", {}).values()
        ),
    }


_A_CAUSE = Cause(UUID(int=0), UUID(int=0), "")


def _once(server: Any, do: Any) -> Any:
    """The answer of a store, read in a transaction of its own."""
    connection = server.open()

    async def read() -> Any:
        async with connection.transaction():
            return await do(Transaction(connection, None, "/simulation"))  # type: ignore[arg-type]  # nothing is decided: it has no instant

    try:
        return server.run(read())
    finally:
        server.idle.append(connection)
