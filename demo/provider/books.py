"""The provider's books: SQLite, every refund on the disk before it is answered."""

import sqlite3
from pathlib import Path
from typing import Any
from zlib import crc32

_TABLES = """
pragma journal_mode = wal;
pragma synchronous = full;
create table if not exists refunds (
    key text primary key, refund_id text not null, payment_reference text not null, amount_minor integer not null, currency text not null,
    asked integer not null default 1);
"""


class Differs(Exception):
    """The key was used before, for something else."""


class Books:
    """One file. Under one key money moves once."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.executescript(_TABLES)

    def refund(self, key: str, payment_reference: str, amount_minor: int, currency: str) -> dict[str, Any]:
        """What was done under this key, now or before. Raises Differs where the key stands for something else."""
        told = (payment_reference, amount_minor, currency)
        with self._db:
            self._db.execute("begin immediate")
            statement = "insert into refunds values (?, ?, ?, ?, ?, 1) on conflict (key) do update set asked = asked + 1"
            self._db.execute(statement, (key, f"re_{crc32(key.encode()):08x}", *told))
        row = self._row(key)
        assert row is not None, "it was put there just now"
        if (row["payment_reference"], row["amount_minor"], row["currency"]) != told:
            raise Differs(f"the key {key} stands for another refund")
        return _shown(row)

    def find(self, key: str) -> dict[str, Any] | None:
        row = self._row(key)
        return _shown(row) if row is not None else None

    def all(self) -> list[dict[str, Any]]:
        """Every refund, in the order they were made; `asked` is how often."""
        return [dict(row) for row in self._db.execute("select * from refunds order by rowid")]

    def close(self) -> None:
        self._db.close()

    def _row(self, key: str) -> sqlite3.Row | None:
        found: sqlite3.Row | None = self._db.execute("select * from refunds where key = ?", (key,)).fetchone()
        return found


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    return {"refund_id": row["refund_id"], "amount_minor": row["amount_minor"], "currency": row["currency"]}
