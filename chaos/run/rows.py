"""The faults, each under its number in the matrix of `docs/reliability.md`: begun, ended, and waited for until what was hit is back."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from chaos.bed.bed import Bed, NotRunning
from chaos.proxy.faults import HEALTHY, Faults, Way
from chaos.run.client import Client
from chaos.run.notes import Timeline
from services.kit.ids import uuid7

_ANSWER_SECONDS = 15.0
_HEARD = ("storefront.order.v1", "orders.order.v1", "fulfilment.work.v1", "promises.promise.v1")


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault has in its hands. `scale` stretches it: 1 in a quick run."""

    bed: Bed
    client: Client
    timeline: Timeline
    rng: Random
    scale: int = 1

    def workers(self) -> list[str]:
        return [name for name in self.bed.names if "-worker-" in name]

    def processes(self) -> list[str]:
        return [name for name in self.bed.names if "-worker-" in name or "-api-" in name]

    def links(self, part: str = "") -> list[str]:
        return [name for name in self.bed.told["proxy"]["links"] if part in name]

    async def back(self, row: int, fault: str, target: str) -> None:
        """The fault is over; until the target is ready again."""
        self.timeline.ended(row, fault, target)
        self.timeline.recovered(row, fault, target, await asyncio.to_thread(self.bed.await_ready, target))


Row = Callable[[Scene], Awaitable[None]]


async def random_crash(scene: Scene) -> None:
    """Row 1: a process after the other, every few seconds."""
    for _ in range(10 * scene.scale):
        await _kill(scene, 1, scene.rng.choice(scene.processes()))
        await asyncio.sleep(scene.rng.uniform(0.5, 3))


async def lost_answers(scene: Scene) -> None:
    """Row 3: produced, committed, and the caller is told of a broken connection."""
    await _on_links(scene, 3, "answers lost", scene.links(), Faults(lose_chance=0.05), 10 * scene.scale)


async def pause(scene: Scene) -> None:
    """Row 4: a worker stands still for longer than its session, and wakes as a zombie."""
    for _ in range(scene.scale):
        name = scene.rng.choice(scene.workers())
        scene.timeline.began(4, "pause", name)
        await asyncio.to_thread(scene.bed.pause, name)
        await asyncio.sleep(35)
        await asyncio.to_thread(scene.bed.resume, name)
        await scene.back(4, "pause", name)


async def database_crash(scene: Scene) -> None:
    """Row 7."""
    for _ in range(3 * scene.scale):
        await _kill(scene, 7, "postgres")
        await asyncio.sleep(scene.rng.uniform(2, 5))


async def database_hang(scene: Scene) -> None:
    """Row 8: the whole tree stands still for longer than every timeout of a statement."""
    scene.timeline.began(8, "pause", "postgres")
    await asyncio.to_thread(scene.bed.pause, "postgres")
    await asyncio.sleep(30)
    await asyncio.to_thread(scene.bed.resume, "postgres")
    await scene.back(8, "pause", "postgres")


async def leading_broker_killed(scene: Scene) -> None:
    """Row 13."""
    for _ in range(2 * scene.scale):
        topic = scene.rng.choice(_HEARD)
        await _kill(scene, 13, await _leader(scene, topic))
        await asyncio.sleep(5)


async def all_brokers_killed(scene: Scene) -> None:
    """Row 16."""
    brokers = [name for name in scene.bed.names if name.startswith("kafka-")]
    for name in brokers:
        scene.timeline.began(16, "kill", name)
        await asyncio.to_thread(scene.bed.kill, name)
    for name in brokers:
        await scene.back(16, "kill", name)


async def partition(scene: Scene) -> None:
    """Row 17: one way of one service to everything it speaks with."""
    service = scene.rng.choice(("orders", "fulfilment", "promises"))
    links = scene.links(f"{service}->kafka") + scene.links(f"{service}->postgres")
    await _on_links(scene, 17, "one way blocked", links, Faults(to_client=Way(blocked=True)), 8 * scene.scale)


async def resets(scene: Scene) -> None:
    """Row 18: every connection to every server cut, again and again."""
    links = scene.links("->kafka") + scene.links("->postgres")
    scene.timeline.began(18, "connections reset", "links")
    for _ in range(8 * scene.scale):
        await asyncio.to_thread(scene.bed.proxy(*links).reset)
        await asyncio.sleep(1)
    scene.timeline.ended(18, "connections reset", "links")


async def rebalances(scene: Scene) -> None:
    """Row 19: a worker leaves and comes back, again and again."""
    for _ in range(5 * scene.scale):
        name = scene.rng.choice(scene.workers())
        scene.timeline.began(19, "stop", name)
        await asyncio.to_thread(scene.bed.stop, name)
        await asyncio.to_thread(scene.bed.start, name)
        await scene.back(19, "stop", name)


async def duplicates(scene: Scene) -> None:
    """Row 22: a fifth of what lies on the topics comes again."""
    for topic in _HEARD:
        scene.timeline.began(22, "records again", topic)
        records = await asyncio.to_thread(_some_records, scene.bed.told["kafka"], topic, scene.rng)
        await scene.client.repeat(topic, [(each.key(), each.value(), each.headers() or []) for each in records])
        scene.timeline.ended(22, "records again", topic)


async def poison(scene: Scene) -> None:
    """Row 25."""
    scene.timeline.began(25, "poison", "topics")
    await scene.client.poison(_HEARD)
    scene.timeline.ended(25, "poison", "topics")


async def deadly_event(scene: Scene) -> None:
    """Row 26: an event over which every process dies, until it is set aside."""
    id = str(uuid7())
    scene.bed.arm(f"orders.stage.handling:segv?id={id}")
    await _restart(scene, 26, "orders-worker-")
    await scene.client.place_as(id, expect="dead_letter", services=["orders"])
    await asyncio.sleep(20)
    scene.bed.arm("")
    await _restart(scene, 26, "orders-worker-")


async def outbox_out_of_order(scene: Scene) -> None:
    """Row 12: a transaction with low ids stands still while others commit higher ones."""
    scene.bed.arm("orders.outbox.inserted:sleep=12@1")
    await _restart(scene, 12, "orders-worker-")
    await asyncio.sleep(14)
    scene.bed.arm("")
    await _restart(scene, 12, "orders-worker-")


async def one_key_fifty_times(scene: Scene) -> None:
    """Row 36."""
    for _ in range(3 * scene.scale):
        scene.timeline.began(36, "one key fifty times", "clients")
        await scene.client.place_fifty_times_at_once()
        scene.timeline.ended(36, "one key fifty times", "clients")


async def race_for_picks(scene: Scene) -> None:
    """Row 34."""
    scene.timeline.began(34, "race for picks", "clients")
    await scene.client.race_for_picks(rounds=10 * scene.scale, pickers=20)
    scene.timeline.ended(34, "race for picks", "clients")


ROWS: dict[int, Row] = {
    1: random_crash,
    3: lost_answers,
    4: pause,
    7: database_crash,
    8: database_hang,
    12: outbox_out_of_order,
    13: leading_broker_killed,
    16: all_brokers_killed,
    17: partition,
    18: resets,
    19: rebalances,
    22: duplicates,
    25: poison,
    26: deadly_event,
    34: race_for_picks,
    36: one_key_fifty_times,
}


async def _leader(scene: Scene, topic: str) -> str:
    """Which broker leads the topic's first partition, once the one that is asked knows it."""
    while True:
        with contextlib.suppress(KeyError, KafkaException):
            leader = await asyncio.to_thread(scene.bed.broker_leader, topic, 0)
            if leader in scene.bed.names:
                return leader
        await asyncio.sleep(0.5)


async def _kill(scene: Scene, row: int, name: str) -> None:
    scene.timeline.began(row, "kill", name)
    with contextlib.suppress(NotRunning):  # it had just ended by itself: the servers were away
        await asyncio.to_thread(scene.bed.kill, name)
    await scene.back(row, "kill", name)


async def _restart(scene: Scene, row: int, prefix: str) -> None:
    """So that they read anew what they are to stumble over."""
    for name in scene.workers():
        if name.startswith(prefix):
            await _kill(scene, row, name)


async def _on_links(scene: Scene, row: int, fault: str, links: list[str], faults: Faults, seconds: float) -> None:
    remote, target = scene.bed.proxy(*links), f"{len(links)} links"
    scene.timeline.began(row, fault, target)
    await asyncio.to_thread(remote.set, faults)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(remote.set, HEALTHY)
    scene.timeline.ended(row, fault, target)


def _some_records(bootstrap: str, topic: str, rng: Random) -> list[Message]:
    """A fifth of the topic's events, in their order."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "kept-chaos", "enable.auto.commit": False})
    try:
        places = [TopicPartition(topic, number) for number in consumer.list_topics(topic, _ANSWER_SECONDS).topics[topic].partitions]
        left = sum(consumer.get_watermark_offsets(place, _ANSWER_SECONDS)[1] for place in places)
        consumer.assign([TopicPartition(topic, place.partition, OFFSET_BEGINNING) for place in places])
        found: list[Message] = []
        while left > 0 and (messages := consumer.consume(min(left, 1000), _ANSWER_SECONDS)):
            left -= len(messages)
            found += [each for each in messages if not each.error() and dict(each.headers() or ()).get("ce_id") and rng.random() < 0.2]
        return found
    finally:
        consumer.close()
