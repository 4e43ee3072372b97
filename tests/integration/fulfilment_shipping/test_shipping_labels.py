"""One label per parcel, whatever the line to the carrier does, and none that is charged for nothing."""

import asyncio

import httpx
import pytest

from services.fulfilment.shipping.labels.clients import kept_carrier
from services.fulfilment.shipping.labels.domain import Address, LabelRequest
from services.fulfilment.shipping.labels.handlers import settle_all
from services.fulfilment.shipping.labels.ports import CarrierAway, CarrierRefused
from services.fulfilment.shipping.labels.store import Labels
from services.fulfilment.shipping.messages import CustomerSeen, UpgradeGranted, UpgradeWanted
from services.fulfilment.shipping.messages import Destination as Whither
from services.fulfilment.shipping.store import NewParcel, add_parcel, drop_parcel, free_slots
from tests.integration.fulfilment_shipping.conftest import FakeCarrier, Shipping
from tests.unit.fulfilment_shipping.build import FLIGHT_AT, heard, lane, uuid


async def test_a_label_that_the_carrier_sold_before_the_answer_was_lost_is_not_bought_twice(shipping: Shipping, carrier: FakeCarrier) -> None:
    await shipping.release(1)
    await shipping.address()
    parcel = await shipping.pack(1)
    carrier.loses_answers = True
    lost = await shipping.call("POST", f"/v1/parcels/{parcel}/label", "picker")
    assert (lost.status_code, lost.json()["type"], lost.headers["retry-after"]) == (503, "urn:kept:problem:carrier-silent", "10")
    assert len(carrier.bought) == 1
    carrier.loses_answers = False
    found = await shipping.call("POST", f"/v1/parcels/{parcel}/label", "picker")
    assert (found.status_code, found.json()["tracking_number"]) == (200, "1Z000000")
    assert len(carrier.requests) == 1
    assert [data["label_minor"] for _, data in await shipping.said("ParcelLabelled")] == [412]


async def test_a_label_that_nobody_asks_for_again_is_settled_by_the_worker(shipping: Shipping, carrier: FakeCarrier) -> None:
    await shipping.release(1)
    await shipping.address()
    parcel = await shipping.pack(1)
    carrier.loses_answers = True
    await shipping.call("POST", f"/v1/parcels/{parcel}/label", "picker")
    book = Labels(shipping.database)
    assert await settle_all(book, lambda _: carrier, 0) == 0
    carrier.loses_answers = False
    assert await settle_all(book, lambda _: carrier, 0) == 1
    assert await settle_all(book, lambda _: carrier, 0) == 0
    assert len(await shipping.said("ParcelLabelled")) == len(carrier.bought) == 1


async def test_twenty_requests_at_once_are_one_label(shipping: Shipping, carrier: FakeCarrier) -> None:
    await shipping.release(1)
    await shipping.address()
    parcel = await shipping.pack(1)
    answers = await asyncio.gather(*(shipping.call("POST", f"/v1/parcels/{parcel}/label", "picker") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["tracking_number"] for answer in answers}) == len(carrier.bought) == 1
    assert len(await shipping.said("ParcelLabelled")) == 1


async def test_an_address_that_is_not_here_yet_is_asked_for_again(shipping: Shipping, carrier: FakeCarrier) -> None:
    await shipping.release(1)
    parcel = await shipping.pack(1)
    early = await shipping.call("POST", f"/v1/parcels/{parcel}/label", "picker")
    assert (early.status_code, early.json()["type"], early.headers["retry-after"]) == (409, "urn:kept:problem:address-missing", "3")
    await shipping.address(5)
    assert (await shipping.call("POST", f"/v1/parcels/{parcel}/label", "picker")).status_code == 200
    request = carrier.requests[0]
    assert (request.to.name, request.to.postcode, request.to.line2) == ("Ada Byron", "40202", None)
    assert {"email", "phone"}.isdisjoint(LabelRequest.__slots__ + Address.__slots__)


async def test_an_erased_customer_has_no_address(shipping: Shipping) -> None:
    await shipping.address(5)
    await shipping.hear(heard(CustomerSeen(uuid(7000), ()), 6))
    assert await shipping.rows("select version, addresses from address_books") == [(6, [])]
    await shipping.address(4)
    assert await shipping.value("select version from address_books") == 6


async def test_the_carriers_no_is_shown_and_the_next_try_is_a_new_request(shipping: Shipping, carrier: FakeCarrier) -> None:
    await shipping.release(1)
    await shipping.address()
    parcel = await shipping.pack(1)
    carrier.refuses = "postcode and city do not match"
    refused = await shipping.call("POST", f"/v1/parcels/{parcel}/label", "picker")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:kept:problem:label-refused")
    assert "postcode and city do not match" in refused.json()["detail"]
    assert (await shipping.call("GET", f"/v1/parcels/{parcel}")).json()["label_problem"] == "postcode and city do not match"
    carrier.refuses = ""
    assert (await shipping.call("POST", f"/v1/parcels/{parcel}/label", "picker")).status_code == 200
    assert list(carrier.bought) == [f"{parcel}-2"]


async def test_a_label_is_voided_and_bought_anew_under_another_reference(shipping: Shipping, carrier: FakeCarrier) -> None:
    (parcel,) = await shipping.ready(1)
    carrier.loses_answers = True
    assert (await shipping.call("POST", f"/v1/parcels/{parcel}/label/void", "picker")).status_code == 503
    assert (await shipping.call("POST", f"/v1/parcels/{parcel}/label", "picker")).json()["type"] == "urn:kept:problem:label-unsettled"
    carrier.loses_answers = False
    void = await shipping.call("POST", f"/v1/parcels/{parcel}/label/void", "picker")
    assert (void.status_code, void.json()["label"]) == (200, None)
    assert carrier.void_references == {str(parcel)}
    again = await shipping.call("POST", f"/v1/parcels/{parcel}/label", "picker")
    assert again.json()["tracking_number"] == "1Z000001"
    assert list(carrier.bought) == [str(parcel), f"{parcel}-2"]


async def test_a_carrier_that_keeps_the_label_leaves_it_standing(shipping: Shipping, carrier: FakeCarrier) -> None:
    (parcel,) = await shipping.ready(1)
    carrier.refuses = "already scanned"
    refused = await shipping.call("POST", f"/v1/parcels/{parcel}/label/void", "picker")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:kept:problem:void-refused")
    assert (await shipping.call("GET", f"/v1/parcels/{parcel}")).json()["label"] == "bought"


async def test_an_upgraded_order_is_labelled_with_the_flight_and_then_stays_on_it(shipping: Shipping, carrier: FakeCarrier) -> None:
    await shipping.release(1)
    await shipping.address()
    await shipping.hear(heard(UpgradeWanted(uuid(1), uuid(51), Whither("US", "402"), "airline-overnight")))
    await shipping.hear(heard(UpgradeGranted(uuid(1), uuid(51))))
    parcel = await shipping.pack(1)
    label = await shipping.call("POST", f"/v1/parcels/{parcel}/label", "picker")
    assert label.json()["carrier_service"] == carrier.requests[0].carrier_service == "airline-overnight"
    assert await shipping.value("select hand_over_by from shipments") == FLIGHT_AT


async def test_a_carton_is_opened_again_only_before_its_label(shipping: Shipping) -> None:
    await shipping.release(1)
    await shipping.address()
    parcel = await shipping.pack(1)
    async with shipping.database.transaction() as work:
        assert await drop_parcel(work, parcel)
        assert not await drop_parcel(work, parcel)
        for _ in range(2):
            await add_parcel(work, NewParcel(parcel, uuid(1), "SDF1", "S2", 180))
    await shipping.call("POST", f"/v1/parcels/{parcel}/label", "picker")
    async with shipping.database.transaction() as work:
        assert not await drop_parcel(work, parcel)


async def test_a_cancelled_order_gets_no_label(shipping: Shipping) -> None:
    await shipping.release(1)
    await shipping.address()
    parcel = await shipping.pack(1)
    async with shipping.database.transaction() as work:
        await free_slots(work, [uuid(1)])
    assert (await shipping.call("POST", f"/v1/parcels/{parcel}/label", "picker")).status_code == 404


async def test_a_parcel_that_nothing_goes_to_is_set_aside_for_the_planner(shipping: Shipping) -> None:
    await shipping.release(1, carrier_service="gone", hand_over_by=FLIGHT_AT)
    await shipping.address()
    parcel = await shipping.pack(1)
    refused = await shipping.call("POST", f"/v1/parcels/{parcel}/label", "picker")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:kept:problem:no-carrier-service")


@pytest.mark.parametrize(
    ("status", "content", "error"),
    [
        (200, b"not json", CarrierAway),
        (200, b"{}", CarrierAway),
        (500, b"{}", CarrierAway),
        (401, b"{}", CarrierAway),
        (302, b"{}", CarrierAway),
        (422, b'{"detail": "no lane"}', CarrierRefused),
        (422, b"?", CarrierAway),
    ],
)
async def test_an_answer_that_cannot_be_read_is_no_answer(status: int, content: bytes, error: type[Exception]) -> None:
    carrier = kept_carrier("http://carrier", "key", 1.0, httpx.MockTransport(lambda _: httpx.Response(status, content=content)))
    with pytest.raises(error):
        await carrier.buy(LabelRequest("r", "ground", "ground-standard", "SDF1", 180, Address("A", "1", None, "L", None, "40202", "US"), lane(), ()))
    if error is CarrierAway:
        with pytest.raises(error):
            await carrier.find("r")
