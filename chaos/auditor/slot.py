"""A logical slot: what PostgreSQL itself says was committed together, in the order of the commits (plugin test_decoding, `wal_level=logical`).

Open it before the load; it keeps the write-ahead log until it is closed, so that any number of collects see all of it, also after crashes.
"""

import gzip
import json
from pathlib import Path
from typing import Any, LiteralString

import psycopg

SLOT = "kept_audit"

_OPEN: LiteralString = """
select slot_name, lsn::text, clock_timestamp()::text from pg_create_logical_replication_slot(%s, 'test_decoding')"""
_SAID: LiteralString = """
copy (
    select xid::text, data from pg_logical_slot_peek_changes('kept_audit', null, null, 'include-timestamp', '1', 'skip-empty-xacts', '1')
) to stdout"""


def open_slot(database: str, folder: Path) -> None:
    """Open the slot, and note its beginning in `slot.json` of the evidence folder. `database` is the administrator's address.

    Raises psycopg.Error where the server's `wal_level` is not logical, or the slot is open already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with psycopg.connect(database, autocommit=True) as connection:
        row = connection.execute(_OPEN, (SLOT,)).fetchone()
    assert row is not None
    (folder / "slot.json").write_text(json.dumps(dict(zip(("slot", "lsn", "opened_at"), row, strict=True))) + "\n")


def close_slot(database: str) -> None:
    """Drop the slot, so that the server may forget its log. May be called where there is none."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s", (SLOT,))


def save_changes(connection: "psycopg.Connection[Any]", file: Path) -> int:
    """Write every line that the slot says, as JSON `[xid, text]`. Returns how many."""
    count = 0
    with gzip.open(file, "wt", compresslevel=1, encoding="utf-8") as out, connection.cursor() as cursor, cursor.copy(_SAID) as copy:
        for row in copy.rows():
            out.write(json.dumps(row) + "\n")
            count += 1
    return count
