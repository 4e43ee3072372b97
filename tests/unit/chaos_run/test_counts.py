"""What each row of a fault run makes of its counts, in virtual time: a bed that obeys at once, and nothing else that waits."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import ParamSpec, TypeVar, cast

import pytest

from chaos.bed.bed import Bed
from chaos.run.client import Client
from chaos.run.counts import FULL, QUICK, Counts
from chaos.run.notes import Timeline
from chaos.run.processes import WALKED
from chaos.run.rows import ROWS
from chaos.run.scene import Scene
from simulation.loop import run_virtually

P = ParamSpec("P")
T = TypeVar("T")


class AtOnce(ThreadPoolExecutor):
    """Without threads, which virtual time would not wait for."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        done: Future[T] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


class ObedientBed:
    """Every process is back at once, and comes to what is armed."""

    names = ("postgres", "kafka-1", "kafka-2", "kafka-3", *(f"{service}-worker-{slot}" for service in WALKED for slot in (0, 1)))

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()

    def kill(self, name: str) -> None:
        self.done["kill"] += 1

    def stop(self, name: str) -> None:
        self.done["stop"] += 1

    def pause(self, name: str) -> None:
        self.done["pause"] += 1

    def arm(self, spec: str) -> None:
        self.done[spec] += 1

    def resume(self, name: str) -> None: ...

    def start(self, name: str) -> None: ...

    def disarm(self) -> None: ...

    def met(self, specs: Iterable[str]) -> set[str]:
        return set(specs)

    def await_running(self, name: str) -> None: ...

    def await_ready(self, name: str) -> float:
        return 0.0

    def broker_leader(self, topic: str, partition: int) -> str:
        return "kafka-2"


class Racers:
    """Pickers who note how often so many of them were sent at once."""

    def __init__(self, done: Counter[str]) -> None:
        self._done = done

    async def race_for_picks(self, rounds: int, pickers: int) -> None:
        self._done[f"{pickers} pickers"] += rounds


class AtLongest(Random):
    """Draws the end of a span, so that what is drawn can be foretold."""

    def uniform(self, a: float, b: float) -> float:
        return b


@dataclass(frozen=True, slots=True)
class Visit:
    """Of one row: what the timeline counted, what was done, and how long it took."""

    counted: dict[str, dict[str, float]]
    done: Counter[str]
    seconds: float


def visit(row: int, counts: Counts, var: Path) -> Visit:
    bed = ObedientBed()

    async def befall() -> Visit:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(AtOnce())
        with closing(Timeline(var / "timeline.jsonl", loop.time)) as timeline:
            await ROWS[row](Scene(cast(Bed, bed), cast(Client, Racers(bed.done)), timeline, AtLongest(1), counts))
        return Visit(timeline.faults()[str(row)], bed.done, loop.time())

    return run_virtually(befall())


ROWS_BY_COUNTS: dict[int, tuple[dict[str, tuple[int, float]], dict[str, tuple[int, float]]]] = {
    1: ({"kill": (10, 0)}, {"kill": (20, 0)}),
    4: ({"pause": (1, 35)}, {"pause": (1, 90)}),
    7: ({"kill": (3, 0)}, {"kill": (6, 0)}),
    8: ({"pause": (1, 30)}, {"pause": (1, 60)}),
    12: ({"transaction stands still": (1, 12)}, {"transaction stands still": (1, 28)}),
    13: ({"kill": (2, 0)}, {"kill": (3, 0)}),
    14: ({"stop": (2, 120)}, {"stop": (2, 360)}),
    15: ({"pause": (2, 90)}, {"pause": (6, 270)}),
    19: ({"stop": (10, 0)}, {"stop": (30, 0)}),
    20: ({"kill": (2, 0), "slow head": (1, 0)}, {"kill": (6, 0), "slow head": (3, 0)}),
    32: ({"pause": (2, 120)}, {"pause": (2, 180)}),
    34: ({"race of 3": (195, 0), "race of 50": (5, 0)}, {"race of 3": (975, 0), "race of 50": (25, 0)}),
}
"""By row, what a quick and a full visit reach: times and seconds of each fault. Seconds are of all targets: two brokers away for a minute are 120."""


@pytest.mark.parametrize("row", ROWS_BY_COUNTS)
def test_a_visit_reaches_its_counts_and_the_timeline_says_so(row: int, tmp_path: Path) -> None:
    for counts, expected in zip((QUICK, FULL), ROWS_BY_COUNTS[row], strict=True):
        counted = visit(row, counts, tmp_path).counted
        assert counted == {fault: {"times": times, "seconds": seconds} for fault, (times, seconds) in expected.items()}


@pytest.mark.parametrize(
    ("row", "done"),
    [
        (1, {"kill": 20}),
        (12, {"kill": 2, "orders.outbox.inserted:sleep=28.0@1": 1}),
        (15, {"pause": 6}),
        (19, {"stop": 30}),
        (34, {"3 pickers": 975, "50 pickers": 25}),
    ],
)
def test_what_is_counted_is_what_was_done(row: int, done: dict[str, int], tmp_path: Path) -> None:
    assert visit(row, FULL, tmp_path).done == done


def test_a_pass_at_full_counts_leaves_time_in_half_an_hour(tmp_path: Path) -> None:
    """Of the rows that are counted only what they wait by themselves: how long they wait for others is measured, not foretold."""
    seconds = sum(visit(row, FULL, tmp_path).seconds for row in ROWS_BY_COUNTS)
    assert 600 < seconds < 15 * 60
