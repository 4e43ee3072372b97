"""Work that is begun anew after every error ends when it is told to, though an error takes the place of the cancellation."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from services.kit.changes import Changes
from services.kit.clock import SystemClock
from services.kit.errands import ErrandLoop
from services.kit.ports import LogUnavailable, Outgoing
from services.kit.relay import Relay
from services.kit.stage import Errand, Timer
from services.kit.timers import TimerLoop
from services.promises.ledger.publisher import Publisher
from tests.support.polling import poll_until

Run = Callable[["Deaf"], Coroutine[Any, Any, None]]


class Deaf:
    """Waits, and makes an error of the cancellation, as a rollback on a broken connection does. `begun` counts how often."""

    def __init__(self, error: type[Exception] = ConnectionResetError) -> None:
        self.begun, self._error = 0, error
        self.clock, self.service = SystemClock(), "toy"

    async def wait(self, *_: object) -> int:
        self.begun += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise self._error from None
        return 0

    async def send(self, _: Sequence[Outgoing]) -> None:
        await self.wait()

    async def close(self) -> None:
        """Nothing is open."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        yield None


async def _errands(deaf: Deaf) -> None:
    await ErrandLoop([Errand("deaf", deaf.wait)], deaf, Changes()).run()  # type: ignore[arg-type]  # all that it asks for


async def _timers(deaf: Deaf) -> None:
    await TimerLoop([Timer("deaf", deaf.wait)], deaf, deaf.clock, Changes()).run()  # type: ignore[arg-type]  # as above


async def _relay(deaf: Deaf) -> None:
    await Relay("toy", "", deaf, Changes())._send([])


async def _publisher(deaf: Deaf) -> None:
    await Publisher(SimpleNamespace(), deaf, "", Changes())._send([])  # type: ignore[arg-type]  # it has read already


@pytest.mark.parametrize(
    ("run", "error"), [(_errands, ConnectionResetError), (_timers, ConnectionResetError), (_relay, LogUnavailable), (_publisher, LogUnavailable)]
)
async def test_it_ends(run: Run, error: type[Exception]) -> None:
    deaf = Deaf(error)
    task = asyncio.create_task(run(deaf))
    await poll_until(lambda: deaf.begun)
    task.cancel()
    await asyncio.wait({task}, timeout=5)
    assert task.cancelled()
    assert deaf.begun == 1
