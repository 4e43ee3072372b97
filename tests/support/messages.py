"""Messages as a consumer delivers them, written by hand."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.kit.envelope import headers_of
from services.kit.values import Cause

TRACE = "00-11111111111111111111111111111111-2222222222222222-01"
TOLD_AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FakeMessage:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


def event_headers(id: UUID, type: str, subject: str = "k", version: int = 1) -> list[tuple[str, bytes]]:
    """The headers of an event in binary mode."""
    cause = Cause(id, id, TRACE)
    return headers_of(id=id, type=type, source="/test", subject=subject, time=TOLD_AT, version=version, cause=cause, traceparent=TRACE)


def message(
    id: UUID, type: str, data: Mapping[str, Any] | bytes | None, *, offset: int, key: str | None = "k", topic: str = "t.v1", partition: int = 0
) -> FakeMessage:
    """An event in binary mode; `data` as bytes goes out as it is."""
    value = json.dumps(data).encode() if isinstance(data, Mapping) else data
    return FakeMessage(topic, partition, offset, key.encode() if key is not None else None, value, event_headers(id, type, key or ""))
