"""One field altered in a work row is found in one round, and department and promise are named."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from services.kit.promise.keeper import Keeper
from services.orders.payments.agents import DUTIES
from services.promises.settings import Settings
from tests.integration.orders_payments.conftest import Till

ALTERED = {
    "the amount": "amount_minor = amount_minor + 1",
    "the currency": "currency = 'USD'",
    "the customer": "customer_id = gen_random_uuid()",
    "the order": "order_id = gen_random_uuid()",
    "no order": "order_id = null",
    "the kind": "kind = 'credit'",
    "the quantity": "quantity = 2",
    "what it makes good for": "cause = gen_random_uuid()",
    "the promise": "promise_id = 'ffffffff-0000-7000-8000-000000000000'",
}


@pytest.fixture
def keeper(till: Till, tmp_path: Path) -> Keeper:
    return Keeper("orders", till.database, Settings(var=tmp_path), httpx.ASGITransport(till.ledger.app), DUTIES)


async def _orders(till: Till) -> dict[str, Any]:
    told = (await till.ledger.get("/v1/agreement")).json()
    return next(each for each in told["views"] if each["view"] == "orders")


async def test_rows_as_they_were_taken_over_differ_in_nothing(till: Till, keeper: Keeper) -> None:
    order = await till.order()
    await till.promise(order)
    await till.promise(None, 300, "credit")
    await till.promise(order, kind="free_text", department="payments", customer_text="We look at the double charge.")
    await till.pay()
    await till.tell()
    assert await keeper.round()
    assert ((await _orders(till))["state"], (await _orders(till))["altered"]) == ("agrees", [])


@pytest.mark.parametrize("what", ALTERED)
async def test_one_field_altered_in_a_refund_is_found_and_named(till: Till, keeper: Keeper, what: str) -> None:
    order = await till.order()
    id, _ = [await till.promise(order, amount) for amount in (500, 100)]
    await till.database.pool.execute(f"update refunds set {ALTERED[what]} where promise_id = $1", id)
    assert await keeper.round(), "the view itself is right"
    named = "ffffffff-0000-7000-8000-000000000000" if what == "the promise" else str(id)
    told = await _orders(till)
    assert (told["state"], told["altered"]) == ("differs", [named])
    assert not (await till.ledger.get("/v1/agreement")).json()["agree"]
    await till.database.pool.execute("delete from refunds")
    assert await keeper.round()
    assert (await _orders(till))["altered"] == []
