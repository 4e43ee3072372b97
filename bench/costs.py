"""What the whole stack spends while something runs, by what the system counts: CPU per process and per service, transactions, events."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import psutil
import psycopg
from confluent_kafka import Consumer, TopicPartition

from demo.house import House

AROUND = frozenset({"mailbox", "carrier", "provider"})
"""Programs of the demo that stand for the world outside: told, and left out of the sum."""

_MESSAGES = "notifications"
"""Whoever writes and sends the mails: no order waits for them, and they cost about as much as all else."""

_OWNERS = "select pid, split_part(application_name, '.', 1) from pg_stat_activity where application_name <> ''"


@dataclass(frozen=True, slots=True)
class Costs:
    """Sums since the stack began: milliseconds of CPU by who spent them, transactions committed, messages in the topics."""

    cpu: dict[str, int]
    transactions: int
    events: dict[str, int]

    def since(self, before: "Costs") -> "Costs":
        """What was spent between the two."""
        return Costs(_less(self.cpu, before.cpu), self.transactions - before.transactions, _less(self.events, before.events))

    def inside(self) -> dict[str, int]:
        """Milliseconds of everything but what stands for the world outside."""
        return {who: spent for who, spent in self.cpu.items() if who not in AROUND}

    def per_order(self, orders: int) -> dict[str, Any]:
        """Milliseconds of CPU by who spent them, transactions and events, per order."""
        told = {who: round(spent / orders, 2) for who, spent in sorted(self.cpu.items(), key=lambda pair: -pair[1])}
        counts = {"transactions": round(self.transactions / orders, 2), "events": round(sum(self.events.values()) / orders, 2)}
        inside = self.inside()
        sums = {"cpu_ms": sum(inside.values()), "cpu_ms_without_messages": sum(ms for who, ms in inside.items() if _MESSAGES not in who)}
        return {
            **{name: round(spent / orders, 2) for name, spent in sums.items()},
            **counts,
            "cpu_ms_by": {who: ms for who, ms in told.items() if ms},
        }


def spent(house: House) -> Costs:
    """All sums as they stand now. PostgreSQL's are told by the service that a connection belongs to."""
    with psycopg.connect(house.stack["database"]) as connection:
        owners: dict[int, str] = dict(connection.execute(_OWNERS).fetchall())
        row = connection.execute("select sum(xact_commit) from pg_stat_database").fetchone()
    cpu: Counter[str] = Counter()
    for name, pid in house.stack["processes"].items():
        for process in _tree(pid):
            owner = f"postgres for {owners.get(process.pid, 'itself')}" if name == "postgres" else name
            cpu[owner] += _milliseconds(process)
    return Costs(cpu, int(row[0]) if row else 0, _events(house))


def _less(now: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    """What was added to each, where something was."""
    return dict(Counter(now) - Counter(before))


def _tree(pid: int | None) -> list[psutil.Process]:
    if not pid:
        return []
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def _milliseconds(process: psutil.Process) -> int:
    try:
        return round(sum(process.cpu_times()[:2]) * 1000)
    except psutil.NoSuchProcess:
        return 0


def _events(house: House) -> dict[str, int]:
    """By topic, how many messages it was given."""
    consumer = Consumer({"bootstrap.servers": house.stack["kafka"], "group.id": "bench-costs"})
    try:
        found: dict[str, int] = {}
        for topic, about in consumer.list_topics(timeout=10).topics.items():
            if not topic.startswith("__"):
                found[topic] = sum(consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1] for number in about.partitions)
        return found
    finally:
        consumer.close()
