"""What a change of an order owes becomes a promise of the ledger, and is paid as any other: of what was captured, whatever the total is by now."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from services.kit.calling import Away
from services.kit.ids import uuid7
from services.orders.changing import ChangeWire
from services.orders.handlers import Change, Reach, amend
from services.orders.owing import promise_refunds
from services.orders.store import PostgresStore
from services.promises.settings import Settings
from tests.integration.orders_payments.conftest import Till
from tests.unit.orders.samples import cause


async def amended(till: Till, order: Mapping[str, Any], total: int, paid: int = 0, by: str = "pay-2") -> UUID:
    """The order, changed to this total. Returns the promise that would owe what is too much."""
    refund_id, amendment_id, id = uuid7(), uuid7(), UUID(order["order_id"])
    ((customer, version),) = await till.orders.rows("select customer_id, version from orders where order_id = $1", id)
    lines = [{**order["lines"][0], "unit_price_minor": total}]
    wanted = msgspec.convert({"lines": lines, "total_minor": total}, ChangeWire)
    change = Change(id, customer, version, amendment_id, refund_id, wanted, paid, by if paid else None, "cheaper", "care")
    async with till.database.transaction() as work:
        await amend(PostgresStore(work), change, Reach(), cause())
    told = {"order_id": order["order_id"], "amendment_id": str(amendment_id), "customer_id": str(customer)}
    await till.orders.hear(
        till.orders.event("fulfilment.AmendmentPrepared.v1", told, version=100 + version), till.orders.event("promises.AmendmentDated.v1", told)
    )
    return refund_id


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(var=tmp_path, promises_url="http://access")


async def ask_ledger(till: Till, settings: Settings) -> int:
    asked = await promise_refunds(till.database, settings, httpx.ASGITransport(till.ledger.app))
    await till.hear()
    return asked


async def test_what_was_paid_too_much_is_promised_in_five_working_days_and_paid_once(till: Till, settings: Settings) -> None:
    order = await till.order(1000)
    refund_id = await amended(till, order, 600)
    assert await ask_ledger(till, settings) == 1
    assert await ask_ledger(till, settings) == 0
    promise = await till.ledger.standing(str(refund_id))
    assert (promise["kind"], promise["amount_minor"], promise["currency"]) == ("refund", 400, order["currency"])
    assert promise["due"]["said"] == "2026-11-27"
    assert await till.pay() == 1
    assert till.provider.moved() == [(refund_id, 400, order["payment"]["reference"])]
    ((at,),) = await till.orders.rows("select promised_at from amendments")
    assert at == till.clock.now()


async def test_after_a_change_to_less_no_more_than_was_captured_is_given_back(till: Till, settings: Settings) -> None:
    order = await till.order(1000)
    refund_id = await amended(till, order, 600)
    await ask_ledger(till, settings)
    whole, above = await till.promise(order, 600), await till.promise(order, 1)
    await till.pay()
    assert {moved[:2] for moved in till.provider.moved()} == {(refund_id, 400), (whole, 600)}
    assert await till.row(above, "state, reason") == ("refused", "above-captured")


async def test_each_payment_is_given_back_no_more_than_was_taken_by_it(till: Till, settings: Settings) -> None:
    """A thousand was paid first, five hundred more for a change; then refunds, the last of which neither payment bears whole."""
    order = await till.order(1000)
    await amended(till, order, 1500, 500)
    refund_id = await amended(till, order, 1100)
    await ask_ledger(till, settings)
    await till.pay()
    own = order["payment"]["reference"]
    assert till.provider.moved() == [(refund_id, 400, "pay-2")]
    first, both, rest, last = [await till.promise(order, amount) for amount in (900, 200, 100, 100)]
    await till.pay()
    assert {moved for moved in till.provider.moved() if moved[0] != refund_id} == {(first, 900, own), (rest, 100, "pay-2"), (last, 100, own)}
    assert await till.row(both, "state, reason") == ("refused", "several-payments")


async def test_what_was_taken_by_the_same_payment_again_is_given_back_in_one(till: Till, settings: Settings) -> None:
    order = await till.order(1000)
    await amended(till, order, 1500, 500, order["payment"]["reference"])
    whole = await till.promise(order, 1500)
    await till.pay()
    assert till.provider.moved() == [(whole, 1500, order["payment"]["reference"])]


async def test_a_change_that_owes_nothing_asks_the_ledger_nothing(till: Till, settings: Settings) -> None:
    await amended(till, await till.order(1000), 1500, 500)
    await amended(till, await till.order(1000, "authorised"), 600)
    await amended(till, await till.order(1000, "pending"), 600)
    assert await promise_refunds(till.database, settings, httpx.ASGITransport(till.ledger.app)) == 0


async def test_while_the_ledger_is_away_it_is_asked_again_and_asked_twice_it_is_one_promise(till: Till, settings: Settings) -> None:
    refund_id = await amended(till, await till.order(1000), 600)
    for status in (503, 401, 404):
        with pytest.raises(Away):
            await promise_refunds(till.database, settings, httpx.MockTransport(lambda _, status=status: httpx.Response(status)))
    assert await till.orders.rows("select promised_at, not_promised from amendments") == [(None, None)]
    await ask_ledger(till, settings)
    await till.database.pool.execute("update amendments set promised_at = null")
    assert await ask_ledger(till, settings) == 1
    assert await till.orders.rows("select promise_id, amount_minor from refunds") == [(refund_id, 400)]


async def test_what_the_ledger_will_never_promise_is_shown_to_a_person_and_not_asked_again(till: Till, settings: Settings) -> None:
    await amended(till, await till.order(1000), 600)
    no = httpx.MockTransport(lambda _: httpx.Response(409, json={"type": "urn:kept:problem:customer-erased"}))
    assert await promise_refunds(till.database, settings, no) == 1
    assert await promise_refunds(till.database, settings, no) == 0
    assert await till.orders.rows("select promised_at, not_promised from amendments") == [(None, "customer-erased")]


async def test_two_changes_that_owe_the_same_are_two_refunds(till: Till, settings: Settings) -> None:
    order = await till.order(1000)
    refunds = []
    for total in (700, 400, 100):
        refunds.append(await amended(till, order, total))
        assert await ask_ledger(till, settings) == 1
    assert await till.orders.rows("select not_promised, count(*) from amendments group by 1") == [(None, 3)]
    await till.database.pool.execute("update amendments set promised_at = null")
    assert await ask_ledger(till, settings) == 3
    assert sorted(await till.orders.rows("select promise_id, amount_minor from refunds")) == [(refund_id, 300) for refund_id in sorted(refunds)]


async def test_a_refund_that_a_person_promised_a_moment_ago_is_not_promised_beside_it(till: Till, settings: Settings) -> None:
    order = await till.order(1000)
    refund_id = await amended(till, order, 600)
    ((customer,),) = await till.orders.rows("select customer_id::text from orders")
    await till.promise(order, 400, customer_id=customer)
    assert await ask_ledger(till, settings) == 1
    assert await till.orders.rows("select not_promised from amendments where refund_id = $1", refund_id) == [("looks-like-duplicate",)]
