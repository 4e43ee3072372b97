"""A process waits for its servers, however long they take: what gives up at start must be started again by somebody.

No Kafka client here, since an API loads none: `awaiting_kafka` waits for topics.
"""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import structlog

from services.kit.database import Database
from services.kit.transient import pause_seconds

log = structlog.get_logger(__name__)


async def until_migrated(connect: Callable[[], Awaitable[Database]]) -> Database:
    """The database, once its server answers, the role may log in, and its schema has its tables."""
    tries = 0
    while True:
        try:
            database = await connect()
            if await database.pool.fetchval("select to_regclass('inbox') is not null"):
                return database
            await database.close()
            reason = "the schema has no tables yet"
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            reason = type(error).__name__
        await pause("database", reason, tries)
        tries += 1


async def pause(server: str, reason: str, tries: int) -> None:
    """Between two looks at a server: longer each time, up to a second; every tenth is told in the log."""
    if tries % 10 == 0:
        log.info("waiting", name=server, reason=reason, attempt=tries)
    await asyncio.sleep(min(1.0, pause_seconds(tries)))
