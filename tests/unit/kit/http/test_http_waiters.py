"""Many who wait, one who looks."""

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

import pytest
from starlette.requests import Request

from services.kit.http import Waiters
from tests.support.ids import numbered_ids


class _Orders:
    """States as a table would hold them, and how often they were looked up."""

    def __init__(self) -> None:
        self.states: dict[UUID, str] = {}
        self.looks: list[Sequence[UUID]] = []
        self.looked = asyncio.Event()
        self.failure: Exception | None = None

    async def look(self, ids: Sequence[UUID]) -> Mapping[UUID, str]:
        self.looks.append(ids)
        self.looked.set()
        if self.failure:
            raise self.failure
        return {id: self.states[id] for id in ids if id in self.states}


class _Client:
    """The receiving side of a connection: silent until the client leaves."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.request = Request({"type": "http", "headers": []}, receive=self._receive)

    async def _receive(self) -> dict[str, str]:
        await self.left.wait()
        return {"type": "http.disconnect"}


def _released(state: str) -> bool:
    return state == "released"


async def test_a_hundred_waiters_share_one_look() -> None:
    orders, ids = _Orders(), [numbered_ids(start)() for start in range(1, 101)]
    waiters = Waiters("toy", orders.look)
    waiting = [asyncio.create_task(waiters.wait(_Client().request, id, _released, 5)) for id in ids]
    await orders.looked.wait()
    assert len(orders.looks[0]) == 100
    orders.states = dict.fromkeys(ids, "released")
    assert await asyncio.gather(*waiting) == ["released"] * 100
    assert len(orders.looks) <= 3


async def test_a_state_that_does_not_come_ends_the_wait() -> None:
    orders, id = _Orders(), numbered_ids()()
    orders.states[id] = "placed"
    assert await Waiters("toy", orders.look).wait(_Client().request, id, _released, 0.12) is None
    assert 2 <= len(orders.looks) <= 4


async def test_nobody_looks_once_nobody_waits() -> None:
    orders, id, client = _Orders(), numbered_ids()(), _Client()
    waiters = Waiters("toy", orders.look)
    waiting = asyncio.create_task(waiters.wait(client.request, id, _released, 10))
    await orders.looked.wait()
    client.left.set()
    assert await waiting is None
    assert waiters.count == 0
    poll = waiters.poll
    assert poll is not None
    await asyncio.wait_for(poll, 1)
    assert len(orders.looks) <= 2


async def test_a_failed_look_fails_those_who_wait_and_the_next_one_looks_again() -> None:
    orders, id = _Orders(), numbered_ids()()
    waiters = Waiters("toy", orders.look)
    orders.failure = ConnectionError("away")
    with pytest.raises(ConnectionError):
        await waiters.wait(_Client().request, id, _released, 5)
    orders.failure, orders.states[id] = None, "released"
    assert await waiters.wait(_Client().request, id, _released, 5) == "released"


async def test_who_is_cancelled_does_not_wait_on() -> None:
    orders, id = _Orders(), numbered_ids()()
    waiters = Waiters("toy", orders.look)
    waiting = asyncio.create_task(waiters.wait(_Client().request, id, _released, 10))
    await orders.looked.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert waiters.count == 0
