"""A process waits for its servers, however long they take: what gives up at start must be started again by somebody."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import asyncpg
import structlog
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from services.kit.database import Database
from services.kit.transient import pause_seconds

T = TypeVar("T")
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
        await _pause("database", reason, tries)
        tries += 1


async def until_topics(bootstrap: str, topics: Sequence[str]) -> None:
    """Return once the broker answers and holds these topics."""
    tries = 0
    while missing := await _missing(bootstrap, topics):
        await _pause("kafka", missing, tries)
        tries += 1


async def _missing(bootstrap: str, topics: Sequence[str]) -> str:
    client = AIOKafkaClient(bootstrap_servers=bootstrap, client_id="kept-awaiting")
    try:
        await client.bootstrap()
        known = (await client.fetch_all_metadata()).topics()
    except (KafkaError, OSError) as error:
        return type(error).__name__
    finally:
        await client.close()
    return ", ".join(sorted(set(topics) - set(known)))


async def _pause(server: str, reason: str, tries: int) -> None:
    if tries % 10 == 0:
        log.info("waiting", name=server, reason=reason, attempt=tries)
    await asyncio.sleep(min(1.0, pause_seconds(tries)))
