"""When the bytes of one way are passed on, and in which pieces."""

from itertools import pairwise
from random import Random

import pytest

from chaos.proxy.faults import CLEAR, Way
from chaos.proxy.schedule import Schedule

DATA = bytes(range(256)) * 40


def planned(way: Way, *chunks: tuple[float, bytes], seed: int = 1) -> list[tuple[float, bytes]]:
    schedule = Schedule(Random(seed))
    return [each for now, data in chunks for each in schedule.plan(data, now, way)]


def test_a_clear_way_passes_a_chunk_on_at_once_and_whole() -> None:
    assert planned(CLEAR, (5.0, DATA)) == [(5.0, DATA)]


def test_latency_moves_every_chunk_by_as_much() -> None:
    assert planned(Way(latency_seconds=0.2), (5.0, b"a"), (5.1, b"b")) == [(5.2, b"a"), (pytest.approx(5.3), b"b")]


def test_jitter_varies_the_latency_within_its_bounds_and_keeps_the_order() -> None:
    chunks = [(number / 100, bytes([number])) for number in range(200)]
    plan = planned(Way(latency_seconds=0.2, jitter_seconds=0.1), *chunks)
    waits = [due - now for (due, _), (now, _) in zip(plan, chunks, strict=True)]
    assert [piece for _, piece in plan] == [data for _, data in chunks]
    assert [due for due, _ in plan] == sorted(due for due, _ in plan)
    assert len({round(wait, 6) for wait in waits}) > 20
    assert 0.1 <= min(waits) <= max(waits) <= 0.3


def test_a_limit_spreads_bytes_over_time_also_those_of_the_next_chunk() -> None:
    plan = planned(Way(bytes_per_second=1000), (0.0, DATA[:500]), (0.1, DATA[:500]))
    assert b"".join(piece for _, piece in plan) == DATA[:500] * 2
    assert plan[-1][0] == pytest.approx(1.0)
    passed = [sum(len(piece) for due, piece in plan if due <= at / 10 + 1e-9) for at in range(11)]
    assert all(at * 100 - 50 <= some <= at * 100 for at, some in enumerate(passed))


def test_slices_are_small_apart_and_together_what_came() -> None:
    plan = planned(Way(slice_bytes=7), (0.0, DATA))
    assert b"".join(piece for _, piece in plan) == DATA
    assert {len(piece) for _, piece in plan} == set(range(1, 8))
    assert all(later > earlier for (earlier, _), (later, _) in pairwise(plan))


def test_what_came_later_is_never_passed_on_earlier_though_the_latency_fell() -> None:
    schedule = Schedule(Random(1))
    slow = list(schedule.plan(b"a", 0.0, Way(latency_seconds=1.0)))
    fast = list(schedule.plan(b"b", 0.1, CLEAR))
    assert (slow, fast) == ([(1.0, b"a")], [(1.0, b"b")])


def test_the_same_seed_plans_the_same() -> None:
    way = Way(latency_seconds=1.0, jitter_seconds=1.0, slice_bytes=100)
    assert planned(way, (0.0, DATA), seed=7) == planned(way, (0.0, DATA), seed=7) != planned(way, (0.0, DATA), seed=8)
