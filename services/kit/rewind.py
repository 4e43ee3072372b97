"""A service's consumers sent back in a topic, to read it again. Only ever back: what was not read is never passed over.

What was applied is known by the inbox and passed over, so that a rewind repeats no effect; what was set aside is tried again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.kit.topics import acknowledged, administering


@dataclass(frozen=True, slots=True)
class Move:
    """One partition: the offset that is read next now, and the one that will be."""

    partition: int
    now: int
    then: int


class GroupIsActive(Exception):
    """Its workers run, or were seen within the last 30 s; one sentence."""


def rewind(bootstrap: str, group: str, topic: str, to: str, *, only_say: bool = False) -> list[Move]:
    """Send the group back in this topic (as the broker names it); returns what that means per partition. With `only_say` nothing is changed.

    `to` is `beginning`, an offset (the same in every partition), or an instant with its zone. A place past what was read means: stay. May run twice.
    Raises GroupIsActive, ValueError where `to` is none of these or the group has never read the topic.
    """
    from kafka.admin import OffsetSpec
    from kafka.structs import OffsetAndMetadata

    with administering(bootstrap) as admin:
        _insist_on_rest(admin, group)
        reached = {place: read.offset for place, read in acknowledged(admin, group).items() if place.topic == topic}
        if not reached:
            raise ValueError(f"{group} has acknowledged nothing of {topic}: it reads it from the beginning anyway")
        first = _offsets(admin, dict.fromkeys(reached, OffsetSpec.EARLIEST))
        wanted = _wanted(admin, reached, to)
        then = {place: min(now, max(first[place], wanted.get(place, now))) for place, now in reached.items()}
        if not only_say:
            _refuse_failures(group, admin.alter_group_offsets(group, {place: OffsetAndMetadata(offset, "", -1) for place, offset in then.items()}))
    return [Move(place.partition, now, then[place]) for place, now in sorted(reached.items())]


def _insist_on_rest(admin: Any, group: str) -> None:
    state = admin.describe_groups([group])[group]["group_state"]
    if state not in ("Empty", "Dead"):
        raise GroupIsActive(f"{group} is not at rest ({state}): stop its workers, and wait for the 30 s after which they are no longer expected back")


def _wanted(admin: Any, places: Mapping[Any, int], to: str) -> dict[Any, int]:
    """Where `to` lies in each partition; a partition without anything that young is left out."""
    from kafka.admin import OffsetTimestamp

    if to == "beginning":
        return dict.fromkeys(places, 0)
    if to.isdigit():
        return dict.fromkeys(places, int(to))
    instant = datetime.fromisoformat(to)
    if instant.tzinfo is None:
        raise ValueError(f"{to} has no zone: write 2026-11-22T06:00:00Z")
    found = _offsets(admin, dict.fromkeys(places, OffsetTimestamp(round(instant.timestamp() * 1000))))
    return {place: offset for place, offset in found.items() if offset >= 0}


def _offsets(admin: Any, specs: Mapping[Any, Any]) -> dict[Any, int]:
    return {place: found.offset for place, found in admin.list_partition_offsets(specs).items()}


def _refuse_failures(group: str, results: Mapping[Any, Any]) -> None:
    failed = {error.__name__ for error in results.values() if error.errno}
    if failed:
        raise GroupIsActive(f"{group} could not be sent back ({', '.join(sorted(failed))}): a worker came up meanwhile; stop it and try again")
