"""The part of I4 that is about money: what changes of orders owe back is counted, promised and given back once.

Compared are, for each order whose payment was captured, what was paid and what was given back with the payments and refunds of its changes, and what
is kept with the total that was said last; each refund that is owed with the promise of the ledger, with the row of whoever pays it, and that one with
the provider's books; and these and the ledger's refunds with what is owed, the other way round.
"""

import json
from collections import Counter
from collections.abc import Mapping

from chaos.auditor.amended import forms_of
from chaos.auditor.evidence import Evidence, Row
from chaos.auditor.findings import Finding


def audit_money(evidence: Evidence, finding: Finding) -> None:
    """All of it."""
    changes: dict[str, list[Row]] = {}
    for row in evidence.table("orders.amendments"):
        changes.setdefault(row["order_id"], []).append(row)
    forms = forms_of(evidence)
    for row in evidence.table("orders.orders"):
        if row["payment_state"] == "captured" and row["order_id"] in forms:
            _kept(finding, row, changes.get(row["order_id"], []), forms[row["order_id"]][-1])
    owed = {row["refund_id"]: row for rows in changes.values() for row in rows if row["refund_minor"]}
    refunds = {row["promise_id"]: row for row in evidence.table("orders.refunds")}
    _promised(evidence, finding, owed, refunds)
    if evidence.payments is not None:
        _given_back(finding, refunds, evidence.payments)


def _kept(finding: Finding, order: Row, changes: list[Row], form: Row) -> None:
    """What an order is worth, was paid and is kept of that. What was paid for an order that was cancelled is given back otherwise."""
    finding.counted["captured payments"] += 1
    name, body = f"order {order['order_id']}", json.loads(order["body"])
    decided = [change for change in changes if change["status"] != "pending"]
    added, returned = sum(change["paid_minor"] for change in decided), sum(change["refund_minor"] for change in decided)
    finding.expect(order["total_minor"] == form["total_minor"], "sums", f"{name} is worth {order['total_minor']}; said was {form['total_minor']}")
    finding.expect(order["returned_minor"] == returned, "sums", f"{name} gave back {order['returned_minor']}; its changes owe {returned}")
    if body["payment"]["state"] == "captured":
        paid = body["total_minor"] + added
        finding.expect(order["paid_minor"] == paid, "sums", f"{name} counts {order['paid_minor']} as paid; it was paid {paid}")
    if order["state"] != "cancelled":
        kept = order["paid_minor"] - order["returned_minor"]
        finding.expect(kept == order["total_minor"], "sums", f"{name} keeps {kept} for a total of {order['total_minor']}")


def _promised(evidence: Evidence, finding: Finding, owed: Mapping[str, Row], refunds: Mapping[str, Row]) -> None:
    """Each that is owed is a refund in the ledger, and paid: at the bed nobody is erased, no card is closed. And none is there for nothing."""
    made = {row["promise_id"]: json.loads(row["line"])["body"] for row in evidence.table("promises.ledger_entries") if row["seq"] == 1}
    for promise_id, change in owed.items():
        finding.counted["refunds owed"] += 1
        name, amount = f"refund {promise_id} of order {change['order_id']}", change["refund_minor"]
        said, row = made.get(promise_id, {}), refunds.get(promise_id, {})
        told = change["promised_at"] is not None and (said.get("kind"), said.get("order_id")) == ("refund", change["order_id"])
        why = change["not_promised"] or "no refund of it is in the ledger"
        finding.expect(told, "not-promised", f"{name} is owed and not promised: {why}")
        same = not told or (said["amount_minor"] == amount and row.get("amount_minor", amount) == amount)
        finding.expect(same, "other-amount", f"{name} is {amount}; promised are {said.get('amount_minor')}, to be paid {row.get('amount_minor')}")
        done = not told or row.get("state") == "paid"
        finding.expect(done, "not-paid", f"{name} is promised, and is {row.get('state', 'unknown')} to whoever pays it")
    asked = {call.body.get("promise_id") for call in evidence.calls("promise")}
    for promise_id, said in made.items():
        caused = said.get("kind") != "refund" or said.get("cause") is not None or promise_id in asked
        finding.expect(caused or promise_id in owed, "for-nothing", f"the ledger promises the refund {promise_id}, which nobody owes")


def _given_back(finding: Finding, refunds: Mapping[str, Row], payments: list[Row]) -> None:
    """The provider's books are what was paid back to cards, one by one."""
    books = Counter((each["key"], each["payment_reference"], each["amount_minor"], each["currency"]) for each in payments)
    paid = Counter(
        (row["promise_id"], row["payment_reference"], row["amount_minor"], row["currency"])
        for row in refunds.values()
        if row["state"] == "paid" and row["paid_by"] == "card"
    )
    finding.counted["refunds paid"] += paid.total()
    for key, _, amount, currency in paid - books:
        finding.broken("not-paid", f"refund {key} of {amount} {currency} is noted as paid, and the provider has not done it")
    for key, _, amount, currency in books - paid:
        finding.broken("for-nothing", f"the provider gave back {amount} {currency} for {key}, which is not noted as paid")
