"""The same Kafka and PostgreSQL from their published images, for machines where a Docker engine answers."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deploy.local import kafka, postgres
from deploy.local.errors import CannotStart
from deploy.local.jars import KAFKA
from deploy.local.ports import free

_PATIENCE_SECONDS = 60


def engine_answers() -> bool:
    """Whether containers can be started from here."""
    # In a process of its own: docker's client leaks its sockets where no engine answers.
    probe = "import docker; docker.from_env(timeout=2).ping()"
    return subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False).returncode == 0


@contextmanager
def servers() -> Iterator[tuple[str, str]]:
    """Bootstrap servers and the database's address as its administrator, for as long as the block runs."""
    from testcontainers.community.postgres import PostgresContainer
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.docker_client import DockerClient

    host, port = DockerClient().host(), free()
    broker = DockerContainer(f"apache/kafka:{KAFKA}").with_bind_ports(9092, port)
    for name, value in _broker(host, port).items():
        broker.with_env(f"KAFKA_{name.upper().replace('.', '_')}", str(value))
    database = PostgresContainer("postgres:18", username=postgres.ADMINISTRATOR, dbname="postgres", driver=None)
    database.with_command(" ".join(f"-c {name}={value}" for name, value in postgres.FOR_TESTS.items()))
    with broker, database:
        bootstrap, address = f"{host}:{port}", database.get_connection_url()
        _await("Kafka", lambda: kafka.why_silent(bootstrap))
        _await("PostgreSQL", lambda: postgres.why_silent(address))
        yield bootstrap, address


def _broker(host: str, port: int) -> dict[str, object]:
    return kafka.behaviour(brokers=1) | {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": "1@localhost:9093",
        "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "advertised.listeners": f"PLAINTEXT://{host}:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }


def _await(server: str, why_silent: Callable[[], str | None]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while reason := why_silent():
        if time.monotonic() > deadline:
            raise CannotStart(f"The container with {server} does not answer ({reason}): see its log, or stop Docker to use embedded servers.")
        time.sleep(0.2)
