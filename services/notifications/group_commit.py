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
        self._asked: list[tuple[T, asyncio.Future[R]]] = []
        self._committing: asyncio.Task[None] | None = None

    async def ask(self, one: T) -> R:
        """The answer for this one. Who stops waiting does not stop the commit, since it is others' as well."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._asked.append((one, answer))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_all())
        return await answer

    async def _commit_all(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, []
            try:
                answers = await self._commit([one for one, _ in asked])
            except Exception as error:  # noqa: BLE001  # it is raised where it was asked for
                for _, answer in asked:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            for (_, answer), told in zip(asked, answers, strict=True):
                if not answer.done():
                    answer.set_result(told)
