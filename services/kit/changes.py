"""What this process committed, counted, so that relay, timers and errands look again at once and `/progress` knows what they have not seen."""

import asyncio


class Changes:
    """`count` rises with every commit that may have left something to do."""

    def __init__(self) -> None:
        self.count = 0
        self._waiting: set[asyncio.Event] = set()

    def happened(self) -> None:
        """Something was committed: wake everybody who waits."""
        self.count += 1
        for event in self._waiting:
            event.set()

    async def after(self, seen: int, longest_seconds: float) -> None:
        """Return when `count` has moved past `seen`, at the latest after so many seconds."""
        if self.count != seen:
            return
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            async with asyncio.timeout(longest_seconds):
                await event.wait()
        except TimeoutError:
            return
        finally:
            self._waiting.discard(event)
