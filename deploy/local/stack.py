"""One stack in one folder: its servers, then its set-up steps, then its services; up, down, and how it is.

Several stacks stand side by side, each in its own folder. A server that the environment names (KAFKA_BOOTSTRAP_SERVERS, DATABASE_URL) is used
and never started.
"""

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from deploy.local import description, kafka, ports, postgres, programs
from deploy.local.errors import CannotStart
from deploy.local.files import last_line
from deploy.local.progress import Progress
from deploy.local.settings import clock
from deploy.local.supervise import ROOT, Program, Supervisor

BROKERS, DATABASE = "KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"
_NEEDED_BYTES = 512 * 1024 * 1024
_PATIENCE_SECONDS, _GRACE_SECONDS = 60, 10


class Stack:
    """The stack in this folder. `environ` is what its user configured; `database` are settings of its PostgreSQL beside ours."""

    def __init__(
        self, var: Path, environ: Mapping[str, str], progress: Progress, *, servers_only: bool, database: Mapping[str, str] | None = None
    ) -> None:
        self.var, self.environ, self.progress, self.servers_only = var, environ, progress, servers_only
        self._database = database or {}
        self.supervisor = Supervisor(var)
        self.description = var / "stack.json"
        self._apis = programs.api_processes(environ)

    def up(self, *, attached: bool) -> None:
        """Start everything and return when all of it answers. Raises CannotStart, with nothing left running."""
        require_space(self.var, _NEEDED_BYTES)
        with self._alone():
            self.description.unlink(missing_ok=True)
            try:
                environment = self._start_servers(attached)
                if not self.servers_only:
                    self._start_services(environment)
            except BaseException:
                self.down()
                raise

    def down(self) -> bool:
        """Stop everything within 10 seconds or so. Returns whether there was anything to stop."""
        stopped = self.supervisor.stop()
        self.description.unlink(missing_ok=True)
        return stopped

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.var / "up.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CannotStart(f"Another start is under way in {self.var}: wait for it.") from None
            if self.supervisor.pid():
                raise CannotStart(f"A stack runs in {self.var} already: `make status` shows it, `make down` stops it.")
            yield

    def _start_servers(self, attached: bool) -> dict[str, str]:
        """Returns the environment of everything that runs beside them."""
        postgres.await_previous(self.var / "postgres")
        chosen = ports.assign(["supervisor", *self._ports()], self.var / "ports.json", self.environ)
        servers, addresses = self._prepare(chosen)
        told = programs.environment(self.var, chosen, addresses, clock(self.environ, self.var / "clock"))
        environment = {**self.environ, **told, programs.API_PROCESSES: str(self._apis)}
        self.supervisor.configure([*servers, *self._programs(chosen, addresses)], chosen["supervisor"])
        self.supervisor.start(self.description, environment, attached=attached)
        self._await_servers(addresses)
        description.write(self.description, self._describe(chosen, environment))
        return environment

    def _ports(self) -> list[str]:
        """The names of all ports but the supervisor's."""
        servers = [*(["kafka", "kafka_controller"] if self._own(BROKERS) else []), *(["postgres"] if self._own(DATABASE) else [])]
        return [*servers, *([] if self.servers_only else (*programs.PORTS, *programs.more_ports(self._apis)))]

    def _programs(self, chosen: Mapping[str, int], addresses: Mapping[str, str]) -> list[Program]:
        """Everything that runs beside the servers."""
        return [] if self.servers_only else programs.on_sockets(chosen, self._apis, self.environ.get("KEPT_BIND") or "127.0.0.1")

    def _await_servers(self, addresses: Mapping[str, str]) -> None:
        with self.progress.step("Apache Kafka answers"):
            self._await("kafka", self._own(BROKERS), lambda: kafka.why_silent(addresses[BROKERS]))
        with self.progress.step("PostgreSQL answers"):
            self._await("postgres", self._own(DATABASE), lambda: postgres.why_silent(addresses[DATABASE]))

    def _prepare(self, chosen: Mapping[str, int]) -> tuple[list[Program], dict[str, str]]:
        """The servers of our own, ready to run, and the addresses of both, whosever they are."""
        servers: list[Program] = []
        addresses = {name: self.environ.get(name, "") for name in (BROKERS, DATABASE)}
        if self._own(BROKERS):
            with self.progress.step("Apache Kafka prepared"):
                node = kafka.Node(1, chosen["kafka"], chosen["kafka_controller"], self.var / "kafka")
                servers.append(Program("kafka", kafka.prepare(node, [node], self.environ), server=True))
            addresses[BROKERS] = f"127.0.0.1:{node.port}"
        if self._own(DATABASE):
            folder = self.var / "postgres"
            with self.progress.step("PostgreSQL prepared"):
                servers.append(Program("postgres", postgres.prepare(folder, chosen["postgres"], **self._database), server=True, stop_signal="INT"))
            addresses[DATABASE] = postgres.url(folder, chosen["postgres"])
        return servers, addresses

    def _own(self, variable: str) -> bool:
        return not self.environ.get(variable)

    def _start_services(self, environment: Mapping[str, str]) -> None:
        for name, module in programs.SETUP:
            with self.progress.step(" ".join(module[1:])):
                run_step(name, programs.command(module), environment, self.supervisor.log(name))
        self.supervisor.start_services()
        self._await_services()

    def _await_services(self) -> None:
        told = description.read(self.description)
        for service in told["services"]:
            with self.progress.step(f"{service} is ready"):
                for name, address in told["ready"].items():
                    if name.startswith(f"{service}-"):
                        self._await(name, True, partial(not_ready, address))
        with self.progress.step("every process runs"):
            for program in self.supervisor.states():
                self._await(program, True, partial(self.not_running, program))

    def _describe(self, chosen: Mapping[str, int], environment: Mapping[str, str]) -> dict[str, Any]:
        services = {} if self.servers_only else {name: programs.addresses(name, chosen) for name in programs.OURS}
        return {
            "kafka": environment[BROKERS],
            "topic_prefix": environment.get("KEPT_TOPIC_PREFIX", ""),
            "database": environment[DATABASE],
            "services": services,
            "ready": {} if self.servers_only else programs.ready(chosen, self._apis),
            "demo": {} if self.servers_only else programs.demo(chosen),
            "clock": environment["KEPT_CLOCK"],
            "processes": {name: row["pid"] or None for name, row in self.supervisor.states().items()},
        }

    def _await(self, program: str, ours: bool, why_silent: Callable[[], str | None]) -> None:
        """Return once it answers. A server of somebody else's should have been there already."""
        started = time.monotonic()
        while reason := why_silent():
            waited = time.monotonic() - started
            if not ours and waited > _GRACE_SECONDS:
                raise CannotStart(f"The {program} that the environment names does not answer ({reason}): start it, or unset its variable.")
            if ours and (waited > _PATIENCE_SECONDS or self._gave_up(program, waited)):
                log = self.supervisor.log(program)
                raise CannotStart(f"{program} did not start ({last_line(log) or reason}): see {log}.")
            time.sleep(0.1)

    def _gave_up(self, program: str, waited: float) -> bool:
        """One that ends again and again may only have been too early at first."""
        hopeless = ("FATAL", "EXITED", "BACKOFF") if waited > _GRACE_SECONDS else ("FATAL", "EXITED")
        return self.supervisor.pid() is None or self.supervisor.states()[program]["statename"] in hopeless

    def await_program(self, program: str, why_silent: Callable[[], str | None]) -> None:
        """Return once a program of ours answers. Raises CannotStart where it does not."""
        self._await(program, True, why_silent)

    def not_running(self, program: str) -> str | None:
        state = self.supervisor.states()[program]["statename"]
        return None if state == "RUNNING" else f"it is {state.lower()}"


def require_space(folder: Path, needed_bytes: int) -> None:
    """Create the folder. Raises CannotStart where its disk has less room than that."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise CannotStart(
            f"Only {free // 2**20} MB are free where {folder} lies and {needed_bytes // 2**20} MB are needed: "
            "make room, or give another folder with --var."
        )


def run_step(name: str, command: list[str], environment: Mapping[str, str], log: Path) -> None:
    """Run one set-up step to its end. Raises CannotStart when it fails."""
    with log.open("wb") as out:
        code = subprocess.run(command, cwd=ROOT, env=dict(environment), stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False).returncode
    if code:
        raise CannotStart(f"The set-up step {name} failed ({last_line(log) or f'exit code {code}'}): see {log}.")


def not_ready(url: str) -> str | None:
    """None once the process says that it is ready; until then the reason why not."""
    try:
        answer = httpx.get(url, timeout=2)
    except httpx.HTTPError as failure:
        return str(failure) or type(failure).__name__
    return None if answer.status_code == httpx.codes.OK else f"{url} answers {answer.status_code}"


def configured(var: Path, *, servers_only: bool, database: Mapping[str, str] | None = None) -> Stack:
    """The stack of this folder as the process's environment configures it."""
    return Stack(var.resolve(), dict(os.environ), Progress(), servers_only=servers_only, database=database)
