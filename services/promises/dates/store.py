"""The ledger in SQL: entries appended under one lock per ledger, and the state that they add up to."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from services.kit.database import Transaction
from services.kit.failpoints import ARMED, hit
from services.kit.values import Cause, Heard
from services.promises.dates.domain import Amending, Dated, Declined, Entry, Kind, NotDated, Order, Promise, Story, Waits
from services.promises.domain import Destination
from services.promises.messages import DATED, DECLINED, NOT_DATED, SAID_OF, TOPIC, declined_of, line_of, said_of
from services.promises.quoting.domain import Grounds
from services.promises.quoting.store import QuotingStore

LEDGER = "main"
_TICK = timedelta(microseconds=1)

_LOCK = "select head, recorded_at from ledgers where ledger = $1 for update"
_ADVANCE = "update ledgers set head = $2, recorded_at = $3 where ledger = $1"

_APPEND = """
insert into promise_entries (ledger, position, promise_id, seq, kind, body, occurred_at, recorded_at, key)
select $1, * from unnest($2::bigint[], $3::uuid[], $4::int[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::text[])"""

_KEEP_PROMISES = "insert into promises select * from jsonb_populate_recordset(null::promises, $1)"
_MOVE_PROMISES = """
update promises set seq = moved.seq, state = moved.state, settled_at = moved.settled_at, evidence = moved.evidence
from jsonb_populate_recordset(null::promises, $1) moved where promises.promise_id = moved.promise_id"""
_KEEP_ORDERS = """
insert into orders_view select * from jsonb_populate_recordset(null::orders_view, $1)
on conflict (order_id) do update set declined = excluded.declined, answer_by = excluded.answer_by, follow_ups = excluded.follow_ups,
    look_at = excluded.look_at, cause_id = excluded.cause_id, correlation_id = excluded.correlation_id, traceparent = excluded.traceparent,
    ask = excluded.ask, quote_id = excluded.quote_id, amending = excluded.amending"""
_STORY = """
select to_json(story)::text as kept, array(
    select to_json(promise)::text from promises promise where promise.order_id = story.order_id order by made_at_position) as promises
from orders_view story where """
_STORIES = _STORY + "order_id = any ($1)"
_LOOK = _STORY + "look_at <= $1 order by look_at, order_id limit $2"
_REACHED = """
update orders_view set look_at = $1 where answer_by is not null and exists (
    select from lanes_view lane where lane.carrier_service = any ($2) and lane.country = ask -> 'destination' ->> 'country'
      and starts_with(ask -> 'destination' ->> 'postcode', lane.postcode_prefix))"""

_DUE = "select to_json(promise)::text from promises promise where state = 'open' and due_at < $1 order by due_at, promise_id limit $2"

_PROMISE = tuple(field.name for field in fields(Promise) if field.name != "cause")
_ORDER = tuple(field.name for field in fields(Order))


class DatesStore:
    """Within one transaction. Whoever loads here first takes the ledger's lock, so that what was loaded stands still until the commit."""

    def __init__(self, work: Transaction) -> None:
        self.now, self._work, self._sql, self._quoting = work.now, work, work.connection, QuotingStore(work)
        self._head: tuple[int, datetime] | None = None

    async def stories(self, order_ids: Sequence[UUID]) -> dict[UUID, Story]:
        await self._lock()
        stories = [_story(row) for row in await self._sql.fetch(_STORIES, order_ids)]
        return {story.order.order_id: story for story in stories}

    async def due(self, limit: int) -> list[Promise]:
        if not await self._sql.fetchrow(_DUE, self.now, 1):
            return []
        await self._lock()
        return [_promise(text) for (text,) in await self._sql.fetch(_DUE, self.now, limit)]

    async def waiting(self, limit: int) -> list[Story]:
        if not await self._sql.fetchrow(_LOOK, self.now, 1):
            return []
        await self._lock()
        return [_story(row) for row in await self._sql.fetch(_LOOK, self.now, limit)]

    async def look_again(self, carrier_services: Sequence[str]) -> None:
        """Let the timer look at once at what waits where these services now go; under the ledger's lock, as the timer does. Before stories are
        loaded and recorded: what is declined after it was judged with these services already."""
        if carrier_services:
            await self._lock()
            await self._sql.execute(_REACHED, self.now, carrier_services)

    async def grounds(self, destinations: Sequence[Destination], quote_ids: Sequence[UUID] = ()) -> Grounds:
        return await self._quoting.grounds(destinations, quote_ids)

    def record(
        self,
        stories: Sequence[Story],
        entries: Sequence[Entry],
        declined: Sequence[tuple[Declined, Cause]],
        answers: Sequence[tuple[Dated | NotDated, Cause]] = (),
    ) -> None:
        if stories:
            self._work.write(_KEEP_ORDERS, [_order_row(story) for story in stories])
        if entries:
            self._append(entries)
        for answer, cause in answers:
            self._work.say(TOPIC, DATED if isinstance(answer, Dated) else NOT_DATED, answer, key=str(answer.customer_id), cause=cause, version=1)
        if ARMED and answers:
            hit("amendment.dated", *(answer.amendment_id for answer, _ in answers))
        for entry in entries:
            self._announce(entry)
        for refused, cause in declined:
            said = declined_of(refused)
            self._work.say(TOPIC, DECLINED, said, key=str(refused.customer_id), cause=cause, version=refused.follow_up + 1)

    def set_aside(self, heard: Heard[Any], reason: str, detail: str) -> None:
        self._work.set_aside(heard, reason, detail)

    async def _lock(self) -> None:
        if self._head is None:
            self._head = await self._sql.fetchrow(_LOCK, LEDGER)

    def _append(self, entries: Sequence[Entry]) -> None:
        assert self._head is not None, "whoever records has loaded first"
        head, recorded_at = self._head
        first, first_at = head + 1, max(self.now, recorded_at + _TICK)
        self._work.write(_ADVANCE, LEDGER, head + len(entries), first_at + _TICK * (len(entries) - 1))
        self._work.write(_APPEND, LEDGER, *_columns([_line(entry, first + n, first_at + _TICK * n) for n, entry in enumerate(entries)]))
        last = {entry.promise.promise_id: entry.promise for entry in entries}
        made = {entry.promise.promise_id: first + n for n, entry in enumerate(entries) if entry.kind is Kind.MADE}
        if made:
            self._work.write(_KEEP_PROMISES, [{**_row(last[id]), "made_at_position": position} for id, position in made.items()])
        if len(made) < len(last):
            self._work.write(_MOVE_PROMISES, [_row(promise) for id, promise in last.items() if id not in made])

    def _announce(self, entry: Entry) -> None:
        if entry.kind in SAID_OF:
            key = str(entry.promise.customer_id)
            self._work.say(TOPIC, SAID_OF[entry.kind], said_of(entry), key=key, cause=entry.cause, version=entry.promise.seq)


def _line(entry: Entry, position: int, recorded_at: datetime) -> tuple[object, ...]:
    promise = entry.promise
    return position, promise.promise_id, promise.seq, entry.kind.value, line_of(entry), entry.occurred_at, recorded_at, entry.key


def _row(promise: Promise) -> dict[str, Any]:
    """The promise by the names of its columns."""
    return {**{name: getattr(promise, name) for name in _PROMISE}, **_told(promise.cause)}


def _promise(text: str) -> Promise:
    row = msgspec.json.decode(text)
    return msgspec.convert({**row, "cause": _cause(row)}, Promise)


def _order_row(story: Story) -> dict[str, Any]:
    row: dict[str, Any] = {**{name: getattr(story.order, name) for name in _ORDER}, "declined": story.declined, "amending": story.amending}
    waits = story.waits
    if waits is None:
        return row
    return {**row, "answer_by": waits.answer_by, "follow_ups": waits.follow_ups, "look_at": waits.look_at, **_told(waits.cause)}


def _story(row: Mapping[str, Any]) -> Story:
    kept = msgspec.json.decode(row["kept"])
    waits = msgspec.convert({**kept, "cause": _cause(kept)}, Waits) if kept["answer_by"] else None
    amending = msgspec.convert(kept["amending"], Amending) if kept["amending"] else None
    return Story(msgspec.convert(kept, Order), tuple(_promise(text) for text in row["promises"]), kept["declined"], waits, amending)


def _told(cause: Cause) -> dict[str, Any]:
    return {"cause_id": cause.id, "correlation_id": cause.correlation_id, "traceparent": cause.traceparent}


def _cause(row: Mapping[str, Any]) -> dict[str, str]:
    return {"id": row["cause_id"], "correlation_id": row["correlation_id"], "traceparent": row["traceparent"]}


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
