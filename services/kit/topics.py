"""The register of topics, and how Kafka is made to agree with it; how far the consumers of a group are behind.

Operations only: kafka-python is slow and synchronous, so no worker imports this.
"""

import time
import tomllib
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # kafka-python 3.0.12 warns when it is imported
    from kafka import KafkaAdminClient
    from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
    from kafka.errors import CoordinatorLoadInProgressError, CoordinatorNotAvailableError, TopicAlreadyExistsError

REGISTER = Path(__file__).parents[2] / "schemas" / "topics.toml"
_PATIENCE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as the register wants it, under its name without a stack's prefix."""

    name: str
    partitions: int
    cleanup: str
    retention_hours: int
    max_message_bytes: int

    def configuration(self) -> dict[str, str]:
        """What the broker is told of it."""
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(self.retention_hours * 3_600_000),
            "max.message.bytes": str(self.max_message_bytes),
        }


class CannotShrink(Exception):
    """Kafka holds a topic with more partitions than the register; one sentence with both numbers."""


def register(path: Path = REGISTER) -> tuple[Topic, ...]:
    """The topics of the register, in its order."""
    content = tomllib.loads(path.read_text())
    settings = ("partitions", "cleanup", "retention_hours", "max_message_bytes")
    return tuple(Topic(name, **{each: {**content["defaults"], **topic}[each] for each in settings}) for name, topic in content["topics"].items())


def apply(bootstrap: str, prefix: str = "", *, only: Collection[str] | None = None, wanted: tuple[Topic, ...] | None = None) -> list[str]:
    """Make Kafka hold the topics as the register says: create, add partitions, set configurations. Returns one line per change; may run twice.

    `only` names the topics to look at, all where it is None. Raises CannotShrink before anything is changed: partitions cannot be taken away.
    """
    chosen = [topic for topic in wanted or register() if only is None or topic.name in only]
    with administering(bootstrap) as admin:
        present = _partitions(admin, [prefix + topic.name for topic in chosen])
        for topic in chosen:
            _refuse_to_shrink(topic, prefix, present)
        missing = [topic for topic in chosen if prefix + topic.name not in present]
        return [
            *_create(admin, prefix, missing),
            *_extend(admin, prefix, [topic for topic in chosen if present.get(prefix + topic.name, topic.partitions) < topic.partitions]),
            *_configure(admin, prefix, [topic for topic in chosen if prefix + topic.name in present]),
        ]


def remove(bootstrap: str, prefix: str) -> None:
    """Delete every topic under a prefix. Raises ValueError for an empty one."""
    if not prefix:
        raise ValueError("without a prefix every topic would be deleted")
    with administering(bootstrap) as admin:
        names = [name for name in admin.list_topics() if name.startswith(prefix)]
        if names:
            admin.delete_topics(names)


def lag(bootstrap: str, group: str) -> dict[str, dict[int, int]]:
    """How many messages a group has not acknowledged, per topic and partition, for those it has ever acknowledged."""
    with administering(bootstrap) as admin:
        committed = acknowledged(admin, group)
        ends = admin.list_partition_offsets(dict.fromkeys(committed, OffsetSpec.LATEST)) if committed else {}
    behind: dict[str, dict[int, int]] = {}
    for at, reached in sorted(committed.items()):
        behind.setdefault(at.topic, {})[at.partition] = ends[at].offset - reached.offset
    return behind


def acknowledged(admin: KafkaAdminClient, group: str) -> Mapping[Any, Any]:
    """What a group has acknowledged, by partition. A new broker answers the first such question once it has made its offsets topic and loaded it."""
    last = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return cast("Mapping[Any, Any]", admin.list_group_offsets([group]).get(group, {}))
        except (CoordinatorNotAvailableError, CoordinatorLoadInProgressError):
            if time.monotonic() > last:
                raise
            time.sleep(0.2)


@contextmanager
def administering(bootstrap: str) -> Iterator[KafkaAdminClient]:
    """A client for operations, as long as the block lasts."""
    client = KafkaAdminClient(bootstrap_servers=bootstrap.split(","))
    try:
        yield client
    finally:
        client.close()


def _partitions(admin: KafkaAdminClient, names: list[str]) -> dict[str, int]:
    known = set(admin.list_topics()) & set(names)
    return {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics(sorted(known))} if known else {}


def _refuse_to_shrink(topic: Topic, prefix: str, present: Mapping[str, int]) -> None:
    have = present.get(prefix + topic.name, 0)
    if have > topic.partitions:
        raise CannotShrink(
            f"{prefix}{topic.name} has {have} partitions and the register says {topic.partitions}: partitions cannot be taken away; "
            "raise the number in schemas/topics.toml, or move to a new topic"
        )


def _create(admin: KafkaAdminClient, prefix: str, topics: list[Topic]) -> list[str]:
    if not topics:
        return []
    try:
        admin.create_topics(
            {prefix + topic.name: {"num_partitions": topic.partitions, "configs": topic.configuration()} for topic in topics},
            wait_for_metadata=True,
        )
    except TopicAlreadyExistsError:
        return []  # another one applies the register at the same time
    return [f"{prefix}{topic.name}: created with {topic.partitions} partitions" for topic in topics]


def _extend(admin: KafkaAdminClient, prefix: str, topics: list[Topic]) -> list[str]:
    if topics:
        admin.create_partitions({prefix + topic.name: topic.partitions for topic in topics})
    return [f"{prefix}{topic.name}: now {topic.partitions} partitions" for topic in topics]


def _configure(admin: KafkaAdminClient, prefix: str, topics: list[Topic]) -> list[str]:
    changes, lines = [], []
    for topic in topics:
        wanted = topic.configuration()
        found = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, prefix + topic.name, wanted)], config_filter="all")
        values = {name: data["value"] for name, data in found["topic"][prefix + topic.name].items()}
        differing = {name: value for name, value in wanted.items() if values.get(name) != value}
        if differing:
            changes.append(ConfigResource(ConfigResourceType.TOPIC, prefix + topic.name, differing))
            lines.append(f"{prefix}{topic.name}: " + ", ".join(f"{name}={value}" for name, value in differing.items()))
    if changes:
        admin.alter_configs(changes)
    return lines
