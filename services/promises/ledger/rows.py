"""What a batch of commands writes, table by table: statements, and their rows as tuples."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from services.kit.promise.state import Verdict
from services.promises.ledger import goodwill
from services.promises.ledger.batch import Asked, Batch, Entry
from services.promises.ledger.domain.commands import awaits_departments, may_be_late
from services.promises.ledger.domain.kinds import breaks_at, last_moment
from services.promises.ledger.messages import Refused

_encode = msgspec.json.encode

Row = Sequence[object]
Written = tuple[str, Sequence[Row]]
"""A statement that takes its rows as one array for each column."""

_ENTRY = ("position", "promise_id", "seq", "recorded_at", "scope", "key", "fingerprint", "state_digest", "leaf_hash", "line")
_INSERT_ENTRIES = f"""
insert into ledger_entries ({", ".join(_ENTRY)})
select * from unnest($1::bigint[], $2::uuid[], $3::int[], $4::timestamptz[], $5::text[], $6::text[], $7::bytea[], $8::bytea[], $9::bytea[],
                     $10::text[])"""  # noqa: S608  # columns of ours
_PROMISE = (
    "promise_id", "seq", "position", "verdict", "next_at", "standing", "state_digest", "late_at", "acknowledge_by", "customer_id", "order_id",
    "thing", "made_at",
)  # fmt: skip
_INSERT_PROMISES = f"""
insert into ledger_promises ({", ".join(_PROMISE)})
select * from unnest($1::uuid[], $2::int[], $3::bigint[], $4::text[], $5::timestamptz[], $6::text[], $7::bytea[], $8::timestamptz[],
                     $9::timestamptz[], $10::uuid[], $11::uuid[], $12::bytea[], $13::timestamptz[])"""  # noqa: S608  # columns of ours
_MOVE_PROMISES = """
update ledger_promises p set
    seq = new.seq, position = new.position, verdict = new.verdict, next_at = new.next_at, standing = new.standing, state_digest = new.state_digest,
    late_at = case when new.late_at is not null then p.late_at end, acknowledge_by = case when new.awaited then p.acknowledge_by end
from unnest($1::uuid[], $2::int[], $3::bigint[], $4::text[], $5::timestamptz[], $6::text[], $7::bytea[], $8::timestamptz[], $9::boolean[])
    as new (promise_id, seq, position, verdict, next_at, standing, state_digest, late_at, awaited)
where p.promise_id = new.promise_id"""
_WORD = ("promise_id", "seq", "salt", "text")
_INSERT_WORDS = "insert into ledger_words select * from unnest($1::uuid[], $2::int[], $3::bytea[], $4::text[])"
_INSERT_NODES = "insert into ledger_nodes select * from unnest($1::smallint[], $2::bigint[], $3::bytea[])"
_INSERT_SALTS = "insert into ledger_customers select * from unnest($1::uuid[], $2::bytea[])"
_INSERT_REFUSALS = """
insert into ledger_refusals (scope, key, fingerprint, answer, refused_at)
select * from unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::timestamptz[])"""
_INSERT_ERASURES = """
insert into ledger_erasures (customer_id, scope, key, position, promises, erased_at)
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::int[], $6::timestamptz[])"""
_FORGET_SALTS = "delete from ledger_customers where customer_id = any ($1::uuid[])"
_FORGET_WORDS = "delete from ledger_words where promise_id = any ($1::uuid[])"


@dataclass(frozen=True, slots=True)
class Many:
    """New rows of one table, of which there may be very many."""

    table: str
    columns: Sequence[str]
    insert: str
    rows: Sequence[Row]


def entries(batch: Batch) -> Many:
    """A row for each entry."""
    return Many("ledger_entries", _ENTRY, _INSERT_ENTRIES, list(map(_entry, batch.entries)))


def promises(made: Sequence[Entry], acknowledge_by: datetime) -> Many:
    """A row for each new promise, whose last entry is given: `acknowledge_by` is until when its departments are awaited."""
    return Many("ledger_promises", _PROMISE, _INSERT_PROMISES, [_made(entry, acknowledge_by) for entry in made])


def words(batch: Batch) -> Many:
    """A row for each text."""
    return Many("ledger_words", _WORD, _INSERT_WORDS, batch.words)


def others(batch: Batch, moved: Sequence[Entry]) -> list[Written]:
    """All else. `moved` are the last entries of promises that were there before."""
    granted, taken_back = goodwill.rows_of(batch.entries)
    return [
        (_INSERT_NODES, batch.nodes),
        (_INSERT_SALTS, list(batch.salts.items())),
        (_INSERT_REFUSALS, [(*_refusal(each), batch.head.recorded_at) for each in batch.refusals]),
        (_MOVE_PROMISES, [(*_standing(entry), awaits_departments(entry.promise)) for entry in moved]),
        (goodwill.GRANT, granted),
        (goodwill.TAKE_BACK, taken_back),
        (_INSERT_ERASURES, batch.erasures),
        (_FORGET_SALTS, [(erasure.customer_id,) for erasure in batch.erasures]),
        (_FORGET_WORDS, [(id,) for id in batch.erased]),
    ]


def _entry(entry: Entry) -> Row:
    receipt = entry.receipt
    return (
        receipt.position, receipt.promise_id, receipt.seq, receipt.recorded_at, entry.asked.scope, entry.asked.key, entry.fingerprint,
        receipt.state_digest, receipt.leaf_hash, entry.line.decode(),
    )  # fmt: skip


def _made(entry: Entry, acknowledge_by: datetime) -> Row:
    said, made = entry.promise.said, entry.made
    awaited = acknowledge_by if awaits_departments(entry.promise) else None
    return (*_standing(entry), awaited, said.customer_id, said.order_id, made.thing, made.at)


def _standing(entry: Entry) -> tuple[object, ...]:
    promise, receipt, verdict = entry.promise, entry.receipt, entry.promise.stands.verdict
    next_at = breaks_at(promise) if verdict is Verdict.OPEN else None
    late_at = last_moment(promise.said, entry.made.at) if may_be_late(promise) else None
    return promise.promise_id, promise.seq, receipt.position, verdict, next_at, entry.standing.decode(), receipt.state_digest, late_at


def _refusal(refusal: tuple[Asked, bytes, Refused]) -> tuple[object, ...]:
    asked, fingerprint, refused = refusal
    return asked.scope, asked.key, fingerprint, _encode(refused).decode()
