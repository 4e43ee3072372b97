"""`var/stack.json`: where a running stack's servers and services are found, and as which processes they run.

Written whole when the servers answer, before the services start; from then on only the supervisor changes it, when a process comes or goes.
"""

import json
from pathlib import Path
from typing import Any

from deploy.local.errors import CannotStart
from deploy.local.files import write_private


def write(path: Path, content: dict[str, Any]) -> None:
    """Replace the file. It holds the database's password."""
    write_private(path, json.dumps(content, indent=2))


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
