"""What the commands of the local stack do and print. Each returns its exit code."""

import os
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.local import description, jars
from deploy.local.restart import roll
from deploy.local.stack import configured


def up(var: Path, *, servers_only: bool, foreground: bool) -> int:
    """Start the stack; in the foreground stay until it ends or a signal comes, then stop it."""
    stack = configured(var, servers_only=servers_only)
    stack.up(attached=foreground)
    status(var)
    if not servers_only:
        print("\n".join(guide(description.read(stack.description), var)))
    if not foreground:
        return 0
    try:
        while stack.supervisor.pid():
            time.sleep(0.5)
    finally:
        stack.down()
    return 1


def guide(told: Mapping[str, Any], var: Path) -> list[str]:
    """The lines that say where to look in the stack of this description, how to sign in, and how to stop it. Commands are run from the checkout."""
    usual = var == Path("var")
    token = f"{'' if usual else f'KEPT_VAR={shlex.quote(str(var))} '}.venv/bin/kept token"
    orders = told["services"]["orders"]["api"]
    return [
        "",
        f"Look:     {told['demo']['mailbox']}  every message to a customer, with the link to the order's page",
        f"          {told['services']['promises']['api']}/agreement  whether all departments hold the same promises",
        *(f"          {service['openapi']}  what {name} answers" for name, service in told["services"].items()),
        "",
        "Sign in:  these print a token; each operation names the roles that may call it",
        *(f"          {token} {role}" for role in ("storefront --channel retail", "picker --site SDF1", "loader --site SDF1", "care", "planner")),
        f'          curl -H "Authorization: Bearer $({token} care)" "{orders}/v1/orders?channel=retail&external_ref=1"',
        "",
        f"Stop:     make down{'' if usual else f' VAR={shlex.quote(str(var))}'}",
    ]


def restart(var: Path) -> int:
    """Restart every process of Kept in the running stack, one at a time."""
    stack = configured(var, servers_only=True)
    for name, seconds in roll(stack, description.read(stack.description)):
        print(f"{name:<22}ready again after {seconds:.1f} s", flush=True)
    return status(var)


def down(var: Path) -> int:
    """Stop the stack."""
    print("Stopped." if configured(var, servers_only=True).down() else f"No stack runs in {var}.")
    return 0


def status(var: Path) -> int:
    """Print where everything is and how it does."""
    stack = configured(var, servers_only=True)
    pid = stack.supervisor.pid()
    if pid is None:
        print(f"No stack runs in {var}.")
        return 1
    told, states = description.read(stack.description), stack.supervisor.states()
    table = Table(box=None, pad_edge=False)
    for column in ("program", "state", "pid", "address"):
        table.add_column(column, no_wrap=True, overflow="fold")
    found = {"kafka": told["kafka"], "postgres": told["database"].rpartition("@")[2]}
    found |= {program: each["api"] for name, each in told["services"].items() for program in states if program.startswith(f"{name}-api")}
    found |= told["demo"]
    for name, row in states.items():
        table.add_row(name, row["statename"].lower(), str(row["pid"] or "-"), found.get(name, ""))
    Console(width=None if os.isatty(1) else 200, highlight=False).print(table)
    return 0 if all(row["statename"] == "RUNNING" for row in states.values()) else 1


def lock() -> int:
    """Write the lock of Kafka's jars anew."""
    print(f"{jars.write_lock(os.environ)} jars locked in {jars.LOCK}.")
    return 0
