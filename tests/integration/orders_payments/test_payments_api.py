"""What customers see of their credit, and staff of what waits."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.kit.database import service_url
from services.kit.ids import uuid7
from services.orders.api import connect
from services.orders.main import assemble
from services.orders.queries import engine_of
from services.orders.settings import Settings
from tests.access.asking import Ask, Asking, asking
from tests.integration.orders_payments.conftest import Till


@pytest.fixture
async def api(till: Till, database_url: str, tmp_path: Path) -> AsyncIterator[Asking]:
    settings, reads = Settings(var=tmp_path), engine_of(service_url(database_url, "orders"))
    app = assemble(settings)
    connect(app, till.database, reads)
    async with asking(app, settings) as asks:
        yield asks
    await reads.dispose()


async def test_a_customer_sees_the_balance_in_each_currency_and_what_it_is_made_of(till: Till, api: Asking) -> None:
    customer, other = str(uuid7()), str(uuid7())
    ids = [
        await till.promise(None, amount, "credit", customer_id=who, currency=currency)
        for who, amount, currency in ((customer, 500, "EUR"), (customer, 250, "EUR"), (other, 9, "EUR"), (customer, 300, "USD"))
    ]
    await till.pay()
    path = f"/v1/customers/{customer}/credit"
    told = await api.done("GET", Ask(path), "customer", customer)
    assert told["balances"] == [{"currency": "EUR", "balance_minor": 750}, {"currency": "USD", "balance_minor": 300}]
    assert [(entry["promise_id"], entry["delta_minor"]) for entry in told["entries"]] == [(str(ids[0]), 500), (str(ids[1]), 250), (str(ids[3]), 300)]
    first = await api.done("GET", Ask(f"{path}?limit=2"), "care", "care-7")
    rest = await api.done("GET", Ask(f"{path}?limit=2&after={first['next']}"), "care", "care-7")
    assert [*first["entries"], *rest["entries"]] == told["entries"]
    assert (first["balances"], rest["balances"], rest["next"]) == (told["balances"], told["balances"], None)
    assert (await api.send("GET", Ask(path), "customer", other)).status_code == 404
    assert (await api.send("GET", Ask(f"/v1/customers/{uuid7()}/credit"), "care", "care-7")).status_code == 404


async def test_staff_see_what_waits_and_what_was_refused_and_why(till: Till, api: Asking) -> None:
    order = await till.order(900)
    ids = [await till.promise(order, amount) for amount in (500, 600, 400)]
    await till.promise(await till.order(900, "authorised"), 1)
    await till.pay()

    async def listed(query: str) -> list[tuple[str, str, str | None]]:
        told = await api.done("GET", Ask(f"/v1/payments/refunds{query}"), "care", "care-7")
        return [(each["promise_id"], each["state"], each["reason"]) for each in told["refunds"]]

    assert await listed("?state=refused") == [(str(ids[1]), "refused", "above-captured")]
    assert [state for _, state, _ in await listed("?state=owed")] == ["owed"]
    told = await api.done("GET", Ask("/v1/payments/refunds?limit=3"), "admin", "a")
    assert [each["state"] for each in told["refunds"]] == ["paid", "refused", "paid"]
    assert [state for _, state, _ in await listed(f"?after={told['next']}")] == ["owed"]
    assert (await api.send("GET", Ask("/v1/payments/refunds?state=lost"), "care", "c")).status_code == 422
