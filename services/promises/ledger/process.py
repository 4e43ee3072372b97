"""The process that writes the ledger: it waits to be elected, then takes commands over HTTP, and gives the verdict on what falls due."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import structlog

from services.kit.awaiting import until_migrated
from services.kit.changes import Changes
from services.kit.clock import Clock, clock_from
from services.kit.database import Database, session_settings
from services.kit.http.app import Lifespan
from services.kit.kafka_log import KafkaLog
from services.kit.leader import Leader
from services.kit.ports import Log
from services.promises.ledger.commands_api import Desk
from services.promises.ledger.due_watch import DueWatch
from services.promises.ledger.holding import Fulfilment, Holder
from services.promises.ledger.publisher import Publisher
from services.promises.ledger.sayings import tariffs
from services.promises.ledger.writer import Writer
from services.promises.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

log = structlog.get_logger(__name__)

LOCK = "promises ledger"
"""What the processes of one ledger are elected by."""

_CONNECTION_SECONDS = 20.0


def lifespan_of(settings: Settings) -> Lifespan:
    """The routes' desk, and leading beside it, for as long as the application runs."""

    @asynccontextmanager
    async def lifespan(app: "FastAPI") -> AsyncIterator[None]:
        url, clock = settings.service_database("promises"), clock_from(settings.clock)
        database = await until_migrated(lambda: Database.connect(url, "promises", clock, process="ledger"))
        sink = KafkaLog(settings.kafka, settings.topic_prefix + "promises-ledger")
        async with leading(app, database, url, clock, sink, Fulfilment(settings), settings.topic_prefix):
            yield
        await sink.close()
        await database.close()

    return lifespan


@asynccontextmanager
async def leading(app: "FastAPI", database: Database, url: str, clock: Clock, sink: Log, holder: Holder, prefix: str = "") -> AsyncIterator[Writer]:
    """The application takes commands while the block lasts, and from when it is elected. `sink` is where entries are told of, under `prefix`;
    `holder` has goods and places."""
    written = Changes()
    writer = Writer(clock, written)
    watch = DueWatch(writer, database, clock, tariffs())
    publisher = Publisher(database, sink, prefix, written)
    app.state.database, app.state.desk = database, Desk(writer, database, clock, tariffs(), holder)

    async def connect() -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(url, server_settings=session_settings("promises", "ledger"), command_timeout=_CONNECTION_SECONDS)

    task = asyncio.create_task(Leader(LOCK, connect, (writer.lead, watch.run, publisher.run)).run())
    task.add_done_callback(_end_the_process)
    try:
        yield writer
    finally:
        task.cancel()
        await asyncio.wait({task})


def _end_the_process(task: "asyncio.Task[None]") -> None:
    """A bug in a duty: the process ends, and a supervisor starts another, in place of one that answers 503 for ever."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("crashed", exc_info=error)
        sys.stdout.flush()
        os._exit(1)
