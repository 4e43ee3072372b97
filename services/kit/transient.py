"""Failures that pass by themselves, told apart from bugs, and how long to wait before the next try."""

import asyncio
import random

import asyncpg

_CLASSES = ("08", "40", "53", "58")  # connection, rollback (serialization, deadlock), resources, operating system
_STATES = ("55P03", "57014", "57P01", "57P02", "57P03", "25P03")  # lock timeout, statement timeout, shutdowns and starts, idle timeout
_CLOSED = ("connection is closed", "connection was closed", "pool is clos", "released back to the pool", "connection has been closed")
MAY_PASS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What to catch before asking `is_transient`."""

_FILES = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
_FIRST_SECONDS, _LONGEST_SECONDS = 0.05, 5.0


def is_transient(error: BaseException) -> bool:
    """Whether the same work may well succeed later: the server was away, or another transaction was in the way."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return (state[:2] in _CLASSES and state != "40002") or state in _STATES
    if isinstance(error, asyncpg.InterfaceError):
        return any(words in str(error) for words in _CLOSED)
    return isinstance(error, OSError | asyncpg.InternalClientError) and not isinstance(error, _FILES)


def end_if_told() -> None:
    """Raises CancelledError where this task was told to end and something else came of it: a rollback on a connection that broke fails, and its error
    takes the place of the cancellation. Called wherever work is begun anew after an error; it would else go on for ever."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def pause_seconds(tries: int) -> float:
    """How long to wait after so many tries: doubling, capped, with jitter so that workers do not come back together."""
    longest: float = min(_LONGEST_SECONDS, _FIRST_SECONDS * 2.0 ** min(tries, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  # no secret
