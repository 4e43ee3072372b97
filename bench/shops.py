"""Whole stacks on servers that run already, each with a database and topics of its own, and what opens a shop: carriers, items, full shelves."""

import asyncio
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from demo import day, opening
from demo.house import House
from demo.shop import Storefront
from deploy.local.progress import Progress
from deploy.local.stack import BROKERS, DATABASE, Stack
from services.kit.ids import uuid7

_RECEIPTS, _UNITS = 5, 100_000
_HEARD_SECONDS = 5


@contextmanager
def running(folder: Path, kafka: str, database: str, prefix: str) -> Iterator[House]:
    """A stack with one process of each API, for as long as the block runs. `database` is its address as the administrator's."""
    told = {**os.environ, BROKERS: kafka, DATABASE: database, "KEPT_TOPIC_PREFIX": prefix, "KEPT_API_PROCESSES": "1"}
    stack = Stack(folder.resolve(), told, Progress(), servers_only=False)
    stack.up(attached=True)
    try:
        yield House.at(stack.var)
    finally:
        stack.down()


async def open_shop(house: House, shop: Storefront) -> None:
    """Carriers and items, as they were heard some seconds later; of each item half a million."""
    planner = house.caller("planner", "planner-1")
    for code, body in opening.carrier_services().items():
        await planner.ask("PUT", "fulfilment", f"/v1/carrier-services/{code}", {**body, "closed_on": []}, expect=(200, 201))
    await shop.list_items(item.listed() for item in day.items().values())
    await asyncio.sleep(_HEARD_SECONDS)
    for _ in range(_RECEIPTS):
        await opening.receive(house, dict.fromkeys(day.items(), _UNITS))


def orders() -> Iterator[dict[str, Any]]:
    """The day's good orders below 40 lines, over and over, as new ones that are placed now."""
    good = [day.submission(invoice) for invoice in day.invoices() if not invoice.is_cancellation and not invoice.mistaken]
    small = [order for order in good if 0 < len(order["lines"]) < 40]
    for number, order in enumerate(itertools.cycle(small)):
        customer = {**order["customer"], "external_ref": f"s-{number}"}
        mine = {"order_id": str(uuid7()), "external_ref": f"beside-{number}", "placed_at": datetime.now(UTC).isoformat()}
        yield {**order, **mine, "customer": customer}
