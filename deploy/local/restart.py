"""A rolling restart: every process of Kept anew, one at a time, each only when the one before is ready again. The servers go on.

A process is told to stop, finishes what it has in hand, and is started again by its name. Its API's other process answers meanwhile, and a worker's
partitions wait for it, since it comes back under the same name in its group.
"""

import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from deploy.local.stack import Stack, not_ready
from deploy.local.supervise import SERVERS

_GRACE_SECONDS = 30
"""Longer than an API gives a request that was begun, and a worker its batch."""


def roll(stack: Stack, told: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Restarts every process of the running stack so described: its name, and the seconds until it was ready again.

    Raises CannotStart at the first one that is not ready in time; those after it were not touched.
    """
    for name in _in_order(stack, told):
        started = time.monotonic()
        stack.supervisor.renew_program(name, _GRACE_SECONDS)
        stack.await_program(name, partial(_not_back, stack, name, told["ready"].get(name)))
        yield name, time.monotonic() - started


def _not_back(stack: Stack, name: str, address: str | None) -> str | None:
    """Why it is not back: the supervisor calls it running, and so describes it, only a second after its start, by when a worker may long be ready."""
    return stack.not_running(name) or (not_ready(address) if address else None)


def _in_order(stack: Stack, told: Mapping[str, Any]) -> list[str]:
    """Services as they are described, their APIs first; then what has no service."""
    names = [name for name, row in stack.supervisor.states().items() if row["group"] != SERVERS]
    return sorted(names, key=lambda name: (name not in told["ready"], [*told["ready"], *names].index(name)))
