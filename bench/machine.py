"""How quick the machine is at the moment: rates of two runs can be compared where these figures agree. `python -m bench.machine` prints them."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

from bench.report import Row

_ROUNDS = 5


def rows(when: str) -> Sequence[Row]:
    """A step of Python's loop, a byte there and back between processes on two cores, a page onto the disk. `when` stands in their names."""
    figures = (("a step of a loop", "ns", _loop_ns()), ("there and back between two cores", "us", _wake_us()), ("8 KB synced", "ms", _sync_ms()))
    return [Row(f"machine {when}, {what}", unit, round(figure, 2), less_is_better=True) for what, unit, figure in figures]


def told(measured: Sequence[Row]) -> str:
    """In one line."""
    return ", ".join(f"{row.name.split(', ')[1]} {row.ours:g} {row.unit}" for row in measured)


def _loop_ns() -> float:
    def once(count: int) -> None:
        total = 0
        for number in range(count):
            total += number * number

    return _each(once, 200_000) * 1e9


def _wake_us() -> float:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as other:
        there, back = other.stdin, other.stdout
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(other.pid, {cores[-1]})
        os.sched_setaffinity(0, {cores[0]})
        assert there is not None
        assert back is not None

        def once(count: int) -> None:
            for _ in range(count):
                there.write(b".")
                back.read(1)

        try:
            return _each(once, 2_000) * 1e6
        finally:
            os.sched_setaffinity(0, cores)


def _sync_ms() -> float:
    with tempfile.TemporaryFile(dir=".") as file:

        def once(count: int) -> None:
            for _ in range(count):
                os.pwrite(file.fileno(), bytes(8_192), 0)
                os.fdatasync(file.fileno())

        return _each(once, 50) * 1e3


def _each(once: Callable[[int], None], count: int) -> float:
    """Seconds each, the median of a few rounds."""
    took = list[float]()
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        once(count)
        took.append((time.perf_counter() - began) / count)
    return statistics.median(took)


if __name__ == "__main__":
    sys.stdout.write(told(rows("now")) + "\n")
