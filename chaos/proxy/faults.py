"""What can be wrong with a link. All of it can be said as JSON, so that another process may ask for it."""

from typing import Annotated

from msgspec import Meta, Struct

_Seconds = Annotated[float, Meta(ge=0)]


class Way(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What befalls the bytes that go one way."""

    latency_seconds: _Seconds = 0.0
    jitter_seconds: _Seconds = 0.0
    """The latency of each chunk differs by up to this much, either way; their order stays."""
    bytes_per_second: Annotated[float, Meta(ge=0)] = 0.0
    """0: as fast as they come."""
    slice_bytes: Annotated[int, Meta(ge=0)] = 0
    """Chunks are cut into pieces of 1 to this many bytes, a millisecond apart. 0: they stay whole."""
    blocked: bool = False
    """A partition: bytes, closes and new connections wait until it heals, as TCP would have sent them again."""


CLEAR = Way()


class Faults(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is wrong with a link; nothing, as it is made."""

    to_server: Way = CLEAR
    to_client: Way = CLEAR
    listens: bool = True
    """False: connections are reset, new ones refused."""
    accepts: bool = True
    """False: new connections are taken by the kernel alone; nobody ever speaks on them until this ends."""
    lose_chance: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """How likely the answer to a Produce request or to a COMMIT is lost, with its connection: done, but the caller sees an error."""
    lose_limit: Annotated[int, Meta(ge=0)] | None = None
    """No more than so many are lost."""


HEALTHY = Faults()


class Counts(Struct):
    """What a link did since it was made."""

    connections: int = 0
    resets: int = 0
    """Connections that the proxy cut by itself, unreachable servers included."""
    bytes_to_server: int = 0
    bytes_to_client: int = 0
    delayed: int = 0
    """Pieces that were not passed on at once."""
    replies: int = 0
    """Answers to Produce requests and COMMITs that were seen, lost ones included."""
    replies_lost: int = 0
