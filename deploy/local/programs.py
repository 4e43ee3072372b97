"""Which processes make up Kept on one machine, in which order they start, and what each is told.

A service is its API and its worker. Before they start, the set-up steps run once, in order.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.local.ports import setting
from deploy.local.supervise import Program

SERVICES = ("orders", "fulfilment", "promises", "loyalty", "notifications")
ROLES = ("api", "worker")

SETUP = (
    ("migrate", ("services.kit.cli", "migrate")),
    ("topics", ("services.kit.cli", "topics", "apply")),
)

PROGRAMS = (
    *((f"{service}-{role}", (f"services.{service}.main", role)) for service in SERVICES for role in ROLES),
    ("carrier", ("demo.carrier",)),
    ("mailbox", ("demo.mailbox",)),
)

STEPS_BACK = frozenset({"loyalty-worker", "notifications-worker", "mailbox"})
"""Nobody waits for what these do: on a busy machine the order's way to the shelf comes first."""

PORTS = (
    *(f"{service}_{port}" for service in SERVICES for port in ("api", "api_ops", "worker_ops")),
    "carrier",
    "smtp",
    "mailbox",
)


def command(module: tuple[str, ...]) -> list[str]:
    """How a module of ours is run, with its arguments."""
    return [sys.executable, "-m", *module]


def programs() -> list[Program]:
    """Everything that runs beside the servers."""
    return [Program(name, command(("deploy.local.step_back", *module) if name in STEPS_BACK else module)) for name, module in PROGRAMS]


def environment(var: Path, ports: Mapping[str, int], servers: Mapping[str, str], clock: str) -> dict[str, str]:
    """What every process is told: the servers' addresses, the stack's folder and clock, every port, and a link to every API."""
    told = {**servers, "KEPT_VAR": str(var), "KEPT_CLOCK": clock, "KEPT_EMBEDDED": "1"}
    for name, port in ports.items():
        told[setting(name)] = str(port)
    for service in SERVICES:
        if f"{service}_api" in ports:
            told[f"KEPT_{service.upper()}_URL"] = f"http://127.0.0.1:{ports[f'{service}_api']}"
    if "carrier" in ports:
        told["KEPT_CARRIER_URL"] = f"http://127.0.0.1:{ports['carrier']}"
    return told


def demo(ports: Mapping[str, int]) -> dict[str, str]:
    """Where the demo's carrier and mailbox are found."""
    return {
        "carrier": f"http://127.0.0.1:{ports['carrier']}",
        "mailbox": f"http://127.0.0.1:{ports['mailbox']}",
        "smtp": f"127.0.0.1:{ports['smtp']}",
    }


def addresses(service: str, ports: Mapping[str, int]) -> dict[str, Any]:
    """Where a service is found, as the stack's description tells it. `health` and `metrics` are the API's; the worker's stand apart."""
    api, ops, worker = (f"http://127.0.0.1:{ports[f'{service}_{port}']}" for port in ("api", "api_ops", "worker_ops"))
    return {
        "api": api,
        "openapi": f"{api}/openapi.json",
        "health": f"{ops}/readyz",
        "metrics": f"{ops}/metrics",
        "worker": {"health": f"{worker}/readyz", "metrics": f"{worker}/metrics"},
        "pids": [],
    }
