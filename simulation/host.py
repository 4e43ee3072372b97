"""A process's place in the world: it may be killed, stand still, or lose its network; everything it asks of the world goes through `trip`."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

Trace = Callable[[str], None]


@dataclass(slots=True)
class Network:
    """Shares of the messages that are lost, and that take up to two seconds instead of a few milliseconds."""

    loss: float
    slow: float


class Host:
    """One incarnation of one process. A dead one never returns from a trip: no line of its code has any effect after that."""

    def __init__(self, name: str, rng: Random, trace: Trace, network: "Network") -> None:
        self.name, self._rng, self._trace, self._network = name, rng, trace, network
        self.dead = False
        self.stopping = asyncio.Event()
        """Set when it was told to stop, as by SIGTERM."""
        self.grace_seconds = rng.choice((0.0, 0.5, 8.0))
        self._still_until = 0.0
        self._at_death: list[Callable[[], None]] = []
        self._never: list[asyncio.Future[None]] = []
        """What the dead wait for. Kept, or their half-run code would be swept away, and so run on."""

    async def trip(self, what: str) -> bool:
        """One way over the network, and true when the message was lost on it. Latency is mostly small, now and then long."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._rng.uniform(0, 2) if self._rng.random() < self._network.slow else self._rng.expovariate(500))
        while not self.dead and loop.time() < self._still_until:  # noqa: ASYNC110  # stood still again meanwhile
            await asyncio.sleep(self._still_until - loop.time())
        await self.alive()
        lost = self._rng.random() < self._network.loss
        self._trace(f"{self.name} {what}{' lost' if lost else ''}")
        return lost

    async def alive(self) -> None:
        """Never returns in a process that is dead."""
        if self.dead:
            self._never.append(asyncio.get_running_loop().create_future())
            await self._never[-1]

    def stand_still(self, seconds: float) -> None:
        """As SIGSTOP, and SIGCONT after so long."""
        self._still_until = asyncio.get_running_loop().time() + seconds

    def kill(self) -> None:
        """As SIGKILL. The other ends of its connections learn of it a little later."""
        if not self.dead:
            self.dead = True
            self._trace(f"{self.name} killed")
            for told in self._at_death:
                asyncio.get_running_loop().call_later(self._rng.uniform(0, 0.5), told)

    def on_death(self, told: Callable[[], None]) -> None:
        """Called a little after the kill, at once where that has been."""
        if self.dead:
            told()
        self._at_death.append(told)
