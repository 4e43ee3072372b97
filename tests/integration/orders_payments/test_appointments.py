"""An order by appointment waits for the day that a person promises in the ledger, and is released by it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.kit.ids import uuid7
from tests.integration.orders_payments.conftest import Till
from tests.unit.orders.samples import priced

_DAY = {"said": "2026-11-25T18:00", "zone": "Europe/Berlin"}


async def _order(till: Till, service: str = "appointment") -> Mapping[str, Any]:
    """Paid, its goods set apart: all that is missing is a day."""
    id = str(uuid7())
    data = priced(order_id=id, external_ref=id, service=service, payment__state="captured")
    await till.orders.hear(till.orders.event("storefront.OrderSubmitted.v1", data))
    await till.orders.hear(till.orders.event("fulfilment.StockReserved.v1", order_id=id))
    return data


async def _promise_day(till: Till, order: Mapping[str, Any], **changes: Any) -> UUID:
    told = {"kind": "delivery_date", "order_id": order["order_id"], "due": _DAY, "customer_id": str(uuid7()), **changes}
    receipt = await till.ledger.promise(**told)
    await till.hear()
    return UUID(receipt["promise_id"])


async def _stands(till: Till, order: Mapping[str, Any]) -> tuple[str, UUID | None, str | None]:
    asked = "select state, promise_id, carrier_service from orders where order_id = $1"
    ((*row,),) = await till.orders.rows(asked, UUID(order["order_id"]))
    return tuple(row)  # type: ignore[return-value]  # three columns


async def test_it_is_released_by_the_day_that_was_promised_and_by_nothing_before(till: Till) -> None:
    order = await _order(till)
    assert await _stands(till, order) == ("validating", None, None)
    promise_id = await _promise_day(till, order)
    assert await _stands(till, order) == ("released", promise_id, None)
    said = await till.orders.rows("select type from outbox where type = 'orders.OrderReleased.v1'")
    assert len(said) == 1


async def test_a_day_that_comes_before_the_goods_waits_for_them(till: Till) -> None:
    id = str(uuid7())
    await till.orders.hear(till.orders.event("storefront.OrderSubmitted.v1", priced(order_id=id, external_ref=id, service="appointment")))
    promise_id = await _promise_day(till, {"order_id": id})
    assert await _stands(till, {"order_id": id}) == ("validating", promise_id, None)
    await till.orders.hear(till.orders.event("fulfilment.StockReserved.v1", order_id=id))
    assert await _stands(till, {"order_id": id}) == ("released", promise_id, None)


async def test_a_later_day_takes_the_place_of_the_first_one(till: Till) -> None:
    order = await _order(till)
    first = await _promise_day(till, order)
    later = await _promise_day(till, order, due=_DAY | {"said": "2026-11-27T18:00"}, replaces=str(first))
    await till.hear()
    assert await _stands(till, order) == ("released", later, None)
    assert len(await till.orders.rows("select 1 from outbox where type = 'orders.OrderReleased.v1'")) == 1


async def test_an_order_with_a_computed_date_keeps_that(till: Till) -> None:
    order = await _order(till, "standard")
    await _promise_day(till, order)
    assert await _stands(till, order) == ("validating", None, None)


async def test_a_gift_is_no_day(till: Till) -> None:
    order = await _order(till)
    await till.ledger.promise(kind="gift", sku="HDMI-2M", thing="a cable", order_id=order["order_id"])
    await till.hear()
    assert await _stands(till, order) == ("validating", None, None)
