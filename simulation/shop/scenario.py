"""A shop that sells more than it has: items, orders (some twice, some changed, some wrong), late payments, cancels, and stock that comes late.

orders and fulfilment (stock and floor) are the real handlers; promises are made by a small stage that gives every order a date.
"""

import asyncio
import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import msgspec

from services.fulfilment import handlers as floor_and_stock
from services.fulfilment import messages as fulfilment
from services.fulfilment.settings import fulfilment_settings
from services.fulfilment.stock.handlers import receive
from services.fulfilment.work import WORK_TOPIC, WorkLog
from services.kit.database import Database, Transaction
from services.kit.ids import named_uuid, uuid7
from services.kit.stage import Stage, Timer
from services.kit.trace import child_of
from services.kit.transient import is_transient
from services.kit.values import Cause, Heard
from services.orders import messages as orders
from services.orders.handlers import on_events, on_time
from simulation.connection import Pool
from simulation.databases import FakeDatabases, Tables
from simulation.host import Host
from simulation.kafka import event
from simulation.real import RealDatabases
from simulation.scenario import Violation
from simulation.shop.checks import violations
from simulation.shop.stores import FakeStores, RealStores, Stores

if TYPE_CHECKING:
    from simulation.world import World

_SCHEMAS = Path(__file__).parents[2] / "schemas"
EXAMPLES: dict[str, dict[str, Any]] = {
    file.name.partition(".")[0]: json.loads(file.read_text())
    for owner in ("storefront", "promises")
    for file in (_SCHEMAS / owner).glob("*.example.json")
}
"""The golden example of each event that comes from outside, by its name."""

ORDERS, ITEMS, PROMISES = "storefront.order.v1", "storefront.item.v1", "promises.promise.v1"
SERVICES = ("orders", "fulfilment", "promises")
SITE = "SDF1"
_SKUS = ("85123A", "22423", "47566")


@dataclass(frozen=True, slots=True)
class Placed:
    """What the promise needs of an order."""

    order_id: UUID
    customer_id: UUID


async def promise(work: Transaction, batch: Sequence[Heard[Placed]]) -> None:
    for heard in batch:
        id = named_uuid("promise", str(heard.data.order_id))
        made = EXAMPLES["PromiseMade"] | {"promise_id": str(id), "order_id": str(heard.data.order_id), "customer_id": str(heard.data.customer_id)}
        work.say(PROMISES, "promises.PromiseMade.v1", made, key=str(id), cause=heard.cause, version=1)


class Shop:
    """One story."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self.sent = 0
        self.submitted: dict[str, dict[str, Any]] = {}
        """By reference: the first body that was sent under it."""
        self.received = dict.fromkeys(_SKUS, 0)

    @property
    def workers(self) -> Sequence[tuple[Stage, Sequence[Timer]]]:
        order, item = orders.ORDER_TOPIC, ITEMS
        return (
            (Stage("orders", (ORDERS, item, WORK_TOPIC, PROMISES), orders.HEARS, self._keep_orders), (Timer("waiting", self._end_waiting),)),
            (Stage("fulfilment", (order, item), fulfilment.HEARS, self._keep_stock), (Timer("wants", self._try_wants),)),
            (Stage("promises", (order,), {"orders.OrderPlaced.v1": Placed}, promise), ()),
        )

    async def _keep_orders(self, work: Transaction, batch: Sequence[Heard[Any]]) -> None:
        await on_events(batch, self._stores.orders(work))

    async def _end_waiting(self, work: Transaction) -> int:
        return await on_time(self._stores.orders(work))

    async def _keep_stock(self, work: Transaction, batch: Sequence[Heard[Any]]) -> None:
        log = WorkLog(work)
        stock, floor, amends = self._stores.stock(work, log), self._stores.floor(work, log), self._stores.amends(work, log)
        await floor_and_stock.on_events(batch, stock, floor, amends, work, uuid7, fulfilment_settings().pace)
        await log.flush()

    async def _try_wants(self, work: Transaction) -> int:
        log = WorkLog(work)
        stock = self._stores.stock(work, log)
        ripe: list[UUID] = await stock.ripe()
        if ripe:
            await floor_and_stock.try_wants(ripe, stock, self._stores.floor(work, log), fulfilment_settings().pace)
            await log.flush()
        return len(ripe)

    async def play(self, world: "World") -> None:
        rng, a_second = world.rng, world.rng.choice((1, 5, 50))
        tasks = [asyncio.ensure_future(self._stock(world)), asyncio.ensure_future(self._list(world))]
        for number in range(rng.randrange(5, 40)):
            await asyncio.sleep(rng.expovariate(a_second))
            body = self._order(rng, number)
            for _ in range(1 + (rng.random() < 0.1)):
                self._say(world, ORDERS, "OrderSubmitted", body["order_id"], body)
            if rng.random() < 0.1:
                self._say(world, ORDERS, "OrderSubmitted", body["order_id"], body | {"order_id": str(uuid7()), "service": "overnight"})
            if body["payment"]["state"] == "pending":
                paid = EXAMPLES["PaymentSecured"] | {"external_ref": body["external_ref"], "amount_minor": body["total_minor"]}
                tasks.append(asyncio.ensure_future(self._later(world, "PaymentSecured", body["order_id"], paid)))
            if rng.random() < 0.25:
                cancel = EXAMPLES["OrderCancelRequested"] | {"external_ref": body["external_ref"]}
                tasks.append(asyncio.ensure_future(self._later(world, "OrderCancelRequested", body["order_id"], cancel)))
        await asyncio.gather(*tasks)

    def _order(self, rng: Any, number: int) -> dict[str, Any]:
        body = deepcopy(EXAMPLES["OrderSubmitted"])
        skus = rng.sample(_SKUS, rng.randrange(1, len(_SKUS) + 1))
        body["lines"] = [body["lines"][0] | {"line": place + 1, "sku": sku, "quantity": rng.randrange(1, 6)} for place, sku in enumerate(skus)]
        goods = sum(line["quantity"] * line["unit_price_minor"] for line in body["lines"])
        total = goods + sum(charge["amount_minor"] for charge in body["charges"]) + (1 if rng.random() < 0.05 else 0)
        state = rng.choice(("captured", "captured", "pending"))
        told = {"order_id": str(uuid7()), "external_ref": f"web-{number}", "total_minor": total}
        body |= told | {"payment": body["payment"] | {"state": state, "amount_minor": total}}
        body["customer"] = body["customer"] | {"external_ref": f"customer-{rng.randrange(6)}"}
        self.submitted[body["external_ref"]] = body
        return body

    async def _later(self, world: "World", name: str, key: str, data: dict[str, Any]) -> None:
        await asyncio.sleep(world.rng.expovariate(0.5))
        self._say(world, ORDERS, name, key, data)

    async def _list(self, world: "World") -> None:
        for version, sku in enumerate(_SKUS, 1):
            await asyncio.sleep(world.rng.expovariate(2))
            self._say(world, ITEMS, "ItemListed", sku, EXAMPLES["ItemListed"] | {"sku": sku, "barcode": None}, version)

    async def _stock(self, world: "World") -> None:
        """Units come a few at a time, by a process that nothing happens to, until there are enough for most."""
        host = Host("receiving", world.rng, world.steps.append, world.calm)
        pool: Any = Pool(partial(world.databases.connect, "fulfilment", host))
        database = Database(pool, "fulfilment", world.clock, lambda: False)
        for _ in range(world.rng.randrange(3, 12)):
            await asyncio.sleep(world.rng.expovariate(0.5))
            sku, bin, units, paper = world.rng.choice(_SKUS), world.rng.choice(("A-1", "B-2")), world.rng.randrange(5, 60), uuid7()
            while not await self._received(database, paper, sku, bin, units):  # noqa: ASYNC110  # it is asked again
                await asyncio.sleep(0.5)

    async def _received(self, database: Database, paper: UUID, sku: str, bin: str, units: int) -> bool:
        """False where a worker had the shelf for too long: the caller asks again. An item that is not listed yet is sent back."""
        try:
            async with database.transaction() as work:
                log = WorkLog(work)
                stock = self._stores.stock(work, log)
                if await stock.unknown([sku]):
                    return True
                await receive(stock, paper, SITE, [(sku, bin, units)], "dock-1", _cause())
                await log.flush()
        except asyncpg.PostgresError as error:
            assert is_transient(error)
            return False
        self.received[sku] += units
        return True

    def _say(self, world: "World", topic: str, name: str, key: str, data: dict[str, Any], version: int = 1) -> None:
        self.sent += 1
        world.broker.append(event(topic, f"storefront.{name}.v1", uuid7(), key, msgspec.json.encode(data), version))

    def pending(self, world: "World") -> int:
        return self._stores.pending()

    def tables(self) -> Tables:
        """What is committed."""
        return self._stores.tables()

    def violations(self, world: "World") -> list[Violation]:
        return violations(self, self.tables(), world.broker)


def shop(seed: int, *, serialised: bool = False) -> "World":
    """The world of this seed, on the fake PostgreSQL."""
    from simulation.world import World

    databases = FakeDatabases(SERVICES, serialised=serialised)
    return World(seed, Shop(FakeStores(databases)), databases)


def real_shop(seed: int, databases: RealDatabases) -> "World":
    """The world of this seed, on the services' own stores and a real PostgreSQL."""
    from simulation.world import World

    return World(seed, Shop(RealStores(databases)), databases)


def _cause() -> Cause:
    id = uuid7()
    return Cause(id, id, child_of(None))
