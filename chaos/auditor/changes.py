"""What the logical slot said, as transactions: which rows were written together, in the order of the commits.

Of the tables in `WATCHED` the new rows are kept, their columns as text (None for null); deletes carry the key alone.
"""

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

WATCHED = frozenset({
    "orders.inbox", "orders.outbox", "orders.orders", "orders.refusals", "orders.customers", "orders.promises_view",
    "fulfilment.inbox", "fulfilment.outbox", "fulfilment.work_heads", "fulfilment.shelves", "fulfilment.bins", "fulfilment.wants",
    "fulfilment.pick_tasks", "fulfilment.scans", "fulfilment.carrier_services", "fulfilment.queue_measures",
    "promises.inbox", "promises.outbox", "promises.promise_entries", "promises.orders_view",
    "loyalty.inbox", "loyalty.outbox", "loyalty.upgrades", "loyalty.orders_view",
    "notifications.inbox", "notifications.outbox", "notifications.messages",
})  # fmt: skip

_ROW = re.compile(r"^table ([a-z_]+)\.([a-z_0-9]+): (INSERT|UPDATE|DELETE): (.*)$", re.DOTALL)
_COLUMN = re.compile(r"\"?([a-z_0-9]+)\"?\[((?:[^\[\]]|\[\])+)\]:('(?:[^']|'')*'|[^ ]+)")
_PARTITION = re.compile(r"^inbox_(default|[0-9]{8})$")
_COMMIT = re.compile(r"^COMMIT [0-9]+ \(at (.+)\)$")
_NEW = " new-tuple: "

Columns = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Change:
    """One row written. `table` is schema.table, partitions of an inbox under the inbox's name; `kind` is INSERT, UPDATE or DELETE."""

    table: str
    kind: str
    columns: Columns

    def __getitem__(self, column: str) -> str:
        """A column that is never null. Raises KeyError where it is."""
        value = self.columns.get(column)
        if value is None:
            raise KeyError(f"{self.table} {self.kind} has no {column}")
        return value


@dataclass(slots=True)
class Transaction:
    """Everything one commit wrote to the watched tables, in the order of writing. `at` is the commit's instant by the server's clock."""

    xid: str
    at: datetime
    changes: list[Change] = field(default_factory=list)

    def of(self, table: str, *kinds: str) -> Iterator[Change]:
        """The changes of this table, of these kinds or of any."""
        return (change for change in self.changes if change.table == table and (not kinds or change.kind in kinds))

    @property
    def services(self) -> set[str]:
        """The schemas that it wrote to: one, always."""
        return {change.table.partition(".")[0] for change in self.changes}


def transactions_in(file: Path) -> Iterator[Transaction]:
    """Those that wrote to a watched table, in the order of their commits."""
    changes: list[Change] = []
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            xid, text = json.loads(line)
            if text.startswith("table "):
                if (change := change_in(text)) is not None:
                    changes.append(change)
            elif committed := _COMMIT.match(text):
                if changes:
                    yield Transaction(xid, datetime.fromisoformat(committed[1]), changes)
                changes = []


def change_in(text: str) -> Change | None:
    """The change of one line; None for a table that is not watched."""
    row = _ROW.match(text)
    if row is None:
        return None
    schema, table, kind, columns = row.groups()
    name = f"{schema}.{'inbox' if _PARTITION.match(table) else table}"
    if name not in WATCHED:
        return None
    if columns.startswith("old-key: "):
        columns = columns[columns.index(_NEW) + len(_NEW) :]
    return Change(name, kind, {column[1]: _value(column[3]) for column in _COLUMN.finditer(columns)})


def _value(text: str) -> str | None:
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    return None if text == "null" else text
