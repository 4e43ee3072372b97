"""Requests that wait for a state share one poll per process: one query every 50 ms for all ids together, no connection held in between."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from starlette.requests import Request

from services.kit import metrics
from services.kit.http.turns import step_aside

T = TypeVar("T")
_POLL_SECONDS = 0.05
LONGEST_SECONDS = 10.0
_MOST_WAITERS = 1_000


@dataclass(frozen=True, slots=True)
class _Waiter(Generic[T]):
    id: UUID
    until: Callable[[T], bool]
    found: "asyncio.Future[T]"


class Waiters(Generic[T]):
    """`look` reads the present state of some ids in one query; ids that are not there are left out."""

    def __init__(self, service: str, look: Callable[[Sequence[UUID]], Awaitable[Mapping[UUID, T]]]) -> None:
        self._look = look
        self._waiting: set[_Waiter[T]] = set()
        self.poll: asyncio.Task[None] | None = None
        """The task that looks; it ends when nobody waits."""
        self._gauge = metrics.HTTP_WAITERS.labels(service)

    @property
    def count(self) -> int:
        """How many wait at this moment."""
        return len(self._waiting)

    async def wait(self, request: Request, id: UUID, until: Callable[[T], bool], seconds: float = LONGEST_SECONDS) -> T | None:
        """The first state seen that satisfies `until`; None when the time is up, the client has gone, or too many wait. Raises what `look` raises.

        To be called once the body was read: what the client sends next can only be that it leaves.
        """
        if len(self._waiting) >= _MOST_WAITERS:
            return None
        step_aside(request, seconds)
        waiter = _Waiter(id, until, asyncio.get_running_loop().create_future())
        gone = asyncio.ensure_future(_disconnected(request))
        self._waiting.add(waiter)
        self._start()
        try:
            await asyncio.wait({waiter.found, gone}, timeout=min(seconds, LONGEST_SECONDS), return_when=asyncio.FIRST_COMPLETED)
            return waiter.found.result() if waiter.found.done() else None
        finally:
            self._waiting.discard(waiter)
            self._gauge.set(len(self._waiting))
            waiter.found.cancel()
            gone.cancel()

    def _start(self) -> None:
        self._gauge.set(len(self._waiting))
        if self.poll is None or self.poll.done():
            self.poll = asyncio.create_task(self._run())
            self.poll.add_done_callback(self._ended)

    async def _run(self) -> None:
        while self._waiting:
            states = await self._look(sorted({waiter.id for waiter in self._waiting}))
            for waiter in list(self._waiting):
                state = states.get(waiter.id)
                if state is not None and not waiter.found.done() and waiter.until(state):
                    waiter.found.set_result(state)
            await asyncio.sleep(_POLL_SECONDS)

    def _ended(self, poll: "asyncio.Task[None]") -> None:
        """A poll that failed fails all who waited for it; the next one to wait begins another."""
        error = None if poll.cancelled() else poll.exception()
        for waiter in self._waiting:
            if error is not None and not waiter.found.done():
                waiter.found.set_exception(error)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
