"""The carrier's books: SQLite, every entry on the disk before it is answered."""

import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zlib import crc32

_TABLES = """
pragma journal_mode = wal;
pragma synchronous = full;
create table if not exists labels (
    carrier text, reference text, request text, tracking_number text unique, void integer default 0, manifest_id text,
    primary key (carrier, reference));
create table if not exists manifests (
    carrier text, manifest_id text, request text, confirmation text, taken_at text, primary key (carrier, manifest_id));
create table if not exists scans (
    event_id text primary key, carrier text, tracking_number text, kind text, at text, sent integer default 0);
create index if not exists scans_due on scans (at) where not sent;
"""


class Differs(Exception):
    """The key was used before, for something else."""


class Refused(Exception):
    """What was asked for cannot be done, and why."""


class Books:
    """One file. Everything is either written whole or not at all."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.executescript(_TABLES)

    def buy(self, carrier: str, reference: str, request: dict[str, Any]) -> dict[str, Any]:
        """The label of this reference. Raises Differs where the reference stands for another request, Refused where it was voided."""
        told = json.dumps(request, sort_keys=True)
        with self._db:
            self._db.execute("begin immediate")
            count = self._db.execute("select count(*) from labels").fetchone()[0]
            number = f"K{carrier[:2].upper()}{count:08d}{crc32(reference.encode()) % 10}"
            self._db.execute("insert or ignore into labels values (?, ?, ?, ?, 0, null)", (carrier, reference, told, number))
            row = self._label(carrier, reference)
        if row is None or row["request"] != told:
            raise Differs(f"reference {reference} stands for another parcel")
        if row["void"]:
            raise Refused(f"the label {reference} was voided: ask under another reference")
        return _shown(row)

    def find(self, carrier: str, reference: str) -> dict[str, Any] | None:
        """The label, None where there is none or it was voided."""
        row = self._label(carrier, reference)
        return _shown(row) if row is not None and not row["void"] else None

    def void(self, carrier: str, reference: str) -> bool:
        """Whether there was such a label; it is not charged any more. Raises Refused once it is on a manifest."""
        row = self._label(carrier, reference)
        if row is None:
            return False
        if row["manifest_id"]:
            raise Refused("the parcel is on a manifest already: have it intercepted")
        self._db.execute("update labels set void = 1 where carrier = ? and reference = ?", (carrier, reference))
        return True

    def manifest(
        self, carrier: str, manifest_id: str, request: dict[str, Any], taken_at: datetime, scans: Sequence[tuple[str, str, datetime]]
    ) -> str:
        """The confirmation, with the scans (number, kind, at) planned. Raises Differs, and Refused for numbers that are not sold here."""
        told, confirmation = json.dumps(request, sort_keys=True), f"CONF-{manifest_id[-12:].upper()}"
        numbers = list(request["tracking_numbers"])
        with self._db:
            self._db.execute("begin immediate")
            present = self._db.execute("select * from manifests where carrier = ? and manifest_id = ?", (carrier, manifest_id)).fetchone()
            if present is not None:
                if present["request"] != told:
                    raise Differs(f"manifest {manifest_id} was transmitted with other parcels: a manifest is never amended")
                return str(present["confirmation"])
            for number in numbers:
                statement = "update labels set manifest_id = ? where carrier = ? and tracking_number = ? and not void and manifest_id is null"
                if not self._db.execute(statement, (manifest_id, carrier, number)).rowcount:
                    raise Refused(f"{number} is no label sold here, is void, or is on another manifest")
            self._db.execute("insert into manifests values (?, ?, ?, ?, ?)", (carrier, manifest_id, told, confirmation, _text(taken_at)))
            rows = [(f"evt_{number}_{kind}", carrier, number, kind, _text(at)) for number, kind, at in scans]
            self._db.executemany("insert into scans (event_id, carrier, tracking_number, kind, at) values (?, ?, ?, ?, ?)", rows)
        return confirmation

    def requests(self, carrier: str, numbers: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What was asked for when these labels were sold, by tracking number."""
        rows = self._db.execute("select tracking_number, request from labels where carrier = ?", (carrier,))
        wanted = set(numbers)
        return {row["tracking_number"]: json.loads(row["request"]) for row in rows if row["tracking_number"] in wanted}

    def due(self, now: datetime, limit: int = 100) -> list[dict[str, Any]]:
        """Scans that happened and were not told yet, the oldest first."""
        rows = self._db.execute("select * from scans where not sent and at <= ? order by at, event_id limit ?", (_text(now), limit))
        return [dict(row) for row in rows]

    def told(self, event_id: str) -> None:
        self._db.execute("update scans set sent = 1 where event_id = ?", (event_id,))

    def next_at(self) -> str | None:
        """When the next scan is to be told; None when all are."""
        found = self._db.execute("select min(at) from scans where not sent").fetchone()[0]
        return str(found) if found else None

    def counts(self) -> dict[str, int]:
        """What stands in the books, to be compared with the customer's."""
        ask = {
            "labels": "select count(*) from labels where not void",
            "void": "select count(*) from labels where void",
            "manifests": "select count(*) from manifests",
            "manifested": "select count(*) from labels where manifest_id is not null",
            "delivered": "select count(*) from scans where kind = 'delivered' and sent",
            "untold": "select count(*) from scans where not sent",
        }
        return {name: int(self._db.execute(statement).fetchone()[0]) for name, statement in ask.items()}

    def close(self) -> None:
        self._db.close()

    def _label(self, carrier: str, reference: str) -> sqlite3.Row | None:
        found: sqlite3.Row | None = self._db.execute("select * from labels where carrier = ? and reference = ?", (carrier, reference)).fetchone()
        return found


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    request, number = json.loads(row["request"]), row["tracking_number"]
    price = request["terms"]["label"]
    to = request["to"]
    lines = [to["name"], to["line1"], to["line2"], f"{to['city']} {to['region'] or ''} {to['postcode']}", to["country"]]
    text = "".join(f"^FO40,{80 + 50 * at}^FH^FD{_zpl(line)}^FS" for at, line in enumerate(filter(None, lines)))
    zpl = f"^XA^CI28^CF0,40{text}^FO40,400^BY3^BCN,120,Y^FD{number}^FS^FO40,600^FD{_zpl(request['carrier_service'])}^FS^XZ"
    return {"tracking_number": number, "barcode": number, "zpl": zpl, "price_minor": price["amount_minor"], "currency": price["currency"]}


def _zpl(text: str) -> str:
    """Text in a ZPL field: what the printer would take for a command is written in hexadecimal."""
    return "".join(f"_{ord(character):02X}" if character in "^~_\\" else character for character in text)


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds")
