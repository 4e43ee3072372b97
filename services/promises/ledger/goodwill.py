"""Goodwill in SQL: the grants of a day, and what was looked at."""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from services.promises.ledger.batch import Entry
from services.promises.ledger.domain.goodwill import Grant, is_goodwill

if TYPE_CHECKING:
    import asyncpg

GRANT = "insert into ledger_goodwill select * from unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[])"
TAKE_BACK = """
insert into ledger_goodwill select g.promise_id, void.seq, g.agent, g.currency, -g.amount_minor, void.at
from unnest($1::uuid[], $2::int[], $3::timestamptz[]) as void (promise_id, seq, at)
join ledger_goodwill g on g.promise_id = void.promise_id and g.seq = 1"""
_OF_DAY = """
select promise_id, agent, currency, amount_minor, granted_at from ledger_goodwill
where granted_at >= $1 and granted_at < $2 and ($3::text is null or agent = $3) order by granted_at, promise_id, seq"""
_REVIEWED = "select promise_id from ledger_goodwill_reviews where promise_id = any($1::uuid[])"
_REVIEW = """
insert into ledger_goodwill_reviews (promise_id, reviewed_by, reviewed_at, remark)
select promise_id, $2, $3, $4 from ledger_goodwill where promise_id = $1 and seq = 1 on conflict (promise_id) do nothing"""
_KNOWN = "select reviewed_by, reviewed_at, remark from ledger_goodwill_reviews where promise_id = $1"


def rows_of(entries: Sequence[Entry]) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """What these entries grant, and what they take back of grants of earlier commits."""
    granted: dict[UUID, tuple[object, ...]] = {}
    taken_back: list[tuple[object, ...]] = []
    for entry in entries:
        said, receipt, actor = entry.promise.said, entry.receipt, entry.asked.actor
        if entry.receipt.seq == 1 and is_goodwill(said, actor.department):
            granted[receipt.promise_id] = (receipt.promise_id, 1, actor.id, said.currency, said.amount_minor, receipt.recorded_at)
        elif entry.voids and said.amount_minor:
            if receipt.promise_id in granted:
                granted.pop(receipt.promise_id)
            else:
                taken_back.append((receipt.promise_id, receipt.seq, receipt.recorded_at))
    return list(granted.values()), taken_back


async def grants_of(sql: "asyncpg.Connection[asyncpg.Record]", day: date, agent: str | None) -> list[Grant]:
    """All grants of that day (UTC), or one agent's, in their order."""
    begins = datetime.combine(day, time(), UTC)
    return [Grant(*row) for row in await sql.fetch(_OF_DAY, begins, begins + timedelta(days=1), agent)]


async def reviewed(sql: "asyncpg.Connection[asyncpg.Record]", ids: Collection[UUID]) -> set[UUID]:
    """Those of these that somebody has looked at."""
    return {row["promise_id"] for row in await sql.fetch(_REVIEWED, list(ids))}


async def review(sql: "asyncpg.Connection[asyncpg.Record]", promise_id: UUID, by: str, at: datetime, remark: str) -> dict[str, object] | None:
    """The first look that was noted; None where that promise is no grant."""
    await sql.execute(_REVIEW, promise_id, by, at, remark)
    row = await sql.fetchrow(_KNOWN, promise_id)
    return dict(row) if row else None
