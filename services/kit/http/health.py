"""Whether the database of an API answers, for /readyz. Looked at when somebody asks, and at most once a second."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from services.kit.transient import MAY_PASS

_KEPT_SECONDS, _PATIENCE_SECONDS = 1.0, 2.0


class Look:
    """Remembers for a second what `ask` met."""

    def __init__(self, ask: Callable[[], Awaitable[object]], now: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._now = ask, now
        self._asking = asyncio.Lock()
        self._looked_at: float | None = None
        self._wrong: str | None = None

    async def wrong(self) -> str | None:
        """None while it answers, else one sentence."""
        async with self._asking:
            if self._looked_at is None or self._now() - self._looked_at >= _KEPT_SECONDS:
                self._wrong = await self._look()
                self._looked_at = self._now()
            return self._wrong

    async def _look(self) -> str | None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._ask()
        except MAY_PASS as error:
            return f"the database does not answer ({type(error).__name__})"
        return None
