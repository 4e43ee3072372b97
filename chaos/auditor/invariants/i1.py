"""I1: every order that the client saw accepted is exactly one of shipped, open, cancelled, unit by unit; an unknown one exists once or not at all.

Compared are the journal's calls with orders.orders and the topics; then, for each order that stands, its state in orders with what the books of
fulfilment hold of it: the want and its reservations, the movements of its units, the task and its stops, the parcels. An order that was changed is
what it became last. The changes themselves are compared in `amendments.py`.
"""

from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from chaos.auditor.amended import forms_of, reopened
from chaos.auditor.asked import Asked, asked_in, units
from chaos.auditor.evidence import Evidence, Row
from chaos.auditor.findings import Finding
from chaos.auditor.invariants.amendments import audit_amendments
from chaos.auditor.journal import FAIL, OK

STANDS: dict[str, tuple[set[str], set[str], set[str]]] = {
    "validating": ({"short", "reserved"}, {"none"}, {"none"}),
    "released": ({"reserved"}, {"ready"}, {"none"}),
    "picking": ({"reserved", "short", "picked"}, {"ready", "claimed", "picked", "short"}, {"none"}),
    "packed": ({"picked"}, {"packed", "picked"}, {"none", "packed", "staged", "loaded"}),
    "handed_over": ({"picked"}, {"packed"}, {"handed_over"}),
    "delivered": ({"picked"}, {"packed"}, {"delivered"}),
    "cancelled": ({"released"}, {"none", "cancelled"}, {"none"}),
}
"""State of an order -> what its want, its task and its parcels may then be, once all is quiet."""
REOPENED = tuple(one | other for one, other in zip(STANDS["picking"], STANDS["packed"], strict=True))
"""The same of one that was changed when it had been packed: orders still calls it packed, and it may be on the shelf again."""


@dataclass(slots=True)
class _Books:
    """What fulfilment holds of one order."""

    want: Row | None = None
    apart: Counter[int] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    task: str = "none"
    stops: Counter[str] | None = None
    parcels: set[str] = field(default_factory=lambda: {"none"})


def audit(evidence: Evidence) -> Finding:
    """All clauses."""
    finding = Finding("I1", "accepted orders are exactly one of shipped, open, cancelled")
    forms = forms_of(evidence)
    placed = {order_id: told[0] for order_id, told in forms.items()}
    answered = _answered(evidence)
    for asked in asked_in(evidence).values():
        _stands(finding, asked, placed, answered)
    books, open_again = _books(evidence), reopened(evidence)
    for row in evidence.table("orders.orders"):
        stands = REOPENED if row["state"] == "packed" and row["order_id"] in open_again else STANDS[row["state"]]
        _units(finding, row, forms.get(row["order_id"], []), books.get(row["order_id"], _Books()), stands)
    _cancels(evidence, finding)
    audit_amendments(evidence, finding)
    return finding


def _stands(finding: Finding, asked: Asked, placed: Mapping[str, Row], answered: Set[str]) -> None:
    """What the client was told about one order is true."""
    finding.counted["accepted" if asked.accepted else "logged" if asked.logged else "unknown" if asked.unknown else "failed"] += 1
    name = "/".join(asked.reference)
    if asked.row is None:
        finding.expect(not asked.accepted, "lost", f"order {name} was accepted over HTTP and is not in orders.orders")
        if asked.logged and not asked.accepted:
            heard = any(call.key in answered or call.body.get("order_id") in answered for call in asked.calls)
            finding.expect(heard, "lost", f"order {name} stands on the topic and was neither placed, refused nor set aside")
        return
    if asked.row["order_id"] in placed and not asked.never:
        wanted = [units(call.body.get("lines", [])) for call in asked.calls if call.outcome != FAIL and not call.expects_dead_letter]
        same = units(placed[asked.row["order_id"]].get("lines", [])) in wanted
        finding.expect(same, "changed", f"order {name} was placed with other units than the client sent")


def _answered(evidence: Evidence) -> set[str]:
    """Ids of orders that were refused by an event, and of events that orders set aside."""
    refused = {record.data.get("order_id", "") for record in evidence.events.get("OrderRefused", [])}
    return refused | {letter["event_id"] for letter in evidence.table("orders.dead_letters") if letter["event_id"]}


def _units(finding: Finding, row: Row, forms: list[Row], books: _Books, stands: tuple[set[str], ...]) -> None:
    """Where each unit of one order is. A cancel may have been accepted before the last change was heard."""
    name, want = f"order {row['order_id']} ({row['state']})", books.want
    if not forms or want is None:
        finding.broken("nowhere", f"{name} has {'no want in fulfilment' if forms else 'no OrderPlaced'}")
        return
    wants, tasks, parcels = stands
    finding.expect(want["state"] in wants, "two-places", f"{name} has a want that is {want['state']}")
    finding.expect(books.task in tasks, "two-places", f"{name} has a task that is {books.task}")
    finding.expect(books.parcels <= parcels, "two-places", f"{name} has parcels that are {', '.join(sorted(books.parcels))}")
    lines = [{"line": n, "sku": sku, "quantity": q} for n, sku, q in zip(want["lines"], want["skus"], want["quantities"], strict=True)]
    whole = units(lines)
    told = [units(form.get("lines", [])) for form in (forms if row["state"] == "cancelled" else forms[-1:])]
    finding.expect(whole in told, "units", f"{name} stands with other units than fulfilment wants for it")
    if books.stops is not None and want["state"] in ("reserved", "picked"):
        finding.expect(books.stops == whole, "units", f"{name} has a task with other units than it wants")
    finding.counted["units shipped" if row["state"] in ("handed_over", "delivered") else f"units {_class(row['state'])}"] += whole.total()
    expected_taken = whole if want["state"] == "picked" else Counter[str]()
    finding.expect(books.taken == expected_taken, "units", f"{name} has {books.taken.total()} of {whole.total()} units off the shelves")
    if want["state"] == "short":
        finding.expect(books.held <= whole, "units", f"{name} has more units set apart than it wants")
    else:
        expected_held = whole if want["state"] == "reserved" else Counter[str]()
        finding.expect(books.held == expected_held, "units", f"{name} has {books.held.total()} of {whole.total()} units set apart")
    if want["state"] in ("reserved", "picked"):
        each = all(books.apart[line["line"]] == line["quantity"] for line in lines)
        finding.expect(each, "units", f"{name} has a line whose reservations are not its quantity")


def _class(state: str) -> str:
    return "cancelled" if state == "cancelled" else "open"


def _books(evidence: Evidence) -> dict[str, _Books]:
    found: dict[str, _Books] = {}
    for want in evidence.table("fulfilment.wants"):
        found.setdefault(want["order_id"], _Books()).want = want
    for part in evidence.table("fulfilment.reservations"):
        found.setdefault(part["order_id"], _Books()).apart[part["line"]] += part["quantity"]
    for moved in evidence.table("fulfilment.stock_movements"):
        if moved["order_id"] is not None:
            books = found.setdefault(moved["order_id"], _Books())
            books.taken[moved["sku"]] -= moved["on_hand"]
            books.held[moved["sku"]] += moved["reserved"]
    for row in evidence.table("fulfilment.amendments"):
        for sku, quantity in zip(row["skus"], row["quantities"], strict=True):
            found.setdefault(row["order_id"], _Books()).held[sku] -= quantity  # for the order as it would be
    for row in evidence.table("fulfilment.pull_backs"):
        if row["done_at"] is None:
            found.setdefault(row["order_id"], _Books()).taken[row["sku"]] -= row["quantity"]  # on the way back to its bin
    stops: dict[str, Counter[str]] = {}
    for stop in evidence.table("fulfilment.pick_lines"):
        stops.setdefault(stop["task_id"], Counter())[stop["sku"]] += stop["quantity"]
    for task in evidence.table("fulfilment.pick_tasks"):
        books = found.setdefault(task["order_id"], _Books())
        books.task, books.stops = task["state"], stops.get(task["task_id"])
    for parcel in evidence.table("fulfilment.parcels"):
        books = found.setdefault(parcel["order_id"], _Books())
        books.parcels = (books.parcels - {"none"}) | {parcel["state"]}
    return found


def _cancels(evidence: Evidence, finding: Finding) -> None:
    """Every cancel that was taken is decided: the order is cancelled or was never taken, or the client is told why not."""
    rows = {(row["channel"], row["external_ref"]): row for row in evidence.table("orders.orders")}
    by_id = {row["order_id"]: row for row in rows.values()}
    told = {letter["event_id"] for letter in evidence.table("orders.dead_letters")}
    told |= {record.data.get("request_id") for record in evidence.events.get("CancelRefused", [])}
    told |= {record.data.get("order_id") for record in evidence.events.get("OrderRefused", [])}
    told.discard(None)
    for call in evidence.calls("cancel"):
        if call.outcome == OK and call.key not in told and call.order_id not in told:
            finding.counted["cancels taken"] += 1
            row = rows.get(call.reference) if call.reference else by_id.get(call.order_id or "")
            decided = row is not None and (row["state"] == "cancelled" or row["cancel_refusal"] is not None)
            finding.expect(decided, "cancel-lost", f"the cancel of {call.reference or call.order_id} was taken and is not decided")
