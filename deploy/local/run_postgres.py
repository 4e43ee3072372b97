"""Becomes the PostgreSQL server, once nothing of an earlier one is left on its data.

`python -m deploy.local.run_postgres DATA COMMAND...`. A server that was killed leaves its pid file; should the kernel give that pid to
another program, PostgreSQL would refuse to start for ever.
"""

import os
import signal
import sys
import time
from pathlib import Path

from deploy.local.processes import SUPERVISOR, command_line, die_with_parent

_PATIENCE_SECONDS = 15


def clear_stale(data: Path) -> None:
    """Wait while a server still runs on this data, then remove its pid file. A server that stays keeps it, and its successor will refuse."""
    pid_file = data / "postmaster.pid"
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while pid_file.exists() and _serves(pid_file, data):
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)
    pid_file.unlink(missing_ok=True)


def _serves(pid_file: Path, data: Path) -> bool:
    first = pid_file.read_text().partition("\n")[0]
    return first.isdigit() and str(data) in command_line(int(first))


def main() -> None:
    data, command = Path(sys.argv[1]), sys.argv[2:]
    clear_stale(data)
    # SIGQUIT ends the server's sessions at once; killed, it would leave those in the middle of a query behind.
    die_with_parent(signal.SIGQUIT, int(os.environ[SUPERVISOR]))
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
