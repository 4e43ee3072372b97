"""A hold stops the floor until it is lifted."""

from services.fulfilment.shipping.messages import HoldLifted, OrderHeld
from tests.integration.fulfilment.conftest import Fulfilment
from tests.unit.fulfilment.build import cancel, heard, placed, released, uuid


async def test_a_held_order_is_claimed_by_nobody_until_the_last_hold_is_lifted(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.order(1)
    task = await shop.value("select task_id from pick_tasks")
    await shop.hear(heard(OrderHeld(uuid(1), uuid(11), "fraud", "care"), 3), heard(OrderHeld(uuid(1), uuid(12), "address", "eve"), 4))
    assert (await shop.claim()).status_code == 204
    refused = await shop.post(f"/v1/pick-tasks/{task}/claim", {"claim_id": shop.id()})
    assert (refused.status_code, refused.json()["detail"]) == (409, "The order is held by care (fraud): set it aside until they lift the hold.")
    await shop.hear(heard(HoldLifted(uuid(1), uuid(11), "fraud"), 5))
    assert (await shop.claim()).status_code == 204
    await shop.hear(heard(HoldLifted(uuid(1), uuid(12), "address"), 6))
    assert (await shop.claim()).status_code == 200


async def test_a_hold_ahead_of_the_release_stands_and_a_held_order_can_be_cancelled(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.hear(placed(1), heard(OrderHeld(uuid(1), uuid(11), "manual", "care"), 2), released(1, version=3))
    assert (await shop.claim()).status_code == 204
    await shop.hear(cancel(1, version=4))
    assert (await shop.names())[-1] == "CancelAccepted"


async def test_a_hold_for_want_of_stock_is_our_own_doing(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.order(1)
    await shop.hear(heard(OrderHeld(uuid(1), uuid(11), "stock", "fulfilment"), 3))
    assert (await shop.claim()).status_code == 200
