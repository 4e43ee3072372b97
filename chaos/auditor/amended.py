"""What the topics tell of changes of orders: what an order was in turn, and which cartons were opened again for a change."""

from collections.abc import Mapping

from chaos.auditor.evidence import Evidence, Row


def forms_of(evidence: Evidence) -> Mapping[str, list[Row]]:
    """By order, what was placed and what it became by each change, the last one last."""
    found: dict[str, list[Row]] = {}
    for name in ("OrderPlaced", "OrderAmended"):
        for record in evidence.events.get(name, []):
            data = record.data
            if "order_id" in data and (name == "OrderPlaced" or data["order_id"] in found):
                found.setdefault(data["order_id"], []).append(data)
    return found


def changes_said(evidence: Evidence, name: str) -> Mapping[str, Row]:
    """The data of the events of this name, by the change that they are about."""
    return {data["amendment_id"]: data for record in evidence.events.get(name, []) if "amendment_id" in (data := record.data)}


def last_change(evidence: Evidence) -> Mapping[str, int]:
    """By order, the version of fulfilment's work at which the last change that was agreed had been prepared."""
    agreed, found = changes_said(evidence, "OrderAmended"), dict[str, int]()
    for record in evidence.events.get("AmendmentPrepared", []):
        data = record.data
        if data.get("amendment_id") in agreed:
            found[data["order_id"]] = max(record.version, found.get(data["order_id"], 0))
    return found


def opened(evidence: Evidence) -> set[str]:
    """Parcels that were packed before the last change of their order, which may have opened them again."""
    changed = last_change(evidence)
    packed = [(record.version, record.data) for record in evidence.events.get("OrderPacked", [])]
    return {data["parcel_id"] for version, data in packed if version < changed.get(data["order_id"], 0)}


def reopened(evidence: Evidence) -> set[str]:
    """Orders that were changed after they had been packed, and were not packed since."""
    changed, packed = last_change(evidence), dict[str, int]()
    for record in evidence.events.get("OrderPacked", []):
        order_id = record.data["order_id"]
        packed[order_id] = max(record.version, packed.get(order_id, 0))
    return {order_id for order_id, version in packed.items() if version < changed.get(order_id, 0)}
