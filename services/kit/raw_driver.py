"""Plain aiokafka behind the consume loop: the driver that a worker takes by default. See docs/decisions/0013-two-drivers.md."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError

from services.kit.consume import ConsumeLoop
from services.kit.failpoints import ARMED, hit
from services.kit.fetching import insist_on_fetching, mend_connections
from services.kit.group import BATCH, Group
from services.kit.offsets import OffsetTracker
from services.kit.pace import pace

log = structlog.get_logger(__name__)
_POLL_MILLISECONDS = 500


class RawDriver(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """One consumer, one batch at a time; offsets are committed once a second, before a revoke and at the end."""

    def __init__(self, loop: ConsumeLoop, group: Group) -> None:
        self._loop, self._group = loop, group
        self._tracker: OffsetTracker[TopicPartition] = OffsetTracker()
        self._starts: dict[TopicPartition, int] = {}
        self._in_hand = asyncio.Lock()
        self._generation = 0
        """How often partitions were taken away."""
        self._committed_at = 0.0
        self._last_committed: dict[TopicPartition, int] = {}
        self._consumer: Any = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        group = self._group
        mend_connections()
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=group.bootstrap,
            client_id=group.client_id,
            group_id=group.name,
            group_instance_id=group.instance,
            partition_assignment_strategy=[RoundRobinPartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=group.fetch_wait_milliseconds,
            fetch_min_bytes=group.fetch_least_bytes,
            session_timeout_ms=int(group.session_seconds * 1000),
            heartbeat_interval_ms=int(group.heartbeat_seconds * 1000),
            rebalance_timeout_ms=60_000,
            request_timeout_ms=90_000,
            max_poll_interval_ms=1_000_000,
        )
        self._consumer.subscribe(list(group.topics), listener=self)
        await self._consumer.start()
        pace(self._consumer, lambda: self._loop.rest_seconds)
        self._task = asyncio.create_task(self._run())

    async def stop(self, grace_seconds: float) -> None:
        try:
            async with asyncio.timeout(grace_seconds), self._in_hand:
                self._cancel()
        except TimeoutError:
            self._cancel()
        if self._task is not None:
            await asyncio.wait({self._task})
        if self._consumer is not None:
            await self._commit()
            await self._consumer.stop()

    async def died(self) -> BaseException:
        if self._task is None:
            raise RuntimeError("the driver was not started")
        await asyncio.wait({self._task})
        if self._task.cancelled():
            await asyncio.Event().wait()  # asked to stop: not a death
        return self._task.exception() or RuntimeError("consuming ended")

    def positions(self) -> Mapping[str, Mapping[int, int]]:
        positions: dict[str, dict[int, int]] = {}
        for tp, start in self._starts.items():
            positions.setdefault(tp.topic, {})[tp.partition] = _or(self._tracker.committable(tp), start)
        return positions

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        if ARMED and revoked:
            hit("raw.revoking")
        async with self._in_hand:
            await self._commit()
            self._tracker.reset()
            self._starts.clear()
            self._last_committed = {}
            self._generation += 1

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._starts.clear()  # until now the consumer named the old partitions as its own, and they may have been looked at since the revoke

    async def _run(self) -> None:
        while True:
            await self._learn_starts()
            insist_on_fetching(self._consumer)
            got = await self._consumer.getmany(timeout_ms=_POLL_MILLISECONDS, max_records=BATCH)
            generation = self._generation
            async with self._in_hand:
                if generation == self._generation:  # else it is delivered again, to whom the partitions are given
                    await self._take(got)
            if time.monotonic() - self._committed_at > self._group.commit_seconds:
                await self._commit()

    async def _take(self, got: Mapping[TopicPartition, Sequence[Any]]) -> None:
        mine = self._consumer.assignment()
        kept = {tp: [message.offset for message in messages] for tp, messages in got.items() if tp in mine}
        for tp, offsets in kept.items():
            self._tracker.delivered(tp, offsets)
        if kept:
            await self._loop.take(self._loop.read([message for tp in kept for message in got[tp]]))
        for tp, offsets in kept.items():
            self._tracker.acknowledged(tp, offsets)
        if ARMED and kept:
            hit("raw.acknowledged")

    async def _learn_starts(self) -> None:
        for tp in self._consumer.assignment() - self._starts.keys():
            try:
                self._starts[tp] = await self._consumer.position(tp)
            except IllegalStateError:
                return  # taken away in this moment

    async def _commit(self) -> None:
        """Best effort: what is not committed is delivered again, and known by the inbox."""
        self._committed_at = time.monotonic()
        mine = self._consumer.assignment()
        offsets = {tp: offset for tp in self._tracker.partitions() if tp in mine and (offset := self._tracker.committable(tp)) is not None}
        if not offsets or offsets == self._last_committed:
            return
        if ARMED:
            hit("raw.committing_offsets")
        try:
            await self._consumer.commit(offsets)
            self._last_committed = offsets
            if ARMED:
                hit("raw.committed_offsets")
        except KafkaError as error:
            log.warning("offsets not committed", error=type(error).__name__)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()


def _or(value: int | None, other: int) -> int:
    return other if value is None else value
