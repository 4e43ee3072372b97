"""A parcel of a held order gets no label and no lane."""

from services.fulfilment.holds import note
from services.fulfilment.shipping.messages import HoldLifted, OrderHeld
from tests.integration.fulfilment_shipping.conftest import Shipping
from tests.unit.fulfilment_shipping.build import heard, uuid


async def test_a_held_parcel_is_neither_labelled_nor_staged(shipping: Shipping) -> None:
    (ready,) = await shipping.ready(1)
    await shipping.release(2)
    bare = await shipping.pack(2)
    for order in (1, 2):
        async with shipping.database.transaction() as work:
            await note(work, [heard(OrderHeld(uuid(order), uuid(90), "fraud", "care"), 3)])
    for path, body in ((f"/v1/parcels/{bare}/label", None), (f"/v1/parcels/{ready}/stage", {"lane": "L1"})):
        refused = await shipping.call("POST", path, "picker", body)
        assert (refused.status_code, refused.json()["owner"], refused.json()["reason"]) == (409, "care", "fraud")
    async with shipping.database.transaction() as work:
        await note(work, [heard(HoldLifted(uuid(1), uuid(90), "fraud"), 4)])
    assert (await shipping.call("POST", f"/v1/parcels/{ready}/stage", "picker", {"lane": "L1"})).status_code == 200
