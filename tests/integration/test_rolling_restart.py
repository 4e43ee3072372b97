"""A rolling restart under load, on a real stack: what clients with kept connections notice of it.

With RESTART=whole all services are restarted, and asked, instead of two.
"""

import asyncio
import contextlib
import json
import os
import secrets
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo.house import House
from deploy.local import description, programs
from deploy.local.progress import Progress
from deploy.local.restart import roll
from deploy.local.stack import BROKERS, DATABASE, Stack
from deploy.local.supervise import Program
from services.kit.ids import uuid7
from services.kit.topics import remove
from tests.support.databases import Templates, migrated_services
from tests.support.polling import poll_until
from tests.support.workers import example, on_topic, produce

_WHOLE = os.environ.get("RESTART") == "whole"
_SERVICES = programs.SERVICES if _WHOLE else ("orders", "fulfilment")
_CLIENTS = 3
"""Of each kind."""

_PAUSE_SECONDS = 0.05
"""Between an answer and the next question: a client that never rests would leave nothing of the machine to those who start."""

Asked = tuple[str, str, dict[str, Any] | None, dict[str, str]]
"""Method, path, body and headers of one request."""


class Part(Stack):
    """A stack of these services alone."""

    def _programs(self, chosen: Mapping[str, int], addresses: Mapping[str, str]) -> list[Program]:
        return [each for each in super()._programs(chosen, addresses) if each.name.startswith(_SERVICES)]

    def _describe(self, chosen: Mapping[str, int], environment: Mapping[str, str]) -> dict[str, Any]:
        told = super()._describe(chosen, environment)
        kept = {name: {key: value for key, value in told[name].items() if key.startswith(_SERVICES)} for name in ("services", "ready")}
        return told | kept


@pytest.fixture
def stack(servers: tuple[str, str], templates: Templates, tmp_path: Path) -> Iterator[Stack]:
    prefix = f"t{secrets.token_hex(4)}."
    with templates.clone(migrated_services()) as database:
        own = {BROKERS: servers[0], DATABASE: database, "KEPT_TOPIC_PREFIX": prefix}
        stack = Part(tmp_path, {**os.environ, **own}, Progress(), servers_only=False)
        stack.up(attached=True)
        yield stack
        stack.down()
        remove(servers[0], prefix)


class Regular:
    """Asks one thing after the other on one kept connection, and notes what became of each: a status, or the kind of error."""

    def __init__(self, house: House, service: str, role: str, **signed: str) -> None:
        self._url, self._headers = house.url(service, ""), house.caller(role, f"{role}-1", **signed).headers
        self._service = service
        self.seen: Counter[int | str] = Counter()

    async def ask_on(self, over: asyncio.Event) -> None:
        kept = httpx.Limits(max_connections=1, max_keepalive_connections=1)
        async with httpx.AsyncClient(limits=kept, timeout=30) as client:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), _PAUSE_SECONDS)
                try:
                    self.seen[(await self.ask_once(client)).status_code] += 1
                except httpx.TransportError as error:
                    self.seen[type(error).__name__] += 1

    async def ask_once(self, client: httpx.AsyncClient) -> httpx.Response:
        method, path, body, headers = self._next()
        return await client.request(method, self._url + path, json=body, headers=self._headers | headers)

    def _next(self) -> Asked:
        match self._service:
            case "orders" if sum(self.seen.values()) % 2:
                return "GET", "/v1/orders?channel=web&external_ref=1", None, {}
            case "orders":
                order = example("storefront.OrderSubmitted.v1", order_id=str(uuid7()), external_ref=secrets.token_hex(8))
                return "POST", "/v1/orders", order, {"idempotency-key": order["order_id"]}
            case "fulfilment":
                return "POST", "/v1/pick-tasks:claim-next", {"site": "SDF1", "claim_id": str(uuid7())}, {}
            case _:
                return "GET", "/openapi.json", None, {}

    @property
    def troubles(self) -> int:
        return sum(count for what, count in self.seen.items() if isinstance(what, str) or what >= 500)


async def test_a_rolling_restart_costs_no_client_more_than_one_request(stack: Stack) -> None:
    """Every process is another one afterwards."""
    house, over = House.at(stack.var), asyncio.Event()
    async with house.http:
        await _list_the_item(house)
    regulars = [client for service in _SERVICES for client in _regulars(house, service)]
    before = description.read(stack.description)["processes"]
    async with asyncio.TaskGroup() as group:
        for each in regulars:
            group.create_task(each.ask_on(over))
        restarted = await asyncio.to_thread(lambda: dict(roll(stack, house.stack)))
        over.set()
    after = description.read(stack.description)["processes"]
    sys.stdout.write(f"{json.dumps(restarted)}\n" + "".join(f"{each.seen}\n" for each in regulars))
    assert restarted.keys() == before.keys() and all(after[name] not in (None, pid) for name, pid in before.items())
    for each in regulars:
        assert each.troubles <= 1 and sum(each.seen[status] for status in (200, 201, 204)) > 10, each.seen


async def _list_the_item(house: House) -> None:
    """The one that the example of an order names; returns once orders for it are taken."""
    item = example("storefront.ItemListed.v1", sku="85123A")
    listed = on_topic(f"{house.stack['topic_prefix']}storefront.item.v1", uuid7(), "storefront.ItemListed.v1", item, key=item["sku"])
    await produce(house.stack["kafka"], [listed])
    first = Regular(house, "orders", "storefront", channel="web")

    async def is_taken() -> bool:
        return (await first.ask_once(house.http)).status_code == 201

    await poll_until(is_taken, 30)


def _regulars(house: House, service: str) -> Iterator[Regular]:
    for _ in range(_CLIENTS):
        if service == "fulfilment":
            yield Regular(house, service, "picker", site="SDF1")
        else:
            yield Regular(house, service, "storefront", channel="web")
