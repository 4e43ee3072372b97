"""Labelled places at which a fault run stops this process or makes it stumble. Disarmed they cost a look at a constant.

KEPT_FAILPOINTS arms them: `[PROCESS.]POINT:ACTION[=VALUE][@N][?id=ID]`, several separated by commas; or `file:<path>`, whose text says the same
and is read once, when the process starts. PROCESS is a process of the stack (`orders-worker`) or a service (`orders`); without one the point is armed
everywhere. `@N` acts on the N-th hit alone, counted over all processes that are told the same and over their restarts; `?id=` only where that id is
in hand.

Actions: `kill` (SIGKILL), `segv` (SIGSEGV), `sleep=SECONDS` (the whole process stands still), `raise`, `skew` (what the point offers to spoil).
"""

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

POINTS: Final = (
    # A batch of events, from the log to the log.
    "stage.received",
    "stage.begun",
    "inbox.entered",
    "stage.handling",
    "stage.handled",
    "letters.buried",
    "stage.committed",
    "faust.acknowledged",
    "faust.committing_offsets",
    "faust.committed_offsets",
    "faust.revoking",
    "raw.acknowledged",
    "raw.committing_offsets",
    "raw.committed_offsets",
    "raw.revoking",
    # Any unit of work: a batch, a command by HTTP, a timer.
    "outbox.inserted",
    "transaction.committed",
    # The relay.
    "leader.elected",
    "relay.taken",
    "relay.before_send",
    "relay.sent",
    "relay.deleted",
    # A command by HTTP.
    "command.begun",
    "command.answer_stored",
    # Things that fall due, and errands to the world outside.
    "timer.fired",
    "timer.committed",
    "errand.begun",
    "errand.done",
    # What the world outside was asked for, before the question and after its answer.
    "mail.begun",
    "mail.answered",
    "label.asking",
    "label.answered",
    "void.asking",
    "void.answered",
    "manifest.asking",
    "manifest.answered",
    "refund.asking",
    "refund.answered",
    "webhook.heard",
    # A change of an order: asked for, prepared, dated, decided and carried out, each before its commit; and what is owed back for it.
    "amendment.asked",
    "amendment.prepared",
    "amendment.dated",
    "amendment.decided",
    "amendment.settled",
    "owed.asking",
    "owed.answered",
    # Days of the inbox that are made and dropped.
    "inbox.days_kept",
)

_SPEC = re.compile(r"(?P<where>[a-z._-]+):(?P<action>kill|segv|sleep|raise|skew)(=(?P<value>[0-9.]+))?(@(?P<nth>[0-9]+))?(\?id=(?P<id>\S+))?")


class Stumbled(RuntimeError):
    """What the action `raise` raises."""


class Misarmed(ValueError):
    """KEPT_FAILPOINTS says what cannot be done; one sentence with what can."""


@dataclass(frozen=True, slots=True)
class Trap:
    """One armed point. `hits` is the file whose length counts them."""

    action: str
    seconds: float
    nth: int | None
    id: str | None
    hits: Path


def armed(environ: Mapping[str, str]) -> dict[str, Trap]:
    """What this process is to stumble over, by point. Raises Misarmed."""
    text = environ.get("KEPT_FAILPOINTS", "")
    if not text:
        return {}
    if environ.get("KEPT_EMBEDDED") != "1":
        raise Misarmed("KEPT_FAILPOINTS is set outside the embedded stack, where nothing may fail on purpose: unset it.")
    if text.startswith("file:"):
        text = _read(Path(text.removeprefix("file:")))
    process = environ.get("SUPERVISOR_PROCESS_NAME", "")
    folder = Path(environ.get("KEPT_VAR", "var")) / "failpoints"
    traps = {}
    for spec in filter(None, (each.strip() for each in re.split(r"[,\n]", text))):
        point, where, trap = _trap(spec, folder)
        if where in ("", process, process.partition("-")[0]):
            traps[point] = trap
    if traps:
        folder.mkdir(parents=True, exist_ok=True)
    return traps


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _trap(spec: str, folder: Path) -> tuple[str, str, Trap]:
    """The point, the process it is armed in, and what is to happen there."""
    found = _SPEC.fullmatch(spec)
    if found is None:
        raise Misarmed(f"{spec!r} is not of the form [PROCESS.]POINT:ACTION[=VALUE][@N][?id=ID], as in relay.sent:kill@1.")
    where = found["where"]
    point = next((point for point in POINTS if where == point or where.endswith(f".{point}")), None)
    if point is None:
        raise Misarmed(f"{where!r} names no point; there are: {', '.join(POINTS)}.")
    nth = int(found["nth"]) if found["nth"] else None
    return (
        point,
        where.removesuffix(point).removesuffix("."),
        Trap(found["action"], float(found["value"] or 0), nth, found["id"], hits_file(folder, spec)),
    )


def hits_file(folder: Path, spec: str) -> Path:
    """The file whose length counts the hits of what was armed so."""
    return folder / f"{spec.partition(':')[0]}-{sha256(spec.encode()).hexdigest()[:12]}"


def _armed_here() -> Mapping[str, Trap]:
    try:
        return armed(os.environ)
    except Misarmed as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(78)


ARMED: Final[Mapping[str, Trap]] = _armed_here()
"""Read when this module is imported: `if ARMED: hit(...)` costs nothing worth counting where it is empty."""


def hit(point: str, *ids: object, skew: Callable[[], None] | None = None) -> None:
    """This process has come to the point, with these ids in hand. Does what it is armed with, or nothing."""
    trap = ARMED.get(point)
    if trap is None or (trap.id is not None and trap.id not in map(str, ids)):
        return
    number = _counted(trap.hits)
    if trap.nth is None or trap.nth == number:
        _strike(trap, point, skew)


def _strike(trap: Trap, point: str, skew: Callable[[], None] | None) -> None:
    if trap.action == "sleep":
        time.sleep(trap.seconds)
    elif trap.action == "raise":
        raise Stumbled(f"at {point}")
    elif trap.action == "skew":
        if skew is None:
            raise Misarmed(f"{point} has nothing to skew.")
        skew()
    else:
        os.kill(os.getpid(), signal.SIGSEGV if trap.action == "segv" else signal.SIGKILL)


def _counted(hits: Path) -> int:
    """The how-manieth hit this is. Each appends one byte, and is told where that ended: no two get the same number."""
    file = os.open(hits, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, b".")
        return os.lseek(file, 0, os.SEEK_CUR)
    finally:
        os.close(file)
