"""Faults of our own processes: killed, paused, stopped, and made to stumble at labelled points."""

import asyncio

from chaos.run import rubbish
from chaos.run.scene import Scene, all_ready, kill, kill_untold, pause_for, points_met, restart, stumble
from services.kit.ids import uuid7

_DEATHS_SECONDS = 45.0
"""How long until each point that is walked was met, after the latecomers."""

WALKED: dict[str, tuple[str, ...]] = {
    "orders": (
        "stage.received", "inbox.entered", "raw.acknowledged", "leader.elected", "relay.taken", "command.begun", "command.answer_stored",
        "amendment.asked", "amendment.decided", "owed.asking", "owed.answered", "refund.asking", "refund.answered",
    ),
    "fulfilment": (
        "amendment.prepared", "amendment.settled", "relay.before_send", "timer.fired", "timer.committed", "label.asking", "label.answered",
        "void.asking", "void.answered", "manifest.asking", "manifest.answered", "webhook.heard",
    ),
    "promises": (
        "letters.buried", "amendment.dated", "stage.committed", "raw.committing_offsets", "raw.committed_offsets", "raw.revoking", "relay.sent",
    ),
    "loyalty": (
        "stage.begun", "faust.acknowledged", "faust.committing_offsets", "faust.committed_offsets", "faust.revoking", "outbox.inserted",
        "transaction.committed", "relay.deleted",
    ),
    "notifications": ("stage.handling", "stage.handled", "mail.begun", "mail.answered", "errand.begun", "errand.done", "inbox.days_kept"),
}  # fmt: skip
"""Where a process of each service dies. No more than two points of a service stand between taking an event in hand and its commit: over a third
death the event would be taken for the culprit."""

_LATECOMERS, _LATE_SECONDS = {"promises-worker-1": "promises.raw.revoking", "loyalty-worker-1": "loyalty.faust.revoking"}, 45
"""They stand still for longer than their session, one on each driver: their partitions go to the other one, who dies over it."""


async def random_crash(scene: Scene) -> None:
    """Row 1: a process after the other, every few seconds."""
    for _ in range(scene.counts.crashes):
        await kill(scene, 1, scene.rng.choice(scene.processes()))
        await asyncio.sleep(scene.rng.uniform(*scene.counts.crash_pause))


async def crash_points(scene: Scene) -> None:
    """Row 2: every process dies once at each of its points: before and after each step between receive, commit, acknowledge and publish."""
    armed = {f"{service}.{point}:kill@1" for service, points in WALKED.items() for point in points}
    scene.bed.arm("\n".join(sorted(armed)))
    for slot in ("0", "1"):
        await asyncio.gather(*(_arm_anew(scene, name) for name in scene.processes() if name.endswith(slot)))
    await rubbish.poison(scene.client, rubbish.HEARD[:2])
    for _ in range(2):  # the other one may be dead at that very moment, of another point
        late = [name for name, point in _LATECOMERS.items() if not scene.bed.met([f"{point}:kill@1"])]
        await asyncio.gather(*(pause_for(scene, name, _LATE_SECONDS) for name in late))
    met = await points_met(scene, armed, _DEATHS_SECONDS)
    scene.timeline.walked({spec.partition(":")[0] for spec in met}, {spec.partition(":")[0] for spec in armed - met})
    scene.bed.disarm()
    await all_ready(scene, scene.processes())


async def pause(scene: Scene) -> None:
    """Row 4: a worker stands still, most often for longer than its session, and wakes as a zombie."""
    name = scene.rng.choice(scene.workers())
    scene.timeline.began(4, "pause", name)
    await pause_for(scene, name, scene.rng.uniform(*scene.counts.pause))
    await scene.back(4, "pause", name)


async def outbox_out_of_order(scene: Scene) -> None:
    """Row 12: a transaction with low ids stands still while others commit higher ones."""
    seconds = scene.rng.uniform(*scene.counts.hold)
    await stumble(scene, "orders", "outbox.inserted", f"sleep={seconds:.1f}")
    scene.timeline.began(12, "transaction stands still", "outbox")
    await asyncio.sleep(seconds)
    scene.timeline.ended(12, "transaction stands still", "outbox")
    await all_ready(scene, scene.workers("orders"))
    await asyncio.sleep(1)


async def rebalances(scene: Scene) -> None:
    """Row 19: a worker leaves and comes back, again and again."""
    for _ in range(scene.counts.rebalances):
        name = scene.rng.choice(scene.workers())
        scene.timeline.began(19, "stop", name)
        await asyncio.to_thread(scene.bed.stop, name)
        await asyncio.to_thread(scene.bed.start, name)
        await scene.back(19, "stop", name)


async def slow_head(scene: Scene) -> None:
    """Row 20: a worker stands still over the first events of its batch, and is killed before it has handled them."""
    for _ in range(scene.counts.slow_heads):
        await stumble(scene, "fulfilment", "stage.handling", "sleep=30")
        scene.timeline.began(20, "slow head", "batch")
        for name in scene.workers("fulfilment"):
            await kill(scene, 20, name)
        scene.timeline.ended(20, "slow head", "batch")


async def spoilt_sequence(scene: Scene) -> None:
    """Row 21: the relay's producer is refused for good; a new one takes over, and what waited goes out."""
    spec = await stumble(scene, "promises", "relay.before_send", "skew")
    scene.timeline.began(21, "sequence spoilt", "promises-relay")
    await asyncio.to_thread(scene.bed.await_relayed, "promises")
    scene.timeline.ended(21, "sequence spoilt", "promises-relay")
    scene.timeline.recovered(21, "sequence spoilt", "promises-relay", scene.bed.seconds_since(spec))
    await all_ready(scene, scene.workers("promises"))


async def deadly_event(scene: Scene) -> None:
    """Row 26: an event over which every process dies, until it is set aside."""
    id = str(uuid7())
    scene.bed.arm(f"orders.stage.handling:segv?id={id}")
    await restart(scene, 26, scene.workers("orders"))
    await scene.client.place_as(id, expect="dead_letter", services=["orders"])
    await asyncio.to_thread(scene.bed.await_set_aside, "orders", id)
    scene.bed.disarm()
    await restart(scene, 26, scene.workers("orders"))


async def backlog(scene: Scene) -> None:
    """Row 32: all workers of a service stand still."""
    service = scene.rng.choice(tuple(WALKED))
    for name in scene.workers(service):
        scene.timeline.began(32, "pause", name)
    await asyncio.gather(*(pause_for(scene, name, scene.counts.backlog_seconds) for name in scene.workers(service)))
    for name in scene.workers(service):
        await scene.back(32, "pause", name)


async def _arm_anew(scene: Scene, name: str) -> None:
    """Killed, and ready again; what it may die of while it starts is not counted against it."""
    await kill_untold(scene, name)
    await all_ready(scene, [name])
