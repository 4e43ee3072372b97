"""The evidence of one run: a folder that can be audited at any time, with no server there.

    about.json                          {"topic_prefix", "collected_at", "services"}
    topics.toml                         the register of topics, as it was
    records/TOPIC.jsonl.gz              every record: {"partition", "offset", "key", "value", "headers": [[name, value], ..]}, bytes as Latin-1
    offsets.jsonl                       {"group", "topic", "partition", "first", "end", "committed"}: committed is null before the first commit
    tables/SCHEMA.TABLE.jsonl.gz        every row of every table, as PostgreSQL's row_to_json writes it
    slot.json, changes.jsonl.gz         what the logical slot said, where one was opened (chaos/auditor/slot.py)
    mails.jsonl                         {"message_id", "to", "subject"} of every mail that the mail server took, where its folder was given
    payments.jsonl                      {"key", "payment_reference", "amount_minor", "currency"} of all that the payment provider gave back, likewise
    journal.jsonl                       the load client's journal, as it lies
    timeline.jsonl                      the faults, as they lie

Topics and groups stand without the stack's prefix.

**The journal** is written by the load client and fsync'd: one line before anything is sent, one after. A line that was cut off by a kill is the
last one and is passed over; a call without a second line is `unknown`.

    {"n": 17, "at": "2026-11-22T04:58:00.123Z", "op": "place", "via": "http", "key": "...", "order_id": "...", "body": {..}}
    {"n": 17, "at": "2026-11-22T04:58:00.187Z", "outcome": "ok", "status": 201, "answer": {..}}

`n` names the call. `via` is `topic` or `http`. `key` is the event's id (ce_id) on the topic, the idempotency key over HTTP; a repeated call has a new
`n` and the old `key`. `outcome`: **ok**, it was done (2xx; the broker acknowledged); **fail**, it was certainly not done (4xx, 503 with Retry-After,
connection refused, 204 of a claim that found nothing); **unknown**, anything else. `answer` is the body of an HTTP answer, or
`{"topic", "partition", "offset"}`. Every call of these is journalled, the opening of the house included:

    place     body: the data of OrderSubmitted, over HTTP too
    cancel    body: {"channel", "external_ref"} on the topic; over HTTP `order_id` beside the key
    claim     body: {"claim_id", "picker"}                              answer: the task
    scan      body: {"scan_id", "task_id", "fence", "picker"}, or {"scans": [{"scan_id"}, ..], "task_id", "fence", "picker"}
    short     body: {"report_id", "task_id", "fence", "picker"}
    pack      body: {"parcel_id", "task_id", "fence", "picker"}; likewise `unpack`
    amend     body: as it was sent, with a reason that no other request has; `order_id` and `if_match` beside the key   answer: the amendment
    put_away  body: {"scan_id"}
    receipt   body: {"receipt_id", "site", "lines": [{"sku", "bin", "quantity"}, ..]}; a count of a bin is `count` with {"count_id"}
    poison    body: {"topic", "sha256"}: of the value's bytes, of no bytes for null. Such a record is to be set aside wherever it is heard.
    repeat    body: {"topic", "event_id"}: a record put on its topic again. Nothing may come of it.

Any other op (`list`, `pay`, `hand_over` ..) is kept for people to read. An event that must be set aside although it is none of `poison` has
`"expect": "dead_letter"` beside its op, and `"services": [..]` where that is true of some of those that hear it (a failpoint in one of them).

**The timeline** is written by whoever makes the faults: {"at", "row", "fault", "target", "event": "began|ended|recovered", "seconds"}. `row` is the
fault's number, `target` a process (`orders-worker-1`), a server (`postgres`, `kafka`, `kafka-2`), or anything else: a link, a topic. What befell a
process or a server ends with `recovered`, which has in `seconds` how long it was still away after the fault had ended: until a process answers
/readyz with 200, PostgreSQL a query, a broker a produce. A target that is hit again before it recovered recovers once, from the last hit.
"""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from chaos.auditor.changes import Transaction, transactions_in
from chaos.auditor.journal import Call, calls_in
from chaos.auditor.records import Record, bytes_of, read
from chaos.auditor.register import Topic, topics_in

Row = dict[str, Any]


class Incomplete(Exception):
    """The folder is no evidence: one sentence that names what is missing."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far one consumer group (a service) has read one partition. The end is the offset that the next record gets."""

    service: str
    topic: str
    partition: int
    first: int
    end: int
    committed: int | None

    @property
    def where(self) -> str:
        return f"{self.service} at {self.topic}[{self.partition}]"


class Evidence:
    """Everything of one folder, read when it is asked for and then kept. Raises Incomplete where the folder lacks what no run is without."""

    def __init__(self, folder: Path) -> None:
        missing = [name for name in ("about.json", "topics.toml", "offsets.jsonl", "journal.jsonl") if not (folder / name).exists()]
        if missing:
            raise Incomplete(f"{folder} is no evidence of a run: {', '.join(missing)} is missing")
        self.folder = folder
        self._tables: dict[str, list[Row]] = {}

    @cached_property
    def topics(self) -> Mapping[str, Topic]:
        return topics_in(self.folder / "topics.toml")

    @cached_property
    def records(self) -> Mapping[str, list[Record]]:
        """Every record by topic, by partition and offset within it."""
        return {name: sorted(_records(name, self.folder / "records" / f"{name}.jsonl.gz"), key=lambda r: r.place) for name in self.topics}

    @cached_property
    def by_id(self) -> Mapping[str, list[Record]]:
        """The records that carry an event's id, the first one first."""
        found: dict[str, list[Record]] = {}
        for records in self.records.values():
            for record in records:
                if record.id is not None:
                    found.setdefault(record.id, []).append(record)
        return found

    @cached_property
    def by_place(self) -> Mapping[tuple[str, int, int], Record]:
        """Each record by topic, partition and offset."""
        return {record.place: record for records in self.records.values() for record in records}

    def at(self, topic: str, partition: int, offset: int) -> Record | None:
        """The record there, if one is."""
        return self.by_place.get((topic, partition, offset))

    @cached_property
    def poison(self) -> Mapping[tuple[str, int, int], Call]:
        """The records that the client put on a topic so that they are set aside, by topic, partition and offset."""
        told = {(call.body["topic"], call.body["sha256"]): call for call in self.calls("poison")}
        records = [record for topic in {topic for topic, _ in told} for record in self.records[topic]]
        found = {record.place: told.get((record.topic, sha256(record.value or b"").hexdigest())) for record in records}
        return {place: call for place, call in found.items() if call is not None}

    def firsts(self, topic: str) -> Iterator[Record]:
        """The first record of each event on the topic, in the order of each partition; no poison."""
        for record in self.records[topic]:
            if record.id is not None and record.name and record.place not in self.poison and self.by_id[record.id][0] is record:
                yield record

    @cached_property
    def events(self) -> Mapping[str, list[Record]]:
        """The first record of each event by its name (`OrderPlaced`), in the order of each partition."""
        found: dict[str, list[Record]] = {}
        for topic in self.topics:
            for record in self.firsts(topic):
                found.setdefault(record.name, []).append(record)
        return found

    @cached_property
    def positions(self) -> list[Position]:
        rows = _lines(self.folder / "offsets.jsonl")
        return [Position(r["group"], r["topic"], r["partition"], r["first"], r["end"], r["committed"]) for r in rows]

    def table(self, name: str) -> list[Row]:
        """The rows of schema.table."""
        if name not in self._tables:
            self._tables[name] = list(_lines(self.folder / "tables" / f"{name}.jsonl.gz"))
        return self._tables[name]

    @cached_property
    def slot(self) -> Row | None:
        """Where the slot began; None where none was opened."""
        file = self.folder / "slot.json"
        return json.loads(file.read_text()) if file.exists() else None

    @cached_property
    def transactions(self) -> list[Transaction]:
        """What the slot said; nothing where none was opened."""
        return list(transactions_in(self.folder / "changes.jsonl.gz")) if self.slot else []

    @cached_property
    def mails(self) -> list[Row] | None:
        """None where the mail server's folder was not given."""
        file = self.folder / "mails.jsonl"
        return list(_lines(file)) if file.exists() else None

    @cached_property
    def payments(self) -> list[Row] | None:
        """None where the payment provider's books were not given."""
        file = self.folder / "payments.jsonl"
        return list(_lines(file)) if file.exists() else None

    @cached_property
    def journal(self) -> list[Call]:
        return calls_in(self.folder / "journal.jsonl")

    def calls(self, *ops: str) -> list[Call]:
        """The calls of these ops, in their order."""
        return [call for call in self.journal if call.op in ops]

    @cached_property
    def timeline(self) -> list[Row]:
        file = self.folder / "timeline.jsonl"
        return list(_lines(file)) if file.exists() else []


def _records(topic: str, file: Path) -> Iterator[Record]:
    for row in _lines(file):
        headers = [(name, bytes_of(value)) for name, value in row["headers"]]
        yield read(topic, row["partition"], row["offset"], bytes_of(row["key"]), bytes_of(row["value"]), headers)


def _lines(file: Path) -> Iterator[Row]:
    """Raises Incomplete where the file is not there."""
    if not file.exists():
        raise Incomplete(f"{file.name} is missing in {file.parent}")
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
