"""Group commit: what several want committed at the same time goes in one transaction, which costs as much as one of theirs."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

_FEW = 16
"""So many go together in any case: a commit for less of them costs more than it lets overlap."""

T = TypeVar("T")
R = TypeVar("R")


class GroupCommit(Generic[T, R]):
    """What is asked for while a commit is under way gathers, and becomes the next one, up to `most` at once; nobody waits for company. `commit` gives
    an answer for each, in order; what it raises goes to all who asked for it.

    Where many ask, a commit takes half of those who were about when the one before it ended. Who is answered asks again: if all went together, nobody
    would be left to be read while PostgreSQL works.
    """

    def __init__(self, commit: Callable[[Sequence[T]], Awaitable[Sequence[R]]], most: int = 100) -> None:
        self._commit, self._most = commit, most
        self._share = most
        self._asked: list[tuple[T, asyncio.Future[R]]] = []
        self._committing: asyncio.Task[None] | None = None

    async def ask(self, one: T) -> R:
        """The answer for this one. Who stops waiting does not stop the commit, since it is others' as well."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._asked.append((one, answer))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_all())
        return await answer

    async def _commit_all(self) -> None:
        try:
            while self._asked:
                taken, self._asked = self._asked[: self._share], self._asked[self._share :]
                await self._settle(taken)
                self._share = min(self._most, max(_FEW, (len(taken) + len(self._asked) + 1) // 2))
        finally:
            self._committing = None

    async def _settle(self, taken: Sequence[tuple[T, "asyncio.Future[R]"]]) -> None:
        waiting = [answer for _, answer in taken]
        try:
            answers = await self._commit([one for one, _ in taken])
        except Exception as error:  # noqa: BLE001  # it is theirs who asked, whatever it is
            for answer in waiting:
                if not answer.done():
                    answer.set_exception(error)
            return
        for answer, given in zip(waiting, answers, strict=True):
            if not answer.done():
                answer.set_result(given)
