"""The consume loop's journal in SQL: what was begun, what was applied, what was set aside, in the service's own schema."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg

from services.kit.database import Database, DeadLetter, Transaction, bury, encode_headers
from services.kit.envelope import EVENT_TYPE
from services.kit.failpoints import ARMED, hit
from services.kit.ids import day_of
from services.kit.journal import Aside, Batch, Before, Hold, Item, Outcome, Span
from services.kit.values import Heard

_BEGIN = """
with quick as materialized (select set_config('synchronous_commit', 'off', true)),
     begun as (select b.* from unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[]) as b (topic, partition, first, last), quick),
     counted as (insert into attempts as a select topic, partition, first, last, 1 from begun
                 on conflict (topic, partition, first_offset, last_offset) do update set count = a.count + 1)
select a.topic, a.partition, a.first_offset, a.last_offset, a.count, null::bytea as key, null::uuid as event_id, false as failed, false as retried
  from attempts a join begun b on a.topic = b.topic and a.partition = b.partition and a.first_offset <= b.last and a.last_offset >= b.first
union all
select topic, null, null, null, null, key, event_id, kind = 'failed', settled_at is not null
  from dead_letters
 where kind in ('failed', 'behind') and returned_at is null and settled_as is distinct from 'dropped' and key is not null and event_id is not null"""

_ENTER = """
with done as (delete from attempts a using unnest($3::text[], $4::int[], $5::bigint[]) as d (topic, partition, reached)
               where a.topic = d.topic and a.partition = d.partition and a.last_offset <= d.reached),
     entered as (insert into inbox (day, event_id) select * from unnest($1::date[], $2::uuid[]) order by 2 on conflict do nothing returning event_id)
select case when (select count(*) from entered) < cardinality($2) then array(select event_id from entered) end"""

_LEAVE = "delete from inbox i using unnest($1::date[], $2::uuid[]) as d (day, event_id) where i.day = d.day and i.event_id = d.event_id"

_KNOWN = "select i.event_id from inbox i join unnest($1::date[], $2::uuid[]) as d (day, event_id) using (day, event_id)"

_RETURNED = "update dead_letters set returned_at = clock_timestamp() where event_id = any($1) and settled_as = 'retried' and returned_at is null"


_BY_ID = frozenset({Outcome.BEHIND, Outcome.FAILED})


class SqlJournal:
    """`handle` is the stage's; it sees the events that were never applied before, in order."""

    def __init__(self, database: Database, handle: Callable[[Transaction, Sequence[Heard[Any]]], Awaitable[None]]) -> None:
        self._database, self._handle = database, handle

    async def begin(self, spans: Sequence[Span]) -> Before:
        columns = [[s.topic for s in spans], [s.partition for s in spans], [s.first for s in spans], [s.last for s in spans]]
        rows = await self._database.pool.fetch(_BEGIN, *columns)
        unfinished = tuple(Span(*tuple(row)[:5]) for row in rows if row["count"] is not None)
        return Before(unfinished, _holds([row for row in rows if row["count"] is None]))

    async def commit(self, batch: Batch) -> Counter[Outcome]:
        done: Counter[Outcome] = Counter()
        async with self._database.transaction() as work:
            events = await self._enter(work.connection, batch)
            ids = [heard.id for _, heard in events] if ARMED else []
            if ARMED:
                hit("inbox.entered", *ids)
            if events:
                work.letters = lambda id: _letter(next(item for item, heard in events if heard.id == id), Outcome.REFUSED, "", "", id)
                if ARMED:
                    hit("stage.handling", *ids)
                await self._handle(work, [heard for _, heard in events])
                if ARMED:
                    hit("stage.handled", *ids)
            refused = await self._refuse(work, events) if work.refused else []
            aside = await self._not_applied(work.connection, batch)
            await bury(work.connection, refused + [_letter(*each) for each in aside])
            if ARMED and (refused or aside):
                hit("letters.buried")
            if batch.returned:
                await work.connection.execute(_RETURNED, batch.returned)
        done[Outcome.DUPLICATE] = len(batch.events) - len(events) + len(batch.aside) - len(aside)
        done[Outcome.APPLIED] = len(events) - len(refused)
        done[Outcome.REFUSED] = len(refused)
        done.update(outcome for _, outcome, *_ in aside)
        return done

    async def _enter(self, connection: "asyncpg.Connection[asyncpg.Record]", batch: Batch) -> list[tuple[Item, Heard[Any]]]:
        """The events that were never applied before: nearly always all of them."""
        ids = [heard.id for _, heard in batch.events]
        spans = [s.topic for s in batch.spans], [s.partition for s in batch.spans], [s.last for s in batch.spans]
        some = await connection.fetchval(_ENTER, [day_of(id) for id in ids], ids, *spans)
        if some is None:
            return batch.events
        fresh = set(some)
        return [(item, heard) for item, heard in batch.events if heard.id in fresh]

    async def _not_applied(self, connection: "asyncpg.Connection[asyncpg.Record]", batch: Batch) -> list[Aside]:
        """What is to be set aside, without what fails or queues behind a failure only because it is delivered again: it was applied before that."""
        ids = [id for _, outcome, _, _, id in batch.aside if outcome in _BY_ID and id is not None]
        if not ids:
            return batch.aside
        known = {row[0] for row in await connection.fetch(_KNOWN, [day_of(id) for id in ids], ids)}
        return [each for each in batch.aside if each[1] not in _BY_ID or each[4] not in known]

    async def _refuse(self, work: Transaction, events: Sequence[tuple[Item, Heard[Any]]]) -> list[DeadLetter]:
        """A refused event leaves the inbox again, or its retry would be taken for a duplicate."""
        items = {heard.id: item for item, heard in events}
        letters = {r.event_id: _letter(items[r.event_id], Outcome.REFUSED, r.reason, r.detail, r.event_id) for r in work.refused}
        await work.connection.execute(_LEAVE, [day_of(id) for id in letters], list(letters))
        return list(letters.values())


async def bury_late(connection: "asyncpg.Connection[asyncpg.Record]", letters: Sequence[DeadLetter]) -> None:
    """Set aside events that were applied earlier, and waited in vain since (`Transaction.letter_of`). They leave the inbox, as a refused event
    does, so that a retry is not taken for a duplicate."""
    ids = [letter.event_id for letter in letters if letter.event_id is not None]
    await connection.execute(_LEAVE, [day_of(id) for id in ids], ids)
    await bury(connection, letters)


def _letter(item: Item, outcome: Outcome, reason: str, detail: str, event_id: Any) -> DeadLetter:
    message, type = item.message, (item.headers.get("ce_type") or b"").decode("utf-8", "replace")
    return DeadLetter(
        topic=item.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        type=type if EVENT_TYPE.fullmatch(type) else "",  # what else stands there may be anything, and people read this column
        event_id=event_id,
        kind=outcome.value,
        reason=reason,
        detail=detail.replace("\0", "\N{REPLACEMENT CHARACTER}"),
        value=message.value,
        headers=encode_headers(list(message.headers or ())),
    )


def _holds(rows: Sequence[asyncpg.Record]) -> dict[tuple[str, bytes], Hold]:
    holds: dict[tuple[str, bytes], Hold] = {}
    for row in rows:
        hold = holds.setdefault((row["topic"], row["key"]), Hold())
        if row["retried"]:
            hold.returning.add(row["event_id"])
        else:
            hold.waiting.add(row["event_id"])
            hold.failed = hold.failed or row["failed"]
    return holds
