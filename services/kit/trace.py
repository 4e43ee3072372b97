"""W3C trace context, carried from the storefront's event to the last one said because of it."""

import re
from random import Random

from services.kit.ids import uuid7
from services.kit.values import Cause

random = Random()  # noqa: S311  # no secret
"""Our own: the one that all share is watched by who tests with random numbers."""

_TRACEPARENT = re.compile(r"^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$")


def valid_traceparent(text: str) -> bool:
    """Whether the text is a version 00 `traceparent`."""
    return _TRACEPARENT.match(text) is not None


def child_of(traceparent: str | None) -> str:
    """A `traceparent` of a new span in the same trace; a new trace when there is none to continue."""
    trace_id = traceparent[3:35] if traceparent else _hex(128)
    return f"00-{trace_id}-{_hex(64)}-01"


def own_cause() -> Cause:
    """Of what no event and no request asked for: it begins a story of its own."""
    id = uuid7()
    return Cause(id, id, child_of(None))


def _hex(bits: int) -> str:
    """Random and never zero. It names a span, guards nothing, and so need not be beyond guessing."""
    return f"{random.getrandbits(bits) or 1:0{bits // 4}x}"
