"""What was last read or written, at hand without asking for it again."""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """As many as `most`: what was put longest ago goes first."""

    def __init__(self, most: int) -> None:
        self._most, self._values = most, dict[K, V]()

    def get(self, key: K) -> V | None:
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        self._values.pop(key, None)
        self._values[key] = value
        if len(self._values) > self._most:
            del self._values[next(iter(self._values))]

    def clear(self) -> None:
        self._values.clear()
