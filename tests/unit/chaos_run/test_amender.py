"""What the bed's customers who change their minds ask for: sums that add up, a stale request ahead, the same again, and a new one where it moved."""

import asyncio
import json
from random import Random
from typing import Any, cast

import httpx
import pytest

from chaos.run import amender
from chaos.run.amender import CHANGES, Amender
from chaos.run.client import Client

LINES = [
    {"line": 1, "sku": "A", "quantity": 3, "unit_price_minor": 250, "description": ""},
    {"line": 2, "sku": "B", "quantity": 1, "unit_price_minor": 900, "description": ""},
]
CHARGE = 495
ORDER = {"order_id": "o-1", "state": "released", "version": 7, "service": "standard", "lines": LINES, "total_minor": 1650 + CHARGE}


class Shop:
    """An orders API whose order moves on once, right after it was first read. It keeps what it was asked: version, key, body."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str, dict[str, Any]]] = []
        self.shop, self.rng, self.house, self.http = self, Random(1), self, self
        self.headers: dict[str, str] = {}
        self._reads, self._version = 0, 7

    def url(self, service: str, path: str) -> str:
        return path

    async def get(self, path: str, headers: dict[str, str]) -> httpx.Response:
        shown = {**ORDER, "version": self._version}
        self._reads += 1
        self._version = 8
        return httpx.Response(200, json=shown)

    async def post(
        self, op: str, caller: object, service: str, path: str, body: dict[str, Any], key: str, order_id: str, if_match: int
    ) -> httpx.Response:
        assert (op, path, order_id) == ("amend", "/v1/orders/o-1/amendments", "o-1")
        self.asked.append((if_match, key, body))
        return httpx.Response(202, json={"amendment_id": "a-1"}) if if_match == self._version else httpx.Response(412)


@pytest.mark.parametrize("lines", [LINES, LINES[:1], LINES[1:]], ids=["two lines", "three units", "one unit"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: str(change.__name__))
def test_what_is_asked_for_adds_up(change: Any, lines: list[dict[str, Any]]) -> None:
    total = sum(line["quantity"] * line["unit_price_minor"] for line in lines) + CHARGE
    order = {**ORDER, "lines": lines, "total_minor": total}
    before = json.dumps(order)
    asked = change(order, Random(1))
    goods = sum(line["quantity"] * line["unit_price_minor"] for line in asked.get("lines", lines))
    assert asked["total_minor"] == goods + CHARGE
    assert max(0, asked["total_minor"] - total) == asked.get("payment", {}).get("amount_minor", 0)
    assert all(line["quantity"] > 0 for line in asked.get("lines", lines))
    assert json.dumps(order) == before


def test_a_stale_request_goes_ahead_the_same_is_sent_again_and_what_moved_is_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amender, "CHANGES", (amender.fewer,))
    shop = Shop()
    asyncio.run(Amender(cast(Client, shop)).amend("o-1"))
    assert [version for version, _, _ in shop.asked] == [6, 7, 7, 7, 8, 8]
    keys = [key for _, key, _ in shop.asked]
    assert [keys.index(key) for key in keys] == [0, 1, 1, 3, 4, 4]
    assert all(body["reason"].endswith(key) for _, key, body in shop.asked)
