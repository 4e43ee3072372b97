"""Limits on how often something may be tried: per process, in memory, by machine time. Two processes allow twice as much."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from fastapi import Request

from services.kit.http.problems import Problem

_KEYS_LIMIT = 10_000


class Attempts:
    """Counts attempts per key in a sliding window; above the limit a key is refused until the window has moved on."""

    def __init__(self, limit: int, window_seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._window, self._now = limit, window_seconds, now
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def refuse_above(self, key: str, sentence: str = "") -> None:
        """Raises Problem (429, with Retry-After, and this sentence in place of the usual one) while the key has used up its attempts."""
        seen = self._recent(key)
        if len(seen) >= self._limit:
            wait = max(1, round(seen[0] + self._window - self._now()))
            raise Problem(429, detail=sentence, headers={"retry-after": str(wait)})

    def count(self, key: str) -> None:
        """Note one attempt. Of very many keys the one that was quiet for longest is forgotten."""
        self._recent(key).append(self._now())
        if len(self._seen) > _KEYS_LIMIT:
            self._seen.popitem(last=False)

    def _recent(self, key: str) -> "deque[float]":
        seen = self._seen.setdefault(key, deque(maxlen=self._limit))
        self._seen.move_to_end(key)
        while seen and seen[0] <= self._now() - self._window:
            seen.popleft()
        return seen


def address_of(request: Request) -> str:
    """Whose attempts they are: the peer's address. What a client says of itself (X-Forwarded-For) does not count."""
    return request.client.host if request.client else "unknown"
