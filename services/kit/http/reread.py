"""What a process knows from elsewhere and looks up again and again: who may sign, who was sent away. Closed where it cannot be known."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog

from services.kit.http.problems import Problem

T = TypeVar("T")
_log = structlog.get_logger("http")


class Reread(Generic[T]):
    """A value that `read` brings. It is read when somebody asks and it is older than `fresh_seconds`, once at a time: others go on with what is
    known, or wait where nothing is. A reading that fails (with one of `expects`, or after `patience_seconds`) is told in the log, and what was
    known stays good for `good_seconds`; after that whoever asks is told 503. No reading begins within `pause_seconds` of the last."""

    pause_seconds = 10.0
    patience_seconds = 3.0

    def __init__(
        self,
        name: str,
        read: Callable[[], Awaitable[T]],
        *,
        fresh_seconds: float,
        good_seconds: float,
        expects: tuple[type[Exception], ...],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._read, self._now = name, read, now
        self._expects: tuple[type[Exception], ...] = (TimeoutError, *expects)
        self._fresh_seconds, self._good_seconds = fresh_seconds, good_seconds
        self._known: list[T] = []
        self._read_at = self._tried_at = -math.inf
        self._reading: asyncio.Task[None] | None = None

    @property
    def in_doubt(self) -> bool:
        """Whether the last reading failed: what is not known may well be true by now."""
        return self._read_at < self._tried_at

    async def get(self) -> T:
        """The value. Raises Problem (503, with Retry-After) where it is not known any more."""
        if self._age > self._fresh_seconds and not (self._reading and self._is_good):
            return await self.again()
        return self._value()

    async def again(self) -> T:
        """The value, read anew unless that was tried a moment ago; who comes while it is being read waits for that. Raises Problem (503)."""
        if self._reading is None and self._now() - self._tried_at >= self.pause_seconds:
            self._tried_at = self._now()
            self._reading = asyncio.create_task(self._try())
        if self._reading is not None:
            await asyncio.shield(self._reading)
        return self._value()

    @property
    def _age(self) -> float:
        return self._now() - self._read_at

    @property
    def _is_good(self) -> bool:
        return self._age <= self._good_seconds

    def _value(self) -> T:
        if not self._is_good:
            wait = math.ceil(self._tried_at + self.pause_seconds - self._now())
            raise Problem(503, headers={"retry-after": str(max(1, wait))})
        return self._known[0]

    async def _try(self) -> None:
        try:
            async with asyncio.timeout(self.patience_seconds):
                self._known = [await self._read()]
            self._read_at = self._tried_at
        except self._expects as error:
            _log.warning("could not be read again", name=self._name, error=type(error).__name__)
        finally:
            self._reading = None
