"""Who asks while a commit is under way shares the next one."""

import asyncio
from collections.abc import Sequence

import pytest

from services.kit.group_commit import GroupCommit


class _Commits:
    """Doubles what it is given, once it may; fails at ten and more."""

    def __init__(self) -> None:
        self.made = list[list[int]]()
        self.may = asyncio.Event()
        self.group = GroupCommit(self.commit)

    async def commit(self, asked: Sequence[int]) -> list[int]:
        self.made.append(list(asked))
        await self.may.wait()
        await _turns(5)
        if any(one >= 10 for one in asked):
            raise OSError("away")
        return [2 * one for one in asked]

    async def serve(self, callers: int, each: int) -> None:
        """Callers who ask, and ask again once they are answered."""

        async def caller() -> None:
            for _ in range(each):
                await self.group.ask(1)

        await asyncio.gather(*(caller() for _ in range(callers)))

    async def asked(self, *numbers: int) -> "list[asyncio.Task[int]]":
        """Tasks that have asked, and wait."""
        tasks = [asyncio.create_task(self.group.ask(number)) for number in numbers]
        await _turns(3)
        return tasks


async def _turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_what_is_asked_during_a_commit_becomes_the_next_one() -> None:
    it = _Commits()
    tasks = await it.asked(1) + await it.asked(2, 3) + await it.asked(4)
    assert it.made == [[1]]
    it.may.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8]
    assert it.made == [[1], [2, 3, 4]]
    assert await it.group.ask(5) == 10


async def test_of_many_half_go_so_that_the_others_are_read_meanwhile() -> None:
    it = _Commits()
    it.may.set()
    await it.serve(callers=40, each=10)
    assert {len(made) for made in it.made[2:-2]} == {20}


async def test_an_error_goes_to_those_whose_commit_it_was_and_to_nobody_else() -> None:
    it = _Commits()
    first, *others = await it.asked(1) + await it.asked(10, 3)
    it.may.set()
    assert await first == 2
    for other in others:
        with pytest.raises(OSError, match="away"):
            await other
    assert await it.group.ask(4) == 8


async def test_who_stops_waiting_leaves_the_others_their_answer() -> None:
    it = _Commits()
    gone, stays = await it.asked(1, 2)
    gone.cancel()
    await asyncio.wait({gone})
    it.may.set()
    assert await stays == 4
    assert it.made == [[1, 2]]
