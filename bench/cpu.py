"""CPU time from /proc: of the processes that do the work, and of whoever else kept the machine busy while they did."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import psutil

T = TypeVar("T")

FOREIGN_LIMIT = 0.10
"""A round during which others took more than this share of the machine does not count, and is run again."""

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Spent:
    """Over one round: seconds that passed, CPU seconds of each group of processes, and the share of the machine that none of them took."""

    seconds: float
    cpu: dict[str, float]
    foreign: float


class Meter:
    """Groups of processes, each with all that they started; a process may belong to several. `groups`: name -> process ids."""

    def __init__(self, **groups: Iterable[int]) -> None:
        self._groups = {name: [psutil.Process(pid) for pid in pids] for name, pids in groups.items()}
        self._at, self._busy, self._cpu, self._all = time.perf_counter(), _busy(), self._used(), self._union()

    def stop(self) -> Spent:
        """What was spent since this was made."""
        used, union, seconds = self._used(), self._union(), time.perf_counter() - self._at
        whole = seconds * (psutil.cpu_count() or 1)
        cpu = {name: used[name] - self._cpu[name] for name in used}
        return Spent(seconds, cpu, max(0.0, (_busy() - self._busy - (union - self._all)) / whole))

    def _used(self) -> dict[str, float]:
        return {name: _seconds(processes) for name, processes in self._groups.items()}

    def _union(self) -> float:
        return _seconds([process for processes in self._groups.values() for process in processes])


def undisturbed(measure: Callable[[], tuple[T, Spent]], *, tell: Callable[[str], None] = print) -> tuple[T, Spent]:
    """The result of a round that nobody disturbed; after three disturbed ones the least disturbed, and it says so."""
    tried: list[tuple[T, Spent]] = []
    for _ in range(_TRIES):
        tried.append(measure())
        foreign = tried[-1][1].foreign
        if foreign <= FOREIGN_LIMIT:
            return tried[-1]
        tell(f"  others took {foreign:.0%} of the machine: this round is run again")
    return min(tried, key=lambda each: each[1].foreign)


def _seconds(roots: Iterable[psutil.Process]) -> float:
    """CPU seconds of these, of their descendants, and of those descendants that ended and were waited for; each process once."""
    trees = {each for root in roots for each in _tree(root)}
    return sum(_own(process) for process in trees)


def _tree(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _own(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def _busy() -> float:
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
