"""A whole worker in process: timers in business time, errands, what it tells of itself, what it must not import."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prometheus_client import REGISTRY

from services.kit.clock import FileClockDriver
from services.kit.database import Database, Transaction, service_url
from services.kit.ids import uuid7
from services.kit.settings import KitSettings
from services.kit.stage import Errand, Timer
from services.kit.worker import Process, Worker
from tests.integration.kit import toy
from tests.integration.kit.conftest import DRIVERS, ROOT, Site, outgoing, produce
from tests.support.polling import poll_until

START = datetime(2026, 3, 2, 23, 58, tzinfo=UTC)


@pytest.fixture
def clock(tmp_path: Path) -> FileClockDriver:
    return FileClockDriver(tmp_path / "clock", START)


@asynccontextmanager
async def working(site: Site, clock: FileClockDriver, tmp_path: Path, driver: str = "raw", slot: str = "0", **parts: Any) -> AsyncIterator[Process]:
    """A worker that is ready, and has stopped cleanly when the block ends."""
    settings = KitSettings(
        KAFKA_BOOTSTRAP_SERVERS=site.kafka,
        DATABASE_URL=site.database,
        topic_prefix=site.prefix,
        driver=driver,
        slot=slot,
        clock=f"file:{tmp_path / 'clock'}",
    )
    process, stop = Process(Worker(toy.STAGE, settings=settings, **parts)), asyncio.Event()
    running = asyncio.ensure_future(process.run(stop))
    await poll_until(lambda: _is_up(process, running), 20)
    try:
        yield process
    finally:
        stop.set()
        assert await running == 0


async def _due(work: Transaction) -> int:
    """Fires rows of `counted` whose n is minutes after the start, once."""
    minutes = int((work.now - START) / timedelta(minutes=1))
    fired = await work.connection.fetch("update counted set n = -1 where n between 0 and $1 returning 1", minutes)
    return len(fired)


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_driver_of_the_clock_learns_when_every_timer_has_fired(site: Site, clock: FileClockDriver, tmp_path: Path, driver: str) -> None:
    async with working(site, clock, tmp_path, driver, timers=(Timer("due", _due),)) as process:
        await produce(site, [outgoing(site.prefix + toy.HEARD, uuid7(), n) for n in (5, 10)])
        await poll_until(lambda: site.counted() == 2)
        for minutes, left in ((4, 2), (5, 1), (10, 0)):
            clock.advance_to(START + timedelta(minutes=minutes))
            await poll_until(lambda: _has_reached(process, clock.instant))
            assert site.one("select count(*) from counted where n >= 0") == left


async def test_progress_tells_positions_outbox_and_idleness(site: Site, clock: FileClockDriver, tmp_path: Path) -> None:
    async with working(site, clock, tmp_path) as process:
        await produce(site, [outgoing(site.prefix + toy.HEARD, uuid7(), n) for n in range(30)])
        await poll_until(lambda: site.counted() == 30)
        await poll_until(lambda: _idle(process))
        told = await poll_until(lambda: _has_handled(process, site.prefix + toy.HEARD, 30))
        assert len([topic for topic, _ in told["assigned"] if topic == site.prefix + toy.HEARD]) == 6


async def test_what_is_not_dealt_with_is_counted(site: Site, clock: FileClockDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.kit.worker._LAG_SECONDS", 0.05)

    def lag() -> float | None:
        return REGISTRY.get_sample_value("kept_lag_events", {"service": "toy"})

    async with working(site, clock, tmp_path):
        with psycopg.connect(service_url(site.database, "toy"), options="-c search_path=toy") as held:
            held.execute("lock table counted")
            await produce(site, [outgoing(site.prefix + toy.HEARD, uuid7(), n) for n in range(7)])
            await poll_until(lambda: lag() == 7, 30)
        await poll_until(lambda: lag() == 0, 30)


async def test_an_errand_runs_after_a_commit_and_outlives_what_it_expects(site: Site, clock: FileClockDriver, tmp_path: Path) -> None:
    done, troubles = list[int](), [ConnectionResetError(), LookupError()]

    async def send(database: Database) -> int:
        waiting = await database.pool.fetch("select n from counted where n >= 0")
        if waiting and troubles:
            raise troubles.pop()
        done.extend(row[0] for row in waiting)
        await database.pool.execute("update counted set n = -1 where n >= 0")
        return len(waiting)

    async with working(site, clock, tmp_path, errands=(Errand("send", send, expects=(LookupError,)),)) as process:
        await produce(site, [outgoing(site.prefix + toy.HEARD, uuid7(), 7)])
        await poll_until(lambda: done == [7])
        await poll_until(lambda: _idle(process))


async def test_of_two_workers_one_leads_and_the_other_takes_over(site: Site, clock: FileClockDriver, tmp_path: Path) -> None:
    async with working(site, clock, tmp_path) as second_to_be, working(site, clock, tmp_path, slot="1") as other:
        await poll_until(lambda: _leads(second_to_be))
        assert not await _leads(other)
        site.ask("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'toy.leader' and datname = current_database()")
        await poll_until(lambda: _exactly_one_leads(second_to_be, other))


def test_a_worker_imports_no_web_framework_and_no_orm() -> None:
    forbidden = ("fastapi", "starlette", "sqlmodel", "sqlalchemy")
    look = f"import services.kit.worker, services.kit.faust_driver, sys; print([m for m in {forbidden} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True).stdout == "[]\n"


async def _has_reached(process: Process, instant: datetime) -> bool:
    return bool((await process.progress())["timers_at"] == instant.isoformat())


async def _is_up(process: Process, running: "asyncio.Future[int]") -> bool:
    return running.done() or await process.ready() is None


async def _idle(process: Process) -> dict[str, Any]:
    told = await process.progress()
    return told if told["outbox"] == 0 and told["errands_idle"] and told["timers_at"] else {}


async def _has_handled(process: Process, topic: str, count: int) -> dict[str, Any]:
    """Positions follow the commit by a moment: messages are acknowledged after it."""
    told = await process.progress()
    return told if sum(told["positions"][topic].values()) == count else {}


async def _leads(process: Process) -> bool:
    return bool((await process.progress())["leader"])


async def _exactly_one_leads(*processes: Process) -> bool:
    return [await _leads(process) for process in processes].count(True) == 1
