"""The proxy's own process before real servers: what was done stays done, though its answer is lost."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import msgspec
import psycopg
import pytest
from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from chaos.proxy.__main__ import Place, Plan
from chaos.proxy.control import Remote
from chaos.proxy.faults import Faults, Way
from deploy.local import kafka as embedded_kafka
from deploy.local.ports import free
from deploy.local.processes import die_with_parent
from deploy.local.supervise import ROOT
from tests.support.polling import wait_until

LOSE_ONE = Faults(lose_chance=1, lose_limit=1)


def start(command: list[str]) -> subprocess.Popen[bytes]:
    """A process that does not outlive this one."""
    parent = os.getpid()
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, preexec_fn=lambda: die_with_parent(signal.SIGKILL, parent))


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(10)


def answers(port: int) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            Remote(port, []).counts()
        except OSError:
            return False
        return True

    return ask


@pytest.fixture
def link(tmp_path: Path) -> Iterator[Callable[[str, str, int], Remote]]:
    """Starts a proxy with one link before a server (host:port) that speaks this, listening on this port."""
    running: list[subprocess.Popen[bytes]] = []

    def made(server: str, speaks: str, port: int) -> Remote:
        plan = Plan(free({port}), [Place("a->b", port, [server], speaks)])
        (tmp_path / "plan.json").write_bytes(msgspec.json.encode(plan))
        running.append(start([sys.executable, "-m", "chaos.proxy", str(tmp_path / "plan.json")]))
        wait_until(answers(plan.control))
        return Remote(plan.control, ["a->b"])

    yield made
    for process in running:
        end(process)


async def by_transaction(connection: "asyncpg.Connection[Any]") -> None:
    async with connection.transaction():
        await connection.execute("insert into kept values ('done')")


async def by_prepared_statements(connection: "asyncpg.Connection[Any]") -> None:
    for statement in ("begin", "insert into kept values ('done')", "commit"):
        await (await connection.prepare(statement)).fetch()


@pytest.mark.parametrize("commit", [by_transaction, by_prepared_statements])
async def test_a_commit_whose_answer_is_lost_is_there_afterwards(
    link: Callable[[str, str, int], Remote], database_url: str, commit: Callable[["asyncpg.Connection[Any]"], Awaitable[None]]
) -> None:
    at, port = urlsplit(database_url), free()
    remote = link(f"{at.hostname}:{at.port}", "postgres", port)
    connection = await asyncpg.connect(database_url.replace(f":{at.port}/", f":{port}/"))
    await connection.execute("create table kept (what text)")
    await commit(connection)
    assert remote.counts()["a->b"].replies == 1
    remote.set(LOSE_ONE)
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, ConnectionError)):
        await commit(connection)
    with psycopg.connect(database_url) as direct:
        assert direct.execute("select * from kept").fetchall() == [("done",), ("done",)]
    counts = remote.counts()["a->b"]
    assert (counts.replies, counts.replies_lost, counts.resets) == (2, 1, 1)


def test_a_commit_by_libpq_is_seen_too(link: Callable[[str, str, int], Remote], database_url: str) -> None:
    at, port = urlsplit(database_url), free()
    remote = link(f"{at.hostname}:{at.port}", "postgres", port)
    remote.set(LOSE_ONE)
    with pytest.raises(psycopg.OperationalError), psycopg.connect(database_url.replace(f":{at.port}/", f":{port}/")) as connection:
        connection.execute("create table kept as select 'done' as what")
        connection.commit()
    with psycopg.connect(database_url) as direct:
        assert direct.execute("select * from kept").fetchall() == [("done",)]


async def test_a_database_behind_a_partition_answers_when_it_heals(link: Callable[[str, str, int], Remote], database_url: str) -> None:
    at, port = urlsplit(database_url), free()
    remote = link(f"{at.hostname}:{at.port}", "postgres", port)
    connection = await asyncpg.connect(database_url.replace(f":{at.port}/", f":{port}/"))
    remote.set(Faults(to_client=Way(blocked=True)))
    asking = asyncio.create_task(connection.fetchval("select 1"))
    assert (await asyncio.wait({asking}, timeout=0.3))[1] == {asking}
    remote.heal()
    assert await asyncio.wait_for(asking, 5) == 1
    await connection.close()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded_kafka.Node]:
    """A broker whose door CLIENT is advertised where a proxy may listen."""
    doors = {"CLIENT": (free(), free())}
    node = embedded_kafka.Node(1, free(), free(), tmp_path_factory.mktemp("kafka"), doors)
    process = start(embedded_kafka.prepare(node, [node], os.environ))
    wait_until(lambda: embedded_kafka.why_silent(f"127.0.0.1:{node.port}") is None, 30)
    yield node
    end(process)


@pytest.mark.servers
def test_a_produce_whose_answer_is_lost_is_on_the_topic(link: Callable[[str, str, int], Remote], broker: embedded_kafka.Node) -> None:
    listens, told = broker.doors["CLIENT"]
    remote = link(f"127.0.0.1:{listens}", "kafka", told)
    admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{broker.port}"})
    admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(10)
    producer = Producer({"bootstrap.servers": f"127.0.0.1:{told}", "acks": "all", "retries": 0, "log_level": 0})
    assert delivered(producer, b"first") is None
    remote.set(LOSE_ONE)
    assert delivered(producer, b"second") is not None
    assert delivered(producer, b"third") is None
    counts = remote.counts()["a->b"]
    assert (counts.replies, counts.replies_lost, counts.resets) == (3, 1, 1)
    assert on_topic(f"127.0.0.1:{broker.port}", 3) == [b"first", b"second", b"third"]


def delivered(producer: Producer, value: bytes) -> KafkaError | None:
    """What the producer's caller hears of its message."""
    heard: list[KafkaError | None] = []
    producer.produce("kept", value, on_delivery=lambda error, _: heard.append(error))
    assert producer.flush(20) == 0
    return heard[0]


def on_topic(bootstrap: str, count: int) -> list[bytes]:
    """What lies on the topic: so many messages, or more if there are more within a moment."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "auto.offset.reset": "earliest"})
    consumer.subscribe(["kept"])
    found = [message.value() for message in consumer.consume(count, 20)] + [message.value() for message in consumer.consume(1, 0.5)]
    consumer.close()
    return found
