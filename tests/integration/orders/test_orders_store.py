"""The orders service on a real PostgreSQL: what is stored, what is said, and what fifty at once make of it."""

import asyncio
from datetime import timedelta
from uuid import UUID

import asyncpg
import msgspec
import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import SQLModel

from services.kit.clock import FixedClock
from services.kit.database import Database, service_url
from services.orders import tables
from services.orders.payments.tables import CreditEntryRow, RefundRow
from services.orders.queries import states
from tests.integration.orders.conftest import ORDER, Api, Orders, example, new_id
from tests.unit.orders.samples import body, priced

SUBMITTED = "storefront.OrderSubmitted.v1"
FLOOR = ["StockReserved", "PickClaimed", "OrderPacked", "HandedOver", "ParcelDelivered"]


async def test_an_order_walks_from_the_shop_to_the_door(orders: Orders) -> None:
    assert await orders.hear(SUBMITTED) == []
    assert await orders.hear("promises.PromiseMade.v1", "fulfilment.StockReserved.v1") == []
    assert await orders.state() == "released"
    for event in FLOOR[1:]:
        assert await orders.hear(f"fulfilment.{event}.v1") == []
    assert await orders.hear("promises.PromiseKept.v1") == []
    assert await orders.state() == "delivered"
    assert await orders.names() == ["OrderPlaced", "OrderReleased", "OrderCompleted"]
    assert await orders.rows("select verdict from promises_view") == [("kept",)]


async def test_all_of_it_in_one_batch_comes_to_the_same(orders: Orders) -> None:
    await orders.hear(SUBMITTED, "promises.PromiseMade.v1", *(f"fulfilment.{event}.v1" for event in FLOOR), "promises.PromiseKept.v1")
    assert await orders.state() == "delivered"
    assert await orders.names() == ["OrderPlaced", "OrderReleased", "OrderCompleted"]


async def test_what_is_said_is_what_the_schemas_say(orders: Orders) -> None:
    await orders.hear(SUBMITTED, "promises.PromiseMade.v1", "fulfilment.StockReserved.v1")
    said = dict(await orders.said())
    assert said["OrderPlaced"] == example("orders.OrderPlaced.v1") | {
        name: said["OrderPlaced"][name] for name in ("customer_id", "address_id", "order_ref")
    }
    released = example("orders.OrderReleased.v1")
    assert said["OrderReleased"] == released | {name: said["OrderReleased"][name] for name in ("customer_id", "address_id", "released_at")}
    seen = example("orders.CustomerSeen.v1")
    assert said["CustomerSeen"] | {"customer_id": "", "addresses": []} == seen | {"customer_id": "", "addresses": []}
    assert said["CustomerSeen"]["addresses"][0] | {"address_id": ""} == seen["addresses"][0] | {"address_id": ""}


async def test_versions_of_an_order_rise_by_one_per_event_and_the_keys_are_its_id(orders: Orders) -> None:
    """Whatever was refused under its id before counts; what changes it without a word does not, though a reader sees it move."""
    await orders.hear(orders.event(SUBMITTED, priced(1, 0)))
    await orders.hear(SUBMITTED)
    await orders.hear("promises.PromiseMade.v1")
    await orders.hear("fulfilment.StockReserved.v1")
    for event in FLOOR[1:]:
        await orders.hear(f"fulfilment.{event}.v1")
    rows = await orders.rows("select key, headers from outbox where topic = 'orders.order.v1' order by id")
    headers = [dict(msgspec.msgpack.decode(packed, type=list[tuple[str, bytes]])) for _, packed in rows]
    assert {key for key, _ in rows} == {ORDER.encode()}
    versions = [int(each["ce_aggregateversion"]) for each in headers]
    assert await orders.names() == ["OrderRefused", "OrderPlaced", "OrderReleased", "OrderCompleted"]
    assert versions == [1, 2, 3, 4]
    assert await orders.rows("select version, said_version from orders") == [(8, 4)]


async def test_fifty_who_submit_the_same_order_at_once_make_one(orders: Orders, api: Api) -> None:
    answers = await asyncio.gather(*(api.submit() for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] * 49 + [201]
    assert len({answer.content for answer in answers}) == 1
    assert await orders.rows("select count(*) from orders") == [(1,)]
    assert await orders.names() == ["OrderPlaced"]


async def test_the_topic_and_http_at_once_make_one(orders: Orders, api: Api) -> None:
    await asyncio.gather(*(orders.hear(SUBMITTED) for _ in range(10)), *(api.submit() for _ in range(10)))
    assert await orders.names() == ["OrderPlaced"]


async def test_fifty_bodies_under_one_reference_make_one_order_and_forty_nine_refusals(orders: Orders, api: Api) -> None:
    bodies = [body(order_id=str(new_id()), customer__name=f"Ada {n}") for n in range(50)]
    answers = await asyncio.gather(*(api.submit(each) for each in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 49
    refused = next(answer.json() for answer in answers if answer.status_code == 409)
    assert refused["type"] == "urn:kept:problem:reference-reused"
    assert refused["fields"] == ["customer.name", "order_id"]
    assert await orders.rows("select count(*) from orders") == [(1,)]


async def test_fifty_orders_of_one_customer_at_once_all_stand(orders: Orders, api: Api) -> None:
    bodies = [body(order_id=str(new_id()), external_ref=f"r{n}", ship_to__line1=f"{n} Way") for n in range(50)]
    answers = await asyncio.gather(*(api.submit(each) for each in bodies))
    assert {answer.status_code for answer in answers} == {201}
    assert await orders.rows("select version from customers") == [(50,)]
    assert await orders.rows("select count(*) from addresses") == [(50,)]
    last = [data for name, data in await orders.said() if name == "CustomerSeen"][-1]
    assert len(last["addresses"]) == 50


async def test_an_identical_body_by_event_changes_nothing_and_another_is_set_aside(orders: Orders) -> None:
    await orders.hear(SUBMITTED)
    before = await orders.snapshot()
    assert await orders.hear(SUBMITTED, orders.event(SUBMITTED, body(placed_at="2026-11-21T23:58:00-05:00"))) == []
    ((reason, sentence),) = await orders.hear(orders.event(SUBMITTED, body(total_minor=5, payment__amount_minor=5)))
    assert reason == "reference-reused"
    assert "payment.amount_minor, total_minor" in sentence
    assert await orders.snapshot() == before


async def test_a_refused_order_is_told_and_may_be_sent_again_when_mended(orders: Orders, api: Api, reads: AsyncEngine) -> None:
    await orders.hear(orders.event(SUBMITTED, priced(1, 0)), orders.event(SUBMITTED, priced(1, 0)))
    assert await orders.names() == ["OrderRefused"]
    assert await orders.rows("select count(*) from orders") == [(0,)]
    told = (await api.call("GET", f"/v1/orders/{ORDER}", role="storefront", channel="web")).json()
    assert (told["state"], [reason["code"] for reason in told["reasons"]]) == ("refused", ["zero-price"])
    assert await states(reads, [UUID(ORDER), new_id()]) == {UUID(ORDER): "refused"}
    assert (await api.submit()).status_code == 201
    assert await orders.names() == ["OrderRefused", "OrderPlaced"]
    assert (await api.call("GET", f"/v1/orders/{ORDER}")).json()["state"] == "validating"
    assert await states(reads, [UUID(ORDER), new_id()]) == {UUID(ORDER): "validating"}


async def test_an_order_ahead_of_its_items_goes_on_or_is_refused(orders: Orders, clock: FixedClock) -> None:
    line = {"line": 1, "sku": "NEW", "quantity": 6, "unit_price_minor": 255, "description": "NEW"}
    lost = {**line, "sku": "LOST"}
    other = str(new_id())
    await orders.hear(orders.event(SUBMITTED, body(lines=[line])), orders.event(SUBMITTED, body(lines=[lost], order_id=other, external_ref="2")))
    assert await orders.names() == []
    assert await orders.rows("select reason from holds where lifted_at is null") == [("items",), ("items",)]
    assert await orders.fire() == 0
    await orders.hear(orders.event("storefront.ItemListed.v1", example("storefront.ItemListed.v1", sku="NEW")))
    assert await orders.fire() == 1
    assert await orders.names() == ["OrderPlaced"]
    assert await orders.rows("select count(*) from holds where lifted_at is null") == [(1,)]
    clock.advance(timedelta(seconds=30))
    assert await orders.fire() == 1
    assert await orders.fire() == 0
    assert await orders.names() == ["OrderPlaced", "OrderRefused"]
    assert await orders.rows("select count(*) from orders where order_id = $1", UUID(other)) == [(0,)]
    assert await orders.rows("select count(*) from waiting_orders") == [(0,)]


async def test_a_cancel_ahead_of_its_order_is_taken_up_by_it(orders: Orders) -> None:
    await orders.hear("storefront.OrderCancelRequested.v1")
    assert await orders.rows("select count(*) from early_events") == [(1,)]
    await orders.hear(SUBMITTED)
    assert await orders.names() == ["OrderPlaced", "CancelRequested"]
    assert await orders.rows("select count(*) from early_events") == [(0,)]


async def test_a_payment_ahead_of_its_order_is_taken_up_by_http_too(orders: Orders, api: Api) -> None:
    await orders.hear("storefront.PaymentSecured.v1")
    assert (await api.submit(body(payment__state="pending"))).status_code == 201
    assert await orders.rows("select payment_state, checks from orders") == [("captured", ["payment_secured"])]


async def test_a_cancel_of_an_unknown_order_becomes_a_dead_letter_with_its_bytes(orders: Orders, clock: FixedClock) -> None:
    heard, letter = orders.event("storefront.OrderCancelRequested.v1")
    assert await orders.hear((heard, letter)) == []
    clock.advance(timedelta(seconds=29))
    assert await orders.fire() == 0
    clock.advance(timedelta(seconds=1))
    assert await orders.fire() == 1
    rows = await orders.rows("select topic, kind, reason, event_id, value, headers, type from dead_letters")
    assert rows == [("storefront.order.v1", "refused", "unknown-order", heard.id, letter.value, letter.headers, letter.type)]
    assert await orders.rows("select count(*) from early_events") == [(0,)]


async def test_each_early_event_waits_its_own_time(orders: Orders, clock: FixedClock) -> None:
    await orders.hear("storefront.OrderCancelRequested.v1")
    clock.advance(timedelta(seconds=20))
    await orders.hear("storefront.PaymentSecured.v1")
    clock.advance(timedelta(seconds=10))
    assert await orders.fire() == 1
    assert await orders.rows("select type from dead_letters") == [("storefront.OrderCancelRequested.v1",)]
    assert await orders.rows("select type from early_events") == [("storefront.PaymentSecured.v1",)]


async def test_a_cancel_is_decided_by_fulfilment_and_lets_everything_go(orders: Orders, api: Api) -> None:
    await orders.hear(SUBMITTED, "fulfilment.StockShort.v1")
    asked = await api.call("POST", f"/v1/orders/{ORDER}/cancel", role="care", data={"reason": "changed my mind"})
    assert (asked.status_code, asked.json()["status"]) == (202, "requested")
    again = await api.call("POST", f"/v1/orders/{ORDER}/cancel", role="storefront", channel="web", data={"reason": "once more"})
    assert again.json() == asked.json()
    request_id = asked.json()["request_id"]
    accepted = example("fulfilment.CancelAccepted.v1", request_id=request_id)
    await orders.hear(orders.event("fulfilment.CancelAccepted.v1", accepted))
    assert await orders.state() == "cancelled"
    assert await orders.names() == ["OrderPlaced", "OrderHeld", "CancelRequested", "OrderCancelled"]
    assert await orders.rows("select count(*) from holds where lifted_at is null") == [(0,)]
    await orders.hear("promises.PromiseMade.v1", "fulfilment.StockReserved.v1")
    assert "OrderReleased" not in await orders.names()


async def test_a_cancel_against_the_claim_is_refused(orders: Orders, api: Api) -> None:
    await orders.hear(SUBMITTED, "promises.PromiseMade.v1", "fulfilment.StockReserved.v1")
    asked = await api.call("POST", f"/v1/orders/{ORDER}/cancel", role="care", data={"reason": "late"})
    rejected = example("fulfilment.CancelRejected.v1", request_id=asked.json()["request_id"])
    await orders.hear("fulfilment.PickClaimed.v1")
    await orders.hear(orders.event("fulfilment.CancelRejected.v1", rejected))
    assert (await orders.names())[-1] == "CancelRefused"
    late = await api.call("POST", f"/v1/orders/{ORDER}/cancel", role="care", data={"reason": "late"})
    assert (late.status_code, late.json()["state"]) == (409, "picking")
    assert "return it" in late.json()["detail"]
    view = (await api.call("GET", f"/v1/orders/{ORDER}")).json()
    assert (view["state"], view["cancel"]["status"]) == ("picking", "refused")


_TABLES = (
    tables.OrderRow, tables.HoldRow, tables.RefusalRow, tables.PromiseRow, tables.HeldRow, tables.ViewRow, tables.LinkRow, RefundRow, CreditEntryRow,
)  # fmt: skip


@pytest.mark.parametrize("table", _TABLES)
def test_the_tables_that_are_read_are_the_ones_that_were_migrated(database_url: str, table: type[SQLModel]) -> None:
    url = service_url(database_url, "orders").replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url)
    real = {each["name"]: each for each in inspect(engine).get_columns(str(table.__tablename__), schema="orders")}
    engine.dispose()
    told = table.__table__.columns  # type: ignore[attr-defined]
    assert {column.name: column.nullable for column in told} == {name: each["nullable"] for name, each in real.items()}
    kinds = {column.name: getattr(column.type, "impl_instance", column.type).python_type for column in told}
    assert kinds == {name: each["type"].python_type for name, each in real.items()}


async def test_the_database_refuses_an_order_whose_money_does_not_add_up(orders: Orders, database: Database) -> None:
    await orders.hear(SUBMITTED)
    with pytest.raises(asyncpg.CheckViolationError):
        await database.pool.execute("update orders set total_minor = 1")
