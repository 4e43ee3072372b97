"""How late promises are broken when thousands of very many fall due in the same second, each with what makes good for it."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from bench.ledger_asked import ask, execute, make, service_of, writing
from bench.report import Row, Wanted
from services.kit.changes import Changes
from services.kit.clock import SystemClock, record_now
from services.kit.database import Database
from services.kit.ids import uuid7
from services.kit.promise.state import Due
from services.promises.ledger.batch import Asked
from services.promises.ledger.due_watch import DueWatch
from services.promises.ledger.sayings import tariffs

DUE = 5_000
_AHEAD = timedelta(seconds=8)
_PATIENCE_SECONDS = 60.0
_AT_PIECES = 5_000
_BROKEN = "select count(*) from ledger_promises where verdict = 'broken'"
_OF_BROKEN = """
select e.position, (e.line::json -> 'body' ->> 'due_at')::timestamptz as due_at from ledger_entries e where e.line::json ->> 'kind' = 'broken'"""


async def measure(url: str, *, count: int) -> list[Row]:
    """Lateness from the due instant to the commit that records the break. `url` is the address of a database with the schema of promises."""
    written = Changes()
    database = await Database.connect(service_of(url), "promises", SystemClock(), process="ledger")
    async with writing(service_of(url), written) as writer:
        for start in range(0, count - DUE, _AT_PIECES):
            await ask(writer, [make(uuid7(), tariff=tariffs()[-1].version) for _ in range(min(_AT_PIECES, count - DUE - start))])
        await execute(url, "update ledger_promises set acknowledge_by = null where acknowledge_by is not null; analyze")
        begins = record_now() + _AHEAD
        await ask(writer, [_due_at(uuid7(), begins + timedelta(seconds=number / DUE)) for number in range(DUE)])
        assert record_now() < begins, "they were due before the watch began"
        watching = asyncio.create_task(DueWatch(writer, database, SystemClock(), tariffs()).run(None))
        commits = await _commits(database.pool, written)
        watching.cancel()
    late = await _lateness(database.pool, commits)
    await database.close()
    more = {"p50": late[len(late) // 2], "longest": late[-1], "open": count}
    return [Row(f"ledger: {DUE:,} fall due in one second, p99 late", "s", _p99(late), less_is_better=True, wanted=Wanted(3, at_most=True), more=more)]


def _due_at(id: UUID, at: datetime) -> Asked:
    said = Due(at.strftime("%Y-%m-%dT%H:%M"), "Etc/UTC", "none", "2026.3", at)
    return make(id, due=said, kept_by="carried", tariff=tariffs()[-1].version, order_minor=10_000, currency="EUR")  # without a driver's half hour


async def _commits(pool: "asyncpg.Pool[asyncpg.Record]", written: Changes) -> list[tuple[int, datetime]]:
    """The size of the ledger, and the instant, after each commit, until all are broken."""
    found = list[tuple[int, datetime]]()
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while await pool.fetchval(_BROKEN) < DUE:
            seen = written.count
            await written.after(seen, 1.0)
            now = record_now()
            found.append((await pool.fetchval("select size from ledger_head"), now))
    return found


async def _lateness(pool: "asyncpg.Pool[asyncpg.Record]", commits: list[tuple[int, datetime]]) -> list[float]:
    """Seconds, of each that was broken, the longest last."""
    rows = await pool.fetch(_OF_BROKEN)
    return sorted((next(at for size, at in commits if size >= row["position"]) - row["due_at"]).total_seconds() for row in rows)


def _p99(waits: list[float]) -> float:
    return round(waits[len(waits) * 99 // 100], 3)
