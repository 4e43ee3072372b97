"""All invariants over one folder, and the figures of a run that come of them."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.auditor.asked import asked_in
from chaos.auditor.evidence import Evidence
from chaos.auditor.findings import Finding, Violation
from chaos.auditor.invariants import i1, i2, i4, i5, i6, i7, i8, i9, i11
from chaos.auditor.letters import excused, expected_letters
from chaos.auditor.register import SERVICES

INVARIANTS = (i1, i2, i4, i5, i6, i7, i8, i9, i11)
MISSING = frozenset({("I1", "lost"), ("I1", "nowhere"), ("I1", "cancel-lost"), ("I7", "not-published"), ("I7", "not-applied"), ("I9", "lost")})
"""Violations that mean: something is gone."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found, one finding per invariant in their order."""

    evidence: Evidence
    findings: list[Finding]

    @property
    def violations(self) -> list[Violation]:
        return [violation for finding in self.findings for violation in finding.violations]


def audit(folder: Path) -> Audit:
    """Check every invariant. Raises Incomplete where the folder is no evidence."""
    evidence = Evidence(folder)
    return Audit(evidence, [invariant.audit(evidence) for invariant in INVARIANTS])


def figures(audited: Audit) -> dict[str, Any]:
    """The counts of a run: `orders` {sent, acknowledged, unknown}, `amendments` by what became of them, `events` (different ones, on all topics),
    `missing`, `doubled`, `out_of_order`, `dead_lettered` and `expected_dead_letters`, `recovery_seconds` by kind of target, `violations` as
    sentences."""
    evidence = audited.evidence
    asked = asked_in(evidence).values()
    expected = expected_letters(evidence)
    found = [(s, row["topic"], row["partition"], row["offset"]) for s in SERVICES for row in evidence.table(f"{s}.dead_letters")]
    return {
        "orders": {
            "sent": len(asked),
            "acknowledged": sum(1 for each in asked if each.accepted or each.logged),
            "unknown": sum(1 for each in asked if each.unknown),
        },
        "amendments": dict(Counter(row["status"] for row in evidence.table("orders.amendments"))),
        "events": len(evidence.by_id),
        "missing": sum(1 for each in audited.violations if (each.invariant, each.clause) in MISSING),
        "doubled": sum(1 for each in audited.violations if each.invariant == "I4"),
        "out_of_order": sum(1 for each in audited.violations if each.invariant == "I8"),
        "dead_lettered": len(found),
        "expected_dead_letters": len(expected | excused(evidence, expected)),
        "recovery_seconds": i11.recoveries(evidence),
        "violations": [f"{each.invariant} {each.clause}: {each.what}" for each in audited.violations],
    }


def lines(audited: Audit) -> list[str]:
    """One line per invariant: what was counted and how many violations; under it the first ten of them."""
    told = []
    for finding in audited.findings:
        counted = ", ".join(f"{count} {what}" for what, count in finding.counted.items()) or "nothing to look at"
        told.append(f"{finding.invariant:<4}{len(finding.violations)} violations  {finding.title} ({counted})")
        told += [f"      {violation.clause}: {violation.what}" for violation in finding.violations[:10]]
    return told
