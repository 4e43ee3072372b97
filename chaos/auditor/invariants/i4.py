"""I4: at most one effect per dedupe key; exactly one where the outcome was not ambiguous.

Compared are, among the first records of all events, those that say what may become true once, by the id of the thing; all records that carry one
event's id with each other; the answers that clients got under one key with each other and with the rows; and the mails of the mail server with the
messages of notifications, as many of each as its state says. Money is compared in `money.py`.
"""

from collections import Counter
from collections.abc import Iterable

from chaos.auditor.amended import opened
from chaos.auditor.asked import asked_in
from chaos.auditor.evidence import Evidence, Row
from chaos.auditor.findings import Finding
from chaos.auditor.invariants.amendments import ENDS
from chaos.auditor.invariants.money import audit_money
from chaos.auditor.journal import OK, Call

ONCE: dict[str, tuple[str, ...]] = {
    "OrderPlaced": ("order_id",), "OrderReleased": ("order_id",), "OrderCompleted": ("order_id",), "OrderCancelled": ("order_id",),
    "PickClaimed": ("task_id",), "HandedOver": ("parcel_id",), "ParcelDelivered": ("parcel_id",), "OrderPacked": ("parcel_id",),
    "PromiseMade": ("promise_id",), "UpgradeWanted": ("order_id",), "UpgradeGranted": ("order_id",),
    "CancelAccepted": ("order_id", "request_id"), "CancelRejected": ("order_id", "request_id"),
    "AmendmentRequested": ("order_id", "amendment_id"), "OrderAmended": ("order_id", "amendment_id"), "AmendmentUndone": ("order_id", "amendment_id"),
    "AmendmentPrepared": ("order_id", "amendment_id"), "AmendmentRefused": ("order_id", "amendment_id"),
    "AmendmentDated": ("order_id", "amendment_id"), "AmendmentNotDated": ("order_id", "amendment_id"),
    "PromiseMessageSent": ("message_id",),
}  # fmt: skip
"""Event -> the fields of the thing to which it can happen once."""

VERDICTS = ("PromiseKept", "PromiseBroken", "PromiseReleased")
MAILS = {"sent": (1, 1), "unknown": (0, 1), "sending": (0, 1)}
"""State of a message -> the least and the most mails that may have come of it. None may of any other."""


def audit(evidence: Evidence) -> Finding:
    """All clauses."""
    finding = Finding("I4", "at most one effect per key, exactly one where nothing was in doubt")
    for name, fields in ONCE.items():
        _once(finding, name, [tuple(str(record.data.get(field)) for field in fields) for record in evidence.events.get(name, [])])
    _messages_once(evidence, finding)
    _said_once(evidence, finding)
    _labels(evidence, finding)
    _ids(evidence, finding)
    _answered_once(evidence, finding)
    _commands(evidence, finding)
    _changes(evidence, finding)
    audit_money(evidence, finding)
    if evidence.mails is not None:
        _mailed(finding, evidence.table("notifications.messages"), [mail["message_id"] for mail in evidence.mails])
    return finding


def _once(finding: Finding, name: str, happened: Iterable[tuple[str, ...]]) -> None:
    things = Counter(happened)
    finding.counted["things that happen once"] += len(things)
    for thing, count in things.items():
        finding.expect(count == 1, "twice", f"{name} was said {count} times of {' '.join(thing)}")


def _messages_once(evidence: Evidence, finding: Finding) -> None:
    """One message tells one thing of an order: its date, or what became of one change."""
    changes = {row["message_id"]: row.get("amendment_id") for row in evidence.table("notifications.messages")}
    sent = [record.data for record in evidence.events.get("MessageSent", [])]
    about = [(data.get("order_id"), data.get("intent"), data.get("promise_version"), changes.get(data.get("message_id"))) for data in sent]
    _once(finding, "MessageSent", [tuple(map(str, each)) for each in about])


def _said_once(evidence: Evidence, finding: Finding) -> None:
    """One order per reference, one first promise per order, one verdict per promise, one end per change."""
    placed = [record.data for record in evidence.events.get("OrderPlaced", [])]
    _unique(finding, "two-orders", ((f"{data.get('channel')}/{data.get('external_ref')}", data.get("order_id")) for data in placed), "orders")
    made = [record.data for record in evidence.events.get("PromiseMade", [])]
    firsts = ((data.get("order_id"), data.get("promise_id")) for data in made if data.get("replaces") is None)
    _unique(finding, "two-promises", firsts, "first promises")
    verdicts = ((record.data.get("promise_id"), record.id) for name in VERDICTS for record in evidence.events.get(name, []))
    _unique(finding, "two-verdicts", verdicts, "verdicts")
    ends = ((record.data.get("amendment_id"), record.id) for name in ENDS for record in evidence.events.get(name, []))
    _unique(finding, "two-ends", ends, "ends")


def _labels(evidence: Evidence, finding: Finding) -> None:
    """A parcel carries one label; each that was bought for it, voided ones included, was said once."""
    labels = [row for row in evidence.table("fulfilment.labels") if row["tracking_number"]]
    bought, carried = Counter(row["parcel_id"] for row in labels), Counter(row["parcel_id"] for row in labels if row["state"] != "void")
    for parcel, count in Counter(str(record.data.get("parcel_id")) for record in evidence.events.get("ParcelLabelled", [])).items():
        finding.counted["parcels labelled"] += 1
        finding.expect(
            count == bought[parcel], "twice", f"ParcelLabelled was said {count} times of {parcel}, for which {bought[parcel]} labels were bought"
        )
        finding.expect(carried[parcel] <= 1, "two-labels", f"parcel {parcel} carries {carried[parcel]} labels")


def _unique(finding: Finding, clause: str, pairs: Iterable[tuple[str | None, str | None]], what: str) -> None:
    found: dict[str, set[str]] = {}
    for one, other in pairs:
        found.setdefault(str(one), set()).add(str(other))
    for one, others in found.items():
        finding.expect(len(others) == 1, clause, f"{one} has {len(others)} {what}: {', '.join(sorted(others))}")


def _ids(evidence: Evidence, finding: Finding) -> None:
    """An event's id stands for one content, wherever and however often it is on a topic."""
    for id, records in evidence.by_id.items():
        finding.counted["events"] += 1
        finding.counted["repeats on the wire"] += len(records) - 1
        first = records[0]
        same = all((each.topic, each.key, each.value, each.type) == (first.topic, first.key, first.value, first.type) for each in records[1:])
        finding.expect(same, "two-contents", f"event {id} has several contents, at {', '.join(each.where for each in records)}")


def _answered_once(evidence: Evidence, finding: Finding) -> None:
    """Every answer about one order gives the id that it has."""
    for reference, asked in asked_in(evidence).items():
        answers = {call.answer["order_id"] for call in asked.calls if call.outcome == OK and "order_id" in call.answer}
        ids = answers | ({asked.row["order_id"]} if asked.row else set())
        finding.expect(len(ids) < 2, "two-answers", f"order {'/'.join(reference)} has or was answered with several ids: {', '.join(sorted(ids))}")


def _commands(evidence: Evidence, finding: Finding) -> None:
    """What the client was told was done stands exactly once: claims, scans, packed parcels, receipts; and a repeated claim got the same task."""
    _done(finding, evidence.calls("claim"), "claim_id", {row["claim_id"] for row in evidence.table("fulfilment.claims")})
    _done(finding, evidence.calls("scan"), "scan_id", {row["scan_id"] for row in evidence.table("fulfilment.scans")})
    unpacked = {id for call in evidence.calls("unpack") for id in call.ids("parcel_id")}
    _done(
        finding, evidence.calls("pack"), "parcel_id", {row["parcel_id"] for row in evidence.table("fulfilment.parcels")} | unpacked | opened(evidence)
    )
    _done(finding, evidence.calls("receipt"), "receipt_id", {row["paper_id"] for row in evidence.table("fulfilment.stock_papers")})
    claims = [call for call in evidence.calls("claim") if call.outcome == OK and "task_id" in call.answer]
    _unique(finding, "two-answers", ((call.body["claim_id"], call.answer["task_id"]) for call in claims), "tasks")
    received = Counter(row["reference"] for row in evidence.table("fulfilment.stock_movements") if row["kind"] == "receipt")
    for call in evidence.calls("receipt"):
        lines = len(call.body["lines"])
        if call.outcome == OK:
            count = received[call.body["receipt_id"]]
            finding.expect(count == lines, "not-once", f"receipt {call.body['receipt_id']} has {lines} lines and moved units {count} times")


def _changes(evidence: Evidence, finding: Finding) -> None:
    """A change stands once for its key, and each answer names it; units were put away by the scan that says so."""
    rows = evidence.table("orders.amendments")
    calls = evidence.calls("amend")
    _done(finding, calls, "reason", {row["reason"] for row in rows})
    _done(finding, evidence.calls("put_away"), "scan_id", {row["scan_id"] for row in evidence.table("fulfilment.pull_backs")})
    ids = [(row["reason"], row["amendment_id"]) for row in rows]
    ids += [(call.body["reason"], call.answer.get("amendment_id")) for call in calls if call.outcome == OK]
    _unique(finding, "two-answers", ids, "changes")


def _done(finding: Finding, calls: list[Call], name: str, rows: set[str]) -> None:
    for call in calls:
        if call.outcome == OK:
            finding.counted["commands done"] += 1
            for id in _counted(call, name):
                finding.expect(id in rows, "not-once", f"{call.op} {id} was answered as done and is not in the database")


def _counted(call: Call, name: str) -> list[str]:
    """The ids that the answer says were done: of many scans those that counted, else all."""
    verdicts = call.answer.get("verdicts")
    return call.ids(name) if verdicts is None else [verdict[name] for verdict in verdicts if verdict["verdict"] == "picked"]


def _mailed(finding: Finding, messages: list[Row], message_ids: list[str]) -> None:
    """`message_ids` are the mails' headers; the message's id is the local part."""
    mails = Counter(each.strip().strip("<>").partition("@")[0] for each in message_ids)
    for row in messages:
        finding.counted["messages"] += 1
        least, most = MAILS.get(row["state"], (0, 0))
        count = mails[row["message_id"]]
        finding.expect(least <= count <= most, "mails", f"message {row['message_id']} is {row['state']} and {count} mails came of it")
