"""One way of one connection: bytes come in at one socket and go out at the other, at once or as the faults say."""

import asyncio
from collections import deque
from collections.abc import Callable

from chaos.proxy.faults import CLEAR, Way
from chaos.proxy.schedule import Schedule

_LARGEST_LINE = 1 << 18
"""With so many bytes waiting the source is not read any more: the sender feels a slow link."""


class Pipe:
    """`way` tells what befalls the bytes just now, `look` sees them first and returns those to pass on, `delayed` hears of pieces that wait."""

    def __init__(
        self,
        source: asyncio.Transport,
        target: asyncio.Transport,
        way: Callable[[], Way],
        schedule: Schedule,
        look: Callable[[bytes], bytes],
        delayed: Callable[[int], None],
    ) -> None:
        self._source, self._target, self._way, self._schedule, self._look, self._delayed = source, target, way, schedule, look, delayed
        self._loop = asyncio.get_running_loop()
        self._line: deque[tuple[float, bytes]] = deque()
        self._waiting = 0
        self._full = self._ended = False
        self._timer: asyncio.TimerHandle | None = None

    def feed(self, data: bytes) -> None:
        """Bytes came in."""
        data = self._look(data)
        if self._target.is_closing():
            return
        if not self._line and self._way() == CLEAR:
            self._target.write(data)
            return
        pieces = list(self._schedule.plan(data, self._loop.time(), self._way()))
        self._line.extend(pieces)
        self._waiting += len(data)
        self._delayed(len(pieces))
        self.settle()

    def end(self) -> None:
        """Nothing more will come in: close the other side when everything is passed on."""
        self._ended = True
        self.settle()

    def hold(self, full: bool) -> None:
        """Whether the other side takes no more for now."""
        self._full = full
        self._read_or_not()

    def cut(self) -> None:
        """Nothing more goes out."""
        self._line.clear()
        self._waiting = 0
        if self._timer:
            self._timer.cancel()

    def settle(self) -> None:
        """Pass on what is due, and wait for the rest. Called again when faults change."""
        if self._timer:
            self._timer.cancel()
        if not self._way().blocked:
            self._pass_on()
        self._read_or_not()

    def _pass_on(self) -> None:
        now = self._loop.time()
        while self._line and self._line[0][0] <= now:
            piece = self._line.popleft()[1]
            self._waiting -= len(piece)
            self._target.write(piece)
        if self._line:
            self._timer = self._loop.call_at(self._line[0][0], self.settle)
        elif self._ended:
            self._target.close()

    def _read_or_not(self) -> None:
        if self._source.is_closing():
            return
        if self._full or self._waiting > _LARGEST_LINE:
            self._source.pause_reading()
        else:
            self._source.resume_reading()
