"""What every fault has in its hands, and what faults are made of: kills, pauses, links, and labelled points at which processes stumble."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from chaos.bed.bed import Bed, NotRunning
from chaos.proxy.faults import HEALTHY, Faults
from chaos.run.client import Client
from chaos.run.counts import Counts
from chaos.run.notes import Timeline
from deploy.local.programs import LEDGER

_STUMBLE_SECONDS = 60.0
"""How long until a process came to the point that is armed."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault has in its hands."""

    bed: Bed
    client: Client
    timeline: Timeline
    rng: Random
    counts: Counts

    def workers(self, service: str = "") -> list[str]:
        return [name for name in self.bed.names if "-worker-" in name and name.startswith(service)]

    def processes(self, service: str = "") -> list[str]:
        return [name for name in self.bed.names if ("-worker-" in name or "-api-" in name or name == LEDGER) and name.startswith(service)]

    def brokers(self) -> list[str]:
        return [name for name in self.bed.names if name.startswith("kafka-")]

    def links(self, part: str = "") -> list[str]:
        return [name for name in self.bed.told["proxy"]["links"] if part in name]

    async def back(self, row: int, fault: str, target: str) -> None:
        """The fault is over; until the target is ready again."""
        self.timeline.ended(row, fault, target)
        self.timeline.recovered(row, fault, target, await asyncio.to_thread(self.bed.await_ready, target))


Row = Callable[[Scene], Awaitable[None]]


async def kill_untold(scene: Scene, name: str) -> None:
    with contextlib.suppress(NotRunning):  # it had just ended by itself: the servers were away
        await asyncio.to_thread(scene.bed.kill, name)


async def kill(scene: Scene, row: int, name: str, fault: str = "kill") -> None:
    scene.timeline.began(row, fault, name)
    await kill_untold(scene, name)
    await scene.back(row, fault, name)


async def all_ready(scene: Scene, names: list[str]) -> None:
    """Raises NotReady where one of them does not come back."""
    for name in names:
        await asyncio.to_thread(scene.bed.await_ready, name)


async def restart(scene: Scene, row: int, names: list[str]) -> None:
    """So that they read anew what they are to stumble over."""
    for name in names:
        await kill(scene, row, name, "kill to arm")


async def pause_for(scene: Scene, name: str, seconds: float) -> None:
    with contextlib.suppress(NotRunning):
        await asyncio.to_thread(scene.bed.pause, name)
    await asyncio.sleep(seconds)
    with contextlib.suppress(NotRunning):
        await asyncio.to_thread(scene.bed.resume, name)


async def on_links(scene: Scene, row: int, fault: str, links: list[str], faults: Faults, seconds: float) -> None:
    remote, target = scene.bed.proxy(*links), f"{len(links)} links"
    scene.timeline.began(row, fault, target)
    await asyncio.to_thread(remote.set, faults)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(remote.set, HEALTHY)
    scene.timeline.ended(row, fault, target)


async def stumble(scene: Scene, service: str, point: str, action: str) -> str:
    """Until a worker of the service has stumbled, once, over what is returned. No process that starts from then on does."""
    spec = f"{service}.{point}:{action}@1"
    scene.bed.arm(spec)
    for name in scene.workers(service):
        await kill_untold(scene, name)  # one may stumble before it is ready, which is no slow recovery
        await asyncio.to_thread(scene.bed.await_running, name)
    if not await points_met(scene, {spec}, _STUMBLE_SECONDS):
        raise RuntimeError(f"no process came to {spec} within {_STUMBLE_SECONDS} s")
    scene.bed.disarm()
    return spec


async def points_met(scene: Scene, armed: set[str], seconds: float) -> set[str]:
    """Which of these were met, once all were or the time is over."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while armed - (met := scene.bed.met(armed)) and loop.time() < until:  # noqa: ASYNC110  # processes tell by a file
        await asyncio.sleep(0.2)
    return met
