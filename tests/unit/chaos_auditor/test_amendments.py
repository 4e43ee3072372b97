"""What is said of changes of orders: each clause about them is seen to fail on one tampered row of a run that amended its orders."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaos.auditor.audit import audit, figures
from tests.unit.chaos_auditor.tampering import AMENDED, Copy, header, value

NEW = "019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a01"
"""An id from before the slot was opened."""
CHANGES, ORDERS, PREPARED, PULL_BACKS, REFUNDS = (
    f"tables/{name}.jsonl.gz" for name in ("orders.amendments", "orders.orders", "fulfilment.amendments", "fulfilment.pull_backs", "orders.refunds")
)
LEDGER, BOOKS, WANTS, LINES = (
    "tables/promises.ledger_entries.jsonl.gz",
    "payments.jsonl",
    "tables/fulfilment.wants.jsonl.gz",
    "tables/fulfilment.pick_lines.jsonl.gz",
)
ORDER, WORK, PROMISES = "orders.order.v1", "fulfilment.work.v1", "promises.promise.v1"

Tamper = Callable[[Copy], object]


def _id(copy: Copy, reference: str) -> str:
    return str(next(row["order_id"] for row in copy.rows(ORDERS) if row["external_ref"] == reference))


def _of(reference: str, file: str, **columns: object) -> Tamper:
    """Change the row of this order."""
    return lambda copy: copy.change(file, {"order_id": _id(copy, reference)}, **columns)


def _call(copy: Copy, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the last call by which lines of an order were amended."""
    rows = copy.rows("journal.jsonl")
    done = {row["n"] for row in rows if row.get("outcome") == "ok"}
    change([row for row in rows if row.get("op") == "amend" and row["n"] in done and "lines" in row["body"]][-1])
    copy.write("journal.jsonl", rows)


def _more_units(call: dict[str, Any]) -> None:
    call["body"]["lines"][0]["quantity"] += 1


def _older(call: dict[str, Any]) -> None:
    call["if_match"] -= 1


def _failed(answer: dict[str, Any]) -> None:
    answer["outcome"] = "fail"


def _of_another(answer: dict[str, Any]) -> None:
    answer["answer"]["amendment_id"] = NEW


def _every_request_failed(copy: Copy) -> None:
    copy.answer("amend", _failed, every=True, reason=copy.rows(CHANGES)[0]["reason"])


def _as_before(copy: Copy) -> None:
    """Fulfilment wants what the order was before it was changed."""
    placed = next(row["body"] for row in copy.rows("journal.jsonl") if row.get("op") == "place" and row["body"]["external_ref"] == "amended-3")
    columns = {name: [line[one] for line in placed["lines"]] for name, one in (("lines", "line"), ("skus", "sku"), ("quantities", "quantity"))}
    copy.change(WANTS, {"order_id": placed["order_id"]}, **columns)


def _one_stop_more(copy: Copy) -> None:
    task = next(row for row in copy.rows("tables/fulfilment.pick_tasks.jsonl.gz") if row["state"] == "ready")
    copy.change(LINES, {"task_id": task["task_id"]}, quantity=99)


def _units_set_apart(copy: Copy) -> None:
    want = next(row for row in copy.rows(WANTS) if row["order_id"] == _id(copy, "amended-7"))
    copy.change(PREPARED, {"order_id": want["order_id"]}, skus=want["skus"][:1], bins=["A-1"], quantities=[1])


def _ended_again(copy: Copy) -> None:
    """Undone, after it was agreed."""
    copy.without_slot()
    order = next(row for row in copy.rows(ORDERS) if row["external_ref"] == "amended-7")
    change = next(row for row in copy.rows(CHANGES) if row["order_id"] == order["order_id"])
    told = {"order_id": order["order_id"], "amendment_id": change["amendment_id"]}
    copy.say_again(ORDER, "orders.OrderAmended.v1", NEW, type="orders.AmendmentUndone.v1", version=99, key=order["order_id"], **told)


def _promised_otherwise(copy: Copy) -> None:
    """The ledger's refund is of one more."""
    refund = next(row["refund_id"] for row in copy.rows(CHANGES) if row["refund_minor"])
    rows = copy.rows(LEDGER)
    entry = next(row for row in rows if row["promise_id"] == refund and row["seq"] == 1)
    line = json.loads(entry["line"])
    line["body"]["amount_minor"] += 1
    entry["line"] = json.dumps(line)
    copy.write(LEDGER, rows)


def _refund(copy: Copy) -> dict[str, Any]:
    """A change that owes something back."""
    return next(row for row in copy.rows(CHANGES) if row["refund_minor"])


CASES: dict[str, tuple[str, Tamper]] = {
    "a change that is not decided": ("I1 change-open, I1 change-differs", _of("amended-7", CHANGES, status="pending")),
    "a change for which units still lie apart": ("I1 change-open", _of("amended-7", PREPARED, state="prepared")),
    "a change that promises have not forgotten": (
        "I1 change-open",
        _of("amended-7", "tables/promises.orders_view.jsonl.gz", amending={"amendment_id": NEW}),
    ),
    "a change that ended otherwise than was said": ("I1 change-ends, I1 change-differs", _of("amended-7", CHANGES, status="undone")),
    "a change whose end was not said": (
        "I1 change-ends",
        lambda c: (c.without_slot(), c.record(ORDER, "orders.AmendmentUndone.v1", value(amendment_id=NEW))),
    ),
    "a change that nobody dated": (
        "I1 change-alone",
        lambda c: (c.without_slot(), c.record(PROMISES, "promises.AmendmentDated.v1", value(amendment_id=NEW))),
    ),
    "a change that fulfilment has not made": ("I1 change-differs", _of("amended-7", PREPARED, state="undone")),
    "a change that fulfilment does not know": ("I1 change-differs", lambda c: c.drop(PREPARED, {"order_id": _id(c, "amended-7")})),
    "a change to other units than were asked for": ("I1 changed", lambda c: _call(c, _more_units)),
    "a changed order that is called packed and never was": ("I1 two-places", _of("amended-7", ORDERS, state="packed")),
    "an order that fulfilment did not change": ("I1 units", _as_before),
    "a task with more units than the order": ("I1 units", _one_stop_more),
    "units set apart for a change that no bin knows": ("I1 units, I6 reservations", _units_set_apart),
    "units that were taken out of a carton and lost": ("I1 units", lambda c: c.drop(PULL_BACKS, {"done_at": None})),
    "units on their way back that nobody took": ("I1 units", lambda c: c.add(PULL_BACKS, {"done_at": None}, pull_back_id=NEW)),
    "a change that nobody asked for": ("I2 unasked, I4 not-once", _of("amended-7", CHANGES, reason=NEW)),
    "a change all of whose requests failed": ("I2 refused-exists", _every_request_failed),
    "a change that was taken twice": (
        "I1 change-alone, I1 change-differs, I1 change-ends, I4 two-answers",
        lambda c: c.add(CHANGES, {"order_id": _id(c, "amended-7")}, amendment_id=NEW),
    ),
    "a repeated request with another answer": ("I4 two-answers", lambda c: c.answer("amend", _of_another, reason=c.rows(CHANGES)[0]["reason"])),
    "a change that ended twice": ("I1 change-ends, I4 two-ends, I7 not-applied, I8 head, I8 heard, I8 order", _ended_again),
    "units that were put away and are not": (
        "I4 not-once",
        lambda c: c.change(PULL_BACKS, {"order_id": _id(c, "amended-4")}, scan_id=NEW),
    ),
    "an order that keeps too much": ("I4 sums", lambda c: c.change(ORDERS, {"external_ref": "amended-3"}, returned_minor=300)),
    "an order that counts too little as paid": ("I4 sums", lambda c: c.change(ORDERS, {"external_ref": "amended-6"}, paid_minor=22_500_780)),
    "an order that is worth what it was": ("I4 sums", lambda c: c.change(ORDERS, {"external_ref": "amended-3"}, total_minor=780)),
    "a refund that nobody promised": ("I4 not-promised", lambda c: c.change(CHANGES, {"refund_id": _refund(c)["refund_id"]}, promised_at=None)),
    "a refund that the ledger refused": (
        "I4 not-promised",
        lambda c: c.change(CHANGES, {"refund_id": _refund(c)["refund_id"]}, promised_at=None, not_promised="looks-like-duplicate"),
    ),
    "a refund of another amount": ("I4 other-amount", _promised_otherwise),
    "a refund that a person must pay": ("I4 for-nothing, I4 not-paid", lambda c: c.change(REFUNDS, {"state": "paid"}, state="refused")),
    "a refund that was not paid": ("I4 not-paid", lambda c: c.drop(BOOKS, {})),
    "a refund that nobody pays": ("I4 for-nothing, I4 not-paid", lambda c: c.drop(REFUNDS, {})),
    "a refund that was paid twice": ("I4 for-nothing", lambda c: c.add(BOOKS, {}, key=NEW)),
    "a refund that nobody owes": ("I4 for-nothing", lambda c: c.add(LEDGER, {"promise_id": _refund(c)["refund_id"], "seq": 1}, promise_id=NEW)),
    "a change of a version that was not read": ("I8 stale", lambda c: _call(c, _older)),
}
"""What is done to one row -> what the audit then says, all of it."""


@pytest.mark.parametrize("case", CASES)
def test_a_tampered_row_is_named(case: str, tmp_path: Path) -> None:
    said, tamper = CASES[case]
    copy = Copy(tmp_path / "evidence", AMENDED)
    tamper(copy)
    assert {f"{each.invariant} {each.clause}" for each in audit(copy.folder).violations} == set(said.split(", "))


def test_the_true_run_violates_nothing() -> None:
    audited = audit(AMENDED)
    assert audited.violations == []
    assert figures(audited)["amendments"] == {"agreed": 11, "undone": 3}
    counted = {what: count for finding in audited.findings for what, count in finding.counted.items()}
    assert (counted["refunds owed"], counted["refunds paid"], counted["changes of what was read"]) == (6, 6, 17)


def test_an_order_that_was_packed_before_it_was_changed_is_on_the_shelf_again(tmp_path: Path) -> None:
    """What excuses it is the change alone: prepared before the carton was closed it excuses nothing."""
    copy = Copy(tmp_path / "evidence", AMENDED)
    packed = next(row for row in copy.rows(ORDERS) if row["external_ref"] == "amended-5")
    task = next(row for row in copy.rows("tables/fulfilment.pick_tasks.jsonl.gz") if row["order_id"] == packed["order_id"])
    assert (packed["state"], task["state"]) == ("packed", "ready")
    copy.without_slot()
    rows = copy.rows(f"records/{WORK}.jsonl.gz")
    for row in rows:
        if ["ce_type", "fulfilment.AmendmentPrepared.v1"] in row["headers"] and json.loads(row["value"])["order_id"] == packed["order_id"]:
            header("ce_aggregateversion", "1")(row)
    copy.write(f"records/{WORK}.jsonl.gz", rows)
    assert "I1 two-places" in {f"{each.invariant} {each.clause}" for each in audit(copy.folder).violations}
