"""From the bench to the carrier's hand, over HTTP and PostgreSQL, with every step undone once."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

from services.fulfilment.shipping.agents import transmit_manifests
from services.fulfilment.shipping.manifests.handlers import settle_manifests
from services.fulfilment.shipping.manifests.store import Manifests
from tests.integration.fulfilment_shipping.conftest import FakeCarrier, Shipping
from tests.unit.fulfilment_shipping.build import GROUND_BY, NOW, uuid

LIST, OTHER = uuid(8001), uuid(8002)


async def opened(shipping: Shipping, id: UUID = LIST, code: str = "ground-standard", departs_at: Any = GROUND_BY) -> Any:
    return await shipping.call("POST", "/v1/load-lists", body={"load_list_id": id, "carrier_service": code, "departs_at": departs_at.isoformat()})


async def load(shipping: Shipping, parcel: UUID, scan: int, id: UUID = LIST, verb: str = "loads") -> Any:
    return await shipping.call("POST", f"/v1/load-lists/{id}/{verb}", body={"scan_id": uuid(scan), "parcel_id": parcel})


async def close(shipping: Shipping, id: UUID = LIST) -> Any:
    return (await shipping.call("POST", f"/v1/load-lists/{id}/close")).json()["manifests"]


async def test_an_order_walks_from_the_bench_into_the_carriers_hand(shipping: Shipping, carrier: FakeCarrier) -> None:
    (parcel,) = await shipping.ready(1)
    staged = await shipping.call("POST", f"/v1/parcels/{parcel}/stage", "picker", {"lane": "L3"})
    assert (staged.json()["state"], staged.json()["staging_lane"]) == ("staged", "L3")
    assert (await opened(shipping)).status_code == 201
    barcode = (await shipping.call("GET", f"/v1/parcels/{parcel}")).json()["barcode"]
    body = {"scan_id": uuid(1), "barcode": barcode}
    assert (await shipping.call("POST", f"/v1/load-lists/{LIST}/loads", body=body)).json()["state"] == "loaded"
    (manifest,) = await close(shipping)
    too_soon = await shipping.call("POST", f"/v1/load-lists/{LIST}/hand-over")
    assert (too_soon.status_code, too_soon.json()["manifests"]) == (409, [manifest])
    sent = await shipping.call("POST", f"/v1/manifests/{manifest}/close")
    assert sent.json()["state"] == "transmitted"
    for _ in range(2):
        left = await shipping.call("POST", f"/v1/load-lists/{LIST}/hand-over")
        assert left.json() == {"load_list_id": str(LIST), "state": "handed_over", "parcels": 1}
        shipping.clock.advance(timedelta(minutes=1))
    assert await shipping.value("select handed_over_at from load_lists") == NOW
    assert [name for name, _ in await shipping.said("ParcelLabelled", "HandedOver")] == ["ParcelLabelled", "HandedOver"]
    ((_, handed),) = await shipping.said("HandedOver")
    assert (handed["parcel_id"], handed["carrier_service"], handed["manifest_id"]) == (str(parcel), "ground-standard", manifest)
    assert await shipping.value("select state from shipments") == "handed_over"
    assert [request.tracking_numbers for request in carrier.manifests.values()] == [("1Z000000",)]


async def test_a_parcel_is_refused_at_the_wrong_trailer_with_where_it_belongs(shipping: Shipping) -> None:
    (parcel,) = await shipping.ready(1)
    overnight = (await shipping.call("GET", "/v1/departures?site=SDF1")).json()["departures"][0]
    assert overnight["carrier_service"] == "airline-overnight"
    body = {"load_list_id": OTHER, "carrier_service": "airline-overnight", "departs_at": overnight["departs_at"]}
    assert (await shipping.call("POST", "/v1/load-lists", body=body)).status_code == 201
    refused = await load(shipping, parcel, 1, OTHER)
    assert (refused.status_code, refused.json()["type"], refused.json()["belongs_to"]) == (409, "urn:kept:problem:wrong-trailer", "ground-standard")
    assert await shipping.value("select count(*) from load_scans") == 0


async def test_a_repeated_scan_is_one_scan_and_another_under_its_id_is_refused(shipping: Shipping) -> None:
    one, two = await shipping.ready(1, 2)
    await opened(shipping)
    for _ in range(2):
        assert (await load(shipping, one, 1)).json()["state"] == "loaded"
    assert (await load(shipping, one, 2, verb="unload")).json()["state"] == "packed"
    assert (await load(shipping, one, 1)).json()["state"] == "packed"  # the retry of a scan that was undone since loads nothing
    assert (await load(shipping, two, 1)).json()["type"] == "urn:kept:problem:id-reused"
    assert await shipping.value("select count(*) from load_scans") == 2


async def test_what_may_not_be_done_now_says_what_to_do(shipping: Shipping) -> None:
    (parcel,) = await shipping.ready(1)
    await shipping.release(2)
    bare = await shipping.pack(2)
    await opened(shipping)
    slugs = [
        (await shipping.call("POST", f"/v1/parcels/{bare}/stage", "picker", {"lane": "L3"})).json()["type"],
        (await load(shipping, bare, 1)).json()["type"],
        (await shipping.call("POST", f"/v1/load-lists/{LIST}/hand-over")).json()["type"],
        (await shipping.call("POST", f"/v1/parcels/{bare}/label/void")).json()["type"],
        (await opened(shipping, OTHER, departs_at=GROUND_BY.replace(minute=1))).json()["type"],
        (await opened(shipping, OTHER, code="nobody")).json()["type"],
        (await opened(shipping, LIST, code="airline-overnight", departs_at=GROUND_BY.replace(hour=6, minute=15))).json()["type"],
    ]
    assert [slug.removeprefix("urn:kept:problem:") for slug in slugs] == [
        "no-label", "no-label", "load-list-not-closed", "no-label", "no-such-departure", "no-such-carrier-service", "id-reused",
    ]  # fmt: skip
    await load(shipping, parcel, 2)
    assert (await shipping.call("POST", f"/v1/parcels/{parcel}/label/void")).json()["type"].endswith("parcel-past-that")
    await close(shipping)
    assert (await load(shipping, parcel, 3, verb="unload")).json()["type"].endswith("load-list-not-open")


async def test_a_closed_trailer_is_reopened_until_the_carrier_has_the_manifest(shipping: Shipping) -> None:
    one, two = await shipping.ready(1, 2)
    await opened(shipping)
    await load(shipping, one, 1)
    (manifest,) = await close(shipping)
    assert (await shipping.call("POST", f"/v1/load-lists/{LIST}/reopen")).json()["state"] == "open"
    await load(shipping, two, 2)
    (again,) = await close(shipping)
    assert again == manifest
    await shipping.call("POST", f"/v1/manifests/{manifest}/close")
    refused = await shipping.call("POST", f"/v1/load-lists/{LIST}/reopen")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:kept:problem:manifest-frozen")


async def test_a_late_parcel_opens_another_manifest_and_the_first_is_never_amended(shipping: Shipping, carrier: FakeCarrier) -> None:
    one, two = await shipping.ready(1, 2)
    await opened(shipping)
    await load(shipping, one, 1)
    (first,) = await close(shipping)
    await shipping.call("POST", f"/v1/manifests/{first}/close")
    await opened(shipping, OTHER)
    await load(shipping, two, 2, OTHER)
    (second,) = await close(shipping, OTHER)
    assert second != first
    await shipping.call("POST", f"/v1/manifests/{second}/close")
    await shipping.call("POST", f"/v1/manifests/{first}/close")  # closing it again sends what it was: the carrier checks
    assert sorted(len(request.tracking_numbers) for request in carrier.manifests.values()) == [1, 1]
    assert [row["parcels"] for row in (await shipping.call("GET", "/v1/manifests?site=SDF1")).json()] == [1, 1]


async def test_a_manifest_whose_answer_was_lost_is_frozen_and_settled_by_the_worker(shipping: Shipping, carrier: FakeCarrier) -> None:
    one, two = await shipping.ready(1, 2)
    await opened(shipping)
    await load(shipping, one, 1)
    (manifest,) = await close(shipping)
    carrier.loses_answers = True
    lost = await shipping.call("POST", f"/v1/manifests/{manifest}/close")
    assert (lost.status_code, lost.headers["retry-after"]) == (503, "10")
    await opened(shipping, OTHER)
    await load(shipping, two, 2, OTHER)
    assert (await close(shipping, OTHER))[0] != manifest
    carrier.loses_answers = False
    assert await settle_manifests(Manifests(shipping.database), lambda _: carrier, 0) == 1
    assert len(carrier.manifests) == 1
    assert sorted(await shipping.rows("select state from manifests")) == [("open",), ("transmitted",)]
    assert await transmit_manifests(shipping.database) == 0


async def test_a_refused_manifest_shows_why_and_can_be_closed_again(shipping: Shipping, carrier: FakeCarrier) -> None:
    (parcel,) = await shipping.ready(1)
    await opened(shipping)
    await load(shipping, parcel, 1)
    (manifest,) = await close(shipping)
    carrier.refuses = "account blocked"
    refused = await shipping.call("POST", f"/v1/manifests/{manifest}/close")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:kept:problem:manifest-refused")
    assert (await shipping.call("GET", "/v1/manifests?site=SDF1")).json()[0]["problem"] == "account blocked"
    carrier.refuses = ""
    assert (await shipping.call("POST", f"/v1/manifests/{manifest}/close")).json()["state"] == "transmitted"


async def test_a_hand_over_by_two_at_once_is_one_hand_over(shipping: Shipping) -> None:
    parcels = await shipping.ready(1, 2, 3)
    await opened(shipping)
    for number, parcel in enumerate(parcels):
        await load(shipping, parcel, number + 1)
    (manifest,) = await close(shipping)
    await shipping.call("POST", f"/v1/manifests/{manifest}/close")
    answers = await asyncio.gather(*(shipping.call("POST", f"/v1/load-lists/{LIST}/hand-over") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await shipping.said("HandedOver")) == 3


async def test_the_board_counts_what_is_missing_per_departure(shipping: Shipping) -> None:
    parcels = await shipping.ready(1, 2)
    await shipping.release(3)
    await shipping.call("POST", f"/v1/parcels/{parcels[1]}/stage", "picker", {"lane": "L3"})
    await opened(shipping)
    await load(shipping, parcels[0], 1)
    board = (await shipping.call("GET", "/v1/departures?site=SDF1", "planner")).json()["departures"]
    row = next(row for row in board if row["carrier_service"] == "ground-standard")
    shown = {name: row[name] for name in ("planned", "to_pick", "packed", "staged", "loaded", "missing", "late")}
    assert shown == {"planned": 3, "to_pick": 1, "packed": 0, "staged": 1, "loaded": 1, "missing": 2, "late": 0}
    assert (row["work_seconds"], row["trailers"][0]["parcels"]) == (200 + 120, 1)
    shown = (await shipping.call("GET", f"/v1/load-lists/{LIST}")).json()
    assert [[each["parcel_id"] for each in shown[name]] for name in ("parcels", "missing", "ready_early")] == [
        [str(parcels[0])],
        [str(parcels[1])],
        [],
    ]


async def test_a_parcel_ready_ahead_of_its_departure_may_go_along(shipping: Shipping) -> None:
    await shipping.release(1, hand_over_by=GROUND_BY + timedelta(days=1))
    await shipping.address()
    parcel = await shipping.pack(1)
    await shipping.call("POST", f"/v1/parcels/{parcel}/label", "picker")
    await opened(shipping)
    shown = (await shipping.call("GET", f"/v1/load-lists/{LIST}")).json()
    assert ([each["parcel_id"] for each in shown["ready_early"]], shown["missing"]) == ([str(parcel)], [])
    assert (await load(shipping, parcel, 1)).json()["state"] == "loaded"


async def test_whoever_works_at_one_site_sees_nothing_of_another(shipping: Shipping) -> None:
    (parcel,) = await shipping.ready(1)
    await opened(shipping)
    for method, path, body in (
        ("GET", f"/v1/parcels/{parcel}", None),
        ("GET", f"/v1/load-lists/{LIST}", None),
        ("GET", "/v1/departures?site=SDF1", None),
        ("GET", "/v1/manifests?site=SDF1", None),
        ("POST", f"/v1/parcels/{parcel}/stage", {"lane": "L1"}),
        ("POST", f"/v1/load-lists/{LIST}/loads", {"scan_id": uuid(1), "parcel_id": parcel}),
        ("POST", f"/v1/load-lists/{LIST}/close", None),
        ("POST", f"/v1/load-lists/{LIST}/hand-over", None),
        ("POST", f"/v1/parcels/{parcel}/label/void", None),
    ):
        assert (await shipping.call(method, path, "loader", body, site="LHR1")).status_code == 404, path
    assert await shipping.value("select state from parcels") == "packed"
