"""The stack's supervisor seen from outside: its configuration, its start and stop, and what it says of its programs."""

import getpass
import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from deploy.local.errors import CannotStart
from deploy.local.files import last_line, write_private
from deploy.local.processes import command_line

ROOT = Path(__file__).parents[2]
_STOP_SECONDS = 15
SERVERS = "servers"
"""The group of what Kept needs; everything else is Kept itself."""

_LOOK_SECONDS = 0.05
_ALIVE = ("STARTING", "RUNNING", "STOPPING", "BACKOFF")


@dataclass(frozen=True, slots=True)
class Program:
    """One process to keep running. A `server` starts with the supervisor and stops last; the others start when told.

    `socket` (`tcp://127.0.0.1:8000`) is held by the supervisor, and handed over to every program that names it.
    """

    name: str
    argv: Sequence[str]
    server: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"
    socket: str = ""


class Supervisor:
    """The supervisor of the stack in one folder."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self._configuration = var / "supervisord.conf"
        self._pid_file = var / "supervisord.pid"
        self._child: subprocess.Popen[bytes] | None = None

    def configure(self, programs: Sequence[Program], port: int) -> None:
        """Write the configuration. It holds the password to the supervisor."""
        self._pid_file.unlink(missing_ok=True)
        write_private(self._configuration, _configuration(self.var, programs, port, secrets.token_urlsafe(24)))
        (self.var / "logs").mkdir(exist_ok=True)

    def start(self, description: Path, environment: Mapping[str, str], *, attached: bool) -> None:
        """Start it and its servers; return once it runs. Attached, the stack stops when this process ends; otherwise it stays."""
        command = [sys.executable, "-m", "deploy.local.watch", str(self._configuration), str(description)]
        if attached:
            command.append(str(os.getpid()))
        with self.log("supervisor").open("wb") as out:
            self._child = subprocess.Popen(
                command, cwd=ROOT, env=dict(environment), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        while self.pid() is None:
            if self._child.poll() is not None:
                raise CannotStart(
                    f"The supervisor did not start ({last_line(self.log('supervisor'))}): start again, or see {self.log('supervisor')}."
                )
            time.sleep(0.02)

    def pid(self) -> int | None:
        """Its process id while it runs. A pid file left by a kill is not believed."""
        text = self._pid_file.read_text().strip() if self._pid_file.exists() else ""
        return int(text) if text.isdigit() and str(self._configuration) in command_line(int(text)) else None

    def stop(self) -> bool:
        """Stop the stack: services first, then servers. Returns whether one ran."""
        pid = self.pid() or (self._child.pid if self._child and self._child.poll() is None else None)
        if pid is None:
            return False
        try:
            process = psutil.Process(pid)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_SECONDS)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(_STOP_SECONDS)
        except psutil.NoSuchProcess:
            pass
        if self._child:
            self._child.wait()
        return True

    def start_services(self) -> None:
        for name, row in self.states().items():
            if row["group"] != SERVERS:
                self._ask("startProcess", f"{row['group']}:{name}", False)

    def start_program(self, name: str) -> None:
        """Start one of them again, after it was stopped or has ended for good. Raises CannotStart where it runs."""
        self._ask("startProcess", self._whole(name), False)

    def stop_program(self, name: str) -> None:
        """Stop one of them, and return once it ended. Raises CannotStart where it does not run."""
        self._ask("stopProcess", self._whole(name), True)

    def renew_program(self, name: str, grace_seconds: float) -> None:
        """Have it finish what it has in hand, and start it again; killed where that takes longer. One that does not run is started."""
        before = self.states()[name]
        if before["pid"]:
            self._ask("signalProcess", self._whole(name), "TERM")
            ends_at = time.monotonic() + grace_seconds
            while (row := self.states()[name])["pid"] == before["pid"] and row["statename"] in _ALIVE:
                if time.monotonic() > ends_at:
                    self.stop_program(name)
                time.sleep(_LOOK_SECONDS)
        if self.states()[name]["statename"] not in _ALIVE:
            self.start_program(name)

    def states(self) -> dict[str, dict[str, Any]]:
        """What is known of each program, by name: statename, pid, spawnerr, ..."""
        return {row["name"]: row for row in self._ask("getAllProcessInfo")}

    def _whole(self, name: str) -> str:
        return f"{self.states()[name]['group']}:{name}"

    def log(self, program: str) -> Path:
        return self.var / "logs" / f"{program}.log"

    def _ask(self, method: str, *arguments: str | bool) -> Any:
        address = next(line.partition("; rpc: ")[2] for line in self._configuration.read_text().splitlines() if line.startswith("; rpc: "))
        try:
            with xmlrpc.client.ServerProxy(address) as supervisord:
                return getattr(supervisord.supervisor, method)(*arguments)
        except (OSError, xmlrpc.client.Error) as failure:
            raise CannotStart(f"The supervisor of {self.var} does not answer ({failure}): it may be stopping; try again in a moment.") from failure


def _configuration(var: Path, programs: Sequence[Program], port: int, password: str) -> str:
    own = {"logfile": var / "logs" / "supervisord.log", "pidfile": var / "supervisord.pid", "childlogdir": var / "logs", "silent": "true"}
    if os.geteuid() == 0:
        own["user"] = getpass.getuser()
    parts = [
        f"; rpc: http://kept:{password}@127.0.0.1:{port}/RPC2\n",
        _section("supervisord", own),
        _section("inet_http_server", {"port": f"127.0.0.1:{port}", "username": "kept", "password": password}),
        _section("rpcinterface:supervisor", {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"}),
    ]
    for group, server, priority in ((SERVERS, True, 1), ("services", False, 2)):
        members = [program for program in programs if program.server is server and not program.socket]
        if members:
            parts.append(_section(f"group:{group}", {"programs": ",".join(each.name for each in members), "priority": priority}))
            parts += [_section(f"program:{each.name}", _program(var, each)) for each in members]
    for each in programs:
        if each.socket:  # a program with a socket is a group of its own
            parts.append(_section(f"fcgi-program:{each.name}", _program(var, each) | {"socket": each.socket, "priority": 2}))
    return "\n".join(parts)


def _program(var: Path, program: Program) -> dict[str, object]:
    """Exit code 78 says: do not start me again, a person must look. Servers are always started again."""
    environment = ",".join(f'{name}="{value}"' for name, value in program.environment.items())
    return {
        "command": shlex.join(program.argv),
        "directory": ROOT,
        "environment": environment,
        "autostart": str(program.server).lower(),
        "autorestart": "true" if program.server else "unexpected",
        "exitcodes": "0,78",
        "startretries": 3 if program.server else 20,
        "stopsignal": program.stop_signal,
        "stopwaitsecs": 5,
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": var / "logs" / f"{program.name}.log",
        "stdout_logfile_maxbytes": "20MB",
        "stdout_logfile_backups": 1,
    }


def _section(name: str, values: Mapping[str, object]) -> str:
    lines = [f"{key}={str(value).replace('%', '%%')}" for key, value in values.items()]
    return "\n".join([f"[{name}]", *lines, ""])
