"""Faults of PostgreSQL, of Kafka, and of the links to them."""

import asyncio
import contextlib

from confluent_kafka import KafkaException

from chaos.proxy.faults import Faults, Way
from chaos.run import rubbish
from chaos.run.scene import Scene, kill, on_links, pause_for


async def lost_answers(scene: Scene) -> None:
    """Row 3: produced, committed, and the caller is told of a broken connection."""
    await on_links(scene, 3, "answers lost", scene.links(), Faults(lose_chance=0.05), 10)


async def database_crash(scene: Scene) -> None:
    """Row 7."""
    for _ in range(scene.counts.database_crashes):
        await kill(scene, 7, "postgres")
        await asyncio.sleep(scene.rng.uniform(2, 5))


async def database_hang(scene: Scene) -> None:
    """Row 8: the whole tree stands still for longer than every timeout of a statement."""
    scene.timeline.began(8, "pause", "postgres")
    await asyncio.to_thread(scene.bed.pause, "postgres")
    await asyncio.sleep(scene.counts.hang_seconds)
    await asyncio.to_thread(scene.bed.resume, "postgres")
    await scene.back(8, "pause", "postgres")


async def database_slow(scene: Scene) -> None:
    """Row 9: every answer of PostgreSQL takes 200 ms to a second."""
    slow = Faults(to_client=Way(latency_seconds=0.6, jitter_seconds=0.4))
    await on_links(scene, 9, "slow", scene.links("->postgres"), slow, 15)


async def leading_broker_killed(scene: Scene) -> None:
    """Row 13."""
    for _ in range(scene.counts.leaders):
        topic = scene.rng.choice(rubbish.HEARD)
        await kill(scene, 13, await _leader(scene, topic))
        await asyncio.sleep(scene.counts.leader_pause_seconds)


async def two_brokers_away(scene: Scene) -> None:
    """Row 14: no partition takes anything any more; orders over HTTP are taken all the same."""
    brokers = scene.rng.sample(scene.brokers(), 2)
    for name in brokers:
        scene.timeline.began(14, "stop", name)
        await asyncio.to_thread(scene.bed.stop, name)
    await asyncio.sleep(scene.counts.away_seconds)
    for name in brokers:
        await asyncio.to_thread(scene.bed.start, name)
        await scene.back(14, "stop", name)


async def two_brokers_frozen(scene: Scene) -> None:
    """Row 15: frozen for longer than their sessions, and thawed, again and again."""
    brokers = scene.rng.sample(scene.brokers(), 2)
    for _ in range(scene.counts.freezes):
        for name in brokers:
            scene.timeline.began(15, "pause", name)
        await asyncio.gather(*(pause_for(scene, name, 45) for name in brokers))
        for name in brokers:
            await scene.back(15, "pause", name)
        await asyncio.sleep(20)


async def all_brokers_killed(scene: Scene) -> None:
    """Row 16."""
    brokers = scene.brokers()
    for name in brokers:
        scene.timeline.began(16, "kill", name)
        await asyncio.to_thread(scene.bed.kill, name)
    for name in brokers:
        await scene.back(16, "kill", name)


async def partition(scene: Scene) -> None:
    """Row 17: one way of one service to everything it speaks with."""
    service = scene.rng.choice(("orders", "fulfilment", "promises"))
    links = scene.links(f"{service}->kafka") + scene.links(f"{service}->postgres")
    await on_links(scene, 17, "one way blocked", links, Faults(to_client=Way(blocked=True)), 8)


async def resets(scene: Scene) -> None:
    """Row 18: every connection to every server cut, again and again."""
    links = scene.links("->kafka") + scene.links("->postgres")
    scene.timeline.began(18, "connections reset", "links")
    for _ in range(8):
        await asyncio.to_thread(scene.bed.proxy(*links).reset)
        await asyncio.sleep(1)
    scene.timeline.ended(18, "connections reset", "links")


async def _leader(scene: Scene, topic: str) -> str:
    """Which broker leads the topic's first partition, once the one that is asked knows it."""
    while True:
        with contextlib.suppress(KeyError, KafkaException):
            leader = await asyncio.to_thread(scene.bed.broker_leader, topic, 0)
            if leader in scene.bed.names:
                return leader
        await asyncio.sleep(0.5)
