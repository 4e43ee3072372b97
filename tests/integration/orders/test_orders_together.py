"""Orders that several requests bring at the same time, in one transaction: each is answered as if it had come alone."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.integration.orders.conftest import Api, Orders, new_id
from tests.unit.orders.samples import body, priced


@pytest.fixture
async def gathered(orders: Orders, api: Api) -> Any:
    """Sends all of them at once, behind one that commits first, and returns what they were answered."""

    async def send(*bodies: dict[str, Any]) -> list[httpx.Response]:
        sent = [api.submit(own(reference="ahead"), key="ahead"), *(api.submit(each, key=f"k-{number}") for number, each in enumerate(bodies))]
        return list((await asyncio.gather(*sent))[1:])

    return send


def own(reference: str, **changes: Any) -> dict[str, Any]:
    """An order of its own."""
    return body(order_id=str(new_id()), external_ref=reference, **changes)


async def test_orders_of_one_customer_are_all_taken_and_the_customer_is_said_in_order(gathered: Any, orders: Orders) -> None:
    answers = await gathered(*(own(f"r-{number}", ship_to__line1=f"{number} High Street") for number in range(10)))
    assert [one.status_code for one in answers] == [201] * 10
    assert len({one.json()["order_ref"] for one in answers}) == 10
    said = await orders.rows("select payload from outbox where type = 'orders.CustomerSeen.v1' order by id")
    assert len(said) == 11
    (transactions,) = await orders.rows("select count(distinct xmin::text)::int from orders")
    assert transactions[0] < 11


async def test_one_that_is_refused_disturbs_nobody(gathered: Any, orders: Orders) -> None:
    bad = priced(0, 0, order_id=str(new_id()), external_ref="bad")
    answers = await gathered(own("a"), bad, own("b"))
    assert [one.status_code for one in answers] == [201, 422, 201]
    assert answers[1].headers["content-type"] == "application/problem+json"
    assert await orders.rows("select external_ref from orders order by 1") == [("a",), ("ahead",), ("b",)]
    assert await orders.rows("select key from idempotency_keys order by 1") == [("ahead",), ("k-0",), ("k-2",)]


async def test_of_two_with_one_reference_the_second_is_answered_with_the_first(gathered: Any, orders: Orders) -> None:
    one = own("same")
    first, again, other = await gathered(one, one, {**one, "order_id": str(new_id())})
    assert (first.status_code, again.status_code, again.content) == (201, 200, first.content)
    assert (other.status_code, other.json()["type"]) == (409, "urn:kept:problem:reference-reused")
    assert await orders.names() == ["OrderPlaced", "OrderPlaced"]


async def test_an_order_id_that_another_took_in_the_same_moment_is_taken(gathered: Any) -> None:
    one = own("first")
    answers = await gathered(one, {**one, "external_ref": "second"})
    assert [one.status_code for one in answers] == [201, 409]
    assert answers[1].json()["type"] == "urn:kept:problem:order-id-taken"
