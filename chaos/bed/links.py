"""Every link of the bed: who speaks with which server, where they connect, and where the server listens for them.

A broker has a listener per service, advertised at that service's link: a client never learns of a way around its proxy. Before the two APIs of a
service lies one link, which takes them by turns.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chaos.proxy.__main__ import Place, Plan
from deploy.local.programs import SERVICES

BROKERS = (1, 2, 3)
SLOTS = (0, 1)
"""Two processes of each role of a service."""

CONTROL = "proxy_control"
"""The port where faults are switched, by the name under which ports are assigned."""


@dataclass(frozen=True, slots=True)
class Link:
    """`port` and `behind` name ports; `speaks` is what the proxy reads."""

    who: str
    server: str
    port: str
    behind: tuple[str, ...]
    speaks: str = ""

    @property
    def name(self) -> str:
        return f"{self.who}->{self.server}"


def door(broker: int, service: str) -> str:
    """The port on which a broker listens for one service alone."""
    return f"kafka_{broker}_{service}"


def place(service: str, server: str) -> str:
    """The port at which a service finds a server: its link's."""
    return f"link_{service}_{server.replace('-', '_')}"


def links() -> Iterator[Link]:
    """All of them."""
    for service in SERVICES:
        yield Link("clients", f"{service}-api", f"{service}_api", tuple(f"{service}_api_{slot}" for slot in SLOTS))
        for broker in BROKERS:
            yield Link(service, f"kafka-{broker}", place(service, f"kafka-{broker}"), (door(broker, service),), "kafka")
        yield Link(service, "postgres", place(service, "postgres"), ("postgres",), "postgres")
    yield Link("fulfilment", "carrier", place("fulfilment", "carrier"), ("carrier",))
    yield Link("notifications", "mailbox", place("notifications", "mailbox"), ("smtp",))


def ports() -> set[str]:
    """The names of the ports at both ends of every link, and of the one where faults are switched."""
    return {CONTROL, *(port for link in links() for port in (link.port, *link.behind))}


def plan(chosen: Mapping[str, int], seed: int) -> Plan:
    """What the proxy is told."""
    return Plan(
        chosen[CONTROL],
        [Place(link.name, chosen[link.port], [f"127.0.0.1:{chosen[port]}" for port in link.behind], link.speaks) for link in links()],
        seed,
    )


def environment(service: str, chosen: Mapping[str, int], database: str) -> dict[str, str]:
    """Where a service finds its servers: at its links. `database` is PostgreSQL's direct address."""
    brokers = ",".join(f"127.0.0.1:{chosen[place(service, f'kafka-{broker}')]}" for broker in BROKERS)
    told = {
        "KAFKA_BOOTSTRAP_SERVERS": brokers,
        "DATABASE_URL": database.replace(f"@127.0.0.1:{chosen['postgres']}/", f"@127.0.0.1:{chosen[place(service, 'postgres')]}/"),
    }
    if service == "fulfilment":
        told["KEPT_CARRIER_URL"] = f"http://127.0.0.1:{chosen[place(service, 'carrier')]}"
    if service == "notifications":
        told["KEPT_SMTP_PORT"] = str(chosen[place(service, "mailbox")])
    return told
