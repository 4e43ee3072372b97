"""One worker of a service at a time does what must not be done twice: it holds an advisory lock, on a connection of its own.

The lock goes with the connection: when that breaks, whatever ran under it is stopped, and another worker takes over. What runs here must still
bear a second one beside it for a moment: rows are locked, effects idempotent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import asyncpg
import structlog

from services.kit.failpoints import ARMED, hit
from services.kit.transient import MAY_PASS, end_if_told, is_transient, pause_seconds

log = structlog.get_logger(__name__)

Connection = "asyncpg.Connection[asyncpg.Record]"
Duty = Callable[["asyncpg.Connection[asyncpg.Record]"], Awaitable[None]]

_STANDBY_SECONDS = 0.5
_TOLD_AGAIN_SECONDS = 15.0
"""Longer than what a duty has in hand may take to be finished properly, in all but the worst case."""
_TRY = "select pg_try_advisory_lock(hashtext('kept leader'), hashtext($1))"


class Leader:
    """`connect` opens the connection; `duties` run side by side while the lock is held."""

    def __init__(self, service: str, connect: Callable[[], Awaitable["asyncpg.Connection[asyncpg.Record]"]], duties: Sequence[Duty]) -> None:
        self._service, self._connect, self._duties = service, connect, duties
        self.leading = False

    async def run(self) -> None:
        """Lead, or wait to lead, until cancelled. Raises what a duty raises, unless it passes by itself."""
        tries = 0
        while True:
            try:
                await self._term()
            except* MAY_PASS as errors:
                others = errors.split(is_transient)[1]
                if others is not None:
                    raise others from None
                log.warning("leadership ended with its connection", service=self._service, attempt=tries)
            end_if_told()
            tries = 0 if self.leading else tries + 1
            self.leading = False
            await asyncio.sleep(pause_seconds(tries))

    async def _term(self) -> None:
        connection = await self._connect()
        try:
            while not await connection.fetchval(_TRY, self._service):  # noqa: ASYNC110  # PostgreSQL tells nobody of a lock let go
                await asyncio.sleep(_STANDBY_SECONDS)
            self.leading = True
            if ARMED:
                hit("leader.elected")
            log.info("leading", service=self._service)
            await _until_one_fails([_until_it_ends(connection), *(_run(duty, connection) for duty in self._duties)])
        finally:
            await _close(connection)


async def _until_one_fails(duties: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Raises what the duties raised, in a group, once all have ended. They are told to until they do: one that went on would do so without the
    lock, and let nobody lead here again."""
    tasks = [asyncio.ensure_future(duty) for duty in duties]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        while pending := [task for task in tasks if not task.done()]:
            for task in pending:
                task.cancel()
            await asyncio.wait(pending, timeout=_TOLD_AGAIN_SECONDS)
    raise BaseExceptionGroup("leading has ended", [error for task in tasks if not task.cancelled() and (error := task.exception())])


async def _run(duty: Duty, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await duty(connection)


async def _until_it_ends(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Raises ConnectionResetError once it does: duties that do not use it in that moment would go on without the lock."""
    ended = asyncio.Event()
    connection.add_termination_listener(lambda _: ended.set())
    await ended.wait()
    raise ConnectionResetError("the connection that holds the lock has ended")


async def _close(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Closed whatever happens: a connection that is left open keeps the lock."""
    try:
        await connection.close(timeout=2)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
