"""I5: a pick has at most one holder at any instant.

Compared are the claims with each other (one per task and fence), with what the clients were told, and each scan that counted with the claim of its
fence; then, commit by commit in what the slot said, every change of a task's holder with the one before: the fence rises with each, and a task goes
from one holder straight to another only once the lease had run out by the server's clock.
"""

from datetime import datetime

from chaos.auditor.changes import Change, Transaction
from chaos.auditor.evidence import Evidence
from chaos.auditor.findings import Finding
from chaos.auditor.journal import OK

COUNTED = "picked"
"""The verdict of a scan that moved units."""


def audit(evidence: Evidence) -> Finding:
    """All clauses."""
    finding = Finding("I5", "a pick has at most one holder")
    _claims(evidence, finding)
    holders: dict[str, Change] = {}
    for transaction in evidence.transactions:
        for change in transaction.changes:
            if change.table == "fulfilment.pick_tasks" and change.kind != "DELETE":
                _handed(finding, transaction, holders.get(change["task_id"]), change)
                holders[change["task_id"]] = change
        _scans(finding, transaction, holders)
    return finding


def _claims(evidence: Evidence, finding: Finding) -> None:
    pickers: dict[tuple[str, int], str] = {}
    for claim in evidence.table("fulfilment.claims"):
        finding.counted["claims"] += 1
        held = claim["task_id"], claim["fence"]
        finding.expect(held not in pickers, "two-claims", f"task {held[0]} was claimed twice under fence {held[1]}")
        pickers[held] = claim["picker"]
    for call in evidence.calls("claim"):
        if call.outcome == OK and "fence" in call.answer:
            held = call.answer["task_id"], call.answer["fence"]
            same = pickers.get(held) == call.body["picker"]
            finding.expect(same, "two-told", f"{call.body['picker']} was given task {held[0]} under fence {held[1]}, which is not their claim")
    for scan in evidence.table("fulfilment.scans"):
        picker = pickers.get((scan["task_id"], scan["fence"]))
        if scan["verdict"] == COUNTED and picker is not None:
            finding.counted["scans that counted"] += 1
            finding.expect(
                picker == scan["scanned_by"], "stale-scan", f"scan {scan['scan_id']} of {scan['scanned_by']} counted under {picker}'s claim"
            )


def _handed(finding: Finding, transaction: Transaction, before: Change | None, after: Change) -> None:
    """One task's row after a commit, beside the row before it."""
    holder, task = after.columns["claimed_by"], after["task_id"]
    last = before.columns["claimed_by"] if before else None
    fence, last_fence = int(after["fence"]), int(before["fence"]) if before else 0
    finding.expect(fence >= last_fence, "fence", f"task {task} went back from fence {last_fence} to {fence}")
    if holder is None or holder == last:
        return
    finding.counted["changes of hand"] += 1
    finding.expect(before is None or fence > last_fence, "fence", f"task {task} went from {last} to {holder} under the same fence {fence}")
    if before is not None and last is not None:
        over = datetime.fromisoformat(before["lease_until"]) <= transaction.at
        finding.expect(over, "two-holders", f"task {task} went from {last} to {holder} while the lease of {last} ran")


def _scans(finding: Finding, transaction: Transaction, holders: dict[str, Change]) -> None:
    """What counted in a commit was scanned by whoever held the task, under the fence that it then had."""
    for scan in transaction.of("fulfilment.scans", "INSERT"):
        task = holders.get(scan["task_id"])
        if scan["verdict"] == COUNTED and task is not None:
            holds = task["fence"] == scan["fence"] and task.columns["claimed_by"] == scan["scanned_by"]
            finding.expect(
                holds, "stale-scan", f"scan {scan['scan_id']} of {scan['scanned_by']} counted while the task was {task.columns['claimed_by']}'s"
            )
