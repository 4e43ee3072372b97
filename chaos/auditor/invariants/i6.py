"""I6: on_hand >= reserved >= 0 in every bin, and the sum of the movements is what lies there.

Compared are the bins with the sums of stock_movements, with the reservations that are not picked yet and what is set apart for changes of
orders, and, per site and SKU, with the last StockChanged and its version; and every state of a bin that the slot saw with the rule.
"""

from collections import Counter

from chaos.auditor.evidence import Evidence
from chaos.auditor.findings import Finding

Bin = tuple[str, str, str]
"""Site, SKU, bin."""


def audit(evidence: Evidence) -> Finding:
    """All clauses."""
    finding = Finding("I6", "the books of the stock balance")
    bins = {(row["site"], row["sku"], row["bin"]): (row["on_hand"], row["reserved"]) for row in evidence.table("fulfilment.bins")}
    for place, (on_hand, reserved) in bins.items():
        finding.counted["bins"] += 1
        finding.expect(on_hand >= reserved >= 0, "oversold", f"bin {_name(place)} has {reserved} reserved of {on_hand}")
    for transaction in evidence.transactions:
        for row in transaction.of("fulfilment.bins", "INSERT", "UPDATE"):
            finding.counted["states of bins"] += 1
            held = int(row["on_hand"]) >= int(row["reserved"]) >= 0
            where = f"bin {row['site']}/{row['sku']}/{row['bin']}"
            finding.expect(held, "oversold", f"{where} had {row['reserved']} reserved of {row['on_hand']} after transaction {transaction.xid}")
    _movements(evidence, finding, bins)
    _reservations(evidence, finding, bins)
    _said(evidence, finding, bins)
    return finding


def _movements(evidence: Evidence, finding: Finding, bins: dict[Bin, tuple[int, int]]) -> None:
    on_hand, reserved = Counter[Bin](), Counter[Bin]()
    for row in evidence.table("fulfilment.stock_movements"):
        finding.counted["movements"] += 1
        place = row["site"], row["sku"], row["bin"]
        on_hand[place] += row["on_hand"]
        reserved[place] += row["reserved"]
    for place in bins.keys() | on_hand.keys():
        summed, stands = (on_hand[place], reserved[place]), bins.get(place, (0, 0))
        finding.expect(
            summed == stands, "sums", f"bin {_name(place)}: movements make {summed[0]} on hand, {summed[1]} reserved; the bin says {stands}"
        )


def _reservations(evidence: Evidence, finding: Finding, bins: dict[Bin, tuple[int, int]]) -> None:
    open_wants = {row["order_id"]: row["site"] for row in evidence.table("fulfilment.wants") if row["state"] in ("short", "reserved")}
    apart = Counter[Bin]()
    for row in evidence.table("fulfilment.reservations"):
        if row["order_id"] in open_wants:
            apart[open_wants[row["order_id"]], row["sku"], row["bin"]] += row["quantity"]
    for row in evidence.table("fulfilment.amendments"):
        for sku, bin, quantity in zip(row["skus"], row["bins"], row["quantities"], strict=True):
            apart[row["site"], sku, bin] += quantity
    for place in bins.keys() | apart.keys():
        stands = bins.get(place, (0, 0))[1]
        finding.expect(
            apart[place] == stands, "reservations", f"bin {_name(place)} has {stands} reserved; the orders' reservations are {apart[place]}"
        )


def _said(evidence: Evidence, finding: Finding, bins: dict[Bin, tuple[int, int]]) -> None:
    versions = {(row["site"], row["sku"]): row["version"] for row in evidence.table("fulfilment.shelves")}
    sums: dict[tuple[str, str], list[int]] = {place: [0, 0] for place in versions}
    for (site, sku, _), (on_hand, reserved) in bins.items():
        sums[site, sku][0] += on_hand
        sums[site, sku][1] += reserved
    newest = {record.key: record for record in evidence.events.get("StockChanged", [])}
    last = {(data.get("site"), data.get("sku")): (record.version, data) for record in newest.values() for data in (record.data,)}
    for place, version in versions.items():
        if version:
            finding.counted["shelves"] += 1
            said, data = last.get(place, (0, {}))
            same = said == version and [data.get("on_hand"), data.get("reserved")] == sums[place]
            finding.expect(same, "said", f"shelf {'/'.join(place)} is {sums[place]} at version {version}; last said was {data} at version {said}")


def _name(place: Bin) -> str:
    return "/".join(place)
