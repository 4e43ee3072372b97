"""Faust's aiokafka consumer, hardened: registered under the broker scheme `kept://`.

Stock Faust makes two tasks and three objects per message, sleeps a whole second when a buffer is full, crashes on a commit that may simply be
repeated, and commits past messages that are not done. This one waits for data as configured, leaves Kafka alone while a loop
rests, hands over what came of a partition as one bundle and what a fetch brought in one go, naps 5 ms, and commits the lowest offset that was
delivered and is not acknowledged: also before partitions are taken away. It leans on private parts, so it insists on the exact versions, and
contract tests pin what it does.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import structlog
import uvloop
from aiokafka.errors import KafkaError
from faust.events import Event
from faust.tables.manager import TableManager
from faust.transport import conductor as stock_conductor
from faust.transport import drivers
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as stock
from faust.types import TP

from services.kit.failpoints import ARMED, hit
from services.kit.fetching import insist_on_fetching, mend_connections
from services.kit.journal import Item
from services.kit.offsets import OffsetTracker
from services.kit.pace import pace

log = structlog.get_logger(__name__)

SCHEME = "kept"
VERSIONS = {"faust-streaming": "0.15.3", "mode-streaming": "0.7.1", "aiokafka": "0.14.0"}
MOST_OUTSTANDING = 4096
"""Messages that may be delivered and not settled; beyond it nothing is fetched."""

_MOST_AT_ONCE = 500
_NAP_SECONDS = 0.005
_POLL_SECONDS = 1.0


class WrongVersion(RuntimeError):
    """A library whose private parts this transport leans on is not the one it was written against."""


def insist_on_versions(wanted: Mapping[str, str] = VERSIONS) -> None:
    """Raises WrongVersion, naming each package that differs."""
    differing = [f"{name} is {version(name)}, not {number}" for name, number in wanted.items() if version(name) != number]
    if differing:
        raise WrongVersion("; ".join(differing) + ": read the change, run tests/contract/kit, then move the numbers in services/kit/transport.py")


class Bundle:
    """Records of one partition in their order, as the loop reads them. Faust waits for those in hand before it gives partitions away."""

    refcount = 0

    def __init__(self, tp: TP, items: Sequence[Item], generation: int) -> None:
        self.tp, self.items, self.generation, self.acked = tp, items, generation, False

    def split(self, at: int) -> tuple["Bundle", "Bundle"]:
        """The first `at` items, and the others."""
        return Bundle(self.tp, self.items[:at], self.generation), Bundle(self.tp, self.items[at:], self.generation)

    def offsets(self) -> list[int]:
        return [item.message.offset for item in self.items]


class ConsumerThread(stock.AIOKafkaConsumerThread):  # type: ignore[misc]  # no types
    """The thread that talks to Kafka."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        group = transport.app.group
        consumer._fetch_max_wait_ms, consumer._fetch_min_bytes = group.fetch_wait_milliseconds, group.fetch_least_bytes
        return consumer

    async def on_start(self) -> None:
        await super().on_start()
        pace(self._consumer, self.app.rest_seconds)

    def insist_on_fetching(self) -> None:
        """Raises FetchingEnded."""
        insist_on_fetching(self._ensure_consumer())

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """A commit that fails is repeated by the next one: nothing is lost, since the inbox knows what is delivered again."""
        consumer, mine = self._ensure_consumer(), self.assignment()
        if ARMED:
            hit("faust.committing_offsets")
        try:
            await consumer.commit({stock.ensure_aiokafka_TP(tp): offset for tp, offset in offsets.items() if tp in mine})
        except KafkaError as error:
            log.warning("offsets not committed", error=type(error).__name__)
            return False
        except asyncio.CancelledError:
            if not self.should_stop:
                raise
            return False  # the app crashed, and this thread ends with it
        if ARMED:
            hit("faust.committed_offsets")
        return True


class Consumer(stock.Consumer):  # type: ignore[misc]  # no types
    """Tracks every message from its delivery to its acknowledgement."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.tracker: OffsetTracker[TP] = OffsetTracker()
        self.starts: dict[TP, int] = {}
        super().__init__(*args, **kwargs)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon, thread_loop=uvloop.new_event_loop())

    def take_in_hand(self, bundles: Iterable[Bundle]) -> None:
        """From here on partitions are not given away before these are settled."""
        self._unacked_messages.update(bundles)

    def settle(self, bundles: Iterable[Bundle]) -> None:
        """Done with them: called after the commit of their effects."""
        for bundle in bundles:
            bundle.acked = True
            self._unacked_messages.discard(bundle)
            self.tracker.acknowledged(bundle.tp, bundle.offsets())
        if self._waiting_for_ack is not None and not self._waiting_for_ack.done():
            self._waiting_for_ack.set_result(None)

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
        if ARMED and revoked:
            hit("faust.revoking")
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

    async def _seek_back(self, dropped: Mapping[TP, int]) -> dict[TP, int]:
        """To the first record that was fetched and not delivered, where the client stands behind it; what is still to be sought after a failure.
        By committed offsets alone a partition without one would not be sought at all."""
        try:
            back = {tp: offset for tp, offset in dropped.items() if tp in self.assignment() and offset < (await self.position(tp) or 0)}
            if back:
                await self.seek_wait(back)
                self._read_offset.update(back)
        except KafkaError as error:
            log.warning("not sought back, and tried again", error=type(error).__name__)
            await self.sleep(_NAP_SECONDS)
            return dict(dropped)
        return {}

    async def _wait_next_records(self, timeout: float) -> tuple[Mapping[TP, Sequence[Any]], int]:
        """What came, and of which generation of the group."""
        generation = self.app.consumer_generation_id
        if self.tracker.outstanding() >= MOST_OUTSTANDING:
            await self.sleep(_NAP_SECONDS)
            return {}, generation
        active = self._get_active_partitions()
        if active:
            return await self._getmany(active_partitions=active, timeout=timeout), generation
        await self.sleep(_POLL_SECONDS / 5)
        return {}, generation

    async def _drain_messages(self, fetcher: Any) -> None:
        """Fetch and deliver. What was fetched and could not be delivered is sought back before anything else is fetched: its offsets are behind
        the position of the client, and would be committed past."""
        dropped: dict[TP, int] = {}
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                if not self.flow_active:
                    await self.wait(self.can_resume_flow)
                elif dropped:
                    dropped = await self._seek_back(dropped)
                else:
                    self._thread.insist_on_fetching()
                    records, generation = await self._wait_next_records(_POLL_SECONDS)
                    dropped = await self._deliver_all(records or {}, generation)
                await asyncio.sleep(0)
        except (*self.consumer_stopped_errors, asyncio.CancelledError):
            if not self.transport.app.should_stop:
                raise

    async def _deliver_all(self, records: Mapping[TP, Sequence[Any]], generation: int) -> dict[TP, int]:
        """What came, in bundles: all that is read first, so that one batch takes it. Where flow stopped or a rebalance outdated it, the first offset
        of each partition that was not delivered."""
        dropped, read = dict[TP, int](), self._read_offset
        for bundle in await self._bundles(records, generation):
            offsets = bundle.offsets()
            if bundle.tp in dropped or not self.flow_active or self.app.consumer_generation_id != generation:
                dropped.setdefault(bundle.tp, offsets[0])
                continue
            self.tracker.delivered(bundle.tp, offsets)
            read[bundle.tp] = offsets[-1]
            if self.app.flow_control.is_active():
                await self.callback(bundle)
            else:
                await self.wait_first(self.callback(bundle), self.suspend_flow.wait())
        return dropped

    async def _bundles(self, records: Mapping[TP, Sequence[Any]], generation: int) -> list[Bundle]:
        """What was not delivered before, read while the batch before it waits for PostgreSQL."""
        bundles = list[Bundle]()
        for tp, came in records.items():
            reached = self._read_offset[tp]
            fresh = came if reached is None else [record for record in came if record.offset >= reached]
            for at in range(0, len(fresh), _MOST_AT_ONCE):
                await asyncio.sleep(0)  # reading takes a while
                bundles.append(Bundle(ensure_TP(tp), self.app.read(fresh[at : at + _MOST_AT_ONCE]), generation))
        return bundles


class Conductor(stock_conductor.Conductor):  # type: ignore[misc]  # no types
    """Hands each bundle to its agent as it is: topics are raw bytes and no agent sends, so nothing is decoded and no producer waited for."""

    def _build_handler(self, tp: TP, channels: Any) -> Callable[[Any], Awaitable[None]]:
        app = self.app

        async def on_bundle(bundle: Bundle) -> None:
            await app.flow_control.acquire()
            for channel in tuple(channels):
                await channel.queue.put(Event(app, None, bundle, None, bundle))

        return on_bundle


class NoTables(TableManager):  # type: ignore[misc]  # no types
    """PostgreSQL is the only state. Stock Faust joins no group before it has left its tables a second to be declared."""

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


class Transport(stock.Transport):  # type: ignore[misc]  # no types
    """`kept://host:port`."""

    Conductor = Conductor
    Consumer = Consumer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        insist_on_versions()
        mend_connections()
        super().__init__(*args, **kwargs)


drivers.TRANSPORTS.aliases[SCHEME] = f"{__name__}:Transport"
