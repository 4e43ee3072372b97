"""Whether the machine was too busy for a run to mean anything: what did not get its turn was not tested, it was starved."""

import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from chaos.bed.bed import Bed, NotRunning

BUSY_PERCENT, WAITING_SHARE = 85.0, 0.5
_NANOSECONDS = 1e9


@dataclass(frozen=True, slots=True)
class Rest:
    """The machine while all was quiet: how busy in percent of all cores; who waited for a core for longer than half of the time."""

    busy_percent: float
    starved: tuple[str, ...]

    @property
    def why_void(self) -> str | None:
        """Why the run proves nothing, None where it does."""
        if self.busy_percent > BUSY_PERCENT:
            return f"the machine was busy to {self.busy_percent:.0f}% while all was quiet"
        return f"{', '.join(self.starved)} waited for a core most of the time" if self.starved else None


def watch(bed: Bed, seconds: float) -> Rest:
    """Look at the bed's processes for so long."""
    before, began = _waits(bed), time.monotonic()
    busy = psutil.cpu_percent(seconds)
    after, took = _waits(bed), time.monotonic() - began
    starved = tuple(name for name, waited in after.items() if name in before and waited - before[name] > WAITING_SHARE * took)
    return Rest(busy, starved)


def _waits(bed: Bed) -> dict[str, float]:
    """Seconds that each process was ready to run and did not (`/proc/PID/schedstat`)."""
    found = {}
    for name in bed.names:
        try:
            found[name] = int(Path(f"/proc/{bed.process(name).pid}/schedstat").read_text().split()[1]) / _NANOSECONDS
        except (NotRunning, OSError):
            continue
    return found
