"""I8: applied versions per order rise by exactly 1.

Compared are, for each thing that a topic tells of (an order, a shelf, a promise), the versions of its events in the order of their first records
with 1, 2, 3, ..; the last of them with the version that its owner's row holds; and the versions that a hearing service keeps of an order with the
last event of it that the service hears, and with their own earlier values in what the slot said: they never step back. A change is asked for of the
version that was read: what is answered has the next one.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping

from chaos.auditor.evidence import Evidence
from chaos.auditor.findings import Finding
from chaos.auditor.journal import OK
from chaos.auditor.records import Record
from chaos.auditor.register import FEED, HEARS

OWNERS: Mapping[str, tuple[str, Callable[[dict[str, object]], str], str]] = {
    "orders.order.v1": ("orders.orders", lambda row: str(row["order_id"]), "said_version"),
    "orders.customer.v1": ("orders.customers", lambda row: str(row["customer_id"]), "version"),
    "fulfilment.work.v1": ("fulfilment.work_heads", lambda row: str(row["order_id"]), "version"),
    "fulfilment.stock.v1": ("fulfilment.shelves", lambda row: f"{row['site']}:{row['sku']}", "version"),
    "loyalty.upgrade.v1": ("loyalty.upgrades", lambda row: str(row["order_id"]), "version"),
}
"""Topic -> the table of its owner, the key of a row, and the column that holds the last version said."""

_OF_WANTS = ("OrderPlaced", "OrderReleased", "CancelRequested", "OrderCancelled", "AmendmentRequested", "OrderAmended", "AmendmentUndone")
HEARERS = (
    ("orders", "orders.orders", "work_version", "fulfilment.work.v1", HEARS["orders"]["fulfilment.work.v1"]),
    ("loyalty", "loyalty.orders_view", "version", "orders.order.v1", HEARS["loyalty"]["orders.order.v1"]),
    ("fulfilment", "fulfilment.wants", "heard_version", "orders.order.v1", _OF_WANTS),
)
"""Service, table by order_id, the column that holds the last version heard, the topic that it is of, the events that count."""

RISING = frozenset({"notifications.message.v1"})
"""Topics whose versions come from one sequence: they rise, with gaps."""


def audit(evidence: Evidence) -> Finding:
    """All clauses."""
    finding = Finding("I8", "versions rise by exactly 1")
    for topic, about in evidence.topics.items():
        if about.owner != "storefront" and topic != FEED:
            _rise(evidence, finding, topic)
    for topic in OWNERS:
        _held(evidence, finding, topic)
    for hearer in HEARERS:
        _heard(evidence, finding, *hearer)
    for call in evidence.calls("amend"):
        if call.outcome == OK and call.if_match is not None:
            finding.counted["changes of what was read"] += 1
            told = call.answer.get("version")
            finding.expect(told == call.if_match + 1, "stale", f"{call.order_id} was changed as of version {call.if_match} and answered with {told}")
    return finding


def _rise(evidence: Evidence, finding: Finding, topic: str) -> None:
    last: dict[str, int] = {}
    whole = all(position.first == 0 for position in evidence.positions if position.topic == topic)
    for record in evidence.firsts(topic):
        thing = _thing(record)
        before = last.get(thing, 0 if whole else record.version - 1)
        follows = record.version > before if topic in RISING else record.version == before + 1
        finding.counted["versions"] += 1
        finding.expect(follows, "order", f"{record.type} of {thing} at {record.where} has version {record.version} after {before}")
        last[thing] = record.version


def _thing(record: Record) -> str:
    """What the version counts: mostly the key. On the promises' topic each promise, the answers given to an order, and the one given to a change."""
    if record.topic == "promises.promise.v1":
        data = record.data
        if "promise_id" not in data and "amendment_id" in data:
            return f"answer to change {data['amendment_id']}"
        return f"promise {data['promise_id']}" if "promise_id" in data else f"answers to order {data.get('order_id')}"
    return (record.key or b"").decode("utf-8", "replace")


def _held(evidence: Evidence, finding: Finding, topic: str) -> None:
    table, key, column = OWNERS[topic]
    said: Counter[str] = Counter()
    for record in evidence.firsts(topic):
        thing = _thing(record)
        said[thing] = max(said[thing], record.version)
    for row in evidence.table(table):
        finding.counted["heads"] += 1
        same = said[key(row)] == row[column]
        finding.expect(same, "head", f"{table} holds version {row[column]} of {key(row)}; {topic} ends at {said[key(row)]}")


def _heard(evidence: Evidence, finding: Finding, service: str, table: str, column: str, topic: str, names: Collection[str]) -> None:
    heard: Counter[str] = Counter()
    aside = {row["event_id"] for row in evidence.table(f"{service}.dead_letters")} - {row["event_id"] for row in evidence.table(f"{service}.inbox")}
    for record in evidence.firsts(topic):
        if record.name in names and record.id not in aside:
            thing = _thing(record)
            heard[thing] = max(heard[thing], record.version)
    for row in evidence.table(table):
        finding.counted["versions heard"] += 1
        same = row[column] == heard[row["order_id"]]
        finding.expect(same, "heard", f"{table} has heard version {row[column]} of {row['order_id']}; {topic} holds {heard[row['order_id']]} for it")
    last: dict[str, int] = {}
    for transaction in evidence.transactions:
        for change in transaction.of(table, "INSERT", "UPDATE"):
            id, version = change["order_id"], int(change[column])
            finding.expect(version >= last.get(id, 0), "back", f"{table} stepped back from version {last.get(id)} to {version} of {id}")
            last[id] = version
