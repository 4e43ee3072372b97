"""A parcel of a held order gets no label and no lane, goes into no trailer, and leaves in none."""

from services.fulfilment.holds import note
from services.fulfilment.shipping.messages import HoldLifted, OrderHeld
from tests.integration.fulfilment_shipping.conftest import FakeCarrier, Shipping
from tests.integration.fulfilment_shipping.test_shipping_dock import LIST, OTHER, close, load, opened
from tests.unit.fulfilment_shipping.build import heard, uuid

SENTENCE = "The order is held by care (fraud): set it aside until they lift the hold."


async def hold(shipping: Shipping, order: int) -> None:
    async with shipping.database.transaction() as work:
        await note(work, [heard(OrderHeld(uuid(order), uuid(90), "fraud", "care"), 3)])


async def lift(shipping: Shipping, order: int) -> None:
    async with shipping.database.transaction() as work:
        await note(work, [heard(HoldLifted(uuid(order), uuid(90), "fraud"), 4)])


async def test_a_held_parcel_is_neither_labelled_nor_staged(shipping: Shipping) -> None:
    (ready,) = await shipping.ready(1)
    await shipping.release(2)
    bare = await shipping.pack(2)
    for order in (1, 2):
        await hold(shipping, order)
    for path, body in ((f"/v1/parcels/{bare}/label", None), (f"/v1/parcels/{ready}/stage", {"lane": "L1"})):
        refused = await shipping.call("POST", path, "picker", body)
        assert (refused.status_code, refused.json()["owner"], refused.json()["reason"]) == (409, "care", "fraud")
    await lift(shipping, 1)
    assert (await shipping.call("POST", f"/v1/parcels/{ready}/stage", "picker", {"lane": "L1"})).status_code == 200


async def test_a_held_parcel_is_loaded_into_no_trailer_until_the_hold_is_lifted(shipping: Shipping) -> None:
    (parcel,) = await shipping.ready(1)
    await opened(shipping)
    await hold(shipping, 1)
    refused = await load(shipping, parcel, 1)
    assert (refused.status_code, refused.json()["type"], refused.json()["detail"]) == (409, "urn:kept:problem:order-held", SENTENCE)
    assert await shipping.value("select count(*) from load_scans") == 0
    await lift(shipping, 1)
    assert (await load(shipping, parcel, 1)).json()["state"] == "loaded"


async def test_a_trailer_with_a_held_parcel_is_closed_once_that_is_unloaded(shipping: Shipping) -> None:
    one, two = await shipping.ready(1, 2)
    await opened(shipping)
    await load(shipping, one, 1)
    await load(shipping, two, 2)
    await hold(shipping, 2)
    refused = await shipping.call("POST", f"/v1/load-lists/{LIST}/close")
    assert (refused.status_code, refused.json()["detail"]) == (409, f"{SENTENCE} Unload first: {two}.")
    assert (await load(shipping, two, 3, verb="unload")).json()["state"] == "packed"
    assert len(await close(shipping)) == 1


async def test_a_closed_trailer_leaves_without_the_parcel_that_was_held_since(shipping: Shipping, carrier: FakeCarrier) -> None:
    one, two = await shipping.ready(1, 2)
    await opened(shipping)
    await load(shipping, one, 1)
    await load(shipping, two, 2)
    (manifest,) = await close(shipping)
    await shipping.call("POST", f"/v1/manifests/{manifest}/close")
    await hold(shipping, 2)
    refused = await shipping.call("POST", f"/v1/load-lists/{LIST}/hand-over")
    assert (refused.status_code, refused.json()["detail"]) == (409, f"{SENTENCE} Unload first: {two}.")
    assert refused.json()["parcels"] == [str(two)]
    assert (await load(shipping, one, 3, verb="unload")).json()["type"] == "urn:kept:problem:load-list-not-open"
    assert (await load(shipping, two, 4, verb="unload")).json()["state"] == "packed"
    assert (await shipping.call("POST", f"/v1/load-lists/{LIST}/hand-over")).json()["parcels"] == 1
    await lift(shipping, 2)
    await opened(shipping, OTHER)
    await load(shipping, two, 5, OTHER)
    assert await close(shipping, OTHER) == [manifest]  # the carrier has it on that one: it is told of a parcel once
    assert (await shipping.call("POST", f"/v1/load-lists/{OTHER}/hand-over")).json()["parcels"] == 1
    assert ([data["parcel_id"] for _, data in await shipping.said("HandedOver")], len(carrier.manifests)) == ([str(one), str(two)], 1)


async def test_a_held_parcel_leaves_a_manifest_that_is_still_open(shipping: Shipping, carrier: FakeCarrier) -> None:
    one, two = await shipping.ready(1, 2)
    await opened(shipping)
    await load(shipping, one, 1)
    await load(shipping, two, 2)
    (manifest,) = await close(shipping)
    await hold(shipping, 2)
    await load(shipping, two, 3, verb="unload")
    await shipping.call("POST", f"/v1/manifests/{manifest}/close")
    assert [len(request.tracking_numbers) for request in carrier.manifests.values()] == [1]
