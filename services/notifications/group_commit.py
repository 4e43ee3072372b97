"""Group commit: what several want committed at the same time goes in one transaction, which costs as much as one of theirs."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class GroupCommit(Generic[T, R]):
    """What is asked for while a commit is under way gathers, and becomes the next one. `commit` gives an answer for each, in order; what it
    raises goes to all who asked for it."""

    def __init__(self, commit: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        self._commit = commit
        self._asked: list[T] = []
        self._newest: asyncio.Task[Sequence[R]] | None = None

    async def ask(self, one: T) -> R:
        """The answer for this one. Who stops waiting does not stop the commit, since it is others' as well."""
        if self._newest is None or not self._asked:
            self._newest = asyncio.create_task(self._after(self._newest))
        self._asked.append(one)
        newest, place = self._newest, len(self._asked) - 1
        return (await asyncio.shield(newest))[place]

    async def _after(self, before: "asyncio.Task[Sequence[R]] | None") -> Sequence[R]:
        if before is not None:
            await asyncio.wait({before})
        asked, self._asked = self._asked, []
        return await self._commit(asked)
