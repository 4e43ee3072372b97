"""Faust behind the consume loop. The one place in the repository where a Faust app and its agent are made.

No exception ever leaves the agent: one that does loses events silently. What breaks the loop is handed to `died`, and the agent then stands still
with its batch unacknowledged until the process ends.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import faust

from services.kit import transport
from services.kit.consume import ConsumeLoop
from services.kit.failpoints import ARMED, hit
from services.kit.group import BATCH, Group
from services.kit.journal import Item
from services.kit.ports import Message
from services.kit.transport import Bundle

_LEAVE_SECONDS = 5.0


class _App(faust.App):  # type: ignore[misc]  # no types
    read: Callable[[Sequence[Message]], list[Item]]
    """What the transport reads records with, as soon as they come."""
    group: Group
    rest_seconds: Callable[[], float]
    """How long the transport leaves Kafka alone before it asks for more."""

    def _create_directories(self) -> None:
        """PostgreSQL is the only state: nothing is kept on disk."""


class FaustDriver:
    """One app with one agent, one batch at a time, in order."""

    def __init__(self, loop: ConsumeLoop, group: Group) -> None:
        self._loop, self._group = loop, group
        self._waiting: deque[Bundle] = deque()
        self._in_hand: asyncio.Task[Any] | None = None
        self._broken: asyncio.Future[BaseException] | None = None
        self._stopping = False
        self.app: Any = None

    async def start(self) -> None:
        self._broken = asyncio.get_running_loop().create_future()
        self.app = _new_app(self._group)
        self.app.read, self.app.group, self.app.rest_seconds = self._loop.read, self._group, lambda: self._loop.rest_seconds
        topic = self.app.topic(*self._group.topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
        self.app.agent(topic, name=f"{self._group.name}.consume", concurrency=1)(self._consume)
        await self.app.start()

    async def stop(self, grace_seconds: float) -> None:
        self._stopping = True
        if self.app is None:
            return
        if self._in_hand is not None:
            await asyncio.wait({self._in_hand}, timeout=grace_seconds)
            self._in_hand.cancel()
            await asyncio.wait({self._in_hand})
        await asyncio.sleep(0)  # the agent acknowledges what was finished
        self.app.consumer.abandon()
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self.app.consumer.commit()
                await self.app.stop()
        except TimeoutError:
            return  # the process ends anyway, and what is not committed is delivered again

    async def died(self) -> BaseException:
        if self._broken is None:
            raise RuntimeError("the driver was not started")
        crashed = asyncio.ensure_future(self.app._crashed.wait())
        await asyncio.wait({self._broken, crashed}, return_when=asyncio.FIRST_COMPLETED)
        crashed.cancel()
        return self._broken.result() if self._broken.done() else self.app.crash_reason or RuntimeError("the Faust app crashed")

    def positions(self) -> Mapping[str, Mapping[int, int]]:
        positions: dict[str, dict[int, int]] = {}
        for tp, offset in self.app.consumer.positions().items():
            positions.setdefault(tp.topic, {})[tp.partition] = offset
        return positions

    async def _consume(self, stream: Any) -> None:
        await stream.maybe_start()
        while not stream.should_stop:
            bundles = await self._next(stream.channel)
            if bundles is None:
                return
            if self._stopping or not await self._settled(bundles):
                await asyncio.Event().wait()

    async def _next(self, channel: Any) -> list[Bundle] | None:
        """What is waiting, up to a batch, and never a wait for more: empty when a rebalance outdated it all, None when the stream has ended."""
        waiting = self._waiting
        try:
            if not waiting:
                waiting.append((await anext(channel)).message)
            while not channel.queue.empty():
                waiting.append(channel.queue.get_nowait().message)
        except StopAsyncIteration:
            return None
        taken, room = list[Bundle](), BATCH
        while waiting and room:
            bundle = waiting.popleft()
            if bundle.generation != self.app.consumer_generation_id or not self.app.consumer.flow_active:
                continue  # it is delivered again to whom the partition is given
            if len(bundle.items) > room:
                bundle, rest = bundle.split(room)
                waiting.appendleft(rest)
            taken.append(bundle)
            room -= len(bundle.items)
        return taken

    async def _settled(self, bundles: Sequence[Bundle]) -> bool:
        """Acknowledge them once the loop has settled them; False when it could not."""
        consumer = self.app.consumer
        consumer.take_in_hand(bundles)
        self._in_hand = asyncio.ensure_future(self._loop.take([item for bundle in bundles for item in bundle.items]))
        await asyncio.wait({self._in_hand})
        if self._in_hand.cancelled():
            return False
        error = self._in_hand.exception()
        if error is not None:
            if self._broken is not None and not self._broken.done():
                self._broken.set_result(error)
            return False
        consumer.settle(bundles)
        if ARMED:
            hit("faust.acknowledged")
        return True


def _new_app(group: Group) -> Any:
    app = _App(
        group.name,
        broker=";".join(f"{transport.SCHEME}://{address}" for address in group.bootstrap.split(",")),
        broker_client_id=group.client_id,
        consumer_group_instance_id=group.instance,
        processing_guarantee="at_least_once",
        store="memory://",
        TableManager=transport.NoTables,
        broker_commit_interval=group.commit_seconds,
        broker_session_timeout=group.session_seconds,
        broker_heartbeat_interval=group.heartbeat_seconds,
        broker_rebalance_timeout=60,
        broker_request_timeout=90,
        broker_max_poll_interval=1000,
        consumer_auto_offset_reset="earliest",
        broker_max_poll_records=2000,
        stream_buffer_maxsize=65536,  # never full: the transport stops at what is outstanding
        stream_wait_empty=True,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
        autodiscover=False,
        loop=asyncio.get_running_loop(),
    )
    app.boot_strategy.enable_kafka_producer = False
    return app
