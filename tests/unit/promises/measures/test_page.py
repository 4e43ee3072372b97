"""The page of measures tells what the functions compute: its examples are read from it, and held against them."""

import re
from dataclasses import replace
from pathlib import Path

from services.kit.promise.state import Kind, Verdict
from services.promises.measures.contacts import WITHIN, Contact, Demand
from services.promises.measures.effort import effort, effortless
from services.promises.measures.failure_demand import failure_demand
from services.promises.measures.first_contact import first_contact
from services.promises.measures.kept_rate import kept_rate
from services.promises.measures.lost_time import TELLING, MissedSlot, lost_by_order
from services.promises.measures.ratio import Ratio
from services.promises.measures.spans import Span
from tests.unit.promises.measures.cases import at, contact, id_of, ids, promise

PAGE = (Path(__file__).parents[4] / "docs" / "measures.md").read_text()
Row = dict[str, str]


def _example(name: str) -> tuple[list[Row], Row]:
    """The rows of an example's table, and its results."""
    (section,) = re.findall(rf"^### Example: {name}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    given, results = [_table(block) for block in re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)]
    return given, dict(tuple(row.values()) for row in results)


def _table(block: str) -> list[Row]:
    head, _, *rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()]
    return [dict(zip(head, row, strict=True)) for row in rows]


def _said(ratio: Ratio) -> str:
    return f"{ratio.numerator} of {ratio.denominator}"


def _contacts(rows: list[Row]) -> list[Contact]:
    return [
        contact(str(number), row["at"], row["customer"], subject=row["subject"], channel=row["channel"], resolved=row.get("resolved") == "yes",
                transfers=int(row.get("transfers", 0)), escalations=int(row.get("escalations", 0)),
                holds=(Span(at(row["at"]), at(row["at"])),) * int(row.get("holds", 0)))
        for number, row in enumerate(rows)
    ]  # fmt: skip


def test_the_kept_rate_of_the_page() -> None:
    rows, results = _example("kept rate")
    promises = [promise(row["promise"], row["due"], Verdict(row["verdict"]), row["settled"], row["replaces"]) for row in rows]
    rate = kept_rate(promises, ids([row["promise"] for row in rows if row["our request"] == "yes"]), at("2026-05-10 12:00"))
    assert len(rows) == 9
    assert results == {"by the first date": _said(rate.overall.first), "revised": _said(rate.overall.revised)}


def test_the_first_contact_of_the_page() -> None:
    rows, results = _example("first contact")
    found = first_contact(_contacts(rows), at("2026-05-31 12:00"))
    assert results == {"resolved at first contact": _said(found.resolved), "reopened": _said(found.reopened)}


def test_the_failure_demand_of_the_page() -> None:
    rows, results = _example("failure demand")
    promises = [promise("A", "2026-05-01 12:00", kind=Kind.DELIVERY_DATE), promise("B", "2026-05-01 12:00", kind=Kind.CALL_BACK)]
    contacts = [
        contact(row["contact"], "2026-05-02 12:00", demand=Demand(row["demand"]), caused_by=id_of(row["caused by"]) if row["caused by"] else None)
        for row in rows
    ]
    found, names = failure_demand(contacts, promises), {id_of(name): name for name in "AB"}
    assert results == {
        "failure demand": _said(found.share),
        "linked to a promise": _said(found.linked),
        "by promise": ", ".join(f"{names[id]} {count}" for id, count in found.by_promise.items()),
        "by kind": ", ".join(f"{kind} {count}" for kind, count in found.by_kind.items()),
    }


def test_the_effort_of_the_page() -> None:
    rows, results = _example("effort")
    efforts = effort(_contacts(rows))
    (ann,) = [each for each in efforts if each.customer_id == id_of("Ann")]
    parts = {
        "repeats": ann.repeats, "transfers": ann.transfers, "channel switches": ann.channel_switches, "escalations": ann.escalations,
        "holds": ann.holds,
    }  # fmt: skip
    assert results == {
        "effort of Ann's case": " + ".join(f"{count} {name}" for name, count in parts.items()) + f" = {ann.total}",
        "cases without effort": _said(effortless(efforts)),
    }


def test_the_lost_time_of_the_page() -> None:
    rows, results = _example("lost time")
    contacts: list[Contact] = []
    slots: list[MissedSlot] = []
    for row in rows:
        during = Span(at(row["from"]), at(row["until"] or row["from"]))
        match row["what"]:
            case "missed slot":
                slots.append(MissedSlot(customer_id=id_of("Ann"), order_id=id_of("7KQ4"), slot=during))
            case "call":
                contacts.append(contact(row["from"], row["from"]))
            case "waiting":
                contacts[-1] = replace(contacts[-1], waits=(during,))
            case "holding":
                contacts[-1] = replace(contacts[-1], holds=(during,))
            case "transfer":
                contacts[-1] = replace(contacts[-1], transfers=1)
    (lost,) = lost_by_order(contacts, slots).values()
    told = {"holding": lost.holding, "waiting": lost.waiting, "waiting in": lost.waiting_in, "repeating": lost.repeating}
    assert results == {what: str(int(time.total_seconds() / 60)) for what, time in told.items()} | {"lost": str(lost.minutes)}


def test_the_page_tells_the_days_and_the_minutes_that_count() -> None:
    hours = int(WITHIN.total_seconds() / 3600)
    assert f"within {WITHIN.days} days ({hours} hours)" in PAGE
    assert f"**repeating**: {int(TELLING.total_seconds() / 60)} minutes for each time" in PAGE
