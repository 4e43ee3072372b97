"""Waiting for a condition with a deadline; the only way in which a test waits."""

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, overload

T = TypeVar("T")
_PAUSE_SECONDS = 0.02
_PATIENCE = 4
"""So much slower than the one it was written on may a machine be. A deadline says when waiting is in vain, never how fast something has to be."""


@overload
async def poll_until(condition: Callable[[], Coroutine[Any, Any, T]], deadline: float = 30.0) -> T: ...
@overload
async def poll_until(condition: Callable[[], T], deadline: float = 30.0) -> T: ...
async def poll_until(condition: Callable[[], Any], deadline: float = 30.0) -> Any:
    """The first true answer of the condition, plain or awaited. Raises TimeoutError with the last answer when `deadline` seconds of a quick
    machine have passed."""
    deadline *= _PATIENCE
    last = time.monotonic() + deadline
    while True:
        answer = condition()
        value = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        if time.monotonic() > last:
            raise TimeoutError(f"not within {deadline} s; the last answer was {value!r}")
        await asyncio.sleep(_PAUSE_SECONDS)


def wait_until(condition: Callable[[], T], deadline: float = 30.0) -> T:
    """`poll_until` for tests without an event loop."""
    deadline *= _PATIENCE
    last = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > last:
            raise TimeoutError(f"not within {deadline} s; the last answer was {value!r}")
        time.sleep(_PAUSE_SECONDS)
