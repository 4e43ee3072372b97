"""One suite on the log in memory and the one over a broker; and the relay over both."""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import REGISTRY

from services.kit import topics
from services.kit.changes import Changes
from services.kit.clock import SystemClock
from services.kit.database import Database, Transaction, service_url
from services.kit.ids import uuid7
from services.kit.kafka_log import KafkaLog
from services.kit.ports import Log, LogUnavailable, Outgoing
from services.kit.relay import Relay
from services.kit.topics import Topic
from services.kit.values import Cause
from tests.support.messages import TRACE
from tests.support.polling import poll_until
from tests.support.toys import SERVICE, toy_database

TOPIC = "things.v1"


@dataclass
class MemoryLog:
    """Keeps messages per key; `troubles` are raised first, each after half of its messages got through."""

    held: list[Outgoing] = field(default_factory=list)
    troubles: list[LogUnavailable] = field(default_factory=list)

    async def send(self, messages: Sequence[Outgoing]) -> None:
        if self.troubles:
            self.held += messages[: len(messages) // 2]
            raise self.troubles.pop(0)
        self.held += messages

    async def close(self) -> None:
        return None


@dataclass
class Stand:
    log: Log
    prefix: str
    read: Callable[[], Awaitable[list[Outgoing]]]

    def message(self, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]] = ()) -> Outgoing:
        return Outgoing(self.prefix + TOPIC, key, value, list(headers))


@pytest.fixture(params=["memory", "kafka"])
async def stand(request: pytest.FixtureRequest) -> AsyncIterator[Stand]:
    if request.param == "memory":
        memory = MemoryLog()

        async def held() -> list[Outgoing]:
            return memory.held

        yield Stand(memory, "", held)
        return
    kafka, prefix = request.getfixturevalue("kafka"), f"t{secrets.token_hex(4)}."
    topics.apply(kafka, prefix, wanted=(Topic(TOPIC, 6, "delete", 1, 1_048_576),))
    log = KafkaLog(kafka, "test")
    yield Stand(log, prefix, lambda: _read_all(kafka, prefix + TOPIC))
    await log.close()
    topics.remove(kafka, prefix)


async def test_messages_of_a_key_stand_in_the_order_in_which_they_were_sent(stand: Stand) -> None:
    await stand.log.send([stand.message(b"k%d" % (n % 7), b"%d" % n) for n in range(700)])
    await stand.log.send([stand.message(b"k%d" % (n % 7), b"%d" % n) for n in range(700, 1400)])
    found = defaultdict(list)
    for message in await stand.read():
        found[message.key].append(int(message.value or b""))
    assert found == {b"k%d" % key: list(range(key, 1400, 7)) for key in range(7)}


async def test_bytes_arrive_as_they_were(stand: Stand) -> None:
    sent = [
        stand.message(b"\xff\x00", b"\x00not json", [("a", b"1"), ("a", b"2"), ("none", None)]),
        stand.message(None, b"no key"),
        stand.message(b"tombstone", None),
        stand.message(b"empty", b""),
    ]
    await stand.log.send(sent)
    assert sorted(await stand.read(), key=repr) == sorted(sent, key=repr)


async def test_many_large_messages_take_more_than_one_batch(stand: Stand) -> None:
    await stand.log.send([stand.message(b"k", b"x" * 400_000) for _ in range(8)])
    assert [len(message.value or b"") for message in await stand.read()] == [400_000] * 8


async def test_a_broker_that_is_not_there_is_told(unused_tcp_port: int) -> None:
    log = KafkaLog(f"127.0.0.1:{unused_tcp_port}", "test")
    with pytest.raises(LogUnavailable, match="KafkaConnectionError"):
        await log.send([Outgoing("t", b"k", b"v", [])])


async def test_a_batch_that_nobody_answers_for_is_given_up_with_its_producer(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log, answered = KafkaLog(kafka, "test", give_up_seconds=2), list[Any]()

    async def never(producer: Any, messages: Sequence[Outgoing]) -> list["asyncio.Future[Any]"]:
        answered.append(producer)
        return [asyncio.get_running_loop().create_future()]

    monkeypatch.setattr(log, "_hand_over", never)
    async with asyncio.timeout(20):
        for _ in range(2):
            with pytest.raises(LogUnavailable, match="TimeoutError"):
                await log.send([Outgoing("t", b"k", b"v", [])])
    assert answered[0] is not answered[1]


@pytest.fixture
def url(servers: tuple[str, str]) -> Iterator[str]:
    with toy_database(servers[1]) as made:
        yield service_url(made, SERVICE)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    made = await Database.connect(url, SERVICE, SystemClock())
    yield made
    await made.close()


@asynccontextmanager
async def _relaying(url: str, prefix: str, log: Log, changes: Changes) -> AsyncIterator[None]:
    """A relay at work, on a connection of its own."""
    connection = await asyncpg.connect(url, server_settings={"search_path": SERVICE})
    running = asyncio.ensure_future(Relay(SERVICE, prefix, log, changes).run(connection))
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait({running})
        await connection.close()


async def test_the_relay_sends_what_was_said_and_forgets_it(stand: Stand, database: Database, url: str) -> None:
    async with _relaying(url, stand.prefix, stand.log, Changes()):
        for n in range(3):
            await _say(database, n)
        await poll_until(lambda: _nothing_waits(database))
    assert [(message.key, message.value) for message in await stand.read()] == [(b"k", b'{"n":%d}' % n) for n in range(3)]


async def test_the_relay_sends_the_whole_batch_again_after_a_doubt(database: Database, url: str) -> None:
    log = MemoryLog(troubles=[LogUnavailable("gone"), LogUnavailable("gone")])
    for n in range(4):
        await _say(database, n)
    async with _relaying(url, "", log, Changes()):
        await poll_until(lambda: _nothing_waits(database))
    assert [message.value for message in log.held] == [b'{"n":%d}' % n for n in (0, 1, 0, 1, 0, 1, 2, 3)]


async def test_a_commit_of_another_process_wakes_the_relay(database: Database, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.kit.relay._POLL_SECONDS", 60.0)
    log, changes = MemoryLog(), Changes()
    async with _relaying(url, "", log, changes):
        for n in range(3):
            await _say(database, n)
            await poll_until(lambda sent=n + 1: len(log.held) == sent)  # type: ignore[misc]  # mypy cannot infer a default
    assert changes.count >= 2


async def test_a_row_that_commits_late_is_sent_too(database: Database, url: str) -> None:
    log = MemoryLog()
    async with _relaying(url, "", log, Changes()):
        async with database.transaction() as slow:
            _say_in(slow, 0)
            await slow.flush()
            await _say(database, 1)
            await poll_until(lambda: len(log.held) == 1)
            slow._said.clear()
        await poll_until(lambda: len(log.held) == 2)
    assert [message.value for message in log.held] == [b'{"n":1}', b'{"n":0}']


async def test_what_waits_grows_older_while_nobody_acknowledges(database: Database, url: str) -> None:
    def age() -> float:
        return REGISTRY.get_sample_value("kept_outbox_age_seconds", {"service": SERVICE}) or 0.0

    await _say(database, 0)
    await database.pool.execute("update outbox set created_at = now() - interval '90 s'")
    async with _relaying(url, "", MemoryLog(troubles=[LogUnavailable("gone")] * 1_000), Changes()):
        first = await poll_until(lambda: age() if age() >= 90 else 0.0)
        await poll_until(lambda: age() > first)
    assert age() == 0


async def _say(database: Database, n: int) -> None:
    async with database.transaction() as work:
        _say_in(work, n)


def _say_in(work: Transaction, n: int) -> None:
    id = uuid7()
    work.say(TOPIC, "toy.Said.v1", {"n": n}, key="k", cause=Cause(id, id, TRACE), version=n)


async def _nothing_waits(database: Database) -> bool:
    return bool(await database.pool.fetchval("select count(*) = 0 from outbox"))


async def _read_all(kafka: str, topic: str) -> list[Outgoing]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        places = [TopicPartition(topic, partition) for partition in range(6)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        wanted, found = sum((await consumer.end_offsets(places)).values()), list[Outgoing]()
        while len(found) < wanted:
            for messages in (await consumer.getmany(timeout_ms=200)).values():
                found += [Outgoing(m.topic, m.key, m.value, list(m.headers)) for m in messages]
        return found
    finally:
        await consumer.stop()
