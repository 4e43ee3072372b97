"""One record of a topic, exactly as it stood there, and what CloudEvents 1.0 in the Kafka binding says of it.

In the evidence bytes stand as text in Latin-1, one character a byte, so that any bytes come back as they were.
"""

import json
import re
from dataclasses import dataclass
from hashlib import blake2b
from sys import intern
from typing import Any
from uuid import UUID, uuid5

from chaos.auditor.messagepack import Headers

_TYPE = re.compile(r"^[a-z]+\.[A-Z][A-Za-z]+\.v[1-9][0-9]*$")
_NAMED = UUID("6d1f9c3e-6f0c-5a44-9a1b-6b6570740001")
"""Where ids that are no UUID get one: uuid5 of this and `source`, unit separator, `id`."""
_STRUCTURED = b"application/cloudevents+json"


@dataclass(slots=True)
class Record:
    """`topic` is without the stack's prefix. `id` and `type` are None where they cannot be told. `digest` stands for key, value and headers, which
    last are not kept; `structured` says that the attributes stood in the value."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    digest: str
    structured: bool = False
    id: str | None = None
    type: str | None = None
    version: int = 0

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
        told = told.get("data", {}) if isinstance(told, dict) and self.structured else told
        return told if isinstance(told, dict) else {}


def read(topic: str, partition: int, offset: int, key: bytes | None, value: bytes | None, headers: Headers) -> Record:
    """The record with its attributes, as far as they can be read."""
    told = dict(headers)
    structured = (told.get("content-type") or b"").startswith(_STRUCTURED)
    record = Record(topic, partition, offset, key, value, digest_of(key, value, headers), structured)
    attributes = _structured(value) if structured else _binary(told)
    type = attributes.get("type", "")
    record.type = intern(type) if _TYPE.match(type) else None
    record.id = event_id(attributes)
    version = attributes.get("aggregateversion", "0")
    record.version = int(version) if version.isdecimal() else -1
    return record


def digest_of(key: bytes | None, value: bytes | None, headers: Headers) -> str:
    """The same for the same key, value and headers in their order, and for nothing else: each part goes in behind its length."""
    parts = [key, value, *(part for name, content in headers for part in (name.encode(), content))]
    told = b"".join(b"-" if part is None else b"%d:%b" % (len(part), part) for part in parts)
    return blake2b(told, digest_size=16).hexdigest()


def event_id(attributes: dict[str, str]) -> str | None:
    """The id under which the event is known everywhere: the UUID it has, else the one made of its source and text."""
    text = attributes.get("id", "")
    if not text or len(text) > 255 or "\0" in text:
        return None
    try:
        return str(UUID(text))
    except ValueError:
        return str(uuid5(_NAMED, f"{attributes['source']}\x1f{text}")) if "source" in attributes else None


def _binary(headers: dict[str, bytes | None]) -> dict[str, str]:
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


def text_of(content: bytes | None) -> str | None:
    return None if content is None else content.decode("latin-1")


def bytes_of(text: str | None) -> bytes | None:
    return None if text is None else text.encode("latin-1")
