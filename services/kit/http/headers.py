"""A request's headers by name, put in order once for all who ask: Starlette looks through all of them each time."""

from collections.abc import Mapping

from fastapi import Request
from starlette.types import Scope


def by_name(scope: Scope) -> Mapping[bytes, bytes]:
    """The headers, names in lower case; of one that stands twice the first."""
    state = scope.setdefault("state", {})
    if "headers" not in state:
        state["headers"] = dict(reversed(scope["headers"]))
    found: Mapping[bytes, bytes] = state["headers"]
    return found


def header(request: Request, name: bytes) -> str | None:
    """The header of this name, None where it is not sent."""
    value = by_name(request.scope).get(name)
    return None if value is None else value.decode("latin-1")
