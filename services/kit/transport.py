"""Faust's aiokafka consumer, hardened: registered under the broker scheme `kept://`.

Stock Faust makes two tasks per message, sleeps a whole second when a buffer is full, crashes on a commit that may simply be repeated, and commits
past messages that are not done. This one waits for data as configured, calls back directly while flow is active, naps 5 ms, and commits the lowest
offset that was delivered and is not acknowledged: also before partitions are taken away. It leans on private parts, so it insists on the exact
versions, and contract tests pin what it does.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from functools import partial
from importlib.metadata import version
from typing import Any

import structlog
import uvloop
from aiokafka.errors import KafkaError
from faust.events import Event
from faust.transport import conductor as stock_conductor
from faust.transport import drivers
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as stock
from faust.types import TP

from services.kit.offsets import OffsetTracker

log = structlog.get_logger(__name__)

SCHEME = "kept"
VERSIONS = {"faust-streaming": "0.15.3", "mode-streaming": "0.7.1", "aiokafka": "0.14.0"}
FETCH_WAIT_MILLISECONDS = 500

_NAP_SECONDS = 0.005
_FULL_POLL_SECONDS = 0.01
_POLL_SECONDS = 1.0
_YIELD_EVERY = 200


class WrongVersion(RuntimeError):
    """A library whose private parts this transport leans on is not the one it was written against."""


def insist_on_versions(wanted: Mapping[str, str] = VERSIONS) -> None:
    """Raises WrongVersion, naming each package that differs."""
    differing = [f"{name} is {version(name)}, not {number}" for name, number in wanted.items() if version(name) != number]
    if differing:
        raise WrongVersion("; ".join(differing) + ": read the change, run tests/contract/kit, then move the numbers in services/kit/transport.py")


class ConsumerThread(stock.AIOKafkaConsumerThread):  # type: ignore[misc]  # no types
    """The thread that talks to Kafka."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MILLISECONDS
        return consumer

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """A commit that fails is repeated by the next one: nothing is lost, since the inbox knows what is delivered again."""
        consumer, mine = self._ensure_consumer(), self.assignment()
        try:
            await consumer.commit({stock.ensure_aiokafka_TP(tp): offset for tp, offset in offsets.items() if tp in mine})
        except KafkaError as error:
            log.warning("offsets not committed", error=type(error).__name__)
            return False
        return True


class Consumer(stock.Consumer):  # type: ignore[misc]  # no types
    """Tracks every message from its delivery to its acknowledgement."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.tracker: OffsetTracker[TP] = OffsetTracker()
        self.starts: dict[TP, int] = {}
        super().__init__(*args, **kwargs)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon, thread_loop=uvloop.new_event_loop())

    def ack(self, message: Any) -> bool:
        """Done with it; called once per message, after the commit of its effects."""
        if message.acked and message not in self._unacked_messages:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        self.tracker.acknowledged(message.tp, message.offset)
        self._n_acked += 1
        stock_notify(self._waiting_for_ack)
        return True

    def abandon(self) -> None:
        """Nothing more will be acknowledged: do not wait for it. It is delivered again to whoever comes next."""
        self._unacked_messages.clear()

    def positions(self) -> dict[TP, int]:
        """Per assigned partition the offset up to which everything is done."""
        reached = {tp: self.tracker.committable(tp) for tp in self.starts}
        return {tp: start if (offset := reached[tp]) is None else offset for tp, start in self.starts.items()}

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterable[TP]:
        return (tp for tp in self.tracker.partitions() if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self.tracker.committable(tp)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """What is in hand is waited for, what is done is committed (`stream_wait_empty`), what was only delivered is forgotten."""
        await super().on_partitions_revoked(revoked)
        self.tracker.reset()
        self.starts.clear()

    async def perform_seek(self) -> None:
        self.tracker.reset()
        await super().perform_seek()
        self.starts = {tp: await self.position(tp) for tp in self.assignment()}

    async def seek(self, partition: TP, offset: int) -> None:
        self.tracker.reset([ensure_TP(partition)])
        await super().seek(partition, offset)

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        self.tracker.reset(partitions)
        await super().seek_wait(partitions)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        """As stock, without its bookkeeping for a monitor at every message. Ends early where flow stops or a rebalance outdates the rest."""
        records, _ = await self._wait_next_records(timeout)
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            await self._seek_back()
            return
        app, generation = self.app, self.app.consumer_generation_id
        for tp, record in self.scheduler.iterate(records):
            if not self.flow_active or app.consumer_generation_id != generation:
                return
            yield tp, self._to_message(tp, record)

    async def _seek_back(self) -> None:
        try:
            await self.perform_seek()
        except KafkaError as error:
            log.warning("not sought back; the next look does it", error=type(error).__name__)

    async def _wait_next_records(self, timeout: float) -> tuple[Any, Any]:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        active = self._get_active_partitions()
        if active:
            return await self._getmany(active_partitions=active, timeout=timeout), active
        await self.sleep(_NAP_SECONDS if self._buffered_partitions else _POLL_SECONDS / 5)
        return {}, active

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                messages = self.getmany(timeout=_FULL_POLL_SECONDS if self._buffered_partitions else _POLL_SECONDS)
                await asyncio.sleep(0)
                if self.should_stop:
                    break
                await self._deliver_all(messages)
        except (*self.consumer_stopped_errors, asyncio.CancelledError):
            if not self.transport.app.should_stop:
                raise

    async def _deliver_all(self, messages: Any) -> None:
        read, since_yield = self._read_offset, 0
        async for tp, message in messages:
            since_yield += 1
            if since_yield > _YIELD_EVERY:
                since_yield = 0
                await asyncio.sleep(0)
            reached = read[tp]
            if reached is None or message.offset >= reached:
                self.tracker.delivered(tp, message.offset)
                if self.app.flow_control.is_active():
                    await self.callback(message)
                else:
                    await self.wait_first(self.callback(message), self.suspend_flow.wait())
                read[tp] = message.offset


class Conductor(stock_conductor.Conductor):  # type: ignore[misc]  # no types
    """Hands each message to its agent as it is: topics are raw bytes and no agent sends, so nothing is decoded and no producer waited for."""

    def _build_handler(self, tp: TP, channels: Any) -> Callable[[Any], Awaitable[None]]:
        app = self.app
        pressure = {"on_pressure_high": partial(app.consumer.on_buffer_full, tp), "on_pressure_drop": partial(app.consumer.on_buffer_drop, tp)}

        async def on_message(message: Any) -> None:
            await app.flow_control.acquire()
            event = Event(app, message.key, message.value, None, message)
            message.incref(len(channels))
            for channel in tuple(channels):
                if channel.queue.full():
                    await channel.queue.put(event)
                else:
                    channel.queue.put_nowait_enhanced(event, **pressure)

        return on_message


class Transport(stock.Transport):  # type: ignore[misc]  # no types
    """`kept://host:port`."""

    Conductor = Conductor
    Consumer = Consumer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        insist_on_versions()
        super().__init__(*args, **kwargs)


def stock_notify(waiting: Any) -> None:
    """Wake who waits for an acknowledgement."""
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


drivers.TRANSPORTS.aliases[SCHEME] = f"{__name__}:Transport"
