"""The faults, each under its number in the matrix of `docs/reliability.md`: begun, ended, and waited for until what was hit is back."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from confluent_kafka import KafkaException

from chaos.bed.bed import Bed, NotRunning
from chaos.proxy.faults import HEALTHY, Faults, Way
from chaos.run import rubbish
from chaos.run.client import Client
from chaos.run.notes import Timeline
from services.kit.ids import uuid7

_POISONS_A_SECOND = 20
_DEATHS_SECONDS, _STUMBLE_SECONDS = 90.0, 30.0
"""How long until each armed point was met: all that are walked, or the one of a row."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault has in its hands. `scale` stretches it: 1 in a quick run."""

    bed: Bed
    client: Client
    timeline: Timeline
    rng: Random
    scale: int = 1

    def workers(self, service: str = "") -> list[str]:
        return [name for name in self.bed.names if "-worker-" in name and name.startswith(service)]

    def processes(self, service: str = "") -> list[str]:
        return [name for name in self.bed.names if ("-worker-" in name or "-api-" in name) and name.startswith(service)]

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
        await _pause_for(scene, name, 35)
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
        topic = scene.rng.choice(rubbish.HEARD)
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
    for _ in range(10 * scene.scale):
        name = scene.rng.choice(scene.workers())
        scene.timeline.began(19, "stop", name)
        await asyncio.to_thread(scene.bed.stop, name)
        await asyncio.to_thread(scene.bed.start, name)
        await scene.back(19, "stop", name)


async def duplicates(scene: Scene) -> None:
    """Row 22: a fifth of what lies on the topics comes again."""
    for topic in rubbish.HEARD:
        scene.timeline.began(22, "records again", topic)
        await rubbish.repeat(scene.client, scene.bed.told["kafka"], topic)
        scene.timeline.ended(22, "records again", topic)


async def disorder(scene: Scene) -> None:
    """Row 23: records again in another order; and orders for the first time, some behind their own cancel."""
    scene.timeline.began(23, "disorder", "topics")
    await rubbish.place_in_disorder(scene.client, 40 * scene.scale)
    for topic in rubbish.HEARD:
        await rubbish.repeat(scene.client, scene.bed.told["kafka"], topic, window=1_000)
    scene.timeline.ended(23, "disorder", "topics")


async def poison(scene: Scene) -> None:
    """Row 25."""
    scene.timeline.began(25, "poison", "topics")
    await rubbish.poison(scene.client, rubbish.HEARD, largest=True)
    scene.timeline.ended(25, "poison", "topics")


async def poison_without_a_database(scene: Scene) -> None:
    """Row 27: poison all the time, while what keeps it is stopped at once, three times."""
    pouring = asyncio.ensure_future(_pour(scene.client))
    for _ in range(3):
        scene.timeline.began(27, "kill: stopped at once", "postgres")
        await asyncio.to_thread(scene.bed.stop_at_once, "postgres")
        await scene.back(27, "kill: stopped at once", "postgres")
        await asyncio.sleep(2)
    pouring.cancel()
    await asyncio.gather(pouring, return_exceptions=True)


async def the_future(scene: Scene) -> None:
    """Row 28: fields that nobody knows yet, and events of a newer major version."""
    scene.timeline.began(28, "a later schema", "topics")
    await rubbish.future_minors(scene.client, 20 * scene.scale)
    await rubbish.future_majors(scene.client)
    scene.timeline.ended(28, "a later schema", "topics")


async def slow_head(scene: Scene) -> None:
    """Row 20: a worker stands still over the first events of its batch, and is killed before it has handled them."""
    for _ in range(scene.scale):
        await _stumble(scene, 20, "fulfilment", "stage.handling", "sleep=30")
        for name in scene.workers("fulfilment"):
            await _kill(scene, 20, name)


async def spoilt_sequence(scene: Scene) -> None:
    """Row 21: the relay's producer is refused for good; a new one takes over, and what waited goes out."""
    await _stumble(scene, 21, "promises", "relay.before_send", "skew")
    scene.timeline.began(21, "sequence spoilt", "promises-relay")
    scene.timeline.ended(21, "sequence spoilt", "promises-relay")
    scene.timeline.recovered(21, "sequence spoilt", "promises-relay", await asyncio.to_thread(scene.bed.await_relayed, "promises"))


async def crash_points(scene: Scene) -> None:
    """Row 2: every process dies once at each of its points: before and after each step between receive, commit, acknowledge and publish."""
    armed = {f"{service}.{point}:kill@1" for service, points in WALKED.items() for point in points}
    scene.bed.arm("\n".join(sorted(armed)))
    for slot in ("0", "1"):
        await asyncio.gather(*(_arm_anew(scene, name) for name in scene.processes() if name.endswith(slot)))
    await rubbish.poison(scene.client, rubbish.HEARD[:2])
    met = asyncio.ensure_future(_met(scene, armed, _DEATHS_SECONDS))
    await asyncio.gather(*(_pause_for(scene, name, _LATE_SECONDS) for name in _LATECOMERS))
    missed = armed - await met
    scene.timeline.walked({spec.partition(":")[0] for spec in met.result()}, {spec.partition(":")[0] for spec in missed})
    scene.bed.arm("")
    for name in scene.processes():
        await asyncio.to_thread(scene.bed.await_ready, name)


async def deadly_event(scene: Scene) -> None:
    """Row 26: an event over which every process dies, until it is set aside."""
    id = str(uuid7())
    scene.bed.arm(f"orders.stage.handling:segv?id={id}")
    await _restart(scene, 26, scene.workers("orders"))
    await scene.client.place_as(id, expect="dead_letter", services=["orders"])
    await asyncio.to_thread(scene.bed.await_set_aside, "orders", id)
    scene.bed.arm("")
    await _restart(scene, 26, scene.workers("orders"))


async def outbox_out_of_order(scene: Scene) -> None:
    """Row 12: a transaction with low ids stands still while others commit higher ones."""
    await _stumble(scene, 12, "orders", "outbox.inserted", "sleep=12")
    await asyncio.sleep(13)


async def one_key_fifty_times(scene: Scene) -> None:
    """Row 36."""
    for _ in range(3 * scene.scale):
        scene.timeline.began(36, "one key fifty times", "clients")
        await scene.client.place_fifty_times_at_once()
        scene.timeline.ended(36, "one key fifty times", "clients")


async def race_for_picks(scene: Scene) -> None:
    """Row 34."""
    scene.timeline.began(34, "race for picks", "clients")
    await scene.client.race_for_picks(rounds=195 * scene.scale, pickers=3)
    await scene.client.race_for_picks(rounds=5 * scene.scale, pickers=50)
    scene.timeline.ended(34, "race for picks", "clients")


ROWS: dict[int, Row] = {
    22: duplicates,
    25: poison,
    28: the_future,
    36: one_key_fifty_times,
    34: race_for_picks,
    23: disorder,
    2: crash_points,
    20: slow_head,
    21: spoilt_sequence,
    26: deadly_event,
    12: outbox_out_of_order,
    3: lost_answers,
    17: partition,
    18: resets,
    19: rebalances,
    1: random_crash,
    4: pause,
    7: database_crash,
    8: database_hang,
    27: poison_without_a_database,
    13: leading_broker_killed,
    16: all_brokers_killed,
}
"""In the order of a quick run: what comes of the events before is there when the servers fall."""

WALKED: dict[str, tuple[str, ...]] = {
    "orders": (
        "stage.received", "stage.begun", "inbox.entered", "faust.acknowledged", "leader.elected", "relay.taken", "command.begun",
        "command.answer_stored",
    ),
    "fulfilment": (
        "stage.handling", "stage.handled", "relay.before_send", "timer.fired", "timer.committed", "label.asking", "label.answered", "void.asking",
        "void.answered", "manifest.asking", "manifest.answered", "webhook.heard",
    ),
    "promises": ("letters.buried", "stage.committed", "faust.committing_offsets", "faust.committed_offsets", "faust.revoking", "relay.sent"),
    "loyalty": (
        "raw.acknowledged", "raw.committing_offsets", "raw.committed_offsets", "raw.revoking", "outbox.inserted", "transaction.committed",
        "relay.deleted",
    ),
    "notifications": ("mail.begun", "mail.answered", "errand.begun", "errand.done", "inbox.days_kept"),
}  # fmt: skip
"""Where a process of each service dies. No more than two points of a service stand between taking an event in hand and its commit: over a third
death the event would be taken for the culprit."""

_LATECOMERS, _LATE_SECONDS = ("promises-worker-1", "loyalty-worker-1"), 45
"""They stand still for longer than their session, one on each driver: their partitions go to the other one, and come back."""


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


async def _restart(scene: Scene, row: int, names: list[str]) -> None:
    """So that they read anew what they are to stumble over."""
    for name in names:
        await _kill(scene, row, name)


async def _arm_anew(scene: Scene, name: str) -> None:
    """Killed, and ready again; what it may die of while it starts is not counted against it."""
    with contextlib.suppress(NotRunning):
        await asyncio.to_thread(scene.bed.kill, name)
    await asyncio.to_thread(scene.bed.await_ready, name)


async def _pause_for(scene: Scene, name: str, seconds: float) -> None:
    with contextlib.suppress(NotRunning):
        await asyncio.to_thread(scene.bed.pause, name)
    await asyncio.sleep(seconds)
    with contextlib.suppress(NotRunning):
        await asyncio.to_thread(scene.bed.resume, name)


async def _stumble(scene: Scene, row: int, service: str, point: str, action: str) -> None:
    """Until a worker of the service has stumbled, once. Nothing is armed any more then."""
    spec = f"{service}.{point}:{action}@1"
    scene.bed.arm(spec)
    await _restart(scene, row, scene.workers(service))
    if not await _met(scene, {spec}, _STUMBLE_SECONDS):
        raise RuntimeError(f"no process came to {spec} within {_STUMBLE_SECONDS} s")
    scene.bed.arm("")


async def _met(scene: Scene, armed: set[str], seconds: float) -> set[str]:
    """Which of these were met, once all were or the time is over."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while armed - (met := scene.bed.met(armed)) and loop.time() < until:  # noqa: ASYNC110  # processes tell by a file
        await asyncio.sleep(0.2)
    return met


async def _pour(client: Client) -> None:
    """Poison on every topic, until cancelled."""
    while True:
        began = asyncio.get_running_loop().time()
        await rubbish.poison(client, rubbish.HEARD)
        took = asyncio.get_running_loop().time() - began
        await asyncio.sleep(max(0.0, 6 / _POISONS_A_SECOND - took))


async def _on_links(scene: Scene, row: int, fault: str, links: list[str], faults: Faults, seconds: float) -> None:
    remote, target = scene.bed.proxy(*links), f"{len(links)} links"
    scene.timeline.began(row, fault, target)
    await asyncio.to_thread(remote.set, faults)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(remote.set, HEALTHY)
    scene.timeline.ended(row, fault, target)
