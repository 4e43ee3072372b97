"""Any bytes make an event, none that is heard, or BadData.

An input is one byte that chooses the reader and the type, then attributes and value, between bytes 255 (which UTF-8 never has).
"""

from collections.abc import Iterator
from pathlib import Path

from services.fulfilment.agents import STAGE as FULFILMENT
from services.kit.envelope import BadData, Reader, event_id
from services.loyalty.messages import HEARS as LOYALTY
from services.notifications.messages import HEARS as NOTIFICATIONS
from services.orders.messages import HEARS as ORDERS
from services.promises.messages import HEARS as PROMISES

READERS = [(Reader(hears), sorted(hears)) for hears in (ORDERS, FULFILMENT.hears, PROMISES, LOYALTY, NOTIFICATIONS)]
_CHOICES = [(reader, type) for reader, types in READERS for type in types]
_NAMES = ("ce_id", "ce_time", "ce_aggregateversion", "ce_subject", "ce_correlationid", "ce_traceparent", "content-type")
_GOOD = (
    b"01900000-0000-7000-8000-000000000001", b"2026-11-22T04:58:00Z", b"3", b"k", b"01900000-0000-7000-8000-000000000002",
    b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", b"application/json",
)  # fmt: skip
_SCHEMAS = Path(__file__).parents[2] / "schemas"


def read(data: bytes) -> bool:
    """Whether the input is an event that its reader hears. Raises whatever the reader raises but BadData."""
    choice, *parts = data[:1], *data[1:].split(b"\xff", len(_NAMES))
    reader, type = _CHOICES[(choice or b"\0")[0] % len(_CHOICES)]
    headers = {name: part for name, part in zip(_NAMES, parts, strict=False) if part} | {"ce_type": type.encode(), "ce_source": b"/fuzz"}
    value = parts[len(_NAMES)] if len(parts) > len(_NAMES) else None
    event_id(headers)
    try:
        return reader.read(headers, value) is not None
    except BadData:
        return False


def seeds() -> Iterator[tuple[str, bytes]]:
    """For each type that is heard, in binary and in structured mode, its golden example as an input."""
    for number, (_, type) in enumerate(_CHOICES):
        owner, name, major = type.split(".")
        example = (_SCHEMAS / owner / f"{name}.{major}.example.json").read_bytes()
        yield type, b"\xff".join((bytes([number]) + _GOOD[0], *_GOOD[1:], example))
        event = b'{"specversion":"1.0","source":"/fuzz","id":"%s","time":"%s","type":"%s","data":%s}' % (*_GOOD[:2], type.encode(), example)
        yield type, b"\xff".join((bytes([number]), b"", b"", b"", b"", b"", b"application/cloudevents+json", event))
