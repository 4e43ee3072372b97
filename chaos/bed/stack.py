"""The stack of `deploy/local`, laid out as the bed."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from chaos.bed import links
from chaos.bed.ready import why_not_ready
from deploy.local import kafka, postgres, programs
from deploy.local.files import write_private
from deploy.local.ports import setting
from deploy.local.progress import Progress
from deploy.local.stack import BROKERS, DATABASE, Stack
from deploy.local.supervise import Program

_DURABLE = {"fsync": "on", "synchronous_commit": "on", "wal_level": "logical", "max_wal_senders": "4", "max_replication_slots": "4"}
"""As in production, and so that an auditor may read every commit from a slot of its own."""

FAUST = "loyalty"
"""The service whose workers consume with the Faust driver, so that faults befall both."""


class BedStack(Stack):
    """The bed in one folder. `seed` makes the proxy's random numbers."""

    def __init__(self, var: Path, environ: Mapping[str, str], progress: Progress, *, seed: int = 0) -> None:
        """Servers that the environment names are never used: faults are for servers of one's own."""
        own = {name: value for name, value in environ.items() if name not in (BROKERS, DATABASE)}
        super().__init__(var, own, progress, servers_only=False)
        self._seed = seed

    def _ports(self) -> list[str]:
        servers = ["postgres", *(name for broker in links.BROKERS for name in (f"kafka_{broker}", f"kafka_{broker}_controller"))]
        own = (_port(service, role, slot, "_ops") for service in programs.SERVICES for role in programs.ROLES for slot in links.SLOTS)
        return sorted({*servers, *links.ports(), *programs.PORTS, *own})

    def _prepare(self, chosen: Mapping[str, int]) -> tuple[list[Program], dict[str, str]]:
        plan, folder = self.var / "proxy.json", self.var / "postgres"
        write_private(plan, msgspec.json.encode(links.plan(chosen, self._seed)).decode())
        nodes = [_node(broker, chosen, self.var) for broker in links.BROKERS]
        servers = [Program("proxy", programs.command(("chaos.proxy", str(plan))), server=True)]
        with self.progress.step("Apache Kafka prepared"):
            servers += [Program(f"kafka-{node.id}", kafka.prepare(node, nodes, self.environ), server=True) for node in nodes]
        with self.progress.step("PostgreSQL prepared"):
            command = postgres.prepare(folder, chosen["postgres"], **_DURABLE)
            servers.append(Program("postgres", command, server=True, stop_signal="INT"))
        direct = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        return servers, {BROKERS: direct, DATABASE: postgres.url(folder, chosen["postgres"])}

    def _programs(self, chosen: Mapping[str, int], addresses: Mapping[str, str]) -> list[Program]:
        """Two of each service; no issuer, which has no part in an order."""
        without = [program for program in programs.programs() if not program.name.startswith(f"{programs.ISSUER}-")]
        return [each for program in without for each in self._copies(program, chosen, addresses[DATABASE])]

    def _copies(self, program: Program, chosen: Mapping[str, int], database: str) -> Iterator[Program]:
        service, _, role = program.name.partition("-")
        failing = {"KEPT_FAILPOINTS": f"file:{self.var / 'failpoints.txt'}"}
        if role not in programs.ROLES:
            servers = links.environment(service, chosen, database) if program.name == programs.LEDGER else {}
            yield replace(program, environment=servers | failing)
            return
        told = links.environment(service, chosen, database) | failing
        for slot in links.SLOTS:
            own = {"KEPT_SLOT": str(slot), setting(f"{service}_{role}_ops"): str(chosen[_port(service, role, slot, "_ops")])}
            if service == FAUST:
                own["KEPT_DRIVER"] = "faust"
            if role == "api":
                own[setting(f"{service}_api")] = str(chosen[_port(service, role, slot)])
            yield replace(program, name=f"{program.name}-{slot}", environment=told | own)

    def _describe(self, chosen: Mapping[str, int], environment: Mapping[str, str]) -> dict[str, Any]:
        told = super()._describe(chosen, environment)
        del told["services"][programs.ISSUER]
        operations = {
            f"{service}-{role}-{slot}": f"http://127.0.0.1:{chosen[_port(service, role, slot, '_ops')]}"
            for service in programs.SERVICES
            for role in programs.ROLES
            for slot in links.SLOTS
        }
        operations[programs.LEDGER] = f"http://127.0.0.1:{chosen['promises_ledger_ops']}"
        ready = {name: f"{url}/readyz" for name, url in operations.items()}
        metrics = {name: f"{url}/metrics" for name, url in operations.items()}
        for name, service in told["services"].items():
            api, worker = ({"health": ready[first], "metrics": metrics[first]} for first in (f"{name}-api-0", f"{name}-worker-0"))
            service |= {**api, "worker": worker}
        brokers = {f"kafka-{broker}": f"127.0.0.1:{chosen[f'kafka_{broker}']}" for broker in links.BROKERS}
        return told | {
            "ready": ready,
            "metrics": metrics,
            "brokers": brokers,
            "proxy": {"control": chosen[links.CONTROL], "links": {link.name: f"127.0.0.1:{chosen[link.port]}" for link in links.links()}},
            "seed": self._seed,
        }

    def _await_servers(self, addresses: Mapping[str, str]) -> None:
        with self.progress.step("three brokers answer"):
            for broker, address in zip(links.BROKERS, addresses[BROKERS].split(","), strict=True):
                self._await(f"kafka-{broker}", True, partial(kafka.why_silent, address, len(links.BROKERS)))
        with self.progress.step("PostgreSQL answers"):
            self._await("postgres", True, partial(postgres.why_silent, addresses[DATABASE]))

    def _await_services(self) -> None:
        for name in self.supervisor.states():
            with self.progress.step(f"{name} is ready"):
                self._await(name, True, partial(why_not_ready, self.description, name))


def _node(broker: int, chosen: Mapping[str, int], var: Path) -> kafka.Node:
    doors = {service.upper(): (chosen[links.door(broker, service)], chosen[links.place(service, f"kafka-{broker}")]) for service in programs.SERVICES}
    return kafka.Node(broker, chosen[f"kafka_{broker}"], chosen[f"kafka_{broker}_controller"], var / f"kafka-{broker}", doors)


def _port(service: str, role: str, slot: int, kind: str = "") -> str:
    """The name of a port of one process of a service: where an API listens (no kind), or its operations (`_ops`)."""
    return f"{service}_{role}_{slot}{kind}"
