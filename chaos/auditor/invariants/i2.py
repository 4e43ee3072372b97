"""I2: nothing is in the database without a client's request.

Compared are the rows that only a client can cause with the journal's calls: orders by reference, claims, scans, shortages, parcels, receipts and
counts by the id that the client made, changes of orders by their reason. Every other row about an order must be about one of these orders, and every
mail about a message. An id all of whose calls certainly failed must have no row.
"""

from collections.abc import Iterable

from chaos.auditor.asked import asked_in
from chaos.auditor.evidence import Evidence
from chaos.auditor.findings import Finding
from chaos.auditor.journal import FAIL

MADE_BY_CLIENTS = (
    ("claim", "claim_id", "fulfilment.claims", "claim_id"),
    ("scan", "scan_id", "fulfilment.scans", "scan_id"),
    ("short", "report_id", "fulfilment.short_reports", "report_id"),
    ("pack", "parcel_id", "fulfilment.parcels", "parcel_id"),
    ("receipt", "receipt_id", "fulfilment.stock_papers", "paper_id"),
    ("count", "count_id", "fulfilment.stock_papers", "paper_id"),
    ("amend", "reason", "orders.amendments", "reason"),
)
"""Op, the id in its body, the table, its column."""

ABOUT_ORDERS = (
    "orders.holds", "orders.links", "orders.promises_view", "orders.amendments", "fulfilment.wants", "fulfilment.pick_tasks", "fulfilment.shipments",
    "fulfilment.parcels", "fulfilment.work_heads", "fulfilment.amendments", "fulfilment.pull_backs", "promises.promises", "promises.orders_view",
    "loyalty.orders_view", "loyalty.upgrades", "notifications.orders_view", "notifications.messages",
)  # fmt: skip


def audit(evidence: Evidence) -> Finding:
    """All clauses."""
    finding = Finding("I2", "nothing is in the database without a request")
    _orders(evidence, finding)
    for table in sorted({each[2] for each in MADE_BY_CLIENTS}):
        _made(evidence, finding, table)
    known = {row["order_id"] for row in evidence.table("orders.orders")}
    for table in ABOUT_ORDERS:
        for row in evidence.table(table):
            if table == "notifications.messages" and row.get("about"):
                continue  # it is about a promise of the ledger, which may be of no order
            finding.counted["rows about orders"] += 1
            finding.expect(row["order_id"] in known, "orphan", f"{table} has a row about order {row['order_id']}, which orders does not know")
    _mails(evidence, finding)
    return finding


def _orders(evidence: Evidence, finding: Finding) -> None:
    asked = asked_in(evidence)
    for row in evidence.table("orders.orders"):
        finding.counted["orders"] += 1
        reference = row["channel"], row["external_ref"]
        if reference not in asked:
            finding.broken("unasked", f"orders.orders has {'/'.join(reference)}, which no client ever sent")
        else:
            finding.expect(not asked[reference].never, "refused-exists", f"order {'/'.join(reference)} exists, though every attempt certainly failed")


def _made(evidence: Evidence, finding: Finding, table: str) -> None:
    kinds = [each for each in MADE_BY_CLIENTS if each[2] == table]
    outcomes: dict[str, set[str]] = {}
    for op, name, _, _ in kinds:
        for call in evidence.calls(op):
            for id in call.ids(name):
                outcomes.setdefault(id, set()).add(call.outcome)
    for row in evidence.table(table):
        id = row[kinds[0][3]]
        finding.counted[table.partition(".")[2]] += 1
        if id not in outcomes:
            finding.broken("unasked", f"{table} has {id}, which no client ever sent")
        elif table != "fulfilment.scans":  # a refused scan is kept with its verdict
            finding.expect(outcomes[id] != {FAIL}, "refused-exists", f"{table} has {id}, though every attempt certainly failed")


def _mails(evidence: Evidence, finding: Finding) -> None:
    messages = {row["message_id"] for row in evidence.table("notifications.messages")}
    for message_id in _message_ids(mail["message_id"] for mail in evidence.mails or []):
        finding.counted["mails"] += 1
        finding.expect(message_id in messages, "unasked", f"a mail went out as {message_id}, which is no message")


def _message_ids(headers: Iterable[str]) -> Iterable[str]:
    """The message's id is the local part of the mail's Message-ID."""
    return (header.strip().strip("<>").partition("@")[0] for header in headers)
