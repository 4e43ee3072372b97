"""What the ledger itself holds at a position, in buckets, to be compared with what a department's view holds there; and what the views tell
is noted (`services.promises.ledger.board` reads it).

The buckets of the last position that was asked for are kept in memory. At another one only those are computed anew whose promises have an entry in
between; a promise that has moved on since is taken as its last entry up to there left it.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.kit.database import Database
from services.kit.promise.agreement import BUCKETS, WHOLE_TABLE, Buckets, Hashed, Held, hashed

_SIZE = "select size from ledger_head"
_BETWEEN = """
select distinct p.bucket from ledger_entries e join ledger_promises p on p.promise_id = e.promise_id where e.position > $1 and e.position <= $2"""


def _held_at(of: str = "") -> str:
    """The statement that gives what there was at position $1, of these buckets alone where some are named."""
    return f"""
select p.bucket, p.promise_id, p.seq, p.state_digest from ledger_promises p where p.position <= $1 {of}
union all
select p.bucket, p.promise_id, e.seq, e.state_digest from ledger_promises p cross join lateral (
    select seq, state_digest from ledger_entries where promise_id = p.promise_id and position <= $1 order by seq desc limit 1) e
where p.position > $1 {of}"""  # noqa: S608  # ours


_AT = _held_at("and p.bucket = any ($2::int[])")
_HASHED_ALL, _HASHED = hashed(_held_at()), hashed(_AT)
_OF_BUCKET = f"select promise_id, seq, state_digest from ({_AT}) as held"  # noqa: S608  # ours
_REPORT = """
insert into ledger_views (view, position, count, root, agrees, reported_at, witnessed_size, altered) values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (view) do update set position = excluded.position, count = excluded.count, root = excluded.root, agrees = excluded.agrees,
    reported_at = excluded.reported_at, witnessed_size = excluded.witnessed_size, altered = excluded.altered"""
_MENDED = """
insert into ledger_mended (view, promise_id, position, mended_at) select $1, promise_id, $3, $4 from unnest($2::uuid[]) as m (promise_id)"""


@dataclass(frozen=True, slots=True)
class Report:
    """What a view told of itself: at `position` it holds `count` promises with this root, and had to put `mended` anew. `witnessed` is the size of
    the ledger that its keeper last saw signed; `altered`: promises of which its work says something else."""

    view: str
    position: int
    count: int
    root: bytes
    mended: tuple[UUID, ...]
    witnessed: int
    altered: tuple[UUID, ...] = ()


class LedgerBuckets:
    """Of the ledger in this database, at any position."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._buckets, self._position = Buckets(), -1
        self._lock = asyncio.Lock()

    async def at(self, position: int) -> Buckets | None:
        """All buckets as they were at this position; None where the ledger is not that long."""
        async with self._lock:
            if position > await self._database.pool.fetchval(_SIZE):
                return None
            if self._position < 0:
                await self._fill(position)
            low, high = sorted((self._position, position))
            changed = [row["bucket"] for row in await self._database.pool.fetch(_BETWEEN, low, high)]
            buckets = self._buckets if position >= self._position else self._buckets.copy()
            if changed:
                await self._put(buckets, changed, position)
            if position > self._position:
                self._position = position
            return buckets

    async def held(self, bucket: int, position: int) -> list[Held]:
        """The promises of this bucket as they were at this position."""
        return [Held(*row) for row in await self._database.pool.fetch(_OF_BUCKET, position, [bucket])]

    async def _fill(self, position: int) -> None:
        """In one pass over the table: bucket by bucket each page would be read many times."""
        async with self._database.pool.acquire() as sql, sql.transaction():
            await sql.execute(WHOLE_TABLE)
            rows = await sql.fetch(_HASHED_ALL, position)
        self._buckets.put(range(BUCKETS), [Hashed(*row) for row in rows])
        self._position = position

    async def _put(self, buckets: Buckets, some: Collection[int], position: int) -> None:
        buckets.put(some, [Hashed(*row) for row in await self._database.pool.fetch(_HASHED, position, sorted(some))])


async def note(database: Database, report: Report, agrees: bool, at: datetime) -> None:
    """Keep what a view told last, and what it had to put anew."""
    async with database.transaction() as work:
        told = (report.view, report.position, report.count, report.root, agrees, at, report.witnessed, list(report.altered))
        work.write(_REPORT, *told)
        if report.mended:
            work.write(_MENDED, report.view, list(report.mended), report.position, at)
