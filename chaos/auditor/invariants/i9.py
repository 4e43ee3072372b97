"""I9: consumed = applied + duplicates + set aside + not heard, for each service.

Compared is every record below a service's committed offset with the service's inbox (by event id) and dead letters (by position): it is in one of
them, repeats an event that is, or is of a type that the service does not hear. Once all is quiet everything is consumed. Dead letters, one for
each record, are compared with these byte for byte, and with what the journal says is to be set aside, both ways; each id in an inbox with the topics.
"""

from chaos.auditor.evidence import Evidence, Position, Row
from chaos.auditor.findings import Finding
from chaos.auditor.letters import Place, excused, expected_letters, must_settle
from chaos.auditor.messagepack import headers_of
from chaos.auditor.records import digest_of
from chaos.auditor.register import HEARS, SERVICES


def audit(evidence: Evidence) -> Finding:
    """All clauses."""
    finding = Finding("I9", "consumed = applied + duplicates + set aside + not heard")
    for service in SERVICES:
        inbox = {row["event_id"] for row in evidence.table(f"{service}.inbox")}
        rows = evidence.table(f"{service}.dead_letters")
        letters = {(row["topic"], row["partition"], row["offset"]): row for row in rows}
        finding.expect(len(letters) == len(rows), "aside-twice", f"{service} has {len(rows)} dead letters for {len(letters)} records")
        _consumed(evidence, finding, service, inbox, letters)
        _known(evidence, finding, service, inbox)
        for place, letter in letters.items():
            _kept(evidence, finding, service, place, letter)
    _expected(evidence, finding)
    return finding


def _consumed(evidence: Evidence, finding: Finding, service: str, inbox: set[str], letters: dict[tuple[str, int, int], Row]) -> None:
    positions = {(each.topic, each.partition): each for each in evidence.positions if each.service == service}
    for topic in _heard(evidence, service):
        for partition in range(evidence.topics[topic].partitions):
            _read(finding, service, positions.get((topic, partition)), f"{topic}[{partition}]")
    aside = {letter["event_id"] for letter in letters.values() if letter["event_id"]}
    seen: set[str] = set()
    for topic in _heard(evidence, service):
        for record in evidence.records[topic]:
            position = positions.get((topic, record.partition))
            if position is None or record.offset >= (position.committed or 0):
                continue
            finding.counted["consumed"] += 1
            if not must_settle(service, record):
                finding.counted["not heard"] += 1
            elif record.place in letters:
                finding.counted["set aside"] += 1
            elif record.id is not None and (record.id in inbox or record.id in aside):
                finding.counted["applied" if record.id in inbox and record.id not in seen else "duplicates"] += 1
                seen.add(record.id)
            else:
                finding.broken("lost", f"{service} consumed {record.type} {record.id} at {record.where} and neither applied nor set it aside")


def _read(finding: Finding, service: str, position: Position | None, where: str) -> None:
    """The partition is read to its end."""
    if position is None:
        finding.broken("unread", f"no offset of {service} at {where} was collected")
        return
    read = position.first if position.committed is None else position.committed
    finding.expect(read >= position.end, "unread", f"{position.where} has read to {read} of {position.end}")


def _known(evidence: Evidence, finding: Finding, service: str, inbox: set[str]) -> None:
    """What was applied stands on a topic, but for what compaction and retention took away."""
    heard = {record.id for topic in _heard(evidence, service) for record in evidence.records[topic]}
    ends = {(each.topic, each.partition): each.end for each in evidence.positions if each.service == service}
    for record in (
        record for topic in _heard(evidence, service) for record in evidence.records[topic]
    ):  # some may have come since the ends were read
        ends[record.topic, record.partition] = max(record.offset + 1, ends.get((record.topic, record.partition), 0))
    gone = sum(ends.values()) - sum(len(evidence.records[topic]) for topic in _heard(evidence, service))
    unknown = sorted(inbox - heard)
    if len(unknown) > max(0, gone):
        finding.broken("invented", f"{service} applied {len(unknown)} events that stand on no topic it hears, {', '.join(unknown[:3])} among them")


def _kept(evidence: Evidence, finding: Finding, service: str, place: tuple[str, int, int], letter: Row) -> None:
    """A dead letter is its record, byte for byte."""
    record, where = evidence.at(*place), f"{place[0]}[{place[1]}]@{place[2]}"
    if record is None:
        finding.broken("invented", f"{service} set aside {where}, where no record is")
        return
    kept = digest_of(_bytes(letter["key"]), _bytes(letter["value"]), headers_of(_bytes(letter["headers"]) or b"\x90"))
    finding.expect(kept == record.digest, "changed", f"the dead letter of {service} for {where} is not its record")


def _bytes(column: str | None) -> bytes | None:
    """A bytea as row_to_json writes it."""
    return None if column is None else bytes.fromhex(column[2:])


def _expected(evidence: Evidence, finding: Finding) -> None:
    expected = expected_letters(evidence)
    allowed = expected | excused(evidence, expected)
    found: dict[Place, Row] = {}
    for service in SERVICES:
        found |= {(service, row["topic"], row["partition"], row["offset"]): row for row in evidence.table(f"{service}.dead_letters")}
    for place in sorted(expected - found.keys()):
        finding.broken("not-set-aside", f"{place[0]} did not set aside {place[1]}[{place[2]}]@{place[3]}")
    for place in sorted(place for place in found.keys() - allowed if evidence.at(*place[1:])):
        why = f"{found[place]['kind']}, {found[place]['reason']}"
        finding.broken("unexpected", f"{place[0]} set aside {place[1]}[{place[2]}]@{place[3]} ({why}), which nothing in the journal explains")


def _heard(evidence: Evidence, service: str) -> list[str]:
    """The topics that the service hears; evidence of an earlier run may know fewer."""
    return [topic for topic in HEARS[service] if topic in evidence.topics]
