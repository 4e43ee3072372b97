"""A database that the bench made large is one that the services go on with: copies are read, claimed and answered as the order itself, and every
constraint holds."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from bench.growing import grow
from services.fulfilment.messages import CancelRequested
from services.kit.settings import KitSettings
from services.kit.tokens import token
from tests.integration.fulfilment.conftest import Fulfilment
from tests.support.apps import answering
from tests.unit.fulfilment.build import heard, uuid
from tests.unit.orders.samples import EXAMPLE

ORDER, SIZE = 0xABCDEF01, 20
_AGAIN = """
select format('alter table %s drop constraint %I, add constraint %I %s', conrelid::regclass, conname, conname, pg_get_constraintdef(oid))
from pg_constraint where contype = 'f' and conparentid = 0"""


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("fulfilment", "orders", "promises")


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def _place(api: httpx.AsyncClient, folder: Path) -> dict[str, str]:
    """One order of the storefront's; who may read it."""
    settings = KitSettings(var=folder)
    signed = token(folder / "keys", "storefront", issuer=settings.token_issuer, audience=settings.token_audience, subject="s-1", channel="web")
    who = {"authorization": f"Bearer {signed}"}
    answered = await api.post("/v1/orders", json=EXAMPLE, headers={**who, "idempotency-key": "k-1"})
    assert answered.status_code == 201, answered.text
    return who


async def _keep_every_reference(admin: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Make each foreign key anew: raises where a row refers to nothing."""
    statements = [statement for (statement,) in await admin.fetch(_AGAIN)]
    assert statements
    for statement in statements:
        await admin.execute(statement)


async def _claimed(shop: Fulfilment, number: int) -> dict[str, Any]:
    told: dict[str, Any] = (await shop.claim(f"p{number}")).json()
    assert [(line["sku"], line["quantity"]) for line in told["lines"]] == [("CUP", 1)]
    return told


async def test_copies_of_an_order_are_read_claimed_and_answered_like_the_order_itself(
    shop: Fulfilment, admin: "asyncpg.Connection[asyncpg.Record]", database_url: str, tmp_path: Path
) -> None:
    await shop.stock(("CUP", "A-1", SIZE))
    await shop.order(ORDER)
    await admin.executemany("insert into orders.items values ($1, false, 1)", [(line["sku"],) for line in EXAMPLE["lines"]])
    async with answering("orders", tmp_path, database_url) as api:
        who = await _place(api, tmp_path)
        assert await grow(database_url, SIZE) == SIZE
        ids = {str(id) for (id,) in await admin.fetch("select order_id from orders.orders")}
        read = [(await api.get(f"/v1/orders/{id}", headers=who)).json() for id in ids]
    assert {order["order_id"] for order in read} == ids
    assert len({order["external_ref"] for order in read}) == SIZE
    for table in ("orders.addresses", "fulfilment.wants", "fulfilment.reservations", "fulfilment.pick_lines"):
        assert await admin.fetchval(f"select count(*) from {table}") == SIZE, table
    await _keep_every_reference(admin)
    tasks = [await _claimed(shop, number) for number in range(SIZE)]
    assert len({task["order_id"] for task in tasks}) == SIZE
    await shop.hear(*(heard(CancelRequested(UUID(task["order_id"]), uuid(300_000 + n)), 3, n) for n, task in enumerate(tasks)))
    assert [data["state"] for _, data in await shop.said("CancelRejected")] == ["claimed"] * SIZE
