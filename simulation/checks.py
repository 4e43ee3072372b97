"""What must hold after a run, told from the rows and the log alone. Nothing lost, nothing twice, nothing out of order, everything set aside once."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Protocol
from uuid import UUID

from simulation.databases import Tables
from simulation.kafka import Broker, Record
from simulation.scenario import Violation

PAID_TOPIC, BOOKED_TOPIC = "shop.paid.v1", "till.booked.v1"


class Sent(Protocol):
    """What was sent, and what is to become of it: count | refuse | fail | die."""

    @property
    def behaviour(self) -> str: ...


def violations(sent: Mapping[UUID, Sent], tables: Tables, broker: Broker) -> list[Violation]:
    """`sent`: what the shop sent. `tables`: what is committed."""
    till, book, letters = tables["till"], tables["book"], list(tables["till"].get("dead_letters", {}).values())
    heard = [record for record in broker.all(PAID_TOPIC) if is_readable(record)]
    named = {
        "applied once": _applied_once({UUID(_told(record, "ce_id")) for record in heard}, sent, till, letters),
        "set aside once": _set_aside_once(broker.all(PAID_TOPIC), sent, letters),
        "said once": _said_once(broker.all(BOOKED_TOPIC), till),
        "in order": _in_order(book),
        "agree": _agree(till, book),
    }
    return [Violation(name, sentence) for name, sentences in named.items() for sentence in sentences]


def is_unlucky(letter: Mapping[str, Any]) -> bool:
    """A good event over which its process was killed three times: nothing tells it from one that kills."""
    return letter["kind"] == "failed" and "died" in letter["detail"]


def _told(record: Record, name: str) -> str:
    return (dict(record.headers)[name] or b"").decode()


def is_readable(record: Record) -> bool:
    return record.value is not None and record.value.endswith(b"}")


def _applied_once(heard: set[UUID], sent: Mapping[UUID, Sent], till: Mapping[str, Any], letters: list[Any]) -> Iterator[str]:
    """A good event counts once or waits once behind a failed one; a poison never counts and is set aside."""
    applied = Counter(id for id, _ in till.get("counted", {}).values())
    aside = {letter["event_id"] for letter in letters if letter["kind"] != "unreadable"}
    for id in sorted(heard):
        good = sent[id].behaviour == "count"
        if (good and applied[id] + (id in aside) != 1) or (not good and (applied[id] or id not in aside)):
            yield f"{id} ({sent[id].behaviour}) was applied {applied[id]} times and set aside {int(id in aside)} times"
    for id in sorted(applied.keys() - heard):
        yield f"{id} was applied and never heard"


def _set_aside_once(records: list[Record], sent: Mapping[UUID, Sent], letters: list[Any]) -> Iterator[str]:
    """What cannot be read is set aside at its place, byte for byte; what can be read, for its own fault or
    behind a failed one of its key."""
    places = {(letter["topic"], letter["partition"], letter["offset"]): letter for letter in letters}
    for record in records:
        letter = places.get((record.topic, record.partition, record.offset))
        if is_readable(record):
            continue
        if letter is None or letter["value"] != record.value or not (letter["kind"] == "unreadable" or is_unlucky(letter)):
            yield f"the unreadable message at {record.partition}:{record.offset} was not set aside as it came"
    failed = {letter["key"] for letter in letters if letter["kind"] == "failed"}
    for letter in letters:
        paid = sent.get(letter["event_id"])
        expected = {"count": "behind", "refuse": "refused", "fail": "failed", "die": "failed"}[paid.behaviour] if paid else "unreadable"
        if not is_unlucky(letter) and (letter["kind"] not in (expected, "behind") or (letter["kind"] == "behind" and letter["key"] not in failed)):
            yield f"a letter of kind {letter['kind']} at {letter['partition']}:{letter['offset']}, where {expected} was to be"


def _said_once(records: list[Record], till: Mapping[str, Any]) -> Iterator[str]:
    """What is on the topic is what was committed: one event of each that counts, however often it was sent, and no other."""
    by_id = {_told(record, "ce_id"): _told(record, "ce_causationid") for record in records}
    causes, counted = Counter(by_id.values()), Counter(str(id) for id, _ in till.get("counted", {}).values())
    for id in sorted(causes.keys() | counted.keys()):
        if causes[id] != counted[id]:
            yield f"of {id}, applied {counted[id]} times, {causes[id]} events were said"


def _in_order(book: Mapping[str, Any]) -> Iterator[str]:
    """The versions of an account reach the next service as 1, 2, 3 ..."""
    pages: dict[str, list[int]] = {}
    for _, (account, version, _) in sorted(book.get("lines", {}).items()):
        pages.setdefault(account, []).append(version)
    for account, versions in pages.items():
        if versions != list(range(1, len(versions) + 1)):
            yield f"{account} was written down in the order {versions}"


def _agree(till: Mapping[str, Any], book: Mapping[str, Any]) -> Iterator[str]:
    """Both services say the same of every account, and the accounts add up to what was counted. An account waits in book behind an event that was
    unlucky, and behind no other."""
    letters = list(book.get("dead_letters", {}).values())
    waiting = {letter["key"].decode() for letter in letters if is_unlucky(letter)}
    last = {account: (balance, version) for _, (account, version, balance) in sorted(book.get("lines", {}).items())}
    accounts = till.get("accounts", {})
    for name, row in sorted(accounts.items()):
        if row != last.get(name, (0, 0)) and name not in waiting:
            yield f"{name} stands at {row} with till and at {last.get(name)} with book"
    total = sum(amount for _, amount in till.get("counted", {}).values())
    if total != sum(balance for balance, _ in accounts.values()):
        yield f"the accounts add up to something else than the {total} that was counted"
