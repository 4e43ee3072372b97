"""Where a world's services keep their state: the fake PostgreSQL of each, or (`simulation.real`) a real one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from services.kit import database
from simulation.connection import Connection, execute_together, fetch_together
from simulation.host import Host
from simulation.postgres import Server
from simulation.wire import Turn

Tables = Mapping[str, Mapping[str, Mapping[Any, Any]]]
"""By service and table: rows by key."""


class Databases(Protocol):
    """One schema per service."""

    replaced: Sequence[tuple[Any, str, Any]]
    """What stands in the kit's modules in place of what is there: module, name, fake."""

    def connect(self, service: str, host: Host) -> Any:
        """A connection that this process opens."""

    def to_send(self, service: str) -> int:
        """Rows of the outbox."""


class FakeDatabases:
    """`serialised`: one transaction after the other, as on a real one (`simulation.wire`)."""

    replaced: Sequence[tuple[Any, str, Any]] = ((database, "execute_together", execute_together), (database, "fetch_together", fetch_together))

    def __init__(self, services: Iterable[str], *, serialised: bool = False) -> None:
        self.servers = {service: Server(turn=Turn() if serialised else None) for service in services}

    def connect(self, service: str, host: Host) -> Connection:
        return Connection(self.servers[service], host)

    def to_send(self, service: str) -> int:
        return len(self.servers[service].rows("outbox"))

    @property
    def tables(self) -> Tables:
        return {name: server.tables for name, server in self.servers.items()}
