"""CloudEvents 1.0 in the Kafka binding: how an event stands on the wire, and how it is read back.

Binary mode is what we write: attributes are headers, the value is the data alone. Structured mode is read as well, since a storefront may send
it. Whatever cannot be read raises `BadData`, with a reason and never with the content.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from services.kit.ids import named_uuid, read_uuid
from services.kit.trace import child_of, valid_traceparent
from services.kit.values import Cause, Heard

T = TypeVar("T")
Headers = Mapping[str, bytes | None]

EVENT_TYPE = re.compile(r"^[a-z]+\.[A-Z][A-Za-z]+\.v[1-9][0-9]*$")
EVENT_TYPE_BYTES = re.compile(EVENT_TYPE.pattern.encode())
_ESCAPED = b"\\\\"
_STRUCTURED = b"application/cloudevents+json"
_LARGEST_VERSION = (1 << 63) - 1
_encode = msgspec.json.Encoder().encode


class BadData(Exception):
    """A message that cannot be read: its reason, one sentence without the content."""


@dataclass(frozen=True, slots=True)
class Reads(Generic[T]):
    """How one event type is read: the wire model, and what turns it into the domain's own input (may raise ValueError: bad data)."""

    wire: type[Any]
    to_domain: Callable[[Any], T]
    strict: bool = False
    """For what outsiders write: NUL characters and repeated keys are refused."""
    erased: Callable[[str], T] | None = None
    """What a tombstone (an event without a value) says of its subject; without this a missing value is bad data."""


Hears = Mapping[str, type[Any] | Reads[Any]]
"""Event type -> what to read it as. A bare class is decoded as it stands; unknown fields are tolerated."""


def headers_of(
    *, id: UUID, type: str, source: str, subject: str, time: datetime, version: int, cause: Cause, traceparent: str
) -> list[tuple[str, bytes]]:
    """The CloudEvents headers of one event in binary mode, in a fixed order."""
    version_told, type_told, source_told, schema_told, content_told = _same_always(type, source)
    return [
        version_told,
        ("ce_id", str(id).encode()),
        type_told,
        source_told,
        ("ce_subject", subject.encode()),
        ("ce_time", _rfc3339(time)),
        schema_told,
        ("ce_aggregateversion", b"%d" % version),
        ("ce_correlationid", str(cause.correlation_id).encode()),
        ("ce_causationid", str(cause.id).encode()),
        ("ce_traceparent", traceparent.encode()),
        content_told,
    ]


@lru_cache(maxsize=256)
def _same_always(type: str, source: str) -> tuple[tuple[str, bytes], ...]:
    schema, content = f"urn:kept:{type}".encode(), b"application/json"
    said = (b"1.0", type.encode(), source.encode(), schema, content)
    return tuple(zip(("ce_specversion", "ce_type", "ce_source", "ce_dataschema", "content-type"), said, strict=True))


@lru_cache(maxsize=64)
def _rfc3339(time: datetime) -> bytes:
    """Kept, because all that one transaction says happened at the same instant."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z").encode()


def encode_data(data: object) -> bytes:
    """The event's value: compact JSON of a dataclass, a Struct or a dict."""
    return _encode(data)


class Reader:
    """Reads messages of the types a service hears."""

    def __init__(self, hears: Hears) -> None:
        self._reads = {name: how if isinstance(how, Reads) else Reads(how, _as_it_stands) for name, how in hears.items()}
        self._decoders = {name: msgspec.json.Decoder(how.wire) for name, how in self._reads.items()}
        self._names = {name.encode(): name for name in self._reads}
        self._majors: dict[str, int] = {}
        for name in self._reads:
            event, major = _major(name)
            self._majors[event] = max(major, self._majors.get(event, 0))

    def read(self, headers: Headers, value: bytes | None) -> Heard[Any] | None:
        """The event, or None when its type is not heard here. Raises BadData."""
        if _is_structured(headers):
            headers, value = _unfold(value)
        name = self._names.get(headers.get("ce_type") or b"")
        if name is None:
            self._refuse_unknown(_text(headers, "ce_type"))
            return None
        return _heard(name, headers, self._data(name, self._reads[name], value, headers))

    def _refuse_unknown(self, type: str) -> None:
        """Raises BadData for what is no type, and for a heard event's newer major: it waits among the dead letters for a release that reads it."""
        if not EVENT_TYPE.fullmatch(type):
            raise BadData("the attribute ce_type is not a type of the form owner.EventName.v1")
        event, major = _major(type)
        if major > self._majors.get(event, major):
            raise BadData(f"this release reads {event} up to v{self._majors[event]}, and this is v{major}: retry it after the upgrade")

    def _data(self, name: str, how: Reads[T], value: bytes | None, headers: Headers) -> T:
        try:
            if value is None:
                return _erased(name, how, headers)
            if how.strict:
                refuse_ambiguous(value)
            return how.to_domain(self._decoders[name].decode(value))
        except RecursionError:
            raise BadData(f"the data of {name} is nested too deep") from None
        except (ValueError, msgspec.MsgspecError) as error:
            raise BadData(f"the data of {name} does not fit: {_reason(error)}") from None


def _major(type: str) -> tuple[str, int]:
    """The event's name, and its major version."""
    event, _, major = type.rpartition(".v")
    return event, int(major)


def _erased(name: str, how: Reads[T], headers: Headers) -> T:
    if how.erased is None:
        raise BadData(f"{name} has no data")
    return how.erased(_text(headers, "ce_subject"))


def refuse_ambiguous(value: bytes) -> None:
    """Raises ValueError for JSON that two readers may understand differently: repeated keys, NUL characters, numbers that are not finite."""

    if b"\\u0000" not in value and _names_once(value):
        return

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        read = dict(items)
        if len(read) != len(items):
            raise ValueError("a key stands twice in one object; send each once")
        return read

    def constant(name: str) -> Any:
        raise ValueError(f"{name} is not a JSON number")

    if b"\\u0000" in value and "\0" in "".join(_strings(json.loads(value))):
        raise ValueError("a text holds the character NUL; leave it out")
    json.loads(value, object_pairs_hook=pairs, parse_constant=constant)


def _names_once(value: bytes) -> bool:
    """Whether this is JSON in which no key stands twice; False where that is not plain. Each text has two quotes, and what is read of a key that
    stands twice has fewer than what was sent."""
    try:
        read = msgspec.json.encode(msgspec.json.decode(value))
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return False
    return _ESCAPED not in value and _ESCAPED not in read and _quotes(value) == _quotes(read)


def _quotes(told: bytes) -> int:
    """How many begin or end a text, where no backslash stands for itself."""
    return told.count(b'"') - told.count(b'\\"')


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _heard(name: str, headers: Headers, data: T) -> Heard[T]:
    id = _event_id(headers)
    correlation = headers.get("ce_correlationid")
    trace = (headers.get("ce_traceparent") or b"").decode("ascii", "replace")
    cause = Cause(id, _uuid(correlation, "ce_correlationid") if correlation else id, trace if valid_traceparent(trace) else child_of(None))
    try:
        version = int(headers.get("ce_aggregateversion") or b"0")
    except ValueError:
        version = -1
    if not 0 <= version <= _LARGEST_VERSION:
        raise BadData("the attribute ce_aggregateversion is not a whole number of 63 bits")
    return Heard(id, name, _text(headers, "ce_subject", required=False), version, _instant(headers), data, cause)


def _is_structured(headers: Headers) -> bool:
    return (headers.get("content-type") or b"").startswith(_STRUCTURED)


def event_id(headers: Headers) -> UUID | None:
    """The event's id where it can be told without reading the value: for a message that is set aside."""
    try:
        return _event_id(headers)
    except BadData:
        return None


def _event_id(headers: Headers) -> UUID:
    text = _text(headers, "ce_id")
    if not text or len(text) > 255:
        raise BadData("the attribute ce_id has no text of 1 to 255 characters")
    try:
        return read_uuid(text)
    except ValueError:
        return named_uuid(_text(headers, "ce_source"), text)


def _instant(headers: Headers) -> datetime:
    text = _text(headers, "ce_time")
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            raise BadData("the attribute ce_time has no offset; write UTC as ...Z")
        return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadData("the attribute ce_time is not an RFC 3339 instant") from None


def _uuid(value: bytes, name: str) -> UUID:
    try:
        return read_uuid(value.decode("ascii"))
    except ValueError:
        raise BadData(f"the attribute {name} is not a UUID") from None


def _text(headers: Headers, name: str, *, required: bool = True) -> str:
    value = headers.get(name)
    if value is None:
        if required:
            raise BadData(f"the attribute {name} is missing")
        return ""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise BadData(f"the attribute {name} is not UTF-8") from None
    if "\0" in text:
        raise BadData(f"the attribute {name} holds the character NUL")
    return text


def _unfold(value: bytes | None) -> tuple[dict[str, bytes], bytes]:
    """Structured mode into binary mode."""
    try:
        event = msgspec.json.decode(value or b"", type=dict[str, msgspec.Raw])
        data = bytes(event.pop("data", msgspec.Raw(b"")))
        headers = {f"ce_{name}": str(msgspec.json.decode(raw)).encode() for name, raw in event.items() if name != "datacontenttype"}
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise BadData("the value is not a CloudEvent in structured mode") from None
    return headers, data


def _as_it_stands(data: T) -> T:
    return data


def _reason(error: Exception) -> str:
    """What does not fit, without the value: msgspec names the expected type and the path, never the content."""
    return str(error).split("\n")[0][:300]
