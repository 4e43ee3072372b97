"""How a worker stands in its consumer group: the measured settings that both drivers share."""

from dataclasses import dataclass

BATCH = 500
"""Most messages in one transaction."""


@dataclass(frozen=True, slots=True)
class Group:
    """`instance` is fixed per process slot: a killed worker is back in its partitions without a rebalance of the others."""

    bootstrap: str
    name: str
    instance: str
    topics: tuple[str, ...]
    session_seconds: float = 30.0
    heartbeat_seconds: float = 3.0
    commit_seconds: float = 1.0
    gather_seconds: float = 0.0

    @property
    def fetch_wait_milliseconds(self) -> int:
        """How long Kafka may hold a fetch that it has less than `fetch_least_bytes` for."""
        return round(self.gather_seconds * 1000) or 500

    @property
    def fetch_least_bytes(self) -> int:
        return 1 << 20 if self.gather_seconds else 1

    @property
    def client_id(self) -> str:
        return f"{self.name}-{self.instance}"
