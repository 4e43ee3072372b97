"""Customers who change their minds: orders are amended before anybody picks them and after they are packed, some by a version that is no longer true,
some twice with the same key. Each request has a reason of its own, by which its effect is found again.
"""

import asyncio
import itertools
from collections.abc import Callable
from random import Random
from typing import Any

import httpx

from chaos.run.client import Client
from demo import day
from services.kit.ids import uuid7

Order = dict[str, Any]
"""As the orders API shows it."""
Change = dict[str, Any]
"""The body of a request, but for its reason."""

_PAUSE_SECONDS = 1.0
_NEWEST = 60
"""Of so many orders that were placed last one is amended: most of them stand on the shelf still."""
_READS = 3
"""How often the order is read anew where it moved between being read and being amended."""
_FAR_TOO_MANY = 150_000


class Amender:
    """Every fourth request is preceded by a stale one, and every fifth is sent again with its key."""

    def __init__(self, client: Client) -> None:
        self._client, self._shop = client, client.shop
        self._numbers = itertools.count()

    async def work(self) -> None:
        """Until cancelled."""
        while True:
            if placed := self._client.placed[-_NEWEST:]:
                await self.amend(self._client.rng.choice(placed)["order_id"])
            await asyncio.sleep(_PAUSE_SECONDS)

    async def amend(self, order_id: str) -> None:
        """Ask for one change of the order, and wait a while for what becomes of it; nothing where there is no such order yet."""
        number = next(self._numbers)
        for _ in range(_READS):
            order = await self._look(f"/v1/orders/{order_id}")
            if order.get("state") is None or "lines" not in order:
                return
            change = CHANGES[number % len(CHANGES)](order, self._client.rng)
            if number % 4 == 0:
                await self._ask(order, change, order["version"] - 1)
            answer = await self._ask(order, change, order["version"], twice=number % 5 == 0)
            if answer is None or answer.status_code != 412:
                break
        if answer is not None and answer.status_code == 202:
            await self._look(f"/v1/orders/{order_id}/amendments/{answer.json()['amendment_id']}?wait_for=decided")

    async def _ask(self, order: Order, change: Change, version: int, *, twice: bool = False) -> httpx.Response | None:
        key, path = str(uuid7()), f"/v1/orders/{order['order_id']}/amendments"
        body = {**change, "reason": f"another mind {key}"}
        answer = None
        for _ in range(2 if twice else 1):
            answer = await self._client.post("amend", self._shop, "orders", path, body, key=key, order_id=order["order_id"], if_match=version)
        return answer

    async def _look(self, path: str) -> dict[str, Any]:
        house = self._client.house
        try:
            answer = await house.http.get(house.url("orders", path), headers=self._shop.headers)
        except httpx.HTTPError:
            return {}
        told: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        return told


def elsewhere(order: Order, rng: Random) -> Change:
    """Another address; the sum stays."""
    place = rng.choice(day.places())
    there = {"name": "Zoë Moved", "line1": f"{rng.randint(1, 999)} Oak Ave", "line2": None, "city": place["city"], "region": place["state"]}
    return {"ship_to": there | {"postcode": place["zip"], "country": "US", "po_box": False}, "total_minor": order["total_minor"]}


def fewer(order: Order, rng: Random) -> Change:
    """A line less, or half of the only one: something is owed back."""
    lines = order["lines"]
    kept = lines[1:] or [{**lines[0], "quantity": max(1, lines[0]["quantity"] // 2)}]
    return {"lines": kept, "total_minor": order["total_minor"] - _worth(lines) + _worth(kept)}


def more(order: Order, rng: Random) -> Change:
    """Some more of one line, which are paid."""
    return _more(order, rng.randint(1, 3))


def too_many(order: Order, rng: Random) -> Change:
    """More than there are: it is refused, and what was paid is owed back."""
    return _more(order, _FAR_TOO_MANY)


def by_another_service(order: Order, rng: Random) -> Change:
    """Another service, and so another date."""
    return {"service": "overnight" if order["service"] == "standard" else "standard", "total_minor": order["total_minor"]}


CHANGES: tuple[Callable[[Order, Random], Change], ...] = (fewer, elsewhere, more, fewer, by_another_service, more, too_many)
"""By turns."""


def _more(order: Order, units: int) -> Change:
    first, *others = order["lines"]
    added = units * first["unit_price_minor"]
    payment = {"reference": f"more-{uuid7()}", "amount_minor": added}
    return {"lines": [{**first, "quantity": first["quantity"] + units}, *others], "total_minor": order["total_minor"] + added, "payment": payment}


def _worth(lines: list[dict[str, Any]]) -> int:
    return sum(int(line["quantity"]) * int(line["unit_price_minor"]) for line in lines)
