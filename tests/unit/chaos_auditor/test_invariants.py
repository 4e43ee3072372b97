"""Every invariant, and each of its clauses, is seen to fail on one tampered row; and nothing else is said then."""

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chaos.auditor import invariants
from chaos.auditor.audit import audit, figures, lines
from chaos.auditor.evidence import Incomplete
from chaos.auditor.journal import calls_in
from tests.unit.chaos_auditor.tampering import RECORDED, Copy, header, value
from tests.unit.chaos_auditor.test_amendments import CASES as OF_AMENDMENTS

NEW, OTHER = "019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a01", "01ffffff-0000-7000-8000-000000000001"
"""An event id from before the slot was opened, and one from after it."""
LABELS = "tables/fulfilment.labels.jsonl.gz"
ORDERS, WANTS, TASKS, CLAIMS = (
    f"tables/{name}.jsonl.gz" for name in ("orders.orders", "fulfilment.wants", "fulfilment.pick_tasks", "fulfilment.claims")
)
BINS, MOVEMENTS, SHELVES = (f"tables/fulfilment.{name}.jsonl.gz" for name in ("bins", "stock_movements", "shelves"))
MESSAGES, WORK, ORDER, PROMISES = "notifications.message.v1", "fulfilment.work.v1", "orders.order.v1", "promises.promise.v1"
SHOP, LETTERS = "storefront.order.v1", "tables/orders.dead_letters.jsonl.gz"
PICKED_UP = ("table fulfilment.pick_tasks: UPDATE", "state[text]:'picked'", "claimed_by[text]:'picker-0'")

Tamper = Callable[[Copy], object]


def _id(copy: Copy, reference: str) -> str:
    return str(next(row["order_id"] for row in copy.rows(ORDERS) if row["external_ref"] == reference))


def _place(via: str, answer: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    body = {"channel": "retail", "external_ref": "ghost", "order_id": OTHER, "lines": []}
    call = {"n": 9000, "at": "", "op": "place", "via": via, "key": NEW, "body": body}
    return call, {"n": 9000, "at": "", "outcome": "ok", "status": 201, "answer": answer}


def _cancel(copy: Copy) -> None:
    call = {"n": 9000, "at": "", "op": "cancel", "via": "http", "key": NEW, "order_id": _id(copy, "try-9"), "body": {}}
    copy.journal(call, {"n": 9000, "at": "", "outcome": "ok", "status": 202, "answer": {}})


def _more_units(copy: Copy) -> None:
    want = next(row for row in copy.rows(WANTS) if row["order_id"] == _id(copy, "try-9"))
    copy.change(WANTS, {"order_id": want["order_id"]}, quantities=[each + 1 for each in want["quantities"]])


def _placed_more(copy: Copy) -> None:
    rows = copy.rows("journal.jsonl")
    lines = next(row["body"]["lines"] for row in rows if row.get("op") == "place" and row["body"]["external_ref"] == "try-9")
    lines[0]["quantity"] += 1
    copy.write("journal.jsonl", rows)


def _claim_of_another(copy: Copy) -> None:
    first, second = copy.rows(CLAIMS)[:2]
    copy.change(CLAIMS, {"claim_id": second["claim_id"]}, task_id=first["task_id"], fence=first["fence"])


def _failed(row: dict[str, Any]) -> None:
    row["outcome"] = "fail"


def _told_other(name: str) -> Callable[[dict[str, Any]], None]:
    def change(row: dict[str, Any]) -> None:
        row["answer"][name] = OTHER

    return change


def _plus(text: str, column: str, by: int) -> str:
    """The line of the slot with this much added to a number."""
    before, mark, rest = text.partition(f" {column}:")
    number, space, after = rest.partition(" ")
    return f"{before}{mark}{int(number) + by}{space}{after}"


def _repeated(copy: Copy) -> None:
    """The second record of an event that was sent twice."""
    file = "records/storefront.order.v1.jsonl.gz"
    rows = copy.rows(file)
    ids = [dict(row["headers"]).get("ce_id") for row in rows]
    again = next(row for number, row in enumerate(rows) if ids[number] and ids[number] in ids[:number])
    again["value"] += " "
    copy.write(file, rows)


def _event(copy: Copy, topic: str, type: str) -> str:
    """The id of the topic's first event of this type."""
    return next(str(dict(row["headers"])["ce_id"]) for row in copy.rows(f"records/{topic}.jsonl.gz") if ["ce_type", type] in row["headers"])


def _expects(copy: Copy, op: str, expected: bool) -> None:
    """The journal says of one call that it is to be set aside, or says so no longer."""
    rows = copy.rows("journal.jsonl")
    call = next(row for row in rows if row.get("op") == op and row["via"] == "topic" and ("expect" in row) is not expected)
    call.update({"expect": "dead_letter"} if expected else {"expect": None})
    copy.write("journal.jsonl", rows)


CASES: dict[str, tuple[str, Tamper]] = {
    "accepted over HTTP and gone": ("I1 lost", lambda c: c.journal(*_place("http", {"order_id": OTHER}))),
    "acknowledged by the broker and never answered": ("I1 lost", lambda c: c.journal(*_place("topic", {}))),
    "placed with other units than were sent": ("I1 changed", _placed_more),
    "an order without a want": ("I1 nowhere", lambda c: c.drop(WANTS, {"state": "released"})),
    "a want in two places": ("I1 two-places", lambda c: c.change(ORDERS, {"external_ref": "try-9"}, state="validating")),
    "a task in two places": ("I1 two-places", lambda c: c.change(TASKS, {"state": "ready"}, state="claimed")),
    "a parcel in two places": (
        "I1 two-places",
        lambda c: c.change("tables/fulfilment.parcels.jsonl.gz", {"state": "delivered"}, state="handed_over"),
    ),
    "a cancelled order that was shipped": ("I1 two-places", lambda c: c.change(ORDERS, {"state": "delivered"}, state="cancelled")),
    "more units wanted than placed": ("I1 units", _more_units),
    "units moved for another order": ("I1 units", lambda c: c.change(MOVEMENTS, {"kind": "reserve"}, order_id=OTHER)),
    "units taken for another order": ("I1 units", lambda c: c.change(MOVEMENTS, {"kind": "pick"}, order_id=OTHER)),
    "a cancel that is not decided": ("I1 cancel-lost", _cancel),
    "an order that nobody sent": ("I2 unasked", lambda c: c.forget(external_ref="try-9")),
    "an order all of whose attempts failed": ("I2 refused-exists", lambda c: c.answer("place", _failed, external_ref="try-9")),
    "a claim that nobody made": ("I2 unasked", lambda c: c.add(CLAIMS, {}, claim_id=NEW, fence=99)),
    "a scan that nobody made": ("I2 unasked", lambda c: c.add("tables/fulfilment.scans.jsonl.gz", {}, scan_id=NEW)),
    "a parcel that nobody packed": ("I2 unasked", lambda c: c.add("tables/fulfilment.parcels.jsonl.gz", {}, parcel_id=NEW)),
    "a receipt that nobody sent": ("I2 unasked", lambda c: c.add("tables/fulfilment.stock_papers.jsonl.gz", {}, paper_id=NEW)),
    "a receipt that was refused": ("I2 refused-exists", lambda c: c.answer("receipt", _failed)),
    "a row about no order": ("I2 orphan", lambda c: c.add("tables/notifications.orders_view.jsonl.gz", {}, order_id=NEW)),
    "a mail about nothing": ("I2 unasked", lambda c: c.add("mails.jsonl", {}, message_id=f"<{NEW}@kept.example>")),
    "one content under two ids": ("I4 twice", lambda c: (c.without_slot(), c.say_again(MESSAGES, "notifications.MessageSent.v1", NEW, version=99))),
    "a label that was said and never bought": ("I4 twice", lambda c: c.drop(LABELS, {})),
    "a parcel with two labels": ("I4 twice, I4 two-labels", lambda c: c.add(LABELS, {}, reference=NEW, tracking_number="KGR99")),
    "one id with two contents": ("I4 two-contents", _repeated),
    "two ids answered for one order": ("I4 two-answers", lambda c: c.answer("place", _told_other("order_id"), external_ref="try-1")),
    "an acknowledged scan that is gone": ("I4 not-once", lambda c: c.drop("tables/fulfilment.scans.jsonl.gz", {})),
    "a receipt that moved nothing": ("I4 not-once", lambda c: c.change(MOVEMENTS, {"kind": "receipt"}, reference=NEW)),
    "a mail that went out twice": ("I4 mails", lambda c: c.add("mails.jsonl", {})),
    "a message that is sent and never left": ("I4 mails", lambda c: c.drop("mails.jsonl", {})),
    "two claims under one fence": ("I5 two-claims, I5 two-told, I5 stale-scan", _claim_of_another),
    "a task given to somebody else": ("I5 two-told", lambda c: c.change(CLAIMS, {"picker": "picker-0", "fence": 2}, picker="picker-9")),
    "a scan of somebody else": ("I5 stale-scan", lambda c: c.change("tables/fulfilment.scans.jsonl.gz", {}, scanned_by="picker-9")),
    "a scan under an older fence": (
        "I5 stale-scan",
        lambda c: c.slot_line("table fulfilment.scans: INSERT", change=lambda text: _plus(text, "fence[bigint]", -1)),
    ),
    "a fence that goes back": ("I5 fence, I5 stale-scan", lambda c: c.slot_line(*PICKED_UP, change=lambda text: _plus(text, "fence[bigint]", -1))),
    "another holder under the same fence": (
        "I5 fence, I5 two-holders, I5 stale-scan",
        lambda c: c.slot_line(*PICKED_UP, change=lambda text: text.replace("picker-0", "picker-9")),
    ),
    "another holder while the lease runs": (
        "I5 two-holders, I5 fence, I5 stale-scan",
        lambda c: c.slot_line(*PICKED_UP, change=lambda text: _plus(text, "fence[bigint]", 1).replace("picker-0", "picker-9")),
    ),
    "more reserved than on hand": ("I6 oversold, I6 sums, I6 reservations, I6 said", lambda c: c.change(BINS, {"reserved": 0}, reserved=200_000)),
    "more reserved than on hand for a moment": (
        "I6 oversold",
        lambda c: c.slot_line("table fulfilment.bins: UPDATE", change=lambda text: _plus(text, "reserved[integer]", 200_000)),
    ),
    "a movement of other units": ("I6 sums", lambda c: c.change(MOVEMENTS, {"kind": "receipt"}, on_hand=7)),
    "a bin with more than was moved": ("I6 sums, I6 said", lambda c: c.change(BINS, {"reserved": 0}, on_hand=1)),
    "a reservation that no bin knows": (
        "I6 reservations",
        lambda c: c.add("tables/fulfilment.reservations.jsonl.gz", {}, order_id=_id(c, "short-1"), line=1),
    ),
    "a shelf that was said otherwise": (
        "I6 said",
        lambda c: (c.without_slot(), c.record("fulfilment.stock.v1", "fulfilment.StockChanged.v1", value(on_hand=1), last=True)),
    ),
    "an event left in the outbox": (
        "I7 waits",
        lambda c: c.write("tables/loyalty.outbox.jsonl.gz", [{"event_id": NEW, "type": "loyalty.UpgradeDeclined.v1"}]),
    ),
    "an event that was never published": ("I7 not-published", lambda c: c.drop(f"records/{MESSAGES}.jsonl.gz", {})),
    "a value other than committed": ("I7 changed", lambda c: c.record(MESSAGES, "notifications.MessageSent.v1", value(language="fr"))),
    "a header other than committed": ("I7 changed", lambda c: c.record(MESSAGES, "notifications.MessageSent.v1", header("ce_source", "/else"))),
    "an event that was never committed": (
        "I7 not-committed",
        lambda c: c.say_again(MESSAGES, "notifications.MessageSuppressed.v1", OTHER, version=99),
    ),
    "an event that was applied twice": ("I7 applied-twice", lambda c: c.add("tables/loyalty.inbox.jsonl.gz", {}, day="2026-11-27")),
    "state without its event": ("I7 apart, I7 not-committed", lambda c: c.slot_line("table notifications.outbox: INSERT", change=lambda _: None)),
    "an order moved and nothing said": (
        "I7 apart, I7 not-committed",
        lambda c: c.slot_line("table fulfilment.outbox: INSERT", "PickClaimed", change=lambda _: None),
    ),
    "something said and no order moved": ("I7 apart", lambda c: c.slot_line("table fulfilment.work_heads: UPDATE", change=lambda _: None)),
    "a ledger entry that is missing": ("I7 apart", lambda c: c.slot_line("table promises.promise_entries: INSERT", change=lambda _: None)),
    "state without its inbox row": (
        "I7 apart",
        lambda c: c.slot_line("table fulfilment.inbox", _event(c, ORDER, "orders.OrderPlaced.v1"), change=lambda _: None),
    ),
    "an inbox row without its state": ("I7 apart", lambda c: c.slot_line("table loyalty.orders_view: INSERT", change=lambda _: None)),
    "a version that is left out": (
        "I8 order, I8 head",
        lambda c: (c.without_slot(), c.record(WORK, "fulfilment.PickReleased.v1", header("ce_aggregateversion", "9"))),
    ),
    "a version that comes again": (
        "I8 order",
        lambda c: (c.without_slot(), c.record(ORDER, "orders.CancelRequested.v1", header("ce_aggregateversion", "1"))),
    ),
    "a sequence that falls": (
        "I8 order",
        lambda c: (c.without_slot(), c.record(MESSAGES, "notifications.MessageSent.v1", header("ce_aggregateversion", "0"))),
    ),
    "a head that moved without an event": ("I8 head", lambda c: c.change(ORDERS, {}, said_version=9)),
    "an event that was not heard": ("I8 heard", lambda c: c.change("tables/loyalty.orders_view.jsonl.gz", {}, version=1)),
    "a view that stepped back": (
        "I8 back",
        lambda c: c.slot_line("table orders.orders: UPDATE", "state[text]:'delivered'", change=lambda text: _plus(text, "work_version[bigint]", -3)),
    ),
    "poison that was lost": ("I9 lost, I9 not-set-aside", lambda c: c.drop("tables/promises.dead_letters.jsonl.gz", {"kind": "unreadable"})),
    "events that were not read": (
        "I9 unread",
        lambda c: c.change("offsets.jsonl", {"group": "promises", "topic": ORDER, "partition": 1}, committed=0),
    ),
    "a partition without an offset": ("I9 unread", lambda c: c.drop("offsets.jsonl", {"group": "loyalty"})),
    "a dead letter for nothing": ("I9 invented", lambda c: c.add("tables/loyalty.dead_letters.jsonl.gz", {}, offset=9_999)),
    "a record that was set aside twice": ("I9 aside-twice", lambda c: c.add(LETTERS, {}, id=NEW)),
    "a dead letter with other bytes": (
        "I9 changed",
        lambda c: c.change(LETTERS, {"kind": "unreadable"}, value="\\x00"),
    ),
    "a dead letter with other headers": ("I9 changed", lambda c: c.change(LETTERS, {}, headers="\\x90")),
    "an event set aside without a reason": ("I9 unexpected", lambda c: _expects(c, "place", False)),
    "an event that was to be set aside": ("I9 not-set-aside", lambda c: _expects(c, "cancel", True)),
    "an event applied that nobody said": ("I9 invented", lambda c: c.add("tables/promises.inbox.jsonl.gz", {}, event_id=NEW)),
    "a process that never came back": ("I11 never", lambda c: c.drop("timeline.jsonl", {"target": "orders-worker-1", "event": "recovered"})),
    "a process that came back late": (
        "I11 late",
        lambda c: c.change("timeline.jsonl", {"target": "orders-worker-1", "event": "recovered"}, seconds=5.1),
    ),
    "a broker that came back late": ("I11 late", lambda c: c.change("timeline.jsonl", {"target": "kafka-2", "event": "recovered"}, seconds=30.1)),
    "a database that came back late": ("I11 late", lambda c: c.change("timeline.jsonl", {"target": "postgres", "event": "recovered"}, seconds=15.1)),
    "two orders under one reference": (
        "I4 two-orders, I7 not-applied, I7 not-committed",
        lambda c: c.say_again(ORDER, "orders.OrderPlaced.v1", OTHER, version=1, key=NEW, order_id=NEW),
    ),
    "two first promises of an order": (
        "I4 two-promises, I7 not-applied",
        lambda c: c.say_again(PROMISES, "promises.PromiseMade.v1", NEW, version=1, promise_id=OTHER),
    ),
    "two verdicts on a promise": (
        "I4 two-verdicts, I7 not-applied",
        lambda c: c.say_again(PROMISES, "promises.PromiseReleased.v1", NEW, version=3),
    ),
    "a repeated claim with another task": ("I4 two-answers, I5 two-told", lambda c: c.answer("claim", _told_other("task_id"))),
    "an acknowledged claim that is gone": ("I4 not-once, I5 two-told", lambda c: c.drop(CLAIMS, {})),
    "an event that was neither applied nor set aside": (
        "I7 not-applied, I9 lost",
        lambda c: c.drop("tables/promises.inbox.jsonl.gz", {"event_id": _event(c, ORDER, "orders.OrderPlaced.v1")}),
    ),
}
"""What is done to one row -> what the audit then says, all of it."""


def _kinds(folder: Path) -> set[str]:
    return {f"{each.invariant} {each.clause}" for each in audit(folder).violations}


def test_the_true_run_violates_nothing() -> None:
    audited = audit(RECORDED)
    assert audited.violations == []
    assert [finding.invariant for finding in audited.findings] == ["I1", "I2", "I4", "I5", "I6", "I7", "I8", "I9", "I11"]
    assert all(finding.counted.total() for finding in audited.findings)


@pytest.mark.parametrize("case", CASES)
def test_a_tampered_row_is_named(case: str, tmp_path: Path) -> None:
    said, tamper = CASES[case]
    copy = Copy(tmp_path / "evidence")
    tamper(copy)
    assert _kinds(copy.folder) == set(said.split(", "))


@pytest.mark.parametrize(("kind", "said"), [("failed", {"I9 changed"}), ("refused", {"I9 changed", "I9 unexpected"})])
def test_what_queues_behind_an_announced_failure_is_explained(kind: str, said: set[str], tmp_path: Path) -> None:
    copy = Copy(tmp_path / "evidence")
    first = copy.change(LETTERS, {"reason": "reference-reused"}, kind=kind)
    copy.add(LETTERS, {"id": first["id"]}, kind="behind", offset=0, event_id=NEW)
    assert _kinds(copy.folder) == said


@pytest.mark.parametrize(("kind", "said"), [("failed", set()), ("refused", {"I9 not-set-aside"})])
def test_what_failed_and_waits_is_not_set_aside_again(kind: str, said: set[str], tmp_path: Path) -> None:
    copy = Copy(tmp_path / "evidence")
    first = copy.change(LETTERS, {"reason": "reference-reused"}, kind=kind)
    place = {name: first[name] for name in ("partition", "offset")}
    copy.add(f"records/{SHOP}.jsonl.gz", place, offset=9_999)
    assert _kinds(copy.folder) == said


@pytest.mark.parametrize(("reference", "said"), [("try-0", set()), ("try-9", {"I9 unexpected"})])
def test_a_payment_of_a_cancelled_order_may_be_set_aside(reference: str, said: set[str], tmp_path: Path) -> None:
    copy = Copy(tmp_path / "evidence")
    told = {"channel": "retail", "external_ref": reference}
    copy.say_again(SHOP, "storefront.OrderCancelRequested.v1", NEW, type="storefront.PaymentSecured.v1", version=0, **told)
    record = copy.rows(f"records/{SHOP}.jsonl.gz")[-1]
    place = {name: record[name] for name in ("partition", "offset")}
    content = {name: "\\x" + record[name].encode("latin-1").hex() for name in ("key", "value")}
    headers = "\\x" + msgspec.msgpack.encode([(name, value.encode("latin-1")) for name, value in record["headers"]]).hex()
    copy.add(LETTERS, {"reason": "unknown-order"}, reason="order-closed", event_id=NEW, headers=headers, **place, **content)
    assert _kinds(copy.folder) == said


@pytest.mark.parametrize(("about", "said"), [(NEW, set()), (None, {"I2 orphan"})])
def test_a_message_about_a_promise_of_the_ledger_is_of_no_order(about: str | None, said: set[str], tmp_path: Path) -> None:
    copy = Copy(tmp_path / "evidence")
    copy.add("tables/notifications.messages.jsonl.gz", {}, message_id=NEW, order_id=None, about=about, state="waiting")
    assert _kinds(copy.folder) == said


def test_every_clause_has_a_case() -> None:
    calls = [
        node
        for file in (Path(invariants.__file__).parent).glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("expect", "broken")
    ]
    clauses = {argument.value for node in calls for argument in node.args if isinstance(argument, ast.Constant) and isinstance(argument.value, str)}
    clauses |= {"two-orders", "two-promises", "two-verdicts", "two-ends"}
    shown = {each.partition(" ")[2] for said, _ in (*CASES.values(), *OF_AMENDMENTS.values()) for each in said.split(", ")}
    assert shown == clauses


def test_the_figures_of_the_true_run() -> None:
    told = figures(audit(RECORDED))
    assert told["orders"] == {"sent": 15, "acknowledged": 14, "unknown": 0}
    assert told["recovery_seconds"]["process"] == {"p50": 3.2, "p95": 3.2, "max": 3.2}
    assert (told["events"], told["missing"], told["doubled"], told["out_of_order"], told["violations"]) == (221, 0, 0, 0, [])
    assert told["dead_lettered"] == told["expected_dead_letters"] == 34


def test_the_figures_count_what_is_missing_doubled_and_out_of_order(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "evidence")
    copy.drop(f"records/{MESSAGES}.jsonl.gz", {})
    copy.add("mails.jsonl", {"message_id": copy.rows("mails.jsonl")[-1]["message_id"]})
    copy.change(ORDERS, {}, said_version=9)
    told = figures(audit(copy.folder))
    assert (told["missing"], told["doubled"], told["out_of_order"], len(told["violations"])) == (1, 1, 1, 3)


def test_a_line_per_invariant_and_the_first_ten_violations(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "evidence")
    for _ in range(12):
        copy.add("mails.jsonl", {"message_id": f"<{NEW}@kept.example>"} if _ else {}, message_id=f"<{NEW}@kept.example>")
    told = lines(audit(copy.folder))
    assert told[0].startswith("I1  0 violations")
    assert told[1].startswith("I2  12 violations")
    assert len(told) == 9 + 10


def test_a_folder_that_is_no_evidence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Incomplete, match=r"journal\.jsonl"):
        audit(tmp_path)


def test_a_journal_that_was_cut_off_ends_before_the_cut(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    call = {"n": 1, "at": "", "op": "place", "via": "http", "key": NEW, "body": {"channel": "retail", "external_ref": "\u2028"}}
    file.write_text(json.dumps(call, ensure_ascii=False) + "\n" + '{"n": 1, "outc')
    (read,) = calls_in(file)
    assert (read.outcome, read.reference) == ("unknown", ("retail", "\u2028"))
    file.write_text('{"n": 1, "outc\n' + json.dumps(call))
    with pytest.raises(ValueError, match="line 1"):
        calls_in(file)
