"""What the consume loop and the relay need of Kafka. Two drivers, the real log and the tests' fakes fit in here."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

Headers = Sequence[tuple[str, bytes | None]]


class Message(Protocol):
    """One message as a consumer delivers it."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers | None: ...


class Outgoing(NamedTuple):
    """One message on its way to the log, under the topic's name on the broker."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


class Log(Protocol):
    """Where the relay sends to."""

    async def send(self, messages: Sequence[Outgoing]) -> None:
        """Return once every message is acknowledged by all replicas, in order per key. Raises LogUnavailable when any may not be: send all again."""

    async def close(self) -> None:
        """Let go of the connections; `send` opens them again."""


class LogUnavailable(Exception):
    """The log did not acknowledge; what was sent may or may not be there."""


class Driver(Protocol):
    """What brings messages to the consume loop."""

    async def start(self) -> None:
        """Join the group and begin to consume. Returns when consuming has begun."""

    async def stop(self, grace_seconds: float) -> None:
        """Finish the batch in hand within the grace period or leave it unacknowledged, acknowledge what is done, leave."""

    async def died(self) -> BaseException:
        """Returns only when consuming has come to an end that nobody asked for: the reason."""

    def positions(self) -> Mapping[str, Mapping[int, int]]:
        """Per topic and assigned partition the offset up to which (exclusive) everything has been handled."""
