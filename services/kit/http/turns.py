"""No more requests in hand than can be served well, and none for longer than anybody waits.

So many are worked on at once. As many more wait for their turn, a second at most; all others are told at once to come back. Whoever got a turn is
served: under ten times the load that a process bears, it does what it can, and says so to the rest.
"""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request

from services.kit import metrics
from services.kit.http.problems import Problem

_LONGEST_WAIT_SECONDS = 1.0


class Turns:
    """The places of one process."""

    def __init__(self, service: str, places: int) -> None:
        self._places, self._waiting, self._free = places, 0, asyncio.Semaphore(places)
        self._in_hand, self._refused = 0, metrics.HTTP_REFUSED.labels(service, "busy")
        metrics.HTTP_IN_HAND.labels(service).set_function(lambda: self._in_hand)

    def refuse_above(self) -> None:
        """Raises Problem (503) while too many wait already: whoever came now would wait for nothing."""
        if self._waiting >= self._places:
            raise self._busy()

    async def take(self) -> None:
        """A place. Raises Problem (503) where none became free in time."""
        if self._free.locked():
            await self._wait()
        else:
            await self._free.acquire()
        self._in_hand += 1

    async def _wait(self) -> None:
        self.refuse_above()
        self._waiting += 1
        try:
            async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise self._busy() from None
        finally:
            self._waiting -= 1

    def give_back(self) -> None:
        self._free.release()
        self._in_hand -= 1

    def _busy(self) -> Problem:
        self._refused.inc()
        detail = "More is asked than can be answered at the moment, and nothing was done: send the same request again shortly."
        return Problem(503, "busy", detail, headers={"retry-after": "1"})


class Turn:
    """One request's place, taken once, when it is read; and its time, which runs from the start: to be read, and to be answered. When either is over
    the request is given up: `answer` is told whether it was read, and sends something in its place at once, and its task is cancelled, however long
    that takes to unwind (a database that hangs)."""

    def __init__(self, turns: Turns, read_seconds: float, seconds: float, answer: Callable[[bool], Awaitable[None]]) -> None:
        self._turns, self._answer, self._task, self._loop = turns, answer, asyncio.current_task(), asyncio.get_running_loop()
        self._has_place = self._had_place = self._was_read = False
        began = self._loop.time()
        self._until, self._look = began + seconds, self._loop.call_at(began + min(read_seconds, seconds), self._look_at_the_time)
        self._answering: asyncio.Future[None] | None = None

    async def take(self) -> None:
        """Raises Problem (503) where there is no place."""
        self._was_read = True
        if not self._had_place:
            await self._turns.take()
            self._has_place = self._had_place = True

    def step_aside(self, seconds: float) -> None:
        """The request does nothing but wait from here on: another may have its place, and so many seconds do not count."""
        self._leave()
        self._until += seconds

    async def was_given_up(self) -> bool:
        """Whether the cancelling was ours; the answer is sent, then."""
        if self._answering is None or self._task is None:
            return False
        self._task.uncancel()
        await self._answering
        return True

    def finish(self) -> None:
        """The request is over, whatever came of it."""
        self._look.cancel()
        self._leave()

    def _leave(self) -> None:
        if self._has_place:
            self._has_place = False
            self._turns.give_back()

    def _look_at_the_time(self) -> None:
        if self._was_read and self._loop.time() < self._until:
            self._look = self._loop.call_at(self._until, self._look_at_the_time)
            return
        assert self._task is not None, "a request runs in a task"
        self._answering = asyncio.ensure_future(self._answer(self._was_read))
        self._task.cancel()


def step_aside(request: Request, seconds: float) -> None:
    """To be called where a request waits for others to do something."""
    turn: Turn | None = getattr(request.state, "turn", None)
    if turn is not None:
        turn.step_aside(seconds)
