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
        self._asked: list[tuple[Sequence[T], asyncio.Future[Sequence[R]]]] = []
        self._committing: asyncio.Task[None] | None = None

    async def ask(self, one: T) -> R:
        """The answer for this one. Who stops waiting does not stop the commit, since it is others' as well."""
        (answer,) = await self.ask_all([one])
        return answer

    async def ask_all(self, several: Sequence[T]) -> Sequence[R]:
        """The answers for all of these, in their order, from one commit."""
        answers: asyncio.Future[Sequence[R]] = asyncio.get_running_loop().create_future()
        self._asked.append((several, answers))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_all())
        return await answers

    async def _commit_all(self) -> None:
        try:
            while self._asked:
                taken = self._take()
                await self._settle(taken)
                self._share = min(self._most, max(_FEW, (len(taken) + len(self._asked) + 1) // 2))
        finally:
            self._committing = None

    def _take(self) -> list[tuple[Sequence[T], "asyncio.Future[Sequence[R]]"]]:
        """Whoever waits longest, and of the others as many as go along."""
        count = takers = 0
        for several, _ in self._asked[: self._share]:
            if takers and count + len(several) > self._most:
                break
            count, takers = count + len(several), takers + 1
        taken, self._asked = self._asked[:takers], self._asked[takers:]
        return taken

    async def _settle(self, taken: Sequence[tuple[Sequence[T], "asyncio.Future[Sequence[R]]"]]) -> None:
        try:
            answers = await self._commit([one for several, _ in taken for one in several])
        except Exception as error:  # noqa: BLE001  # it is theirs who asked, whatever it is
            for _, answered in taken:
                if not answered.done():
                    answered.set_exception(error)
            return
        at = 0
        for several, answered in taken:
            if not answered.done():
                answered.set_result(answers[at : at + len(several)])
            at += len(several)
