"""Which messages must be set aside, and by whom: those that the journal says so of, wherever they came to lie on a topic."""

from collections.abc import Iterator, Set
from typing import Any

from chaos.auditor.evidence import Evidence
from chaos.auditor.journal import Call
from chaos.auditor.records import Record
from chaos.auditor.register import HEARS, SERVICES, hears

Place = tuple[str, str, int, int]
"""Service, topic, partition, offset: the grain of a dead letter."""

REFUSED_WHILE = {"unknown-order": None, "order-closed": "cancelled"}
"""Why orders sets aside what the shop says of an order -> the state in which the order is then; None: there is none."""


def expected_letters(evidence: Evidence) -> set[Place]:
    """Every place where a dead letter must be. What failed waits, and is a duplicate when it comes again; what was refused is refused each time."""
    told = {(service, *record.place) for call, record in _told(evidence) for service in call.services or SERVICES if must_settle(service, record)}
    return told - _repeats_of_failed(evidence, told)


def _repeats_of_failed(evidence: Evidence, told: Set[Place]) -> set[Place]:
    """Of these places those whose event failed in that service at an earlier one."""
    repeats: set[Place] = set()
    for service in SERVICES:
        failed = {row["event_id"] for row in evidence.table(f"{service}.dead_letters") if row["kind"] == "failed"}
        repeats |= {(service, *record.place) for id in failed for record in evidence.by_id.get(id, ())[1:]}
    return repeats & told


def must_settle(service: str, record: Record) -> bool:
    """Whether the service may not pass this record over: it hears its type, in whichever major version, or cannot tell the type."""
    return record.topic in HEARS[service] and (record.type is None or hears(service, record.type))


def excused(evidence: Evidence, expected: Set[Place]) -> set[Place]:
    """Dead letters that nobody announced and that are right nevertheless: what queued behind an announced failure of its key, what is about an order
    that was never taken, and a payment of one that was cancelled."""
    found: set[Place] = set()
    for service in SERVICES:
        letters = {(service, row["topic"], row["partition"], row["offset"]): row for row in evidence.table(f"{service}.dead_letters")}
        failing = {(row["topic"], row["key"]) for place, row in letters.items() if place in expected and row["kind"] == "failed"}
        found |= {place for place, row in letters.items() if row["kind"] == "behind" and (row["topic"], row["key"]) in failing}
    states: dict[Any, str] = {(row["channel"], row["external_ref"]): row["state"] for row in evidence.table("orders.orders")}
    for row in evidence.table("orders.dead_letters"):
        record = evidence.at(row["topic"], row["partition"], row["offset"])
        if record is not None and row["reason"] in REFUSED_WHILE:
            state = states.get((record.data.get("channel"), record.data.get("external_ref")))
            found |= {("orders", *record.place)} if state == REFUSED_WHILE[row["reason"]] else set()
    return found


def _told(evidence: Evidence) -> Iterator[tuple[Call, Record]]:
    """Each call whose message is to be set aside, with each record that it became."""
    yield from ((call, evidence.by_place[place]) for place, call in evidence.poison.items())
    for call in evidence.journal:
        if call.expects_dead_letter and call.op != "poison":
            yield from ((call, record) for record in evidence.by_id.get(call.key or "", ()))
