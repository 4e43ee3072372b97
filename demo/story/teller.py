"""Tells a story while it happens: when, what, and whether it is as it should be. Nothing is said that was not looked at."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from demo.house import BotStopped

T = TypeVar("T")
_PATIENCE_SECONDS, _NAP_SECONDS = 60.0, 0.05


class StoryBroken(BotStopped):
    """Something did not come as the story has it."""


class Teller:
    """Prints each step, numbered, with the time where the shop is. `steps` and `equal_words` count what was told and compared."""

    def __init__(self, zone: ZoneInfo, now: Callable[[], datetime]) -> None:
        self._zone, self._now = zone, now
        self.steps = self.equal_words = 0

    def chapter(self, title: str) -> None:
        print(f"\n{title}\n{'-' * len(title)}", flush=True)

    def step(self, text: str) -> None:
        """Something has happened, and was seen to."""
        self.steps += 1
        print(f"{self.steps:3}  {self._now().astimezone(self._zone):%a %H:%M}  {text}", flush=True)

    def quote(self, text: str) -> None:
        print(f"               \u201c{text}\u201d", flush=True)

    def must(self, holds: object, what: str) -> None:
        """Raises StoryBroken unless it is so."""
        if not holds:
            raise StoryBroken(f"after step {self.steps}: {what}")

    def same(self, words: str, read: Mapping[str, str]) -> None:
        """Wherever it was read, it is the same to the letter. Raises StoryBroken with the first that is not."""
        for where, found in read.items():
            self.must(found == words, f"{where} says {found!r}, and not {words!r}")
        self.equal_words += len(read)
        self.step(f"The same words, letter by letter: {', '.join(read)}.")

    async def until(self, what: str, look: Callable[[], Awaitable[T | None]]) -> T:
        """What it finds, once it finds something. Raises StoryBroken after a minute."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not (found := await look()):
            self.must(time.monotonic() < deadline, f"waited a minute in vain: {what}")
            await asyncio.sleep(_NAP_SECONDS)
        return found
