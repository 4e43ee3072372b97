"""A service's worker process: consumes, relays, fires timers, runs errands, and tells how far it is. It imports no web framework and no ORM."""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Hashable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import asyncpg
import structlog
import uvloop

from services.kit import metrics
from services.kit.awaiting import until_migrated
from services.kit.awaiting_kafka import until_topics
from services.kit.changes import Changes
from services.kit.clock import FileClock, clock_from
from services.kit.consume import ConsumeLoop, TooManyFailures
from services.kit.database import Database, session_settings
from services.kit.envelope import Reader
from services.kit.errands import ErrandLoop
from services.kit.group import Group
from services.kit.inbox import SqlJournal
from services.kit.inbox_days import keep_inbox
from services.kit.interpreter import tune_python
from services.kit.kafka_log import KafkaLog
from services.kit.leader import Duty, Leader
from services.kit.logs import configure
from services.kit.ops import Operations, listen
from services.kit.ports import Driver
from services.kit.promise.reporting import reporting
from services.kit.promise.view import viewing_promises
from services.kit.relay import Relay
from services.kit.revocations import hearing_revocations
from services.kit.settings import KitSettings
from services.kit.stage import Errand, Stage, Timer
from services.kit.stored_answers import forget_answers
from services.kit.timers import TimerLoop
from services.kit.transient import MAY_PASS
from services.kit.watchdog import Watchdog, behind, lag

log = structlog.get_logger(__name__)

HALTED = 78
"""The exit code that a supervisor must not answer with a restart: a bad release halts, instead of draining the topic into dead letters."""

_INBOX_CHECK_SECONDS = 3600.0
_LAG_SECONDS = 15.0
_VIEW_SECONDS = 5.0
_LEADER_SECONDS = 20.0
"""For one statement on the leader's connection, which PostgreSQL itself would end after ten: an answer that is still not there does not come."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What one worker process does for its service."""

    stage: Stage
    timers: tuple[Timer, ...] = ()
    errands: tuple[Errand, ...] = ()
    settings: KitSettings = field(default_factory=KitSettings)


def run(worker: Worker) -> NoReturn:
    """Work until SIGTERM or SIGINT, then exit with 0. Exits with 78 when twenty events in a row failed, with 1 after a crash."""
    configure(worker.settings.log_level)
    structlog.contextvars.bind_contextvars(service=worker.stage.service, process="worker")
    tune_python()
    uvloop.run(_main(worker))


async def _main(worker: Worker) -> NoReturn:
    """Ends the process before its loop is closed: a library's task or thread that does not end must not keep it, since all that matters has been
    committed or will be repeated."""
    try:
        code = await _until_told(worker)
    except BaseException:
        log.exception("crashed")
        code = 1
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


async def _until_told(worker: Worker) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    process = Process(worker)
    told = Operations(live=process.live, ready=process.ready, progress=process.progress)
    async with listen(told, worker.settings.bind, worker.settings.port(f"{worker.stage.service}_worker_ops")) as port:
        log.info("started", port=port)
        return await process.run(stop)


class Process:
    """The parts of a worker, and what is asked of them from outside."""

    def __init__(self, worker: Worker) -> None:
        settings, service = worker.settings, worker.stage.service
        self._stage = hearing_revocations(viewing_promises(worker.stage) if worker.stage.views_promises else worker.stage)
        self._worker, self._service, self._settings = worker, service, settings
        self._clock, self._changes, self._said = clock_from(settings.clock), Changes(), Changes()
        topics = tuple(settings.topic_prefix + topic for topic in self._stage.topics)
        gather = 0.0 if isinstance(self._clock, FileClock) else worker.stage.gather_seconds
        self._group = Group(settings.kafka, settings.topic_prefix + service, settings.slot, topics, gather_seconds=gather)
        self._log = KafkaLog(settings.kafka, f"{self._group.name}-relay")
        self._wrong: str | None = "starting"
        self._database: Database | None = None
        self._driver: Driver | None = None
        self._timers: TimerLoop | None = None
        self._errands: ErrandLoop | None = None
        self._leader: Leader | None = None
        self._watchdog = Watchdog(self._moved, self._waits)

    async def run(self, stop: asyncio.Event) -> int:
        """The exit code, once stopped or broken."""
        work = asyncio.create_task(self._work())
        asked = asyncio.create_task(stop.wait())
        await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
        self._wrong = "stopping"
        code = self._told(work.exception()) if work.done() else 0
        if self._driver is not None:
            await self._driver.stop(0 if code else self._settings.grace_seconds)
        work.cancel()
        await asyncio.wait({work})
        log.info("stopped")
        return code

    async def _work(self) -> None:
        """Ends only by cancellation or by raising what broke."""
        database = self._database = await until_migrated(self._connect)
        try:
            await keep_inbox(database)
            await until_topics(self._settings.kafka, self._group.topics)
            await self._consume_and_lead(database)
        finally:
            await self._log.close()
            database.pool.terminate()

    async def _consume_and_lead(self, database: Database) -> None:
        worker, changes = self._worker, self._changes
        journal = SqlJournal(database, self._stage.handle)
        reader = Reader(self._stage.hears)
        loop = ConsumeLoop(reader, journal, service=self._service, prefix=self._settings.topic_prefix, changed=changes.happened)
        driver = _driver(self._settings.driver, loop, self._group)
        self._timers = TimerLoop(worker.timers, database, self._clock, changes)
        errands = (*worker.errands, reporting(self._service, self._settings)) if worker.stage.duties else worker.errands
        self._errands = ErrandLoop(errands, database, changes)
        relay = Relay(self._service, self._settings.topic_prefix, self._log, self._said, foreign=changes.happened)
        duties: tuple[Duty, ...] = (relay.run, _alone(self._timers.run), _alone(self._errands.run), _alone(lambda: _daily(database)))
        if worker.stage.views_promises:
            duties = (*duties, _alone(lambda: self._keep_view(database)))
        self._leader = Leader(self._service, self._connect_leader, duties)
        self._driver = driver
        await driver.start()
        self._wrong = None
        async with asyncio.TaskGroup() as group:
            group.create_task(self._leader.run())
            group.create_task(_raise_when_dead(driver))
            group.create_task(self._watchdog.run())
            group.create_task(self._measure_lag())

    async def _keep_view(self, database: Database) -> None:
        """From when the start is over: what it brings along takes a while to load."""
        await asyncio.sleep(_VIEW_SECONDS)
        from services.kit.promise.keeper import Keeper

        await Keeper(self._service, database, self._settings, duties=self._worker.stage.duties).run()

    async def _connect(self) -> Database:
        url = self._settings.service_database(self._service)
        return await Database.connect(url, self._service, self._clock, wake_relay=self._wake_relay, process="worker")

    def _wake_relay(self) -> bool:
        self._said.happened()
        return self._leader is not None and self._leader.leading

    async def _connect_leader(self) -> "asyncpg.Connection[asyncpg.Record]":
        url = self._settings.service_database(self._service)
        settings = {**session_settings(self._service, "leader"), "synchronous_commit": "off"}  # a delete that is lost in a crash is a row sent twice
        return await asyncpg.connect(url, server_settings=settings, command_timeout=_LEADER_SECONDS)

    def _told(self, error: BaseException | None) -> int:
        halted = _find(error, TooManyFailures)
        if halted is not None:
            log.error("halted: the release is at fault, not the events", reason=str(halted))
            return HALTED
        log.error("crashed", exc_info=error)
        return 1

    def _moved(self) -> dict[Hashable, object]:
        return dict(self._positions())

    def _positions(self) -> dict[tuple[str, int], int]:
        """By topic and partition the offset up to which everything is done."""
        positions = self._driver.positions() if self._driver else {}
        return {(topic, partition): offset for topic, partitions in positions.items() for partition, offset in partitions.items()}

    async def _waits(self) -> Collection[Hashable]:
        """The partitions that are behind, while the servers that the work needs answer."""
        if self._database is None:
            return ()
        try:
            await self._database.pool.fetchval("select 1")
        except MAY_PASS:
            return ()
        return await behind(self._settings.kafka, self._positions())

    async def _measure_lag(self) -> None:
        gauge = metrics.LAG_EVENTS.labels(self._service)
        while True:
            counts = await lag(self._settings.kafka, self._positions())
            gauge.set(float("nan") if counts is None else sum(counts.values()))
            await asyncio.sleep(_LAG_SECONDS)

    def live(self) -> str | None:
        still = self._watchdog.still_since
        return None if still is None else f"work waits and nothing has moved for {time.monotonic() - still:.0f} s"

    async def ready(self) -> str | None:
        return self._wrong

    async def progress(self) -> dict[str, Any]:
        """How far this worker is, for whoever moves a clock step by step. Topics are named as on the broker."""
        positions = self._driver.positions() if self._driver else {}
        leading = self._leader is not None and self._leader.leading
        at = self._timers.at if self._timers and leading else None
        return {
            "positions": positions,
            "assigned": sorted([topic, partition] for topic, partitions in positions.items() for partition in partitions),
            "leader": leading,
            "timers_at": at.isoformat() if at else None,
            "errands_idle": self._errands.idle if self._errands and leading else None,
            "outbox": await self._database.pool.fetchval("select count(*) from outbox") if self._database else None,
        }


def _driver(kind: str, loop: ConsumeLoop, group: Group) -> Driver:
    if kind == "raw":
        from services.kit.raw_driver import RawDriver

        return RawDriver(loop, group)
    from services.kit.faust_driver import FaustDriver

    return FaustDriver(loop, group)


def _alone(run: Callable[[], Awaitable[None]]) -> Callable[["asyncpg.Connection[asyncpg.Record]"], Awaitable[None]]:
    """A duty that needs the leadership, not its connection."""

    async def duty(_: "asyncpg.Connection[asyncpg.Record]") -> None:
        await run()

    return duty


async def _daily(database: Database) -> None:
    while True:
        await asyncio.sleep(_INBOX_CHECK_SECONDS)
        await keep_inbox(database)
        await forget_answers(database)


async def _raise_when_dead(driver: Driver) -> None:
    raise await driver.died()


def _find(error: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    if isinstance(error, BaseExceptionGroup):
        return next((found for each in error.exceptions if (found := _find(each, kind))), None)
    return error if isinstance(error, kind) else None
