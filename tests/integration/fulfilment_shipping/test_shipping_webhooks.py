"""What carriers say: only what they signed, each once, and never backwards."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from standardwebhooks.webhooks import Webhook

from services.kit.clock import record_now
from tests.integration.fulfilment_shipping.conftest import SECRET, Shipping, event
from tests.integration.fulfilment_shipping.test_shipping_dock import LIST, close, load, opened

AT = datetime(2026, 11, 24, 13, 2, tzinfo=UTC)
OTHER_SECRET = "whsec_AAAAQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw111"


async def handed_over(shipping: Shipping, *orders: int) -> list[UUID]:
    parcels = await shipping.ready(*orders)
    await opened(shipping)
    for number, parcel in enumerate(parcels):
        await load(shipping, parcel, number + 1)
    (manifest,) = await close(shipping)
    await shipping.call("POST", f"/v1/manifests/{manifest}/close")
    await shipping.call("POST", f"/v1/load-lists/{LIST}/hand-over")
    return parcels


async def test_delivered_is_said_once_with_the_carriers_word_as_evidence(shipping: Shipping) -> None:
    (parcel,) = await handed_over(shipping, 1)
    answers = [
        await shipping.webhook(event("delivered"), id="msg_1"),
        await shipping.webhook(event("delivered"), id="msg_1"),
        await shipping.webhook(event("delivered"), id="msg_2"),
        await shipping.webhook(event("delivered", id="evt_2"), id="msg_3"),
    ]
    assert [(answer.status_code, answer.json()["heard"]) for answer in answers] == [(200, "now"), (200, "before"), (200, "now"), (200, "now")]
    ((_, said),) = await shipping.said("ParcelDelivered")
    assert (said["parcel_id"], said["evidence_id"], said["last"]) == (str(parcel), "evt_1", True)
    assert said["delivered_at"] == "2026-11-24T13:02:00Z"
    assert await shipping.rows("select state from shipments") == [("delivered",)]
    assert await shipping.value("select zpl from labels") is None


async def test_a_status_never_moves_back(shipping: Shipping) -> None:
    (parcel,) = await handed_over(shipping, 1)
    seen = []
    for number, kind in enumerate(("in_transit", "accepted", "out_for_delivery", "exception", "in_transit", "delivered", "out_for_delivery")):
        await shipping.webhook(event(kind, id=f"evt_{number}", at=AT - timedelta(hours=number)), id=f"msg_{number}")
        seen.append(await shipping.value("select tracking from parcels"))
    assert seen == ["in_transit", "in_transit", "out_for_delivery", "out_for_delivery", "out_for_delivery", "delivered", "delivered"]
    shown = (await shipping.call("GET", f"/v1/parcels/{parcel}")).json()
    assert (shown["tracking"], shown["exception_at"], shown["delivered_at"]) == ("delivered", "2026-11-24T10:02:00Z", "2026-11-24T08:02:00Z")
    assert await shipping.value("select count(*) from carrier_events") == 7


async def test_what_cannot_be_true_is_taken_and_set_aside_for_a_look(shipping: Shipping) -> None:
    await shipping.ready(1)
    unknown = await shipping.webhook(event("delivered", "1ZNOBODY"), id="msg_1")
    early = await shipping.webhook(event("delivered", id="evt_2"), id="msg_2")
    assert [(answer.status_code, answer.json()["reason"]) for answer in (unknown, early)] == [
        (202, "unknown-tracking-number"),
        (202, "not-handed-over"),
    ]
    assert await shipping.said("ParcelDelivered") == []
    assert (await shipping.webhook(event("accepted", id="evt_3"), id="msg_3")).status_code == 200


async def test_a_delivery_ahead_of_the_hand_over_is_taken_up_with_it(shipping: Shipping) -> None:
    parcels = await shipping.ready(1)
    await opened(shipping)
    await load(shipping, parcels[0], 1)
    await shipping.webhook(event("delivered"), id="msg_1")
    shown = (await shipping.call("GET", "/v1/carrier-events", "care")).json()
    assert [(row["reason"], row["parcel_id"]) for row in shown] == [("not-handed-over", str(parcels[0]))]
    (manifest,) = await close(shipping)
    await shipping.call("POST", f"/v1/manifests/{manifest}/close")
    await shipping.call("POST", f"/v1/load-lists/{LIST}/hand-over")
    names = [name for name, _ in await shipping.said("HandedOver", "ParcelDelivered")]
    assert names == ["HandedOver", "ParcelDelivered"]
    assert await shipping.rows("select state from shipments") == [("delivered",)]
    assert (await shipping.call("GET", "/v1/carrier-events", "care")).json() == []


async def test_another_carriers_number_is_unknown(shipping: Shipping) -> None:
    await handed_over(shipping, 1)
    answer = await shipping.webhook(event("delivered"), carrier="airline")
    assert (answer.status_code, answer.json()["reason"]) == (202, "unknown-tracking-number")


def signed(raw: bytes, **changes: str | bytes) -> dict[str, str | bytes]:
    now = record_now()
    fixed: dict[str, str | bytes] = {"webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp())), "content-type": "application/json"}
    return fixed | {"webhook-signature": Webhook(SECRET).sign("msg_1", now, raw.decode("latin-1"))} | changes


GOOD = json.dumps(event("delivered")).encode()
FIVE_BAD = " ".join(["v1,AAAA"] * 5)
UNSIGNED: dict[str, Any] = {
    "no headers": (GOOD, {}),
    "no id": (GOOD, signed(GOOD, **{"webhook-id": ""})),
    "no timestamp": (GOOD, signed(GOOD, **{"webhook-timestamp": ""})),
    "timestamp in words": (GOOD, signed(GOOD, **{"webhook-timestamp": "now"})),
    "timestamp not finite": (GOOD, signed(GOOD, **{"webhook-timestamp": "nan"})),
    "timestamp too large": (GOOD, signed(GOOD, **{"webhook-timestamp": "9" * 400})),
    "old timestamp": (GOOD, signed(GOOD, **{"webhook-timestamp": str(int(record_now().timestamp()) - 301)})),
    "future timestamp": (GOOD, signed(GOOD, **{"webhook-timestamp": str(int(record_now().timestamp()) + 301)})),
    "no signature": (GOOD, signed(GOOD, **{"webhook-signature": ""})),
    "signature without a version": (GOOD, signed(GOOD, **{"webhook-signature": "AAAA"})),
    "signature of another version": (GOOD, signed(GOOD, **{"webhook-signature": "v2,AAAA"})),
    "signature not base64": (GOOD, signed(GOOD, **{"webhook-signature": "v1,%%%"})),
    "signature of half a byte": (GOOD, signed(GOOD, **{"webhook-signature": "v1,A"})),
    "signature not ASCII": (GOOD, signed(GOOD, **{"webhook-signature": b"v1,\xe9"})),
    "id not ASCII": (GOOD, signed(GOOD, **{"webhook-id": b"msg_\xe9"})),
    "timestamp in other digits": (GOOD, signed(GOOD, **{"webhook-timestamp": b"\xb2\xb2"})),
    "signature with too many parts": (GOOD, signed(GOOD, **{"webhook-signature": "v1,A,B"})),
    "signature wrong": (GOOD, signed(GOOD, **{"webhook-signature": "v1,AAAA"})),
    "the good one sixth": (GOOD, signed(GOOD, **{"webhook-signature": f"{FIVE_BAD} {signed(GOOD)['webhook-signature']}"})),
    "another id than was signed": (GOOD, signed(GOOD, **{"webhook-id": "msg_2"})),
    "id too long": (GOOD, signed(GOOD, **{"webhook-id": "m" * 256})),
    "another body than was signed": (GOOD + b" ", signed(GOOD)),
    "body not UTF-8": (b"\xff\xfe", signed(b"\xff\xfe")),
}


@pytest.mark.parametrize("case", UNSIGNED)
async def test_what_is_not_signed_is_not_heard(shipping: Shipping, case: str) -> None:
    content, headers = UNSIGNED[case]
    answer = await shipping.client.post("/v1/webhooks/carriers/ground", content=content, headers={"content-type": "application/json"} | headers)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert await shipping.value("select count(*) from webhook_messages") == 0


async def test_another_secret_and_an_unknown_carrier_are_the_same_no(shipping: Shipping) -> None:
    for answer in (await shipping.webhook(event("delivered"), secret=OTHER_SECRET), await shipping.webhook(event("delivered"), carrier="nobody")):
        assert answer.status_code == 401
    assert await shipping.value("select count(*) from webhook_messages") == 0


async def test_an_id_that_was_heard_is_heard_no_more_whatever_it_brings(shipping: Shipping) -> None:
    await handed_over(shipping, 1)
    assert (await shipping.webhook(event("in_transit"), id="msg_1")).json()["heard"] == "now"
    said = await shipping.said("ParcelDelivered")
    replayed = await shipping.webhook(event("delivered", id="evt_2"), id="msg_1")
    assert (replayed.status_code, replayed.json()["heard"]) == (200, "before")
    assert await shipping.said("ParcelDelivered") == said
    assert await shipping.value("select count(*) from carrier_events") == 1


async def test_the_good_signature_among_five_is_enough(shipping: Shipping) -> None:
    bad = " ".join(["v1,AAAA"] * 4)
    headers = signed(GOOD, **{"webhook-signature": f"{bad} {signed(GOOD)['webhook-signature']}"})
    assert (await shipping.client.post("/v1/webhooks/carriers/ground", content=GOOD, headers=headers)).status_code == 202


RUBBISH: dict[str, tuple[bytes, int]] = {
    "not JSON": (b"{", 400),
    "a list": (b"[]", 422),
    "NaN": (b'{"event_id": NaN}', 400),
    "a key twice": (b'{"event_id": "a", "event_id": "b"}', 400),
    "NUL": (json.dumps(event("delivered", id="a\0")).encode(), 400),
    "lone surrogate": (json.dumps(event("delivered", id="\ud800")).encode(), 400),
    "nested deep": (b"[" * 100_000, 400),
    "unknown kind": (json.dumps(event("teleported")).encode(), 422),
    "unknown field": (json.dumps(event("delivered") | {"order_id": "x"}).encode(), 422),
    "missing field": (b'{"event_id": "a"}', 422),
    "number as text": (json.dumps(event("delivered") | {"event_id": 7}).encode(), 422),
    "too long": (json.dumps(event("delivered", id="e" * 65)).encode(), 422),
    "naive time": (json.dumps(event("delivered") | {"occurred_at": "2026-11-24T13:02:00"}).encode(), 422),
    "year 1": (json.dumps(event("delivered") | {"occurred_at": "0001-01-01T00:00:00Z"}).encode(), 422),
}


@pytest.mark.parametrize("case", RUBBISH)
async def test_signed_rubbish_is_a_problem_and_changes_nothing(shipping: Shipping, case: str) -> None:
    content, status = RUBBISH[case]
    answer = await shipping.webhook(content)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert await shipping.value("select count(*) from carrier_events") == 0


async def test_a_body_of_ten_megabytes_is_not_read(shipping: Shipping) -> None:
    assert (await shipping.webhook(b"x" * 10_000_000)).status_code == 413


async def test_who_signs_wrongly_again_and_again_waits_and_who_signs_well_never(shipping: Shipping) -> None:
    guesses = [await shipping.webhook(event("delivered"), secret=OTHER_SECRET) for _ in range(31)]
    assert [answer.status_code for answer in guesses] == [401] * 30 + [429]
    assert 0 < int(guesses[-1].headers["retry-after"]) <= 60
    assert (await shipping.webhook(event("delivered"))).status_code == 202
