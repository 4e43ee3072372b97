"""What was fetched before partitions were taken away is not handled after it: its offsets belong to another generation of the group."""

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition

from services.kit import raw_driver
from services.kit.group import Group
from services.kit.raw_driver import RawDriver
from tests.contract.kit.conftest import Recording
from tests.support.messages import FakeMessage
from tests.support.polling import poll_until

PLACE, OTHER = TopicPartition("t.v1", 0), TopicPartition("t.v1", 1)


class Consumer:
    """Hands out one message when it is told to."""

    def __init__(self, **_: Any) -> None:
        self.give, self.given = asyncio.Event(), asyncio.Event()
        self.places = frozenset({PLACE})

    def subscribe(self, topics: object, listener: object) -> None: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def commit(self, offsets: object) -> None: ...

    def assignment(self) -> frozenset[TopicPartition]:
        return self.places

    async def position(self, place: TopicPartition) -> int:
        return 0

    async def getmany(self, **_: Any) -> dict[TopicPartition, list[FakeMessage]]:
        await self.give.wait()
        self.give.clear()
        self.given.set()
        return {PLACE: [FakeMessage("t.v1", 0, 7, b"k", b"7", [])]}


@pytest.fixture
async def started(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(raw_driver, "AIOKafkaConsumer", Consumer)
    monkeypatch.setattr(raw_driver, "pace", lambda *_: None)
    monkeypatch.setattr(raw_driver, "insist_on_fetching", lambda *_: None)
    loop = Recording()
    driver = RawDriver(loop, Group("kafka", "group", "0", ("t.v1",)))
    await driver.start()
    yield driver, loop
    await driver.stop(1.0)


async def test_what_was_fetched_before_a_revoke_is_dropped(started: tuple[RawDriver, Recording]) -> None:
    driver, loop = started
    await driver._in_hand.acquire()
    revoking = asyncio.ensure_future(driver.on_partitions_revoked({PLACE}))
    await asyncio.sleep(0)  # it waits for the batch in hand
    driver._consumer.give.set()
    await driver._consumer.given.wait()
    driver._in_hand.release()
    await revoking
    await asyncio.sleep(0.01)
    assert loop.taken == []


async def test_what_is_fetched_after_it_is_handled(started: tuple[RawDriver, Recording]) -> None:
    driver, loop = started
    await driver.on_partitions_revoked({PLACE})
    driver._consumer.give.set()
    await poll_until(lambda: loop.taken)
    assert driver.positions() == {"t.v1": {0: 8}}


async def test_partitions_that_another_has_now_are_not_judged_any_more(started: tuple[RawDriver, Recording]) -> None:
    """While the group shares out anew the consumer still names the old ones; the watchdog must not wait for them to move."""
    driver, _ = started
    await driver.on_partitions_revoked({PLACE})
    await driver._learn_starts()
    driver._consumer.places = frozenset({OTHER})
    await driver.on_partitions_assigned({OTHER})
    await driver._learn_starts()
    assert driver.positions() == {"t.v1": {1: 0}}
