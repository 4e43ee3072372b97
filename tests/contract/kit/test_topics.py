"""The register and Kafka agree after `apply`, whatever was there before."""

import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest

from services.kit import topics
from services.kit.kafka_log import KafkaLog
from services.kit.ports import Outgoing
from services.kit.topics import CannotShrink, Topic
from tests.support.polling import poll_until, wait_until

WANTED = (Topic("a.v1", 3, "delete", 24, 1_048_576), Topic("b.v1", 1, "compact", 24, 1_048_576))


@pytest.fixture
def prefix(kafka: str) -> Iterator[str]:
    name = f"t{secrets.token_hex(4)}."
    yield name
    topics.remove(kafka, name)


def test_the_register_names_every_topic_with_its_settings() -> None:
    found = {topic.name: topic for topic in topics.register()}
    assert found["promises.promise.v1"].partitions == 1
    assert found["orders.customer.v1"].cleanup == "compact"
    assert found["orders.order.v1"] == Topic("orders.order.v1", 6, "delete", 168, 1_048_576)


def test_applying_twice_changes_nothing(kafka: str, prefix: str) -> None:
    assert len(topics.apply(kafka, prefix, wanted=WANTED)) == 2
    wait_until(lambda: topics.apply(kafka, prefix, wanted=WANTED) == [])


def test_partitions_and_settings_are_raised_in_place(kafka: str, prefix: str) -> None:
    topics.apply(kafka, prefix, wanted=WANTED)
    changed = (replace(WANTED[0], partitions=5, retention_hours=48), WANTED[1])
    lines = wait_until(lambda: topics.apply(kafka, prefix, wanted=changed))
    assert lines == [f"{prefix}a.v1: now 5 partitions", f"{prefix}a.v1: retention.ms=172800000"]
    wait_until(lambda: topics.apply(kafka, prefix, wanted=changed) == [])


def test_taking_partitions_away_is_refused_before_anything_changes(kafka: str, prefix: str) -> None:
    topics.apply(kafka, prefix, wanted=WANTED)
    with pytest.raises(CannotShrink, match=r"a\.v1 has 3 partitions and the register says 2"):
        topics.apply(kafka, prefix, wanted=(replace(WANTED[1], retention_hours=48), replace(WANTED[0], partitions=2)))
    wait_until(lambda: topics.apply(kafka, prefix, wanted=WANTED) == [])


def test_only_some_may_be_named(kafka: str, prefix: str) -> None:
    assert topics.apply(kafka, prefix, only=["b.v1"], wanted=WANTED) == [f"{prefix}b.v1: created with 1 partitions"]


def test_removing_needs_a_prefix(kafka: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        topics.remove(kafka, "")


async def test_a_group_that_never_acknowledged_has_no_lag_to_tell(kafka: str, prefix: str) -> None:
    topics.apply(kafka, prefix, wanted=WANTED)
    log = KafkaLog(kafka, "test")
    await log.send([Outgoing(f"{prefix}a.v1", b"k", b"v", [])])
    await log.close()
    await poll_until(lambda: topics.lag(kafka, f"{prefix}nobody") == {})
