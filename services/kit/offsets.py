"""Which offsets may be acknowledged: never past a message that was delivered and is not done."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, TypeVar

P = TypeVar("P", bound=Hashable)


class OffsetTracker(Generic[P]):
    """Follows each partition from delivery to acknowledgement. Offsets may have gaps (compaction, transaction markers)."""

    def __init__(self) -> None:
        self._outstanding: dict[P, set[int]] = {}
        self._next: dict[P, int] = {}

    def delivered(self, partition: P, offsets: Sequence[int]) -> None:
        """Handed to whoever works on them: at least one, rising."""
        self._outstanding.setdefault(partition, set()).update(offsets)
        self._next[partition] = offsets[-1] + 1

    def acknowledged(self, partition: P, offsets: Iterable[int]) -> None:
        """Done with them. An offset that is not outstanding (from before a reset) is ignored."""
        if partition in self._outstanding:
            self._outstanding[partition].difference_update(offsets)

    def outstanding(self) -> int:
        """How many are delivered and not acknowledged."""
        return sum(map(len, self._outstanding.values()))

    def committable(self, partition: P) -> int | None:
        """The lowest offset delivered and not acknowledged; one past the last when none is outstanding; None where nothing was delivered."""
        outstanding = self._outstanding.get(partition)
        return min(outstanding) if outstanding else self._next.get(partition)

    def partitions(self) -> tuple[P, ...]:
        """The partitions that had a delivery since their last reset."""
        return tuple(self._next)

    def reset(self, partitions: Iterable[P] | None = None) -> None:
        """Forget these partitions, or all: they were taken away, or will be read again from another offset."""
        for partition in tuple(self._next) if partitions is None else tuple(partitions):
            self._outstanding.pop(partition, None)
            self._next.pop(partition, None)
