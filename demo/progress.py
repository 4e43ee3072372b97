"""What somebody who waits for the demo sees: the business time, and how many of the day's orders are placed."""

import sys
import time
from datetime import datetime
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from demo import day, plan

_PLAIN_SECONDS = 10.0


class Progress:
    """A bar on a terminal; elsewhere a plain line every ten seconds."""

    def __init__(self, start: datetime) -> None:
        total = len(plan.orders())
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("orders"), TimeElapsedColumn())
        self._bar = Bar(*columns, disable=not sys.stdout.isatty())
        self._task = self._bar.add_task(_said(start), total=total)
        self._placed, self._total, self._told_at = 0, total, time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()

    def at(self, instant: datetime) -> None:
        """Business time has moved."""
        self._bar.update(self._task, description=_said(instant))
        if self._bar.disable and time.monotonic() - self._told_at > _PLAIN_SECONDS:
            self._told_at = time.monotonic()
            print(f"  {_said(instant)}: {self._placed} of {self._total} orders placed", flush=True)

    def placed(self) -> None:
        """One more order was placed."""
        self._placed += 1
        self._bar.advance(self._task)


def _said(instant: datetime) -> str:
    return instant.astimezone(day.ZONE).strftime("%a %d %b %H:%M")
