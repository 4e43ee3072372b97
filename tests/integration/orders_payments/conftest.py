"""The ledger, the orders service that hears of its promises, and the demo's provider over a socket, in one test."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.kit.clock import FixedClock
from services.kit.database import Database, service_url
from services.kit.ids import uuid7
from services.kit.promise.reporting import reporting
from services.kit.promise.view import apply
from services.orders.agents import DUTIES
from services.orders.payments.handlers import settle
from services.orders.payments.store import Refunds
from services.promises.settings import Settings
from tests.integration.orders.conftest import Orders
from tests.integration.promises.ledger.speaking import Speaking, speaking
from tests.support.provider import Running, running
from tests.unit.orders.samples import NOW, priced


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("promises", "orders")


class Till:
    """Orders and what is promised on them; each step of the way to the customer's money is taken by hand."""

    def __init__(self, ledger: Speaking, database: Database, provider: Running, clock: FixedClock, settings: Settings) -> None:
        self.ledger, self.database, self.provider, self.clock = ledger, database, provider, clock
        self.orders, self._settings = Orders(database), settings
        self.book = Refunds(database)

    async def order(self, total: int = 900, state: str = "captured") -> Mapping[str, Any]:
        """An order over so much."""
        id = uuid7()
        priced_at: dict[str, Any] = {"charges": (-500,)} if total == 0 else {"unit": total}
        data = priced(order_id=str(id), external_ref=id.hex, payment__state=state, payment__reference=f"pay-{id.hex[-6:]}", **priced_at)
        assert await self.orders.hear(self.orders.event("storefront.OrderSubmitted.v1", data)) == []
        return data

    async def promise(self, order: Mapping[str, Any] | None, amount: int = 500, kind: str = "refund", **changes: Any) -> UUID:
        """Promise money on the order, to a customer of its own, and hear of it."""
        currency = changes.pop("currency", order["currency"] if order else "EUR")
        told = {
            "kind": kind,
            "order_id": order["order_id"] if order else None,
            "amount_minor": amount,
            "currency": currency,
            "customer_id": str(uuid7()),
            **changes,
        }
        receipt = await self.ledger.promise(**told)
        await self.hear()
        return UUID(receipt["promise_id"])

    async def hear(self) -> None:
        """All entries that there are, those that were heard before as well."""
        told = await self.ledger.told(await self.ledger.count())
        async with self.database.transaction() as work:
            await apply(work, told, DUTIES)

    async def pay(self, retry_seconds: int = 20) -> int:
        return await settle(self.book, lambda: self.provider.client, retry_seconds)

    async def tell(self) -> None:
        """Take the reports to the ledger, and hear what became of them."""
        await reporting("orders", self._settings, httpx.ASGITransport(self.ledger.app)).run(self.database)
        await self.hear()

    async def row(self, promise_id: UUID, columns: str) -> tuple[Any, ...]:
        ((*row,),) = await self.orders.rows(f"select {columns} from refunds where promise_id = $1", promise_id)  # columns of ours
        return tuple(row)

    async def credited(self) -> list[tuple[Any, ...]]:
        return list(await self.orders.rows("select promise_id, currency, delta_minor from credit_entries order by number"))

    async def later(self) -> None:
        """The time after which the provider is asked again has passed."""
        await self.database.pool.execute("update refunds set tried_at = tried_at - interval '1 hour'")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
async def till(database_url: str, tmp_path: Path, clock: FixedClock) -> AsyncIterator[Till]:
    async with speaking(database_url, tmp_path, clock) as ledger, running(tmp_path) as provider:
        database = await Database.connect(service_url(database_url, "orders"), "orders", clock, size=10)
        made = Till(ledger, database, provider, clock, Settings(var=tmp_path))
        await made.orders.hear("storefront.ItemListed.v1")
        yield made
        await database.close()
