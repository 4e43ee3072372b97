"""One record of a topic, exactly as it stood there, and what CloudEvents 1.0 in the Kafka binding says of it.

In the evidence bytes stand as text in Latin-1, one character a byte, so that any bytes come back as they were.
"""

import json
import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from chaos.auditor.messagepack import Headers

_TYPE = re.compile(r"^[a-z]+\.[A-Z][A-Za-z]+\.v[1-9][0-9]*$")
_NAMED = UUID("6d1f9c3e-6f0c-5a44-9a1b-6b6570740001")
"""Where ids that are no UUID get one: uuid5 of this and `source`, unit separator, `id`."""
_STRUCTURED = b"application/cloudevents+json"


@dataclass(slots=True)
class Record:
    """`topic` is without the stack's prefix. `id` and `type` are None where they cannot be told."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    id: str | None = None
    type: str | None = None
    version: int = 0
    cause: str | None = None

    @property
    def place(self) -> tuple[str, int, int]:
        return self.topic, self.partition, self.offset

    @property
    def where(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"

    @property
    def name(self) -> str:
        """`OrderPlaced` of `orders.OrderPlaced.v1`, empty where there is none."""
        return self.type.split(".")[1] if self.type else ""

    @property
    def data(self) -> dict[str, Any]:
        """The event's data, read anew each time. Empty where it is no object."""
        try:
            told = json.loads(self.value or b"{}")
        except (ValueError, RecursionError):
            return {}
        told = told.get("data", {}) if isinstance(told, dict) and _is_structured(dict(self.headers)) else told
        return told if isinstance(told, dict) else {}


def read(topic: str, partition: int, offset: int, key: bytes | None, value: bytes | None, headers: Headers) -> Record:
    """The record with its attributes, as far as they can be read."""
    record = Record(topic, partition, offset, key, value, headers)
    attributes = _attributes(dict(headers), value)
    type = attributes.get("type", "")
    record.type = type if _TYPE.match(type) else None
    record.id = event_id(attributes)
    record.cause = attributes.get("causationid")
    version = attributes.get("aggregateversion", "0")
    record.version = int(version) if version.isdecimal() else -1
    return record


def event_id(attributes: dict[str, str]) -> str | None:
    """The id under which the event is known everywhere: the UUID it has, else the one made of its source and text."""
    text = attributes.get("id", "")
    if not text or len(text) > 255 or "\0" in text:
        return None
    try:
        return str(UUID(text))
    except ValueError:
        return str(uuid5(_NAMED, f"{attributes['source']}\x1f{text}")) if "source" in attributes else None


def _attributes(headers: dict[str, bytes | None], value: bytes | None) -> dict[str, str]:
    if _is_structured(headers):
        return _structured(value)
    told = {}
    for name, content in headers.items():
        if name.startswith("ce_") and content is not None:
            try:
                told[name[3:]] = content.decode()
            except UnicodeDecodeError:
                continue
    return told


def _structured(value: bytes | None) -> dict[str, str]:
    try:
        event = json.loads(value or b"")
    except (ValueError, RecursionError):
        return {}
    return {name: str(content) for name, content in event.items() if name != "data"} if isinstance(event, dict) else {}


def _is_structured(headers: dict[str, bytes | None]) -> bool:
    return (headers.get("content-type") or b"").startswith(_STRUCTURED)


def text_of(content: bytes | None) -> str | None:
    return None if content is None else content.decode("latin-1")


def bytes_of(text: str | None) -> bytes | None:
    return None if text is None else text.encode("latin-1")
