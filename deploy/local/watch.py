"""The supervisor's own process: `supervisord` with five changes.

Each program gets a session of its own (its own share of CPU) and dies with the supervisor, however that ends; the process ids in the stack's
description follow every restart; it runs once, so that SIGHUP stops the stack instead of starting it anew; it listens for as long as it runs, so that
who comes while a program restarts waits instead of being refused; and it stops what has one priority at once.

`python -m deploy.local.watch CONFIGURATION DESCRIPTION [PARENT]`: with the pid of a parent the stack stops when that one ends.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

from supervisor import events
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ServerOptions
from supervisor.process import FastCGIProcessGroup
from supervisor.supervisord import Supervisor

from deploy.local.description import record_pid
from deploy.local.processes import SUPERVISOR, die_with_parent


class Options(ServerOptions):  # type: ignore[misc]  # supervisor has no types
    """What supervisord calls between fork and exec."""

    def setpgrp(self) -> None:
        os.setsid()
        die_with_parent(signal.SIGKILL, int(os.environ[SUPERVISOR]))


class Watch(Supervisor):  # type: ignore[misc]  # supervisor has no types
    """A supervisor that tells where its programs run."""

    description: Path

    def runforever(self) -> None:
        def record(event: events.ProcessStateEvent) -> None:
            record_pid(self.description, event.process.config.name, event.process.pid)

        events.subscribe(events.ProcessStateEvent, record)
        self._hold_sockets()
        super().runforever()

    def _hold_sockets(self) -> None:
        """One listening socket per address, shared by the programs that name it."""
        groups = [group for group in self.process_groups.values() if isinstance(group, FastCGIProcessGroup)]
        managers = {group.config.socket_config.url: group.socket_manager for group in groups}
        for group in groups:
            group.socket_manager = managers[group.config.socket_config.url]
        self._held = [manager.get_socket() for manager in managers.values()]

    def ordered_stop_groups_phase_1(self) -> None:
        for group in self.stop_groups:
            if group.config.priority == self.stop_groups[-1].config.priority:
                group.stop_all()

    def ordered_stop_groups_phase_2(self) -> None:
        while self.stop_groups and not self.stop_groups[-1].get_unstopped_processes():
            self.stop_groups.pop()


def main() -> None:
    configuration, description, *parent = sys.argv[1:]
    if parent:
        die_with_parent(signal.SIGTERM, int(parent[0]))
    os.environ[SUPERVISOR] = str(os.getpid())
    options = Options()
    options.realize(["--nodaemon", "--configuration", configuration])
    options.first, options.test = True, False
    watch = Watch(options)
    watch.description = Path(description)
    with contextlib.suppress(asyncore.ExitNow):
        watch.main()


if __name__ == "__main__":
    main()
