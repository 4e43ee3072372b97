"""`var/stack.json`: where a running stack's servers and services are found, and as which processes they run.

Written whole when the servers answer, before the services start; from then on only the supervisor changes it, when a process comes or goes.
"""

import json
import os
from pathlib import Path
from typing import Any

from deploy.local.errors import CannotStart


def write(path: Path, content: dict[str, Any]) -> None:
    """Replace the file; a reader sees the old one or the new one. It holds the database's password: for its owner only."""
    beside = path.with_suffix(".new")
    handle = os.open(beside, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(content, file, indent=2)
    beside.rename(path)


def read(path: Path) -> dict[str, Any]:
    """The description of the stack whose file this is. Raises CannotStart where none runs."""
    if not path.exists():
        raise CannotStart(f"No stack runs in {path.parent}: start one with `make up`.")
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def record_pid(path: Path, program: str, pid: int) -> None:
    """Note that the program runs as this process now (0: not at all). Returns without a word while there is no description."""
    if not path.exists():
        return
    content = read(path)
    content["processes"][program] = pid or None
    for name, service in content["services"].items():
        service["pids"] = [each for key, each in content["processes"].items() if each and key.startswith(f"{name}-")]
    write(path, content)
