"""One changed, dropped or added row in a copy of the evidence."""

import gzip
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parents[2] / "data" / "evidence"
"""A true run: a dozen orders, some cancelled, some delivered, one short; repeats, poison, a refusal, a picker with a task in hand."""
AMENDED = RECORDED.parent / "amended_evidence"
"""Another one, of changes: of orders on the shelf, in a picker's hands and packed; agreed, and undone for want of units or of a lane; by a version
that was true no more, and twice under one key; with a cancel that ended one, and one that came behind the end. Refunds were paid, units put away."""

Row = dict[str, Any]
Where = Mapping[str, object]


class Copy:
    """A copy of the recorded evidence. Each of its methods tampers with the first row that fits, and insists that there is one."""

    def __init__(self, folder: Path, recorded: Path = RECORDED) -> None:
        shutil.copytree(recorded, folder)
        self.folder = folder

    def rows(self, file: str) -> list[Any]:
        return [json.loads(line) for line in self._text(file).split("\n") if line]

    def change(self, file: str, where: Where, **columns: object) -> Row:
        rows = self.rows(file)
        row = _first(rows, where)
        row.update(columns)
        self.write(file, rows)
        return row

    def drop(self, file: str, where: Where) -> Row:
        rows = self.rows(file)
        row = _first(rows, where)
        rows.remove(row)
        self.write(file, rows)
        return row

    def add(self, file: str, like: Where, **columns: object) -> Row:
        """One more row, which differs from that one in these columns."""
        rows = self.rows(file)
        row = {**_first(rows, like), **columns}
        self.write(file, [*rows, row])
        return row

    def journal(self, *lines: Row) -> None:
        self.write("journal.jsonl", [*self.rows("journal.jsonl"), *lines])

    def forget(self, **body: object) -> None:
        """Every call with these in its body is gone from the journal."""
        rows = self.rows("journal.jsonl")
        gone = {row["n"] for row in rows if "op" in row and body.items() <= row["body"].items()}
        assert gone, f"no call has {body}"
        self.write("journal.jsonl", [row for row in rows if row["n"] not in gone])

    def answer(self, op: str, change: Callable[[Row], None], *, every: bool = False, **body: object) -> None:
        """Change the answer of the first call with this op and body, or of every one."""
        rows = self.rows("journal.jsonl")
        asked = [row["n"] for row in rows if row.get("op") == op and body.items() <= row["body"].items()]
        for number in asked if every else asked[:1]:
            change(_first(rows, {"n": number, "op": None}))
        assert asked, f"no {op} has {body}"
        self.write("journal.jsonl", rows)

    def record(self, topic: str, type: str, change: Callable[[Row], None], *, last: bool = False) -> None:
        """Change the first record of this type, or the last."""
        rows = self.rows(f"records/{topic}.jsonl.gz")
        found = [row for row in rows if ["ce_type", type] in row["headers"]]
        change(found[-1 if last else 0])
        self.write(f"records/{topic}.jsonl.gz", rows)

    def say_again(self, topic: str, like: str, id: str, *, version: int, type: str | None = None, key: str | None = None, **data: object) -> None:
        """One more record, at the end of its partition: the first of the type `like`, with an id, a version and data of its own."""
        rows = self.rows(f"records/{topic}.jsonl.gz")
        first = next(row for row in rows if ["ce_type", like] in row["headers"])
        end = max(row["offset"] for row in rows if row["partition"] == first["partition"]) + 1
        told = {"offset": end, "key": key or first["key"], "value": json.dumps({**json.loads(first["value"]), **data})}
        headers = _with(first["headers"], ce_id=id, ce_aggregateversion=str(version), ce_type=type or like)
        self.write(f"records/{topic}.jsonl.gz", [*rows, {**first, **told, "headers": headers}])

    def slot_line(self, *parts: str, change: Callable[[str], str | None], last: bool = False) -> None:
        """Change the first line of the slot in which all of these stand, or the last; None drops it."""
        rows = self.rows("changes.jsonl.gz")
        found = [number for number, (_, text) in enumerate(rows) if all(part in text for part in parts)]
        assert found, f"the slot never said {parts}"
        number = found[-1 if last else 0]
        text = change(rows[number][1])
        assert text != rows[number][1], "nothing was changed"
        rows[number : number + 1] = [] if text is None else [[rows[number][0], text]]
        self.write("changes.jsonl.gz", rows)

    def without_slot(self) -> None:
        """As if none had been opened: for what the slot would notice first."""
        (self.folder / "slot.json").unlink()

    def _text(self, file: str) -> str:
        content = (self.folder / file).read_bytes()
        return (gzip.decompress(content) if file.endswith(".gz") else content).decode()

    def write(self, file: str, rows: list[Any]) -> None:
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        (self.folder / file).write_bytes(gzip.compress(content, 1) if file.endswith(".gz") else content)


def header(name: str, value: str) -> Callable[[Row], None]:
    """Sets one header of a record."""

    def change(row: Row) -> None:
        row["headers"] = _with(row["headers"], **{name: value})

    return change


def value(**data: object) -> Callable[[Row], None]:
    """Sets these in a record's data."""

    def change(row: Row) -> None:
        row["value"] = json.dumps({**json.loads(row["value"]), **data}, separators=(",", ":"))

    return change


def _with(headers: list[list[str]], **more: str) -> list[list[str]]:
    return [[name, more.get(name, content)] for name, content in headers]


def _first(rows: list[Row], where: Where) -> Row:
    """A column that is to be None must be so, or missing."""
    return next(row for row in rows if all(row.get(name) == wanted for name, wanted in where.items()))
