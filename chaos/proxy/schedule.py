"""When the bytes of one way are passed on, and in which pieces. Pure but for its random numbers, which are seeded."""

from collections.abc import Iterator
from random import Random

from chaos.proxy.faults import Way

_SLICE_GAP_SECONDS = 0.001
_LIMITED_SECONDS = 0.05
"""A limited way passes on what it may in so long as one piece."""


class Schedule:
    """The line of one way of one connection: what comes later is never passed on earlier."""

    def __init__(self, random: Random) -> None:
        self._random, self._last = random, 0.0

    def plan(self, data: bytes, now: float, way: Way) -> Iterator[tuple[float, bytes]]:
        """The pieces of this chunk with the moment at which each is due, in order. `now` and moments: seconds of one monotonic clock."""
        arrives = now + max(0.0, way.latency_seconds + self._random.uniform(-way.jitter_seconds, way.jitter_seconds))
        for piece in self._pieces(data, way):
            self._last = max(self._last, arrives)
            if way.bytes_per_second:
                self._last += len(piece) / way.bytes_per_second
            elif way.slice_bytes:
                self._last += _SLICE_GAP_SECONDS
            yield self._last, piece

    def _pieces(self, data: bytes, way: Way) -> Iterator[bytes]:
        largest = max(1, int(way.bytes_per_second * _LIMITED_SECONDS)) if way.bytes_per_second else len(data)
        at = 0
        while at < len(data):
            size = min(largest, self._random.randint(1, way.slice_bytes)) if way.slice_bytes else largest
            yield data[at : at + size]
            at += size
