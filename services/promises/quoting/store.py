"""Schedules, queues and quotes in SQL."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from services.kit.database import Transaction
from services.promises.domain import Destination, Run, Schedule
from services.promises.quoting.domain import Ask, Grounds, Queue, Quote
from services.promises.quoting.ports import Answer, Kept, Question

# Schedules in the order of their names, so that two workers that replace the same ones wait for each other instead of locking each other.
_REPLACE_SCHEDULES = """
insert into carrier_services_view select * from jsonb_populate_recordset(null::carrier_services_view, $1)
on conflict (carrier_service) do update set version = excluded.version, site = excluded.site, service = excluded.service, zone = excluded.zone,
    withdrawn = excluded.withdrawn, departures = excluded.departures, closed_on = excluded.closed_on
where carrier_services_view.version < excluded.version returning carrier_service"""

_REPLACE_QUEUES = """
insert into queues_view (site, version, work_seconds, pickers, measured_at)
select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::int[], $5::timestamptz[])
on conflict (site) do update set version = excluded.version, work_seconds = excluded.work_seconds, pickers = excluded.pickers,
    measured_at = excluded.measured_at
where queues_view.version < excluded.version"""

# The longest prefix wins, per carrier service.
_RUNS = """
select destination.n, (to_jsonb(schedule) || jsonb_build_object('lane', fitting.lane))::text as run
from unnest($1::text[], $2::text[]) with ordinality as destination (country, postcode, n)
cross join lateral (
    select distinct on (lane.carrier_service) lane.carrier_service, lane.lane from lanes_view lane
    where lane.country = destination.country
      and lane.postcode_prefix = any (array(select left(destination.postcode, size) from generate_series(0, length(destination.postcode)) size))
    order by lane.carrier_service, length(lane.postcode_prefix) desc) fitting
join carrier_services_view schedule using (carrier_service)
where not schedule.withdrawn
order by destination.n, carrier_service"""

_QUEUES = "select site, work_seconds, pickers, measured_at from queues_view"
_QUOTES = "select quote_id, ask::text, quote::text from quotes where quote_id = any ($1)"

_KEEP = """
insert into quotes (quote_id, fingerprint, inputs_hash, ask, quote, answer, asked_at, valid_until)
values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (quote_id) do nothing returning quote_id"""


class QuotingStore:
    """Within one transaction."""

    def __init__(self, work: Transaction) -> None:
        self._work, self._sql = work, work.connection

    async def replace_schedules(self, schedules: Sequence[tuple[int, Schedule]]) -> None:
        if not schedules:
            return
        rows = [{"version": version, **_plain(schedule), "lanes": None} for version, schedule in schedules]
        taken = [row["carrier_service"] for row in await self._sql.fetch(_REPLACE_SCHEDULES, rows)]
        await self._sql.execute("delete from lanes_view where carrier_service = any ($1)", taken)
        lanes = [
            {"country": lane.country, "postcode_prefix": lane.postcode_prefix, "carrier_service": schedule.carrier_service, "lane": lane}
            for _, schedule in schedules
            if schedule.carrier_service in taken
            for lane in schedule.lanes
        ]
        await self._sql.execute("insert into lanes_view select * from jsonb_populate_recordset(null::lanes_view, $1)", lanes)

    async def replace_queues(self, queues: Sequence[tuple[int, Queue]]) -> None:
        rows = [(queue.site, version, queue.work_seconds, queue.pickers, queue.measured_at) for version, queue in queues]
        if rows:
            await self._sql.execute(_REPLACE_QUEUES, *_columns(rows))

    async def grounds(self, destinations: Sequence[Destination], quote_ids: Sequence[UUID] = ()) -> Grounds:
        wanted = sorted(set(destinations), key=lambda there: (there.country, there.postcode))
        there = [each.country for each in wanted], [each.postcode for each in wanted]
        runs, queues, quotes = await self._work.read((_RUNS, there), (_QUEUES, ()), (_QUOTES, (list(quote_ids),)))
        towards: dict[Destination, list[Run]] = {each: [] for each in wanted}
        for row in runs:
            towards[wanted[row["n"] - 1]].append(msgspec.json.decode(row["run"], type=Run))
        return Grounds(
            {each: tuple(found) for each, found in towards.items()},
            {row["site"]: Queue(**row) for row in queues},
            {row["quote_id"]: (msgspec.json.decode(row["ask"], type=Ask), msgspec.json.decode(row["quote"], type=Quote)) for row in quotes},
        )

    async def kept(self, quote_id: UUID) -> Kept | None:
        row = await self._sql.fetchrow("select fingerprint, answer from quotes where quote_id = $1", quote_id)
        return Kept(row["fingerprint"], row["answer"]) if row else None

    async def keep(self, question: Question, quote: Quote, answer: Answer) -> Kept:
        mine = Kept(question.fingerprint, msgspec.json.encode(answer))
        kept = await self._sql.fetchval(
            _KEEP, question.quote_id, question.fingerprint, bytes.fromhex(answer.inputs_hash), _plain(question.ask), _plain(quote),
            mine.answer, answer.asked_at, answer.valid_until,
        )  # fmt: skip
        earlier = None if kept else await self.kept(question.quote_id)
        return earlier or mine


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _plain(value: object) -> Any:
    return msgspec.to_builtins(value)
