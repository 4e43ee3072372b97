"""The hardened transport's own behaviour: what stock Faust does otherwise."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest
from faust.types import TP

from services.kit import transport
from services.kit.faust_driver import FaustDriver
from services.kit.ports import Message
from tests.contract.kit.conftest import Place, Recording
from tests.support.polling import poll_until


@pytest.fixture
def driver_kind() -> str:
    return "faust"


async def _joined(place: Place, loop: Recording) -> Any:
    """The consumer inside, once it has its partitions."""
    driver = await place.join(loop)
    assert isinstance(driver, FaustDriver)
    await poll_until(lambda: len(driver.app.consumer.starts) == 6)
    return driver.app.consumer


async def test_a_group_is_joined_without_a_rest_for_tables(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    rests = list[float]()

    async def rest(_: Any, seconds: float) -> None:
        rests.append(seconds)

    monkeypatch.setattr(transport.NoTables, "sleep", rest)
    await _joined(place, Recording())
    assert rests == []


async def test_a_seek_forgets_what_was_delivered_and_delivers_again(place: Place) -> None:
    await place.produce(120)
    loop = Recording()
    consumer = await _joined(place, loop)
    await poll_until(lambda: len(loop.taken) == 120)
    first = TP(place.topic, loop.taken[0].partition)
    many = consumer.tracker.committable(first)
    await consumer.seek(first, 0)
    assert consumer.tracker.committable(first) is None
    await poll_until(lambda: consumer.tracker.committable(first) == many)
    assert len(loop.taken) == 120 + many


async def test_what_a_rebalance_outdated_between_fetch_and_delivery_is_fetched_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Recording()
    consumer = await _joined(place, loop)
    fetch, fetches, outdated = consumer._wait_next_records, 0, 0

    async def fetched_too_late(timeout: float) -> tuple[Any, int]:
        nonlocal fetches, outdated
        fetches += 1
        records, generation = await fetch(timeout)
        if records and not outdated:
            outdated = sum(map(len, records.values()))
            return records, generation - 1
        return records, generation

    monkeypatch.setattr(consumer, "_wait_next_records", fetched_too_late)
    await poll_until(lambda: fetches)
    await place.produce(120)
    await poll_until(lambda: len(loop.taken) >= 120)
    assert sorted(loop.numbers()) == list(range(120))
    assert outdated


async def test_a_full_buffer_costs_a_nap_not_a_second(place: Place) -> None:
    consumer = await _joined(place, Recording())
    consumer.tracker.delivered(TP(place.topic, 0), range(transport.MOST_OUTSTANDING))
    began = time.monotonic()
    records, _ = await consumer._wait_next_records(1.0)
    assert records == {}
    assert time.monotonic() - began < 0.5


async def test_ten_thousand_messages_come_through_a_buffer_that_was_full(place: Place) -> None:
    loop, go = Recording(), asyncio.Event()

    async def wait(_: Sequence[Message]) -> None:
        await go.wait()

    loop.trouble = wait
    await place.produce(20_000)
    consumer = await _joined(place, loop)
    await poll_until(lambda: consumer.tracker.outstanding() >= transport.MOST_OUTSTANDING)
    go.set()
    await poll_until(lambda: len(loop.taken) == 20_000)
    assert sorted(loop.numbers()) == list(range(20_000))


async def test_a_message_in_hand_is_never_committed_past(place: Place) -> None:
    loop, begun, go = Recording(), asyncio.Event(), asyncio.Event()

    async def wait(_: Sequence[Message]) -> None:
        begun.set()
        await go.wait()

    loop.trouble = wait
    await place.produce(50)
    consumer = await _joined(place, loop)
    await begun.wait()
    await poll_until(lambda: consumer.tracker.outstanding() == 50)
    await consumer.commit()
    assert place.behind() == (50 if place.committed() else 0)
    go.set()
    await poll_until(lambda: len(loop.taken) == 50)
    await consumer.commit()
    assert (place.committed(), place.behind()) == (True, 0)


async def test_a_new_message_is_fetched_at_once_though_the_fetch_may_wait(place: Place) -> None:
    loop = Recording()
    consumer = await _joined(place, loop)
    assert consumer._thread._ensure_consumer()._fetch_max_wait_ms == 500
    began = time.monotonic()
    await place.produce(1)
    await poll_until(lambda: loop.taken)
    assert time.monotonic() - began < 0.5


def test_another_version_is_refused_by_name() -> None:
    with pytest.raises(transport.WrongVersion, match=r"mode-streaming is 0\.7\.1, not 0\.7\.0"):
        transport.insist_on_versions({**transport.VERSIONS, "mode-streaming": "0.7.0"})


def test_the_installed_versions_are_the_pinned_ones() -> None:
    transport.insist_on_versions()
