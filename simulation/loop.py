"""An event loop whose selector does not wait: it moves a virtual clock on to the next thing that is due. Nothing is ever reordered."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Stuck(AssertionError):
    """Everything waits for something else, and nothing is due any more."""


class _Selector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        """Nothing ever comes from outside."""
        if timeout is None:
            raise Stuck("nothing is due any more, and not all is done")
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time begins at 0 and passes only while all wait."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)
        self.set_exception_handler(lambda *_: None)  # tasks of killed processes are left where they are

    def time(self) -> float:
        return self._clock.now


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """The result. What still waits then is cancelled, as often as it takes: it may wait again while it is cancelled."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        while waiting := asyncio.all_tasks(loop):
            for task in waiting:
                task.cancel()
            loop.call_soon(loop.stop)
            loop.run_forever()
        loop.close()
        asyncio.set_event_loop(None)
