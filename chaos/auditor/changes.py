"""What the logical slot said, as transactions: which rows were written together, in the order of the commits.

Of the tables in `WATCHED` the new rows are kept, their columns as text (None for null); deletes carry the key alone. Of an event in an outbox is
kept what it is about, and a digest of its bytes instead of these.
"""

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from chaos.auditor.messagepack import headers_of
from chaos.auditor.records import read
from chaos.auditor.register import SERVICES

_OUTBOX, _INBOX = ("event_id", "topic", "key", "type", "payload", "headers"), ("event_id",)
WATCHED: Mapping[str, tuple[str, ...]] = {
    **{f"{service}.outbox": _OUTBOX for service in SERVICES},
    **{f"{service}.inbox": _INBOX for service in SERVICES},
    "orders.orders": ("order_id", "said_version", "work_version"),
    "orders.refusals": ("order_id", "version"),
    "orders.customers": ("customer_id", "version"),
    "orders.promises_view": ("promise_id",),
    "fulfilment.work_heads": ("order_id", "version"),
    "fulfilment.shelves": ("site", "sku", "version"),
    "fulfilment.bins": ("site", "sku", "bin", "on_hand", "reserved"),
    "fulfilment.wants": ("order_id", "heard_version"),
    "fulfilment.pick_tasks": ("task_id", "order_id", "fence", "claimed_by", "lease_until"),
    "fulfilment.scans": ("scan_id", "task_id", "fence", "verdict", "scanned_by"),
    "fulfilment.carrier_services": ("code", "version"),
    "fulfilment.queue_measures": ("site", "version"),
    "promises.promise_entries": ("promise_id", "seq", "kind"),
    "promises.orders_view": ("order_id",),
    "loyalty.upgrades": ("order_id", "version"),
    "loyalty.orders_view": ("order_id", "version"),
    "notifications.messages": ("message_id", "state"),
}
"""Table -> the columns that are kept of its rows."""

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
    wanted = WATCHED.get(name)
    if wanted is None:
        return None
    if columns.startswith("old-key: "):
        columns = columns[columns.index(_NEW) + len(_NEW) :]
    kept = {column[1]: _value(column[3]) for column in _COLUMN.finditer(columns) if column[1] in wanted}
    return Change(name, kind, _event(kept) if wanted is _OUTBOX and kind == "INSERT" else kept)


def _event(row: Columns) -> Columns:
    """What is kept of an outbox row: `about` is the message or promise in its data, `version` its aggregate's, `digest` that of its record."""
    key, payload = (None if row[name] is None else bytes.fromhex(str(row[name])[2:]) for name in ("key", "payload"))
    headers = headers_of(bytes.fromhex(str(row["headers"])[2:]))
    record = read(str(row["topic"]), 0, 0, key, payload, headers)
    data = record.data
    about = data.get("message_id") or data.get("promise_id")
    named = {name: row[name] for name in ("event_id", "topic", "type")}
    return {**named, "key": None if key is None else key.decode("latin-1"), "about": about, "version": str(record.version), "digest": record.digest}


def _value(text: str) -> str | None:
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    return None if text == "null" else text
