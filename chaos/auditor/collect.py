"""Saves what a quiet stack holds into one folder: the topics as they stand, the groups' offsets, every table, the slot, the mails, the journals.

It reads with clients of its own and changes nothing. What it writes is described in `chaos/auditor/evidence.py`.
"""

import gzip
import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from email.policy import default
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import OFFSET_BEGINNING, Consumer, ConsumerGroupTopicPartitions, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from psycopg import sql

from chaos.auditor.records import text_of
from chaos.auditor.register import HEARS, SERVICES, Topic, topics_in
from chaos.auditor.slot import save_changes

REGISTER = Path(__file__).parents[2] / "schemas" / "topics.toml"
_TIMEOUT_SECONDS = 30.0
_AT_ONCE, _WAIT_SECONDS = 5000, 0.5


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the evidence lies. `database` is the administrator's address; `mails` the folder in which the mail server keeps what it took,
    `payments` the payment provider's books, an SQLite file."""

    bootstrap: str
    database: str
    journal: Path
    timeline: Path | None = None
    mails: Path | None = None
    prefix: str = ""
    payments: Path | None = None


def collect(sources: Sources, folder: Path) -> None:
    """Save everything. May run again into the same folder. Raises KafkaException, psycopg.Error or OSError where a source cannot be read."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("records", "tables"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir()
    shutil.copyfile(REGISTER, folder / "topics.toml")
    topics = topics_in(REGISTER)
    _save_offsets(sources, topics, folder)
    _save_records(sources, topics, folder / "records")
    with psycopg.connect(sources.database, autocommit=True) as connection:
        _save_tables(connection, folder / "tables")
        if (folder / "slot.json").exists():
            save_changes(connection, folder / "changes.jsonl.gz")
    if sources.mails is not None:
        _write(folder / "mails.jsonl", map(json.dumps, _mails(sources.mails)))
    if sources.payments is not None:
        _write(folder / "payments.jsonl", map(json.dumps, _payments(sources.payments)))
    _bring(sources.journal, folder / "journal.jsonl")
    if sources.timeline is not None:
        _bring(sources.timeline, folder / "timeline.jsonl")
    about = {"topic_prefix": sources.prefix, "collected_at": datetime.now(UTC).isoformat(), "services": list(SERVICES)}
    (folder / "about.json").write_text(json.dumps(about) + "\n")


@contextmanager
def _consumer(bootstrap: str) -> Iterator[Consumer]:
    told: dict[str, Any] = {"bootstrap.servers": bootstrap, "group.id": "kept-audit", "enable.auto.commit": False, "enable.partition.eof": False}
    consumer = Consumer(told)
    try:
        yield consumer
    finally:
        consumer.close()


def _save_offsets(sources: Sources, topics: Mapping[str, Topic], folder: Path) -> None:
    """Before the records, so that no offset is committed past what is saved."""
    admin = AdminClient({"bootstrap.servers": sources.bootstrap})
    with _consumer(sources.bootstrap) as consumer:
        ends = {(name, n): _ends(consumer, sources.prefix + name, n) for name, topic in topics.items() for n in range(topic.partitions)}
    rows = []
    for service in SERVICES:
        heard = [(name, n) for name in HEARS[service] for n in range(topics[name].partitions)]
        asked = [TopicPartition(sources.prefix + name, n) for name, n in heard]
        (told,) = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(sources.prefix + service, asked)]).values()
        committed = {(tp.topic, tp.partition): tp.offset for tp in told.result(_TIMEOUT_SECONDS).topic_partitions}
        for name, n in heard:
            offset = committed.get((sources.prefix + name, n), -1)
            first, end = ends[name, n]
            row = {"group": service, "topic": name, "partition": n, "first": first, "end": end, "committed": offset if offset >= 0 else None}
            rows.append(row)
    _write(folder / "offsets.jsonl", map(json.dumps, rows))


def _save_records(sources: Sources, topics: Mapping[str, Topic], folder: Path) -> None:
    with _consumer(sources.bootstrap) as consumer:
        for topic in topics.values():
            records = _records(consumer, sources.prefix + topic.name, topic.partitions)
            _write(folder / f"{topic.name}.jsonl.gz", map(json.dumps, records))


def _records(consumer: Consumer, topic: str, partitions: int) -> Iterator[dict[str, Any]]:
    """From the first record to the last that stands there now."""
    ends = {n: end for n in range(partitions) for first, end in [_ends(consumer, topic, n)] if end > first}
    consumer.assign([TopicPartition(topic, n, OFFSET_BEGINNING) for n in ends])
    left = sum(ends.values())
    while left > 0:
        for message in consumer.consume(min(left, _AT_ONCE), timeout=_WAIT_SECONDS):
            if message.error():
                raise KafkaException(message.error())
            yield _record(message)
        reached = {tp.partition: tp.offset for tp in consumer.position([TopicPartition(topic, n) for n in ends])}
        left = sum(max(0, end - max(0, reached[n])) for n, end in ends.items())
    consumer.unassign()


def _record(message: Message) -> dict[str, Any]:
    headers = [[name, text_of(value)] for name, value in message.headers() or []]
    place = {"partition": message.partition(), "offset": message.offset()}
    return {**place, "key": text_of(message.key()), "value": text_of(message.value()), "headers": headers}


def _ends(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """The first offset, and the one that the next record gets."""
    first, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_TIMEOUT_SECONDS)
    return first, end


def _save_tables(connection: "psycopg.Connection[Any]", folder: Path) -> None:
    """Every table of the services' schemas, partitions under their parent's name."""
    found = connection.execute(
        """select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where n.nspname = any(%s) and c.relkind in ('r', 'p') and not c.relispartition order by 1, 2""",
        (list(SERVICES),),
    )
    for schema, table in found.fetchall():
        _write(folder / f"{schema}.{table}.jsonl.gz", _rows(connection, schema, table))


def _rows(connection: "psycopg.Connection[Any]", schema: str, table: str) -> Iterator[str]:
    """Each row as JSON."""
    query = sql.SQL("copy (select row_to_json(t) from {} t) to stdout").format(sql.Identifier(schema, table))
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for row in copy.rows():
            yield row[0]


def _mails(folder: Path) -> Iterator[dict[str, str]]:
    """The headers of each mail, a file `*.eml` each."""
    for file in sorted(folder.glob("*.eml")):
        mail = BytesHeaderParser(policy=default).parsebytes(file.read_bytes())
        yield {"message_id": str(mail["Message-ID"]), "to": str(mail["To"]), "subject": str(mail["Subject"])}


def _payments(file: Path) -> Iterator[dict[str, Any]]:
    """What was given back, once per key."""
    columns = ("key", "payment_reference", "amount_minor", "currency")
    with closing(sqlite3.connect(file)) as books:
        for row in books.execute("select key, payment_reference, amount_minor, currency from refunds order by key"):
            yield dict(zip(columns, row, strict=True))


def _write(file: Path, lines: Iterator[str]) -> None:
    """Line by line, compressed where the name says so."""
    with gzip.open(file, "wt", compresslevel=1, encoding="utf-8") if file.suffix == ".gz" else file.open("w", encoding="utf-8") as out:
        out.writelines(f"{line}\n" for line in lines)


def _bring(file: Path, into: Path) -> None:
    """Copy it, unless it lies there already."""
    if file.resolve() != into.resolve():
        shutil.copyfile(file, into)
