"""A fake Kafka: partitions, consumer groups with static members, and what stands where aiokafka's consumer and the kit's log stand.

A member that is not heard of for the session's time loses its partitions; one that commits for a generation that is past is refused; what was sent
and not acknowledged may or may not be there, partition by partition up to some message.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID
from zlib import crc32

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaConnectionError

from services.kit.envelope import headers_of
from services.kit.ports import Headers, LogUnavailable, Outgoing
from services.kit.trace import child_of
from services.kit.values import Cause
from simulation.host import Host

_SENT_AT = datetime(2026, 11, 22, 5, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Record:
    """A message as a consumer gets it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass
class Broker:
    """All partitions and groups."""

    partitions: int
    rng: Random
    logs: dict[TopicPartition, list[Record]] = field(default_factory=dict)
    groups: dict[str, "GroupState"] = field(default_factory=dict)
    appended: asyncio.Event = field(default_factory=asyncio.Event)
    away: bool = False

    def places(self, topics: Iterable[str]) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for topic in sorted(topics) for number in range(self.partitions)]

    def place(self, topic: str, key: bytes | None) -> TopicPartition:
        return TopicPartition(topic, crc32(key or b"") % self.partitions)

    def append(self, message: Outgoing) -> None:
        place = self.place(message.topic, message.key)
        log = self.logs.setdefault(place, [])
        log.append(Record(place.topic, place.partition, len(log), message.key, message.value, message.headers))
        self.appended.set()
        self.appended = asyncio.Event()

    def group(self, name: str) -> "GroupState":
        return self.groups.setdefault(name, GroupState(self))

    def all(self, topic: str) -> list[Record]:
        return [record for place, log in sorted(self.logs.items()) if place.topic == topic for record in log]

    def behind(self, group: str, topics: Iterable[str]) -> int:
        """Messages past what the group has committed."""
        committed = self.group(group).committed
        return sum(len(self.logs.get(place, ())) - committed.get(place, 0) for place in self.places(topics))


class SimulatedLog:
    """The relay's log of one process."""

    def __init__(self, broker: Broker, host: Host) -> None:
        self._broker, self._host = broker, host

    async def send(self, messages: Sequence[Outgoing]) -> None:
        lost = await self._host.trip(f"kafka send {len(messages)}") or self._broker.away
        if lost:
            self._some(messages)
            raise LogUnavailable("lost")
        for message in messages:
            self._broker.append(message)
        if await self._host.trip("kafka acknowledged"):
            raise LogUnavailable("the acknowledgement was lost")

    def _some(self, messages: Sequence[Outgoing]) -> None:
        """Each partition may have got the first few of its messages."""
        rng, shares = self._broker.rng, dict[TopicPartition, int]()
        for message in messages:
            place = self._broker.place(message.topic, message.key)
            shares.setdefault(place, rng.randrange(len(messages) + 1) if rng.random() < 0.5 and not self._broker.away else 0)
            if shares[place] > 0:
                shares[place] -= 1
                self._broker.append(message)

    async def close(self) -> None:
        await self._host.trip("kafka close")


@dataclass
class GroupState:
    """A group's coordinator: its members by their fixed instance, who has what, how far everybody is."""

    broker: Broker
    topics: tuple[str, ...] = ()
    members: dict[str, "SimulatedConsumer"] = field(default_factory=dict)
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    shares: dict[str, tuple[TopicPartition, ...]] = field(default_factory=dict)
    generation: int = 0
    joined: set[str] = field(default_factory=set)

    def join(self, consumer: "SimulatedConsumer") -> None:
        """A member that comes back under its instance takes its old place, and fences off what it was before."""
        known = consumer.instance in self.members
        self.topics, self.members[consumer.instance] = consumer.topics, consumer
        if known and consumer.instance in self.shares:
            consumer.generation = self.generation
        else:
            self.rebalance()

    def leave(self, instance: str) -> None:
        self.members.pop(instance, None)
        self.shares.pop(instance, None)
        self.joined.discard(instance)
        self.rebalance()

    def rebalance(self) -> None:
        self.generation += 1
        self.joined.clear()
        self.shares = {}

    def enter(self, consumer: "SimulatedConsumer") -> None:
        """A member is ready for the new generation; when all are, the partitions are dealt out."""
        if self.members.get(consumer.instance) is consumer:
            self.joined.add(consumer.instance)
        if self.joined == self.members.keys() and not self.shares:
            names, places = sorted(self.members), self.broker.places(self.topics)
            self.shares = {name: tuple(places[at :: len(names)]) for at, name in enumerate(names)}

    def rewind(self) -> None:
        """Everything is delivered again, from the beginning: allowed while nobody is there."""
        self.members.clear()
        self.committed.clear()
        self.rebalance()

    def expire(self, now: float) -> None:
        late = [name for name, member in self.members.items() if now - member.heard_at > member.session_seconds]
        for name in late:
            self.leave(name)


class SimulatedConsumer:
    """What `RawDriver` uses of an AIOKafkaConsumer."""

    def __init__(self, broker: Broker, host: Host, options: Mapping[str, Any]) -> None:
        self._broker, self._host = broker, host
        self._group = broker.group(options["group_id"])
        self.instance, self.session_seconds = options["group_instance_id"], options["session_timeout_ms"] / 1000
        self._beat_seconds = options["heartbeat_interval_ms"] / 1000
        self.topics: tuple[str, ...] = ()
        self.generation = -1
        self.heard_at = 0.0
        self._positions: dict[TopicPartition, int] = {}
        self._listener: Any = None
        self._has: frozenset[TopicPartition] = frozenset()
        self._task: asyncio.Task[None] | None = None

    def subscribe(self, topics: Sequence[str], listener: Any) -> None:
        self.topics, self._listener = tuple(topics), listener

    async def start(self) -> None:
        await self._host.trip("kafka join")
        self.heard_at = _now()
        self._group.join(self)
        if self.generation == self._group.generation:
            self._take_over()
        self._task = asyncio.create_task(self._belong())

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
        await self._host.trip("kafka leave")

    def assignment(self) -> frozenset[TopicPartition]:
        return self._has

    async def position(self, place: TopicPartition) -> int:
        await asyncio.sleep(0)
        if place not in self._has:
            raise IllegalStateError("not assigned")
        return self._positions[place]

    async def getmany(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Record]]:
        """What lies ready, from some of the partitions; a wait for more, at most so long, where nothing does."""
        await self._host.trip("kafka fetch")
        until = _now() + timeout_ms / 1000
        while not (got := self._ready(max_records)) and _now() < until:
            try:
                async with asyncio.timeout(until - _now()):
                    await self._broker.appended.wait()
            except TimeoutError:
                break
        await self._host.trip(f"kafka fetched {sum(map(len, got.values()))}")
        kept = {place: records for place, records in got.items() if place in self._has and records[0].offset == self._positions[place]}
        for place, records in kept.items():
            self._positions[place] = records[-1].offset + 1
        return kept

    def _ready(self, most: int) -> dict[TopicPartition, list[Record]]:
        if self._broker.away:
            return {}
        got: dict[TopicPartition, list[Record]] = {}
        for place in sorted(self._has):
            records = self._broker.logs.get(place, [])[self._positions[place] :][: max(1, self._broker.rng.randrange(most))]
            if records:
                got[place] = records
        return got

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        generation = self.generation
        if await self._host.trip("kafka commit") or self._broker.away:
            raise KafkaConnectionError("lost")
        if not self._is_member() or generation != self._group.generation:
            raise CommitFailedError("of a generation that is past")
        self._group.committed.update(offsets)
        if await self._host.trip("kafka committed"):
            raise KafkaConnectionError("the answer was lost")

    async def _belong(self) -> None:
        """Heartbeats, and the way through each rebalance. A member that was replaced under its name learns it, and ends."""
        while True:
            await asyncio.sleep(self._beat_seconds / 10)
            await self._host.trip("kafka heartbeat")
            self.heard_at = _now()
            if not self._is_member():
                if self.instance in self._group.members:
                    return
                self._group.join(self)
            if self.generation != self._group.generation:
                await self._go_along()

    async def _go_along(self) -> None:
        if self._has:
            await self._listener.on_partitions_revoked(self._has)
        self._has = frozenset()
        generation = self._group.generation
        self._group.enter(self)
        while not self._group.shares and self._group.generation == generation and self._is_member():
            await self._host.trip("kafka sync")
            self.heard_at = _now()
            await asyncio.sleep(0.1)
        if self._group.generation == generation and self._is_member():
            self.generation = generation
            self._take_over()
            await self._listener.on_partitions_assigned(self._has)

    def _is_member(self) -> bool:
        return self._group.members.get(self.instance) is self

    def _take_over(self) -> None:
        mine: Collection[TopicPartition] = self._group.shares.get(self.instance, ())
        self._positions = {place: self._group.committed.get(place, 0) for place in mine}
        self._has = frozenset(mine)


def event(topic: str, type: str, id: UUID, key: str, value: bytes, version: int = 1) -> Outgoing:
    """An event as an outsider sends it."""
    cause = Cause(id, id, child_of(None))
    headers = headers_of(id=id, type=type, source="/outside", subject=key, time=_SENT_AT, version=version, cause=cause, traceparent=cause.traceparent)
    return Outgoing(topic, key.encode(), value, headers)


def _now() -> float:
    return asyncio.get_running_loop().time()
