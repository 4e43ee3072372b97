"""A toy service on real servers: its database and topics, its worker as a process, a load with every kind of trouble in it, and the audit."""

import os
import secrets
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.kit import topics
from services.kit.database import service_url
from services.kit.ids import uuid7
from services.kit.kafka_log import KafkaLog
from services.kit.ports import Outgoing
from tests.integration.kit import toy
from tests.support.messages import event_headers
from tests.support.polling import poll_until, wait_until
from tests.support.toys import SERVICE, toy_database

ROOT = Path(__file__).parents[3]
DRIVERS = ("faust", "raw")


@dataclass
class Site:
    """One toy service's servers, database and topics."""

    kafka: str
    database: str
    prefix: str
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    asking: "psycopg.Connection[tuple[Any, ...]] | None" = None

    def start(self, driver: str, slot: str = "0", **environment: str) -> "subprocess.Popen[bytes]":
        """One more worker of the toy service, in a process group of its own."""
        told = {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "DATABASE_URL": self.database,
            "KEPT_TOPIC_PREFIX": self.prefix,
            "KEPT_DRIVER": driver,
            "KEPT_SLOT": slot,
        }
        with (self.folder / f"worker-{len(self.processes)}.log").open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.kit.toy"],
                cwd=ROOT,
                env=os.environ | told | environment,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("worker-*.log")))

    def ask(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        if self.asking is None or self.asking.closed:
            self.asking = psycopg.connect(service_url(self.database, SERVICE), options="-c search_path=toy", autocommit=True)
        return self.asking.execute(query, parameters or None).fetchall()

    def close(self) -> None:
        if self.asking is not None:
            self.asking.close()

    def one(self, query: str, *parameters: object) -> Any:
        return self.ask(query, *parameters)[0][0]

    def counted(self) -> int:
        return int(self.one("select count(*) from counted"))

    def in_hand(self) -> bool:
        """Whether a handler stands in the middle of its transaction."""
        sleeping = "datname = current_database() and query = 'select pg_sleep($1)' and state = 'active'"
        return bool(self.one(f"select count(*) from pg_stat_activity where {sleeping}"))


@dataclass
class Load:
    """What was produced, and what must become of it."""

    good: set[UUID] = field(default_factory=set)
    refused: set[UUID] = field(default_factory=set)
    failing: set[UUID] = field(default_factory=set)
    unreadable: int = 0
    messages: list[Outgoing] = field(default_factory=list)


def outgoing(topic: str, id: UUID, n: int, behaviour: str = "count", key: str | None = None) -> Outgoing:
    key = f"k{n % 97}" if key is None else key
    value = b'{"n": %d, "behaviour": "%s"}' % (n, behaviour.encode())
    return Outgoing(topic, key.encode(), value, event_headers(id, toy.COUNTED, key))


def mixed(topic: str, count: int) -> Load:
    """Good events, with every 41st sent twice, and among them unreadable, refused and failing ones."""
    load = Load()
    for n in range(count):
        id = uuid7()
        if n % 97 == 13:
            load.messages.append(Outgoing(topic, b"k", b'{"n": "broken', event_headers(id, toy.COUNTED)))
            load.unreadable += 1
        elif n % 101 == 17:
            load.refused.add(id)
            load.messages.append(outgoing(topic, id, n, "refuse"))
        elif n % 503 == 19:
            load.failing.add(id)
            load.messages.append(outgoing(topic, id, n, "fail", key=f"poison{n}"))
        else:
            load.good.add(id)
            load.messages += [outgoing(topic, id, n)] * (2 if n % 41 == 0 else 1)
    return load


async def produce(site: Site, messages: list[Outgoing]) -> None:
    log = KafkaLog(site.kafka, "test")
    for start in range(0, len(messages), 500):
        await log.send(messages[start : start + 500])
    await log.close()


async def settled(site: Site, load: Load, deadline: float = 60.0) -> None:
    """Until everything was applied or set aside, everything said was sent, and nothing delivered again is in hand."""
    aside = len(load.refused) + len(load.failing) + load.unreadable

    def done() -> bool:
        letters = site.one("select count(*) from dead_letters")
        left = site.one("select (select count(*) from outbox) + (select count(*) from attempts)")
        return site.counted() >= len(load.good) and letters >= aside and left == 0

    try:
        await poll_until(done, deadline)
    except TimeoutError:
        attempts = site.one("select count(*) from attempts")
        raise AssertionError(f"{site.counted()} of {len(load.good)} applied, {attempts} attempts left\n{site.logs()[-4000:]}") from None


async def audit(site: Site, load: Load) -> None:
    """Nothing lost, nothing twice, every poison set aside once."""
    applied = Counter(id for (id,) in site.ask("select event_id from counted"))
    assert set(applied) == load.good
    assert set(applied.values()) <= {1}
    letters = site.ask("select kind, event_id from dead_letters")
    assert Counter(kind for kind, _ in letters) == Counter({"unreadable": load.unreadable, "refused": len(load.refused), "failed": len(load.failing)})
    assert {id for kind, id in letters if kind == "failed"} == load.failing
    assert {id for kind, id in letters if kind == "refused"} == load.refused
    assert site.one("select count(*) from attempts") == 0
    assert await said(site) >= {id.bytes for id in load.good}


async def said(site: Site) -> set[bytes]:
    """The ids of the events that caused what stands in the toy's own topic."""
    return {UUID(headers["ce_causationid"]).bytes for headers in await own_topic(site)}


async def own_topic(site: Site) -> list[dict[str, str]]:
    """The headers of all that stands in the toy's own topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=site.kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        places = [TopicPartition(site.prefix + toy.SAID, partition) for partition in range(6)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        found: list[dict[str, str]] = []
        for place in places:
            await consumer.seek_to_beginning(place)
        while any([await consumer.position(place) < ends[place] for place in places]):
            for messages in (await consumer.getmany(timeout_ms=200)).values():
                found += [{name: value.decode() for name, value in message.headers} for message in messages]
        return found
    finally:
        await consumer.stop()


def end(process: "subprocess.Popen[bytes]", number: int = signal.SIGTERM, deadline: float = 20.0) -> int:
    """Signal it, and its exit code once it is gone."""
    process.send_signal(number)
    return wait_until(lambda: process.poll() is not None, deadline) and process.returncode


@pytest.fixture
def new_site(tmp_path: Path) -> Iterator[Callable[[str, str], Site]]:
    """Makes toy services on given servers; what they left running is killed at the end."""
    with ExitStack() as ends:

        def make(kafka: str, admin_url: str) -> Site:
            database = ends.enter_context(toy_database(admin_url))
            prefix = f"t{secrets.token_hex(4)}."
            site = Site(kafka, database, prefix, tmp_path / prefix)
            site.folder.mkdir()
            topics.apply(kafka, site.prefix, wanted=toy.TOPICS)
            ends.callback(topics.remove, kafka, site.prefix)
            ends.callback(_kill_all, site.processes)
            ends.callback(site.close)
            return site

        yield make


def _kill_all(processes: "list[subprocess.Popen[bytes]]") -> None:
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def site(new_site: Callable[[str, str], Site], servers: tuple[str, str]) -> Site:
    """A toy service on the run's servers."""
    return new_site(*servers)


@pytest.fixture
async def log(site: Site) -> AsyncIterator[KafkaLog]:
    opened = KafkaLog(site.kafka, "test")
    yield opened
    await opened.close()
