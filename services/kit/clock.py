"""Business time, and the record's time. Nothing else in the repository reads a clock for either.

Business time (promises, cut-offs, ageing) may be the system's, fixed, scaled, or read from a file that a driver advances. Record time (ids,
tokens, signatures, logs) is always the system's.
"""

import mmap
import os
import struct
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = struct.Struct("<q")


class Clock(Protocol):
    """Where business time comes from."""

    def now(self) -> datetime:
        """The business instant, UTC."""


def record_now() -> datetime:
    """The system's instant, UTC: for ids, tokens, signatures and logs, never for a promise."""
    return datetime.now(UTC)


class SystemClock:
    """Business time is the system's."""

    def now(self) -> datetime:
        return record_now()


class FixedClock:
    """For tests: stands still until it is set or moved."""

    def __init__(self, instant: datetime) -> None:
        self.instant = _utc(instant)

    def now(self) -> datetime:
        return self.instant

    def advance(self, by: timedelta) -> None:
        self.instant += by


class ScaledClock:
    """Business time runs `factor` times as fast as the system's, from `business` at the moment `real`."""

    def __init__(self, factor: float, business: datetime, real: datetime, system: Callable[[], datetime] = record_now) -> None:
        self._factor, self._business, self._real, self._system = factor, _utc(business), _utc(real), system

    def now(self) -> datetime:
        return self._business + (self._system() - self._real) * self._factor


class FileClock:
    """One instant in a mapped file of eight bytes (microseconds since 1970, little-endian); every process of a stack maps the same file."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), _INSTANT.size, access=mmap.ACCESS_READ)

    def now(self) -> datetime:
        (microseconds,) = _INSTANT.unpack(self._map[: _INSTANT.size])
        return _EPOCH + timedelta(microseconds=microseconds)


class FileClockDriver:
    """Moves a file clock, forwards only. One driver per file: the demo, or a replay."""

    def __init__(self, path: Path, start: datetime) -> None:
        if not path.exists():
            _write_whole(path, _pack(start))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _INSTANT.size)
        self.instant = FileClock(path).now()

    def advance_to(self, instant: datetime) -> None:
        """Set the instant. Raises ValueError when it lies before the present one: business time never steps back."""
        if instant < self.instant:
            raise ValueError(f"business time is {self.instant.isoformat()} and does not step back to {instant.isoformat()}")
        self._map[: _INSTANT.size] = _pack(instant)
        self.instant = instant


def clock_from(spec: str) -> Clock:
    """The clock that a setting names: `system`, `fixed:<instant>`, `scaled:<factor>:<business start>@<real start>`, `file:<path>`.

    Instants are ISO 8601 with an offset. Raises ValueError with what is allowed when the text is none of these.
    """
    kind, _, rest = spec.partition(":")
    if kind == "system" and not rest:
        return SystemClock()
    if kind == "fixed" and rest:
        return FixedClock(datetime.fromisoformat(rest))
    if kind == "scaled" and "@" in rest:
        factor, _, anchors = rest.partition(":")
        business, _, real = anchors.partition("@")
        return ScaledClock(float(factor), datetime.fromisoformat(business), datetime.fromisoformat(real))
    if kind == "file" and rest:
        return FileClock(Path(rest))
    raise ValueError(f"clock {spec!r} is none of: system, fixed:<instant>, scaled:<factor>:<business start>@<real start>, file:<path>")


def _pack(instant: datetime) -> bytes:
    return _INSTANT.pack((_utc(instant) - _EPOCH) // timedelta(microseconds=1))


def _utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError(f"instant {instant.isoformat()} has no offset; write it as {instant.isoformat()}+00:00 when UTC is meant")
    return instant.astimezone(UTC)


def _write_whole(path: Path, content: bytes) -> None:
    """Another process sees the whole file or none of it."""
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(name).rename(path)
