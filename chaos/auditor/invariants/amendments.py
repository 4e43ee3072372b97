"""The part of I1 that is about changes of orders: each ends exactly once, for all services alike, and as the client asked for it.

Compared are, for each row of orders.amendments: its status with the events that say how it ended, and with the answers of fulfilment and of whoever
promises dates, without both of which nothing is agreed; the row that fulfilment has of it; and the units and the sum of the request with those of the
client's call of the same reason. Once all is quiet none is pending anywhere.
"""

from collections.abc import Mapping, Set

from chaos.auditor.amended import changes_said
from chaos.auditor.asked import units
from chaos.auditor.evidence import Evidence, Row
from chaos.auditor.findings import Finding
from chaos.auditor.journal import Call

ENDS = ("OrderAmended", "AmendmentUndone")
ANSWERS = ("AmendmentPrepared", "AmendmentDated")
"""Both must say yes."""

SETTLED: Mapping[str, frozenset[str]] = {"agreed": frozenset({"committed"}), "undone": frozenset({"undone", "refused"})}
"""Status of a change in orders -> what it is then in fulfilment. Where the order was cancelled, what was agreed may have come too late there."""


def audit_amendments(evidence: Evidence, finding: Finding) -> None:
    """All of it."""
    said = {name: changes_said(evidence, name) for name in (*ENDS, *ANSWERS, "AmendmentRequested")}
    cancelled = {row["order_id"] for row in evidence.table("orders.orders") if row["state"] == "cancelled"}
    calls = {call.body["reason"]: call for call in evidence.calls("amend")}
    for row in evidence.table("orders.amendments"):
        finding.counted[f"changes {row['status']}"] += 1
        _ended(finding, row, said, row["order_id"] in cancelled)
        _as_asked(finding, row, said["AmendmentRequested"].get(row["amendment_id"]), calls.get(row["reason"]))
    _settled(evidence, finding, cancelled)
    for row in evidence.table("promises.orders_view"):
        finding.expect(not row.get("amending"), "change-open", f"promises still looks at a change of order {row['order_id']}")


def _ended(finding: Finding, row: Row, said: Mapping[str, Mapping[str, Row]], cancelled: bool) -> None:
    """A change of an order that was cancelled may end unsaid."""
    id, name = row["amendment_id"], _name(row)
    if row["status"] == "pending":
        finding.broken("change-open", f"{name} is not decided")
        return
    ends = [each for each in ENDS if id in said[each]]
    right = [["OrderAmended"]] if row["status"] == "agreed" else [["AmendmentUndone"], *([[]] if cancelled else [])]
    finding.expect(ends in right, "change-ends", f"{name} is {row['status']}; said of it was {', '.join(ends) or 'nothing'}")
    if row["status"] == "agreed":
        for answer in ANSWERS:
            finding.expect(id in said[answer], "change-alone", f"{name} was agreed without {answer}")


def _settled(evidence: Evidence, finding: Finding, cancelled: Set[str]) -> None:
    """Fulfilment has settled each as orders did, and knows of no other."""
    decided = {row["amendment_id"]: row["status"] for row in evidence.table("orders.amendments") if row["status"] != "pending"}
    warehouse = {row["amendment_id"]: row for row in evidence.table("fulfilment.amendments")}
    for id, row in warehouse.items():
        finding.expect(row["state"] != "prepared", "change-open", f"{_name(row)} still has units set apart in fulfilment")
        right = SETTLED.get(decided.get(id, ""), frozenset()) | ({"undone"} if row["order_id"] in cancelled else frozenset())
        same = row["state"] in right or row["state"] == "prepared"
        finding.expect(same, "change-differs", f"{_name(row)} is {decided.get(id, 'not decided')} and in fulfilment {row['state']}")
    for id in decided.keys() - warehouse.keys():
        finding.broken("change-differs", f"change {id} is {decided[id]}, and fulfilment never heard of it")


def _as_asked(finding: Finding, row: Row, requested: Row | None, call: Call | None) -> None:
    if requested is None or call is None:
        finding.expect(requested is not None, "change-ends", f"{_name(row)} was never said to be asked for")
        return
    body = call.body
    same = requested["total_minor"] == body["total_minor"] and row["paid_minor"] == body.get("payment", {}).get("amount_minor", 0)
    if "lines" in body:
        same = same and units(requested["lines"]) == units(body["lines"])
    finding.expect(same, "changed", f"{_name(row)} was asked for with other units or sums than the client sent")


def _name(row: Row) -> str:
    return f"change {row['amendment_id']} of order {row['order_id']}"
