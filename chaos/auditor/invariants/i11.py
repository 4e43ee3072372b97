"""I11: what broke is back in time.

Compared are, in the timeline, the faults that ended with those that recovered, and how long that took with the goals: a process is back within 5 s
in 95 of 100 cases, the database within 15 s, a broker within 30 s and a relay with a spoilt producer within 10 s always.
"""

import re
from math import ceil

from chaos.auditor.evidence import Evidence
from chaos.auditor.findings import Finding

GOALS = {"process": ("p95", 5.0), "database": ("max", 15.0), "broker": ("max", 30.0), "relay": ("max", 10.0)}
"""Kind of target -> the figure that is held against a limit in seconds."""

_PROCESS = re.compile(r"-(api|worker|ledger)(-[0-9]+)?$")

Spread = dict[str, float]
"""p50, p95 and max, by nearest rank."""


def audit(evidence: Evidence) -> Finding:
    """All clauses."""
    finding = Finding("I11", "what broke is back in time")
    last: dict[tuple[int, str], str] = {}
    for row in evidence.timeline:
        kind = kind_of(row["target"])
        if kind is not None:
            last[row["row"], row["target"]] = row["event"]
            finding.counted[f"{kind} {row['event']}"] += 1
    for (number, target), event in last.items():
        finding.expect(event == "recovered", "never", f"{target} did not recover from row {number}: the last word of it is that its fault {event}")
    for kind, spread in recoveries(evidence).items():
        figure, limit = GOALS[kind]
        finding.expect(spread[figure] <= limit, "late", f"{kind}: {figure} of recovery is {spread[figure]} s, allowed are {limit} s")
    return finding


def recoveries(evidence: Evidence) -> dict[str, Spread]:
    """Seconds until what broke was back, by kind of target: those kinds that ever recovered."""
    taken: dict[str, list[float]] = {}
    for row in evidence.timeline:
        kind = kind_of(row["target"])
        if kind is not None and row["event"] == "recovered":
            taken.setdefault(kind, []).append(float(row["seconds"]))
    return {kind: _spread(sorted(seconds)) for kind, seconds in sorted(taken.items())}


def kind_of(target: str) -> str | None:
    """`process`, `database`, `broker` or `relay`, by the target's name; None for what is never away itself: a link, a topic, a message."""
    if target.startswith("kafka"):
        return "broker"
    if target.startswith("postgres"):
        return "database"
    if target.endswith("-relay"):
        return "relay"
    return "process" if _PROCESS.search(target) else None


def _spread(seconds: list[float]) -> Spread:
    return {name: seconds[ceil(len(seconds) * share) - 1] for name, share in (("p50", 0.5), ("p95", 0.95), ("max", 1.0))}
