"""The bed in the hands of a fault run: kill, pause, stop and start its processes, switch the faults of its links, ask its brokers who leads.

Processes are known by their names in the description and met by their ids alone; one that is not a child of the bed's supervisor is never touched.
"""

import contextlib
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import psycopg

from chaos.bed.ready import metadata, why_not_ready
from chaos.proxy.control import Remote
from deploy.local import description
from deploy.local.files import write_private
from deploy.local.supervise import Supervisor
from services.kit.failpoints import hits_file

_GONE_SECONDS = 5
_PAUSE_SECONDS = 0.05


class NotRunning(RuntimeError):
    """The process of this name does not run just now."""


class NotReady(TimeoutError):
    """It was waited for in vain: how long, and what it said last."""


class Bed:
    """The bed that runs in this folder."""

    def __init__(self, var: Path) -> None:
        self.var = var.resolve()
        self._description = self.var / "stack.json"
        self._hits = self.var / "failpoints"
        self._supervisor = Supervisor(self.var)

    @property
    def told(self) -> dict[str, Any]:
        """The description as it is now. Raises CannotStart where no bed runs."""
        return description.read(self._description)

    @property
    def names(self) -> list[str]:
        """Every process: `orders-worker-0`, `orders-api-1`, `kafka-1`, `postgres`, `proxy`, `carrier`, ..."""
        return list(self.told["processes"])

    def process(self, name: str) -> psutil.Process:
        """As which process it runs now. Raises NotRunning."""
        pid = self.told["processes"].get(name)
        with contextlib.suppress(psutil.NoSuchProcess):
            if pid and (found := psutil.Process(pid)).ppid() == self._supervisor.pid():
                return found
        raise NotRunning(f"{name} does not run")

    def kill(self, name: str) -> int:
        """SIGKILL. Returns its id once it is gone; the supervisor starts it again by itself. Raises NotRunning."""
        process = self.process(name)
        children = process.children(recursive=True)
        process.kill()
        process.wait(_GONE_SECONDS)
        _resume(children)  # one that is paused would never notice that its parent is gone
        return process.pid

    def pause(self, name: str) -> None:
        """SIGSTOP to the process, then to all that descend from it. Raises NotRunning."""
        process = self.process(name)
        process.suspend()
        for child in process.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.suspend()

    def resume(self, name: str) -> None:
        """Go on, after `pause`. Raises NotRunning."""
        process = self.process(name)
        _resume([*process.children(recursive=True), process])

    def stop(self, name: str) -> None:
        """Stop it in good order, and return once it ended; it stays away until `start`."""
        self._supervisor.stop_program(name)

    def start(self, name: str) -> None:
        """Start what was stopped, or what has ended for good."""
        self._supervisor.start_program(name)

    def await_ready(self, name: str, patience_seconds: float = 120) -> float:
        """Returns after how many seconds it was ready. Raises NotReady."""
        started = time.monotonic()
        while reason := why_not_ready(self._description, name):
            if time.monotonic() - started > patience_seconds:
                raise NotReady(f"{name} was not ready within {patience_seconds} s ({reason})")
            time.sleep(_PAUSE_SECONDS)
        return time.monotonic() - started

    def await_running(self, name: str, patience_seconds: float = 120) -> None:
        """Returns once the supervisor calls it running, ready or not: a second after its start. Raises NotReady."""
        started = time.monotonic()
        while True:
            with contextlib.suppress(NotRunning):
                self.process(name)
                return
            self._patient(started, patience_seconds, f"{name} does not run")

    def stop_at_once(self, name: str) -> None:
        """SIGQUIT: for PostgreSQL a stop without a checkpoint. Returns once it is gone; the supervisor starts it again. Raises NotRunning."""
        process = self.process(name)
        process.send_signal(signal.SIGQUIT)
        process.wait(_GONE_SECONDS)

    def arm(self, failpoints: str) -> None:
        """What processes that start from now on stumble over (`services/kit/failpoints.py`), none of it counted yet."""
        for hits in self._hits.glob("*"):
            hits.unlink()
        write_private(self.var / "failpoints.txt", failpoints)

    def disarm(self) -> None:
        """Processes that start from now on stumble over nothing."""
        write_private(self.var / "failpoints.txt", "")

    def met(self, specs: Iterable[str]) -> set[str]:
        """Those of these armed points that a process has come to since."""
        return {spec for spec in specs if hits_file(self._hits, spec).exists()}

    def seconds_since(self, spec: str) -> float:
        """Since a process came to this armed point the last time. Raises FileNotFoundError where none did."""
        return time.time() - hits_file(self._hits, spec).stat().st_mtime

    def await_relayed(self, service: str, patience_seconds: float = 120) -> None:
        """Returns once all that lay in the service's outbox was sent. Raises NotReady."""
        started = time.monotonic()
        last = self._ask(f"select max(id) from {service}.outbox")
        while last is not None and self._ask(f"select id from {service}.outbox where id <= {last} limit 1") is not None:
            self._patient(started, patience_seconds, f"the outbox of {service} still holds what lay there")

    def await_set_aside(self, service: str, event_id: str, patience_seconds: float = 120) -> None:
        """Until the service has set the event aside. Raises NotReady."""
        started = time.monotonic()
        while self._ask(f"select id from {service}.dead_letters where event_id = '{UUID(event_id)}'") is None:
            self._patient(started, patience_seconds, f"{service} has not set {event_id} aside")

    def _patient(self, started: float, patience_seconds: float, reason: str) -> None:
        if time.monotonic() - started > patience_seconds:
            raise NotReady(f"{reason} after {patience_seconds} s")
        time.sleep(_PAUSE_SECONDS)

    def _ask(self, sql: str) -> Any:
        """The first column of the first row, None where there is none."""
        with psycopg.connect(self.told["database"]) as connection:
            row = connection.execute(sql.encode()).fetchone()
        return row[0] if row else None

    def proxy(self, *links: str) -> Remote:
        """These links (`orders->kafka-1`), or all where none is named."""
        told = self.told["proxy"]
        return Remote(told["control"], links or list(told["links"]))

    def broker_leader(self, topic: str, partition: int) -> str:
        """The broker that leads the partition (`kafka-2`). Raises KafkaException where no broker answers, KeyError for an unknown partition."""
        return f"kafka-{metadata(self.told['kafka'], topic).topics[topic].partitions[partition].leader}"

    def lagging_replicas(self) -> int:
        """How many copies of partitions are not in sync. Raises KafkaException where no broker answers."""
        topics = metadata(self.told["kafka"]).topics.values()
        return sum(len(part.replicas) - len(part.isrs) for topic in topics for part in topic.partitions.values())

    def down(self) -> bool:
        """Stop everything, paused processes too. Returns whether there was anything to stop."""
        for name in self.names if self._description.exists() else []:
            with contextlib.suppress(NotRunning):
                self.resume(name)
        stopped = self._supervisor.stop()
        self._description.unlink(missing_ok=True)
        return stopped


def _resume(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()
