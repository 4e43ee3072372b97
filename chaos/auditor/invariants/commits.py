"""The part of I7 that only the log of commits shows: inbox, state and outbox stand in one transaction.

Compared are, commit by commit: the versions by which its rows moved an order, a shelf, a customer, a promise, with the versions of the events in its
own outbox rows; the messages that it settled with the events that say so; and the rows that the handling of one event inserts with the inbox row
of that event, both ways.
"""

from collections.abc import Mapping

from chaos.auditor.changes import Transaction
from chaos.auditor.evidence import Evidence
from chaos.auditor.findings import Finding
from chaos.auditor.heads import Thing, moved_in, said_in

MADE_BY_EVENTS: Mapping[str, tuple[str, str]] = {
    "fulfilment.wants": ("OrderPlaced", "order_id"),
    "fulfilment.pick_tasks": ("OrderReleased", "order_id"),
    "promises.orders_view": ("OrderPlaced", "order_id"),
    "loyalty.orders_view": ("OrderPlaced", "order_id"),
    "orders.promises_view": ("PromiseMade", "promise_id"),
}
"""Table -> the event whose handling inserts a row of it, and the id that both carry."""
SETTLED = frozenset({"sent", "failed", "suppressed"})
"""States of a message after which nothing more becomes of it."""
NOT_ALWAYS = frozenset({"fulfilment.pick_tasks"})
"""Where the event may also find nothing to do: a release that a cancel overtook."""


def audit_commits(evidence: Evidence, finding: Finding) -> None:
    """All of it, over every commit that the slot saw."""
    before: dict[Thing, int] = {}
    for transaction in evidence.transactions:
        finding.counted["commits"] += 1
        _versions(finding, transaction, before)
        _settled(finding, transaction)
        _handled(evidence, finding, transaction)


def _versions(finding: Finding, transaction: Transaction, before: dict[Thing, int]) -> None:
    said, moved = said_in(transaction), moved_in(transaction, before)
    for thing in said.keys() | moved.keys():
        told, by = sorted(said.get(thing, [])), moved.get(thing, [])
        if by is None:  # moved for the first time that the slot saw: what was said must end where the row stands now
            by = list(range(before[thing] - len(told) + 1, before[thing] + 1))
        name = f"{thing[0]} {thing[1]}"
        finding.expect(told == sorted(by), "apart", f"transaction {transaction.xid} moved {name} by versions {by} and said {told}")


def _settled(finding: Finding, transaction: Transaction) -> None:
    """A message that was sent, failed or held back for good is said so by the same commit."""
    settled = {row["message_id"] for row in transaction.of("notifications.messages", "INSERT", "UPDATE") if row["state"] in SETTLED}
    said = {str(row.columns["about"]) for row in transaction.of("notifications.outbox", "INSERT")}
    for id in settled ^ said:
        what = "settled" if id in settled else "told of"
        finding.broken("apart", f"transaction {transaction.xid} {what} message {id}, and did not do both")


def _handled(evidence: Evidence, finding: Finding, transaction: Transaction) -> None:
    for table, (name, field) in MADE_BY_EVENTS.items():
        made = {row[field] for row in transaction.of(table, "INSERT")}
        heard = _heard(evidence, transaction, table.partition(".")[0], name, field)
        for id in made - heard:
            finding.broken("apart", f"transaction {transaction.xid} made the row {id} of {table} without {name} in its inbox")
        for id in heard - made if table not in NOT_ALWAYS else ():
            finding.broken("apart", f"transaction {transaction.xid} entered {name} {id} into the inbox without its row of {table}")


def _heard(evidence: Evidence, transaction: Transaction, service: str, name: str, field: str) -> set[str]:
    """The ids in the data of the events of this name that the commit entered into the inbox, and left there."""
    entered = {row["event_id"] for row in transaction.of(f"{service}.inbox", "INSERT")}
    entered -= {row["event_id"] for row in transaction.of(f"{service}.inbox", "DELETE")}
    records = [evidence.by_id[id][0] for id in entered if id in evidence.by_id]
    return {str(record.data.get(field)) for record in records if record.name == name}
