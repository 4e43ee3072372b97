"""One run: services, their workers, a shop that sends, faults while it does, quiet afterwards, and what must hold then."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from services.kit import ids, raw_driver
from services.kit.stage import Stage, Timer
from simulation.databases import Databases
from simulation.host import Host, Network
from simulation.kafka import Broker, SimulatedConsumer
from simulation.loop import run_virtually
from simulation.process import work
from simulation.scenario import Scenario, Violation

_BEGINNING = datetime(2026, 11, 22, 5, tzinfo=UTC)
_QUIET_SECONDS = 900.0
_PARTITIONS_AND_WORKERS = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Run:
    """What became of one seed. `trace` names every step of the run, so that two runs can be compared."""

    seed: int
    violations: tuple[Violation, ...]
    trace: str
    sent: int
    faults: Counter[str]
    virtual_seconds: float


def simulate(seed: int, new_world: Callable[[int], "World"]) -> Run:
    """The run of this seed."""
    return run_virtually(new_world(seed).run())


@dataclass
class World:
    """All that one run consists of."""

    seed: int
    scenario: Scenario
    databases: Databases
    steps: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    broken: list[Violation] = field(default_factory=list)
    hosts: dict[tuple[str, str], Host] = field(default_factory=dict)
    every_host: list[Host] = field(default_factory=list)
    tasks: list["asyncio.Future[None]"] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.broker = Broker(self.rng.choice(_PARTITIONS_AND_WORKERS), self.rng)
        self.clock = RunningClock()
        self.calm = Network(0.0, 0.0)
        self.network = Network(self.rng.choice((0.0, 0.002, 0.02)), self.rng.choice((0.0, 0.01, 0.1)))

    async def run(self) -> Run:
        with self._in_place_of_the_real():
            workers = self.rng.choice(_PARTITIONS_AND_WORKERS[:2])
            for stage, timers in self.scenario.workers:
                for slot in map(str, range(workers)):
                    self.tasks.append(asyncio.ensure_future(self._keep_running(stage, timers, slot)))
            watch = asyncio.ensure_future(self._expire())
            faults = asyncio.ensure_future(self._break_things())
            await self.scenario.play(self)
            faults.cancel()
            self._heal()
            await self._until_quiet()
            watch.cancel()
            self.broken += self.scenario.violations(self)
            trace = sha256("\n".join(self.steps).encode()).hexdigest()
            return Run(self.seed, tuple(self.broken), trace, self.scenario.sent, self.faults, _now())

    @contextmanager
    def _in_place_of_the_real(self) -> Iterator[None]:
        """The ports: database, log, clock and ids. Everything else is the kit's own."""
        rng, fake_time = Random(self.seed), SimpleNamespace(monotonic=_now, time_ns=lambda: int((_BEGINNING.timestamp() + _now()) * 1e9))
        places = (
            (ids, "time", fake_time),
            (ids, "_ten_random_bytes", lambda: rng.randbytes(10)),
            (raw_driver, "time", fake_time),
            (raw_driver, "AIOKafkaConsumer", self._consumer),
            (raw_driver, "pace", lambda *_: None),
            (raw_driver, "insist_on_fetching", lambda *_: None),
            *self.databases.replaced,
        )
        with ExitStack() as stack:
            for module, name, fake in places:
                stack.enter_context(patch.object(module, name, fake))
            stack.enter_context(patch("services.kit.trace.random", rng))
            stack.enter_context(patch("services.kit.transient.random", rng))
            yield

    def _consumer(self, *, bootstrap_servers: str, **options: Any) -> SimulatedConsumer:
        host = next(host for host in self.hosts.values() if host.name == bootstrap_servers)
        return SimulatedConsumer(self.broker, host, options)

    async def _keep_running(self, stage: Stage, timers: Sequence[Timer], slot: str) -> None:
        """As the supervisor does: started again whenever it ended."""
        for number in range(10_000):
            host = Host(f"{stage.service}-{slot}.{number}", self.rng, self.steps.append, self.network)
            self.every_host.append(host)
            self.hosts[stage.service, slot] = host
            working = asyncio.ensure_future(
                work(stage, timers, slot, host, partial(self.databases.connect, stage.service, host), self.broker, self.clock)
            )
            while not working.done() and not host.dead:  # noqa: ASYNC110  # the dead tell nobody
                await asyncio.sleep(0.1)
            if working.done() and not host.dead:
                if working.exception() is not None:
                    self.broken.append(Violation("no crash", f"{host.name} crashed: {working.exception()!r}"))
                host.kill()
            await asyncio.sleep(self.rng.uniform(0.5, 3))

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            for group in self.broker.groups.values():
                group.expire(_now())

    async def _break_things(self) -> None:
        rng, often = self.rng, self.rng.choice((0.05, 0.3, 1.0))
        while True:
            await asyncio.sleep(rng.expovariate(often))
            host = rng.choice(list(self.hosts.values()))
            fault = rng.choices(("kill", "stop", "still", "kafka away", "replay"), (5, 2, 3, 1, 1))[0]
            self.faults[fault] += 1
            if fault == "kill":
                host.kill()
            elif fault == "stop":
                host.stopping.set()
            elif fault == "replay":
                self._replay(rng.choice(self.scenario.workers)[0].service)
            elif fault == "still":
                host.stand_still(rng.choice((0.5, 5, 45)))
            else:
                self.broker.away = True
                asyncio.get_running_loop().call_later(rng.uniform(0.5, 10), self._back)

    def _replay(self, service: str) -> None:
        """All workers of a service are killed, and their group is set back to the beginning."""
        for (name, _), host in self.hosts.items():
            if name == service:
                host.kill()
        self.broker.group(service).rewind()

    def _back(self) -> None:
        self.broker.away = False

    def _heal(self) -> None:
        self._back()
        self.network.loss = 0.0

    async def _until_quiet(self) -> None:
        until = _now() + _QUIET_SECONDS
        while not self._is_quiet():
            if _now() > until:
                self.broken.append(Violation("comes to rest", f"not quiet after {_QUIET_SECONDS:.0f} s: {self._left()}"))
                return
            await asyncio.sleep(0.5)

    def _is_quiet(self) -> bool:
        return not any(self._left().values())

    def _left(self) -> dict[str, int]:
        left = {f"{stage.service} behind": self.broker.behind(stage.service, stage.topics) for stage, _ in self.scenario.workers}
        left |= {f"{stage.service} outbox": self.databases.to_send(stage.service) for stage, _ in self.scenario.workers}
        return left | {"pending": self.scenario.pending(self)}


class RunningClock:
    """Business time runs with the virtual loop's."""

    def now(self) -> datetime:
        return _BEGINNING + timedelta(seconds=_now())


def _now() -> float:
    return asyncio.get_running_loop().time()
