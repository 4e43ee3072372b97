"""The journal and the timeline: lines that are on the disk before the next thing happens."""

import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class Notes:
    """A file of JSON lines, each synced before `write` returns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w")
        self.path = path

    def write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


class Journal(Notes):
    """What the load client sends, and what it is answered."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._number = 0

    def before(self, op: str, via: str, key: str | None, body: dict[str, Any], **more: Any) -> int:
        """The call's number. Nothing was sent yet."""
        self._number += 1
        self.write({"n": self._number, "at": _now(), "op": op, "via": via, "key": key, "body": body, **more})
        return self._number

    def after(self, number: int, outcome: str, status: int | None, answer: Any) -> None:
        """`outcome`: ok or fail. A call of which nobody knows gets no second line."""
        self.write({"n": number, "at": _now(), "outcome": outcome, "status": status, "answer": answer})


class Timeline(Notes):
    """What befell whom, and how long it was away."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(path)
        self._clock = clock
        self._began: dict[tuple[int, str, str], float] = {}
        self._times: Counter[tuple[int, str]] = Counter()
        self._seconds: defaultdict[tuple[int, str], float] = defaultdict(float)
        self.kills: Counter[str] = Counter()
        """Kills by kind: process, broker, database."""
        self.points: set[str] = set()
        self.missed: set[str] = set()
        """Labelled points at which a process died, and armed ones that none came to."""

    def began(self, row: int, fault: str, target: str, times: int = 1) -> None:
        """`times`: how many of this fault are told in one line: copies, rounds."""
        self._times[row, fault] += times
        self._began[row, fault, target] = self._clock()
        if fault.startswith("kill"):
            self.kills["broker" if target.startswith("kafka") else "database" if target.startswith("postgres") else "process"] += 1
        self._tell(row, fault, target, "began")

    def walked(self, met: set[str], missed: set[str]) -> None:
        """At which labelled points processes died, and at which of the armed ones none came by."""
        self.points |= met
        self.missed = (self.missed | missed) - self.points
        for point in sorted(met):
            self.began(2, "kill at a point", point)

    def ended(self, row: int, fault: str, target: str) -> None:
        self._seconds[row, fault] += self._clock() - self._began[row, fault, target]
        self._tell(row, fault, target, "ended")

    def recovered(self, row: int, fault: str, target: str, seconds: float) -> None:
        self._tell(row, fault, target, "recovered", round(seconds, 2))

    def faults(self) -> dict[str, dict[str, dict[str, float]]]:
        """By row and fault: how often it began, and for how many seconds it lasted, each target's beside the other's."""
        found: dict[str, dict[str, dict[str, float]]] = {}
        for (row, fault), times in sorted(self._times.items()):
            found.setdefault(str(row), {})[fault] = {"times": times, "seconds": round(self._seconds[row, fault], 1)}
        return found

    def _tell(self, row: int, fault: str, target: str, event: str, seconds: float | None = None) -> None:
        self.write({"at": _now(), "row": row, "fault": fault, "target": target, "event": event, "seconds": seconds})


def _now() -> str:
    return datetime.now(UTC).isoformat()
