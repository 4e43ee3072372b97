"""What the client asked for, by order: the calls of the journal beside the rows that came of them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos.auditor.evidence import Evidence, Row
from chaos.auditor.journal import FAIL, OK, UNKNOWN, Call, Reference


@dataclass(slots=True)
class Asked:
    """All the calls that were to place one order, and its row in orders.orders where there is one."""

    reference: Reference
    calls: list[Call] = field(default_factory=list)
    row: Row | None = None

    @property
    def accepted(self) -> bool:
        """The client was told over HTTP that the order stands."""
        return any(call.outcome == OK and call.via == "http" for call in self.calls)

    @property
    def logged(self) -> bool:
        """The broker has it: it will be answered, with an order or a refusal."""
        return any(call.outcome == OK and call.via == "topic" for call in self.calls)

    @property
    def unknown(self) -> bool:
        return not self.accepted and not self.logged and any(call.outcome == UNKNOWN for call in self.calls)

    @property
    def never(self) -> bool:
        """Every attempt certainly failed."""
        return all(call.outcome == FAIL for call in self.calls)


def asked_in(evidence: Evidence) -> Mapping[Reference, Asked]:
    """Every order that the client ever tried to place."""
    rows = {(row["channel"], row["external_ref"]): row for row in evidence.table("orders.orders")}
    found: dict[Reference, Asked] = {}
    for call in evidence.calls("place"):
        if call.reference is not None:
            asked = found.setdefault(call.reference, Asked(call.reference, row=rows.get(call.reference)))
            asked.calls.append(call)
    return found


def units(lines: list[Row]) -> Counter[str]:
    """How many units of each SKU these lines want."""
    wanted: Counter[str] = Counter()
    for line in lines:
        wanted[line["sku"]] += line["quantity"]
    return wanted
