"""Which processes make up Kept on one machine, in which order they start, and what each is told.

A service is its API and its worker. Before they start, the set-up steps run once, in order.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from deploy.local.errors import CannotStart
from deploy.local.ports import setting
from deploy.local.supervise import Program

SERVICES = ("orders", "fulfilment", "promises", "loyalty", "notifications")
ROLES = ("api", "worker")

ISSUER = "issuer"
"""Stands in for an OpenID provider, in this stack alone, with one process of each."""

OURS = (*SERVICES, ISSUER)

LEDGER = "promises-ledger"
"""Writes the ledger of promises: one process, which the promises API forwards to."""

SETUP = (
    ("migrate", ("services.kit.cli", "migrate")),
    ("topics", ("services.kit.cli", "topics", "apply")),
    ("sign-in", ("services.issuer.main", "seed")),
)

PROGRAMS = (
    *((f"{service}-{role}", (f"services.{service}.main", role)) for service in OURS for role in ROLES),
    (LEDGER, ("services.promises.main", "ledger")),
    ("carrier", ("demo.carrier",)),
    ("provider", ("demo.provider",)),
    ("mailbox", ("demo.mailbox",)),
)

API_PROCESSES = "KEPT_API_PROCESSES"

STEPS_BACK = frozenset({"loyalty-worker", "notifications-worker", "mailbox"})
"""Nobody waits for what these do: on a busy machine the order's way to the shelf comes first."""

PORTS = (
    *(f"{service}_{port}" for service in OURS for port in ("api", "api_ops", "worker_ops")),
    "promises_ledger",
    "promises_ledger_ops",
    "carrier",
    "provider",
    "smtp",
    "mailbox",
)


def command(module: tuple[str, ...]) -> list[str]:
    """How a module of ours is run, with its arguments."""
    return [sys.executable, "-m", *module]


def programs() -> list[Program]:
    """Everything that runs beside the servers."""
    return [Program(name, command(("deploy.local.step_back", *module) if name in STEPS_BACK else module)) for name, module in PROGRAMS]


def on_sockets(chosen: Mapping[str, int], apis: int, bind: str) -> list[Program]:
    """The same with so many processes of each API, on one socket that the supervisor holds."""
    return [each for program in programs() for each in _on_socket(program, chosen, apis, bind)]


def _on_socket(program: Program, chosen: Mapping[str, int], apis: int, bind: str) -> Iterator[Program]:
    service, _, role = program.name.partition("-")
    if role != "api":
        yield program
        return
    first = replace(program, socket=f"tcp://{bind}:{chosen[f'{service}_api']}")
    yield first
    for number in range(1, _apis_of(service, apis)):
        own = {"KEPT_SLOT": str(number), setting(f"{service}_api_ops"): str(chosen[_another_ops(service, number)])}
        yield replace(first, name=f"{program.name}-{number}", environment=own)


def api_processes(environ: Mapping[str, str]) -> int:
    """How many of each API run: KEPT_API_PROCESSES, else two. Raises CannotStart where that is no such number."""
    text = environ.get(API_PROCESSES) or "2"
    if not text.isdigit() or not 0 < int(text) < 10:
        raise CannotStart(f"{API_PROCESSES}={text} is no number of processes: give one from 1 to 9.")
    return int(text)


def more_ports(apis: int) -> list[str]:
    """The names of the ports that more than one process of each API needs."""
    return [_another_ops(service, number) for service in SERVICES for number in range(1, apis)]


def ready(chosen: Mapping[str, int], apis: int) -> dict[str, str]:
    """By program, where it says whether it is ready, a service's APIs before its worker, and the ledger."""
    ports = {
        name: port
        for service in OURS
        for name, port in (
            (f"{service}-api", f"{service}_api_ops"),
            *((f"{service}-api-{number}", _another_ops(service, number)) for number in range(1, _apis_of(service, apis))),
            (f"{service}-worker", f"{service}_worker_ops"),
        )
    }
    return {name: f"http://127.0.0.1:{chosen[port]}/readyz" for name, port in (ports | {LEDGER: "promises_ledger_ops"}).items()}


def _apis_of(service: str, apis: int) -> int:
    return 1 if service == ISSUER else apis


def _another_ops(service: str, number: int) -> str:
    return f"{service}_api_{number}_ops"


def environment(var: Path, ports: Mapping[str, int], servers: Mapping[str, str], clock: str) -> dict[str, str]:
    """What every process is told: the servers' addresses, the stack's folder and clock, every port, and a link to every API."""
    told = {**servers, "KEPT_VAR": str(var), "KEPT_CLOCK": clock, "KEPT_EMBEDDED": "1"}
    for name, port in ports.items():
        told[setting(name)] = str(port)
    for service in OURS:
        if f"{service}_api" in ports:
            told[f"KEPT_{service.upper()}_URL"] = f"http://127.0.0.1:{ports[f'{service}_api']}"
    if "promises_ledger" in ports:
        told["KEPT_PROMISES_LEDGER_URL"] = f"http://127.0.0.1:{ports['promises_ledger']}"
    if "carrier" in ports:
        told["KEPT_CARRIER_URL"] = f"http://127.0.0.1:{ports['carrier']}"
    if "provider" in ports:
        told["KEPT_PAYMENTS_URL"] = f"http://127.0.0.1:{ports['provider']}"
    return told


def demo(ports: Mapping[str, int]) -> dict[str, str]:
    """Where the demo's carrier, payment provider and mailbox are found."""
    return {
        "carrier": f"http://127.0.0.1:{ports['carrier']}",
        "provider": f"http://127.0.0.1:{ports['provider']}",
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
