"""Every link of the bed: which service speaks with which server, where it connects, and where the server listens for it.

A broker has a listener per service, advertised at that service's link: a client never learns of a way around its proxy.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chaos.proxy.__main__ import Place, Plan
from deploy.local.programs import SERVICES

BROKERS = (1, 2, 3)
CONTROL = "proxy_control"
"""The port where faults are switched, by the name under which ports are assigned."""


@dataclass(frozen=True, slots=True)
class Link:
    """`port` and `server_port` name ports; `speaks` is what the proxy reads."""

    who: str
    server: str
    server_port: str
    speaks: str = ""

    @property
    def name(self) -> str:
        return f"{self.who}->{self.server}"

    @property
    def port(self) -> str:
        return f"link_{self.who}_{self.server.replace('-', '_')}"


def door(broker: int, service: str) -> str:
    """The port on which a broker listens for one service alone."""
    return f"kafka_{broker}_{service}"


def links() -> Iterator[Link]:
    """All of them."""
    for service in SERVICES:
        yield from (Link(service, f"kafka-{broker}", door(broker, service), "kafka") for broker in BROKERS)
        yield Link(service, "postgres", "postgres", "postgres")
    yield Link("fulfilment", "carrier", "carrier")
    yield Link("notifications", "mailbox", "smtp")


def ports() -> list[str]:
    """The names of the ports that links need, servers' own aside."""
    return [CONTROL, *(link.port for link in links()), *(door(broker, service) for broker in BROKERS for service in SERVICES)]


def plan(chosen: Mapping[str, int], seed: int) -> Plan:
    """What the proxy is told."""
    places = [Place(link.name, chosen[link.port], f"127.0.0.1:{chosen[link.server_port]}", link.speaks) for link in links()]
    return Plan(chosen[CONTROL], places, seed)


def environment(service: str, chosen: Mapping[str, int], database: str) -> dict[str, str]:
    """Where a service finds its servers: at its links. `database` is PostgreSQL's direct address."""
    brokers = ",".join(f"127.0.0.1:{chosen[f'link_{service}_kafka_{broker}']}" for broker in BROKERS)
    told = {
        "KAFKA_BOOTSTRAP_SERVERS": brokers,
        "DATABASE_URL": database.replace(f"@127.0.0.1:{chosen['postgres']}/", f"@127.0.0.1:{chosen[f'link_{service}_postgres']}/"),
    }
    if service == "fulfilment":
        told["KEPT_CARRIER_URL"] = f"http://127.0.0.1:{chosen['link_fulfilment_carrier']}"
    if service == "notifications":
        told["KEPT_SMTP_PORT"] = str(chosen["link_notifications_mailbox"])
    return told
