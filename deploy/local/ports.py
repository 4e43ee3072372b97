"""Which ports a stack listens on: configured by KEPT_<NAME>_PORT, else those of its last start while they are free, else any that are.

Chosen below the range from which the kernel takes ports for outgoing connections, so that none is lost between choice and use.
"""

import json
import random
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from deploy.local.errors import CannotStart
from deploy.local.files import write_private

_RANGE = range(20_000, 30_000)


def assign(names: Iterable[str], memory: Path, environ: Mapping[str, str]) -> dict[str, int]:
    """A port per name, remembered in the file. Raises CannotStart when a configured one is taken."""
    remembered: dict[str, int] = json.loads(memory.read_text()) if memory.exists() else {}
    chosen: dict[str, int] = {}
    for name in names:
        last = remembered.get(name)
        kept = last if last and last not in chosen.values() and is_free(last) else None
        chosen[name] = _configured(name, environ) or kept or free({*remembered.values(), *chosen.values()})
    write_private(memory, json.dumps(remembered | chosen, indent=2))
    return chosen


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free(avoid: Iterable[int] = ()) -> int:
    """A port that nobody listens on, none of these."""
    for port in random.sample(_RANGE, len(_RANGE)):
        if port not in avoid and is_free(port):
            return port
    raise CannotStart(f"No port between {_RANGE.start} and {_RANGE.stop} is free: stop a program that listens there.")


def setting(name: str) -> str:
    """The environment variable that configures the port of this name."""
    return f"KEPT_{name.upper()}_PORT"


def _configured(name: str, environ: Mapping[str, str]) -> int | None:
    text = environ.get(setting(name))
    if not text:
        return None
    if not text.isdigit() or not 0 < int(text) < 65_536:
        raise CannotStart(f"{setting(name)}={text} is not a port: give a number from 1 to 65535.")
    if not is_free(int(text)):
        raise CannotStart(f"Port {text} is taken by another program: free it, or set {setting(name)} to another port.")
    return int(text)
