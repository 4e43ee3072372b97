"""Which rows count what was said of a thing: the state and its events must move by the same commit, version by version."""

from collections.abc import Callable, Mapping

from chaos.auditor.changes import Change, Transaction
from chaos.auditor.register import SERVICES

Thing = tuple[str, str]
"""Topic, and what its versions count: an order, a shelf, a promise."""

COUNTERS: Mapping[str, Callable[[Change], tuple[Thing, int]]] = {
    "orders.orders": lambda row: (("orders.order.v1", row["order_id"]), int(row["said_version"])),
    "orders.customers": lambda row: (("orders.customer.v1", row["customer_id"]), int(row["version"])),
    "fulfilment.work_heads": lambda row: (("fulfilment.work.v1", row["order_id"]), int(row["version"])),
    "fulfilment.shelves": lambda row: (("fulfilment.stock.v1", f"{row['site']}:{row['sku']}"), int(row["version"])),
    "fulfilment.carrier_services": lambda row: (("fulfilment.capacity.v1", row["code"]), int(row["version"])),
    "fulfilment.queue_measures": lambda row: (("fulfilment.capacity.v1", row["site"]), int(row["version"])),
    "loyalty.upgrades": lambda row: (("loyalty.upgrade.v1", row["order_id"]), int(row["version"])),
}
"""Rows that hold the version of the last event said of a thing."""

ENTRIES: Mapping[str, Callable[[Change], tuple[Thing, int]]] = {
    "orders.refusals": lambda row: (("orders.order.v1", row["order_id"]), int(row["version"])),
    "promises.promise_entries": lambda row: (("promises.promise.v1", row["promise_id"]), int(row["seq"])),
}
"""Rows each of which is one event, but for the silent ones."""

SILENT = "evidence"
"""The kind of ledger entries that are not said."""
UNCOUNTED = frozenset({"promises.PromiseDeclined.v1", "promises.AmendmentDated.v1", "promises.AmendmentNotDated.v1"})
"""Events that no row counts. Those of notifications.message.v1 are numbered by a sequence."""


def said_in(transaction: Transaction) -> dict[Thing, list[int]]:
    """The versions of the events that this commit put into outboxes, by what they are said of, in the order of writing."""
    said: dict[Thing, list[int]] = {}
    for service in SERVICES:
        for row in transaction.of(f"{service}.outbox", "INSERT"):
            if row["topic"].startswith(f"{service}.") and service != "notifications" and row["type"] not in UNCOUNTED:
                said.setdefault(thing_of(row), []).append(int(row["version"]))
    return said


def thing_of(row: Change) -> Thing:
    """What an outbox row is said of."""
    return row["topic"], str(row.columns["about" if row["topic"] == "promises.promise.v1" else "key"])


def moved_in(transaction: Transaction, before: dict[Thing, int]) -> dict[Thing, list[int] | None]:
    """The versions by which this commit moved each thing; None where that cannot be told, since the slot never saw it before. `before` is what was
    seen so far, and is brought up to date."""
    moved: dict[Thing, list[int] | None] = {}
    for change in transaction.changes:
        if change.kind == "DELETE":
            continue
        if change.table in ENTRIES and change.columns.get("kind") != SILENT:
            thing, version = ENTRIES[change.table](change)
            moved[thing] = [*(moved.get(thing) or []), version]
            before[thing] = version
        elif change.table in COUNTERS:
            thing, version = COUNTERS[change.table](change)
            last = before.get(thing, 0 if change.kind == "INSERT" else None)
            moved[thing] = None if last is None else [*(moved.get(thing) or []), *range(last + 1, version + 1)]
            before[thing] = version
    return moved
