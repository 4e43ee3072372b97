"""A topic and a group per test, joined by a driver whose loop writes down what it is given."""

import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.kit import topics
from services.kit.consume import ConsumeLoop
from services.kit.faust_driver import FaustDriver
from services.kit.group import Group
from services.kit.journal import Item
from services.kit.kafka_log import KafkaLog
from services.kit.ports import Driver, Message, Outgoing
from services.kit.raw_driver import RawDriver
from services.kit.topics import Topic

DRIVERS = ("faust", "raw")
TOPIC = "numbers.v1"


class Recording(ConsumeLoop):
    """Takes whatever comes, and notes it; `trouble` may raise or wait."""

    def __init__(self) -> None:
        self.rest_seconds = 0.0
        self.taken: list[Message] = []
        self.batches: list[int] = []
        self.trouble: Callable[[Sequence[Message]], Any] | None = None

    def read(self, messages: Sequence[Message]) -> list[Item]:
        return [Item(message, message.topic, {}, None) for message in messages]

    async def take(self, items: Sequence[Item]) -> Counter[Any]:
        messages = [item.message for item in items]
        if self.trouble is not None:
            await self.trouble(messages)
        self.batches.append(len(messages))
        self.taken += messages
        return Counter()

    def numbers(self) -> list[int]:
        return [int(message.value or b"-1") for message in self.taken]


class Place:
    """A topic and a group of one test's own."""

    def __init__(self, kafka: str, driver: str) -> None:
        self.kafka, self.driver, self.prefix = kafka, driver, f"t{secrets.token_hex(4)}."
        self.topic, self.group = self.prefix + TOPIC, f"{self.prefix}group"
        self.started: list[Driver] = []

    async def join(self, loop: ConsumeLoop, slot: str = "0", commit_seconds: float = 1.0, gather_seconds: float = 0.0) -> Driver:
        topics = (self.topic,)
        group = Group(
            self.kafka,
            self.group,
            slot,
            topics,
            session_seconds=10.0,
            heartbeat_seconds=0.5,
            commit_seconds=commit_seconds,
            gather_seconds=gather_seconds,
        )
        driver: Driver = FaustDriver(loop, group) if self.driver == "faust" else RawDriver(loop, group)
        await driver.start()
        self.started.append(driver)
        return driver

    async def leave(self, driver: Driver) -> None:
        self.started.remove(driver)
        await driver.stop(1.0)

    async def produce(self, count: int, start: int = 0) -> None:
        log = KafkaLog(self.kafka, "test")
        await log.send([Outgoing(self.topic, f"k{n % 12}".encode(), b"%d" % n, []) for n in range(start, start + count)])
        await log.close()

    def behind(self) -> int:
        return sum(topics.lag(self.kafka, self.group).get(self.topic, {}).values())

    def committed(self) -> bool:
        return bool(topics.lag(self.kafka, self.group))


@pytest.fixture(params=DRIVERS)
def driver_kind(request: pytest.FixtureRequest) -> str:
    """Both, one after the other; a module about one of them overrides it."""
    return str(request.param)


@pytest.fixture
async def place(driver_kind: str, kafka: str) -> AsyncIterator[Place]:
    async with placed(driver_kind, kafka) as made:
        yield made


@asynccontextmanager
async def placed(driver_kind: str, kafka: str) -> AsyncIterator[Place]:
    """A place for as long as the block lasts."""
    made = Place(kafka, driver_kind)
    topics.apply(kafka, made.prefix, wanted=(Topic(TOPIC, 6, "delete", 1, 1_048_576),))
    yield made
    for driver in tuple(made.started):
        await made.leave(driver)
    topics.remove(kafka, made.prefix)
