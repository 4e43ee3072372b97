"""I7: every committed change has its outbox row, is published at least once, and is applied once by each service that hears it.

Compared are the outbox rows that the slot saw committed with the records of the topics, byte for byte, both ways; each event of the topics with the
inboxes and dead letters of all services that hear it; and the outboxes, which are empty once all is quiet. What must stand in one commit is
compared in `commits.py`.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from chaos.auditor.changes import Change
from chaos.auditor.evidence import Evidence
from chaos.auditor.findings import Finding
from chaos.auditor.invariants.commits import audit_commits
from chaos.auditor.letters import must_settle
from chaos.auditor.records import Record
from chaos.auditor.register import FEED, SERVICES


def audit(evidence: Evidence) -> Finding:
    """All clauses; those of commits where a slot was opened."""
    finding = Finding("I7", "every change is said by its own commit, published, and applied by who hears it")
    for service in SERVICES:
        for row in evidence.table(f"{service}.outbox"):
            finding.broken("waits", f"{row['type']} {row['event_id']} still lies in the outbox of {service}")
    _applied(evidence, finding)
    if evidence.slot:
        committed = {row["event_id"]: row for each in evidence.transactions for service in SERVICES for row in each.of(f"{service}.outbox", "INSERT")}
        finding.counted["outbox rows"] = len(committed)
        _published(evidence, finding, committed)
        _committed(evidence, finding, committed, datetime.fromisoformat(evidence.slot["opened_at"]))
        audit_commits(evidence, finding)
    return finding


def _applied(evidence: Evidence, finding: Finding) -> None:
    """Each event is once in the inbox of each service that hears it, or was set aside there."""
    for service in SERVICES:
        applied = Counter(row["event_id"] for row in evidence.table(f"{service}.inbox"))
        for id in (id for id, count in applied.items() if count > 1):
            finding.broken("applied-twice", f"the inbox of {service} has {applied[id]} rows of event {id}")
        letters = evidence.table(f"{service}.dead_letters")
        settled = applied.keys() | {row["event_id"] for row in letters}
        aside = {(row["topic"], row["partition"], row["offset"]) for row in letters}
        for records in evidence.events.values():
            for record in records:
                if must_settle(service, record):
                    finding.counted["events to apply"] += 1
                    done = record.id in settled or record.place in aside
                    finding.expect(done, "not-applied", f"{service} neither applied nor set aside {record.type} {record.id} at {record.where}")


def _published(evidence: Evidence, finding: Finding, committed: Mapping[str, Change]) -> None:
    """A dead letter that was sent again without an id of its own lies in the outbox under the letter's."""
    retried = {row["id"]: row for service in SERVICES for row in evidence.table(f"{service}.dead_letters") if row["event_id"] is None}
    for id, row in committed.items():
        records = evidence.records[row["topic"]] if id in retried else evidence.by_id.get(id, [])
        said = bool(records) or _superseded(evidence, row)
        finding.expect(said, "not-published", f"{row['type']} {id} was committed and stands on no topic")
        if records:
            same = any(record.digest == row["digest"] for record in (records if id in retried else records[:1]))
            finding.expect(same, "changed", f"{row['type']} {id} was published other than it was committed, at {records[0].where}")


def _superseded(evidence: Evidence, row: Change) -> bool:
    """Whether a compacted topic holds a later record of the same key, and so may have forgotten this one."""
    key, topic = (row.columns.get("key") or "").encode("latin-1"), row["topic"]
    return evidence.topics[topic].compacted and any(record.key == key for record in evidence.records[topic])


def _committed(evidence: Evidence, finding: Finding, committed: Mapping[str, Change], opened_at: datetime) -> None:
    """What stands on a service's topic was committed by it, as far as the slot can know."""
    for records in evidence.records.values():
        for record in records:
            from_outbox = evidence.topics[record.topic].owner in SERVICES and record.topic != FEED
            if from_outbox and record.place not in evidence.poison and _made_after(record, opened_at):
                finding.counted["records of ours"] += 1
                finding.expect(record.id in committed, "not-committed", f"{record.type} {record.id} at {record.where} was never committed")


def _made_after(record: Record, opened_at: datetime) -> bool:
    """Whether the event's own id, a UUIDv7, is younger than the slot: then the slot has its commit."""
    if record.id is None or (id := UUID(record.id)).version != 7:
        return True
    return (id.int >> 80) / 1000 > opened_at.timestamp()
