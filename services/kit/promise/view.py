"""The view of all promises that each department holds, in tables of its own schema: made from the entries alone, in the transaction that hears them.

Nothing is taken over from the ledger but what was said: how a promise stands, and its digest, are computed here. An entry that does not lead to the
digest it tells is not applied; whoever compares the views finds the promise (`services.kit.promise.keeper`).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog

from services.kit.database import Transaction
from services.kit.merkle import leaf_hash
from services.kit.promise.duties import Bound, Duties
from services.kit.promise.feed import ENTRY_RECORDED, HEARS, TOPIC, EntryRecorded
from services.kit.promise.line import NAMES, Line, body_of, digest_of, read_line, standing_of
from services.kit.promise.state import Erased, Made, Promise, Standing, after
from services.kit.stage import Stage
from services.kit.values import Heard

log = structlog.get_logger(__name__)

_STATE = "select position, heard_to from promise_view_state for update"
_LEAVES = "select position, leaf_hash from promise_view_leaves where position = any ($1::bigint[])"
_ROWS = "select promise_id, seq, position, made, standing, salt, words from promise_view where promise_id = any ($1::uuid[]) for update"
_MOVE = "update promise_view_state set position = $1, heard_to = greatest(heard_to, $2)"
_ADD_LEAVES = "insert into promise_view_leaves select * from unnest($1::bigint[], $2::bytea[]) on conflict (position) do nothing"
_PUT = """
insert into promise_view (promise_id, seq, position, customer_id, order_id, verdict, made, standing, salt, words)
select * from unnest($1::uuid[], $2::int[], $3::bigint[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::bytea[], $10::text[])
on conflict (promise_id) do update set
    seq = excluded.seq, position = excluded.position, customer_id = excluded.customer_id, order_id = excluded.order_id,
    verdict = excluded.verdict, made = excluded.made, standing = excluded.standing, salt = excluded.salt, words = excluded.words"""

_FORGET = "update promise_view set salt = null, words = null where promise_id = any ($1::uuid[])"
_LETTER_OF = r"""case when encode(l.key, 'escape') ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then encode(l.key, 'escape')::uuid end"""
_FORGET_LETTERS = f"""
update dead_letters l set value = null, settled_at = coalesce(settled_at, clock_timestamp()), settled_as = coalesce(settled_as, 'dropped'),
    settled_because = case when settled_at is null then 'the personal data of its customer was erased' else settled_because end
where topic = $1 and value is not null
  and exists (select from promise_view v where v.customer_id = {_LETTER_OF} and (v.standing::json ->> 'erased')::boolean)"""  # noqa: S608  # ours

_DIGEST = """
    sha256(convert_to('{"promise_id":"' || promise_id || '","said":' || made || ',"seq":' || seq ||
        ',"stands":' || replace(standing, '"erased":false,', '') || '}', 'UTF8'))"""
_IS_ERASED = """position('"erased":true' in standing) > 0"""
_IS_COMMITTED = """right(made, 55) = '"words":"' || encode(sha256(salt || convert_to(words, 'UTF8')), 'base64') || '"}'"""
_IS_SAID = f"case when {_IS_ERASED} then salt is null and words is null else coalesce({_IS_COMMITTED}, true) end"
HELD = f"""
select bucket, promise_id, seq, case when {_IS_SAID} then {_DIGEST} else decode(repeat('00', 32), 'hex') end as state_digest
from promise_view"""  # noqa: S608  # ours
"""Every promise as it stands here, with the digest of what stands (`services.kit.promise.line.digest_over`); zeros where the sentence is not the one
that was committed to, which is how `made` ends, or should be gone. No text can hold what is looked for: there the quotes would be escaped."""

_read_made = msgspec.json.Decoder(Made).decode
_read_standing = msgspec.json.Decoder(Standing).decode


def viewing_promises(stage: Stage) -> Stage:
    """The stage, which keeps its view of all promises as well, in the same transactions; its own handler sees none of their entries."""

    async def handle(work: Transaction, batch: Sequence[Heard[Any]]) -> None:
        entries = [heard.data for heard in batch if heard.type == ENTRY_RECORDED]
        if entries:
            await apply(work, entries, stage.duties)
        own = [heard for heard in batch if heard.type != ENTRY_RECORDED] if entries else batch
        if own:
            await stage.handle(work, own)

    return replace(stage, topics=(*stage.topics, TOPIC), hears={**stage.hears, **HEARS}, handle=handle)


class Row(msgspec.Struct, frozen=True):
    """One promise as the view holds it."""

    promise: Promise
    position: int
    salt: bytes | None
    words: str | None

    @classmethod
    def read(cls, row: Any) -> "Row":
        promise = Promise(row["promise_id"], row["seq"], _read_made(row["made"]), _read_standing(row["standing"]))
        return cls(promise, row["position"], row["salt"], row["words"])


async def apply(work: Transaction, entries: Sequence[EntryRecorded], duties: Duties | None = None) -> int:
    """Take these entries into the view, as far as they follow on what is there, and what they bind us to. Returns the position that is reached.

    What came before is compared and dropped; what lies behind a gap is left until the gap is fetched.
    """
    sql = work.connection
    at, heard_to = await sql.fetchrow(_STATE)
    ordered = sorted(entries, key=lambda entry: entry.position)
    await _compare([entry for entry in ordered if entry.position <= at], sql)
    following = list(_following(ordered, at))
    if following:
        lines = [(entry, read_line(entry.entry)) for entry in following]
        before = await rows_of(sql, {line.promise_id for _, line in lines})
        changed = _folded(lines, before)
        await _put(sql, changed)
        if erased := [line.promise_id for _, line in lines if line.kind == NAMES[Erased]]:
            await sql.execute(_FORGET, erased)  # of a promise that stopped as well
            await forget_letters(sql)
        if duties:
            await duties.hear(work, [_bound(row, before.get(row.promise.promise_id)) for row in changed])
        await sql.execute(_ADD_LEAVES, [entry.position for entry in following], [leaf_hash(entry.entry.encode()) for entry in following])
        at = following[-1].position
    await sql.execute(_MOVE, at, max(heard_to, ordered[-1].position))
    return int(at)


async def rows_of(sql: "asyncpg.Connection[asyncpg.Record]", ids: Collection[UUID]) -> dict[UUID, Row]:
    """Those of these promises that the view holds, locked."""
    return {row["promise_id"]: Row.read(row) for row in await sql.fetch(_ROWS, sorted(ids))}


async def replay(sql: "asyncpg.Connection[asyncpg.Record]", entries: Sequence[EntryRecorded]) -> None:
    """Put one promise anew as its entries make it, all of them, whatever stands there."""
    await _put(sql, _folded([(entry, read_line(entry.entry)) for entry in entries], {}))


async def forget_letters(sql: "asyncpg.Connection[asyncpg.Record] | asyncpg.Pool[asyncpg.Record]") -> None:
    """Empty the dead letters of the feed whose customer was erased, and give up those that were open: the view has what they told."""
    await sql.execute(_FORGET_LETTERS, TOPIC)


def _bound(row: Row, before: Row | None) -> Bound:
    return Bound(row.promise, row.words, before.promise if before else None)


def _following(entries: Iterable[EntryRecorded], at: int) -> Iterable[EntryRecorded]:
    for entry in entries:
        if entry.position == at + 1:
            yield entry
            at += 1


def _folded(lines: Iterable[tuple[EntryRecorded, Line]], rows: dict[UUID, Row]) -> list[Row]:
    """The rows that these entries change. A promise whose entry does not lead to the digest it tells stays as it is from there on."""
    changed: dict[UUID, Row] = {}
    stopped = set[UUID]()
    for entry, line in lines:
        id = line.promise_id
        if id in stopped:
            continue
        row = _after(entry, line, changed.get(id) or rows.get(id))
        if row is None or digest_of(row.promise) != line.state_digest:
            stopped.add(id)
            log.error("an entry does not lead to the digest it tells", position=entry.position, promise_id=str(id))
        else:
            changed[id] = row
    return list(changed.values())


def _after(entry: EntryRecorded, line: Line, row: Row | None) -> Row | None:
    fact = line.fact()
    if isinstance(fact, Made):
        return Row(Promise(line.promise_id, 1, fact), entry.position, entry.salt, entry.words)
    if row is None or line.seq != row.promise.seq + 1:
        return None
    salt, words = (None, None) if isinstance(fact, Erased) else (row.salt, row.words)
    return Row(after(row.promise, fact, line.actor.department, line.recorded_at), entry.position, salt, words)


async def _compare(repeated: Sequence[EntryRecorded], sql: "asyncpg.Connection[asyncpg.Record]") -> None:
    if not repeated:
        return
    leaves = {row["position"]: row["leaf_hash"] for row in await sql.fetch(_LEAVES, [entry.position for entry in repeated])}
    for entry in repeated:
        if leaves.get(entry.position) != leaf_hash(entry.entry.encode()):
            log.error("another entry stands at a position that was applied", position=entry.position)


async def _put(sql: "asyncpg.Connection[asyncpg.Record]", rows: Sequence[Row]) -> None:
    if rows:
        await sql.execute(_PUT, *(list(column) for column in zip(*map(_columns, rows), strict=True)))


def _columns(row: Row) -> tuple[object, ...]:
    promise, said = row.promise, row.promise.said
    return (
        promise.promise_id, promise.seq, row.position, said.customer_id, said.order_id, promise.stands.verdict, body_of(said).decode(),
        standing_of(promise), row.salt, row.words,
    )  # fmt: skip
