"""Rubbish, by HTTP and by topic: refused with its reason, and nothing changes. Never a 500."""

import json
from typing import Any

import pytest

from services.kit.envelope import BadData
from tests.integration.promises.conftest import Promises
from tests.integration.promises.test_quotes import QUESTION
from tests.support.api import Api
from tests.unit.promises.events import EXAMPLES, heard

ABSENT = object()
TEXTS: tuple[Any, ...] = (None, True, 7, [], {}, "", "x" * 5000, "a\x00b", "a\u202eb")
NUMBERS: tuple[Any, ...] = (None, True, "7", 1.5, -1, 0, 10**20, [], {})
QUOTE_FIELDS: dict[str, tuple[Any, ...]] = {
    "quote_id": (ABSENT, None, 7, "x", "not-a-uuid", "7f1ce3a0-7b4c-4bb4-b0a1-6b6570740001"),
    "channel": (ABSENT, *TEXTS),
    "site": (True, 7, "", "x" * 17, "\x07"),
    "destination": (ABSENT, None, "US", [], {}, {"country": "US"}, {"country": "US", "postcode": "1", "street": "x"}),
    "destination.country": ("us", "USA", "", 7, "U\x00"),
    "destination.postcode": (*TEXTS, "  ", "40202; drop", "ÄÖ"),
    "lines": (ABSENT, None, {}, [], [{}], [None], [QUESTION["lines"][0]] * 1001),
    "lines.0.sku": (ABSENT, *TEXTS, " "),
    "lines.0.quantity": (ABSENT, *NUMBERS),
    "lines.0.price": (1,),
    "service": (ABSENT, None, "express", "", 1, ["standard"]),
    "chosen_on": ("2026-13-01", "2026-11-27T00:00:00Z", 20261127, "tomorrow", "0000-00-00", True),
    "language": (None, "english", "EN", "", 7),
    "surprise": (1,),
}


def changed(whole: Any, path: str, value: Any) -> Any:
    """A copy in which the field at the path is this value, or absent."""
    copy = json.loads(json.dumps(whole))
    *way, name = [int(part) if part.isdigit() else part for part in path.split(".")]
    inner = copy
    for part in way:
        inner = inner[part]
    if value is ABSENT:
        del inner[name]
    else:
        inner[name] = value
    return copy


async def test_a_quote_with_a_field_that_does_not_fit_changes_nothing(api: Api, promises: Promises) -> None:
    before = await promises.counts()
    for path, values in QUOTE_FIELDS.items():
        for value in values:
            body = json.dumps(changed(QUESTION, path, value)).encode()
            answered = await api.call("POST", "/v1/quotes", role="care", content=body)
            assert answered.status_code in (400, 422), (path, str(value)[:40], answered.status_code, answered.text[:300])
            assert answered.headers["content-type"] == "application/problem+json"
    assert await promises.counts() == before


WHOLE = json.dumps(QUESTION)
BODIES: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 400),
    "null": (b"null", 422),
    "a list": (b"[]", 422),
    "a text": (b'"x"', 422),
    "cut off": (b"{", 400),
    "not UTF-8": (b"\xff\xfe", 400),
    "NaN": (WHOLE.replace("6}", "NaN}").encode(), 400),
    "Infinity": (WHOLE.replace("6}", "Infinity}").encode(), 400),
    "a lone surrogate": (WHOLE.replace("85123A", r"\ud800").encode(), 400),
    "NUL": (WHOLE.replace("85123A", r"a\u0000").encode(), 400),
    "a key twice": (WHOLE.replace('"channel"', '"site"').encode(), 400),
    "too deep": (b'{"lines":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
    "10 MB": (b'{"channel":"' + b"x" * 10_000_000 + b'"}', 413),
}


@pytest.mark.parametrize("case", BODIES, ids=str)
async def test_a_body_that_is_no_question_changes_nothing(api: Api, promises: Promises, case: str) -> None:
    body, status = BODIES[case]
    before = await promises.counts()
    answered = await api.call("POST", "/v1/quotes", role="care", content=body)
    assert answered.status_code == status, answered.text[:300]
    assert answered.headers["content-type"] == "application/problem+json"
    assert await promises.counts() == before


async def test_who_may_not_ask_is_told_before_the_body_is_read(api: Api) -> None:
    assert (await api.call("POST", "/v1/quotes", role=None, content=b"{")).status_code == 401
    assert (await api.call("POST", "/v1/quotes", role="customer", content=b"{")).status_code == 403
    assert (await api.call("POST", "/v1/quotes", role="care", content=b"{}", content_type="text/plain")).status_code == 415


NAIVE = ("2026-11-22T04:58:00", "2026-11-22", "yesterday", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", 1, None, "")
IDS: tuple[Any, ...] = (None, 7, "x", "", [], ABSENT)
EVENT_FIELDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "OrderPlaced": {
        "order_id": IDS, "customer_id": IDS, "channel": (ABSENT, *TEXTS[:-1]), "site": (ABSENT, *TEXTS[:-1]), "placed_at": (ABSENT, *NAIVE),
        "lines": (ABSENT, None, [], {}, [{}], [1]), "lines.0.sku": (ABSENT, *TEXTS[:-1]), "lines.0.quantity": (ABSENT, *NUMBERS),
        "service": (ABSENT, None, "express", 1), "destination": (ABSENT, None, "US", {}), "destination.country": (None, "us", "USA", "", 1),
        "destination.postcode_prefix": (ABSENT, *TEXTS[:-1]), "destination.zone": (ABSENT, *TEXTS, "Mars/Olympus", "../etc/passwd", "America"),
        "language": (ABSENT, None, "english", "E", 1), "quote_id": (7, "x", []), "chosen_on": ("2026-13-01", 7, "soon", "2026-11-27T00:00"),
    },
    "OrderCancelled": {"order_id": IDS, "request_id": IDS, "cancelled_at": (ABSENT, *NAIVE)},
    "OrderHeld": {"order_id": IDS, "reason": (ABSENT, *TEXTS[:-1])},
    "HoldLifted": {"order_id": IDS, "reason": (ABSENT, *TEXTS[:-1])},
    "ParcelDelivered": {
        "order_id": IDS, "delivered_at": (ABSENT, *NAIVE), "evidence_id": (ABSENT, *TEXTS[:-1]), "last": (ABSENT, None, 1, "true"),
    },
    "DelayForeseen": {
        "order_id": IDS, "hand_over_by": (ABSENT, *NAIVE), "next_hand_over_by": ("2026-11-22T04:58:00", "9999-12-31T23:59:59Z", 1),
        "cause": (ABSENT, None, "weather", 1),
    },
    "CarrierServiceScheduled": {
        "carrier_service": (ABSENT, *TEXTS[:-1]), "site": (ABSENT, *TEXTS[:-1]), "service": (ABSENT, None, "boat"),
        "zone": (ABSENT, *TEXTS, "Mars/O"), "withdrawn": (ABSENT, None, 1, "no"),
        "departures": (ABSENT, None, {}, [{}]), "departures.0.weekday": (ABSENT, 0, 8, "1", None),
        "departures.0.at": (ABSENT, "25:00", "29:59", "1:15", "24:00", "noon", None, 115), "departures.0.places": (-1, "1", 1.5),
        "closed_on": (ABSENT, None, ["25.12."], [1]), "lanes": (ABSENT, None, {}, [{}]),
        "lanes.0.country": (ABSENT, "us", None), "lanes.0.postcode_prefix": (ABSENT, None, 402, "123456789", "4\x00"),
        "lanes.0.transit_days": (ABSENT, -1, 61, "4", 1.5), "lanes.0.deliver_by": ("25:00", "8:00", None),
        "lanes.0.delivers_on": ([], [0], [8], [1] * 8, None), "lanes.0.destination_zone": ("", "Mars/O", None),
    },
    "QueueMeasured": {
        "site": (ABSENT, *TEXTS[:-1]), "work_seconds": (ABSENT, None, -1, "1", 1.5, 10**20), "pickers": (ABSENT, None, -1, "1", 10**20),
        "measured_at": (ABSENT, *NAIVE),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", EVENT_FIELDS)
def test_an_event_with_a_field_that_does_not_fit_is_bad_data(name: str) -> None:
    for path, values in EVENT_FIELDS[name].items():
        for value in values:
            with pytest.raises(BadData):
                heard(name, json.dumps(changed(EXAMPLES[name], path, value)).encode())
                pytest.fail(f"{name} with {path} = {str(value)[:40]!r} was read")


@pytest.mark.parametrize("name", EVENT_FIELDS)
@pytest.mark.parametrize("value", [b"", b"null", b"[]", b"{", b"\xff", b"NaN", b'{"order_id":"\\ud800"}', b"[" * 100_000], ids=range(8))
def test_a_message_that_is_no_event_is_bad_data(name: str, value: bytes) -> None:
    with pytest.raises(BadData):
        heard(name, value)


@pytest.mark.parametrize("name", EVENT_FIELDS)
def test_fields_that_nobody_knows_are_tolerated(name: str) -> None:
    assert heard(name, EXAMPLES[name] | {"new_in_a_minor_version": {"a": [1]}})


def test_two_lanes_to_the_same_place_are_bad_data() -> None:
    twice = [EXAMPLES["CarrierServiceScheduled"]["lanes"][0]] * 2
    with pytest.raises(BadData, match="two lanes"):
        heard("CarrierServiceScheduled", lanes=twice)


async def test_the_farthest_values_that_fit_do_no_harm(promises: Promises) -> None:
    """What passes the reader must not break a handler: edges of every range, all at once."""
    await promises.hear(
        heard("QueueMeasured", work_seconds=10**9, pickers=0, version=2),
        heard("CarrierServiceScheduled", closed_on=["0001-01-01", "9999-12-31"], version=2),
        heard("OrderPlaced", placed_at="2099-12-31T23:59:59.999999Z", chosen_on="9999-12-31"),
        heard("OrderPlaced", order_id="00000000-0000-0000-0000-000000000001", lines=[{"sku": "x", "quantity": 10**6}] * 1000, chosen_on="0001-01-01"),
        heard("OrderPlaced", order_id="00000000-0000-0000-0000-000000000002"),
        heard("DelayForeseen", order_id="00000000-0000-0000-0000-000000000002", hand_over_by="2099-12-31T23:59:59Z", next_hand_over_by=None),
        heard("DelayForeseen", order_id="00000000-0000-0000-0000-000000000002", next_hand_over_by="2099-12-31T23:59:59Z"),
    )
    assert {name for name, _ in await promises.said()} <= {"PromiseMade", "PromiseDeclined"}
    assert len(await promises.rows("select 1 from orders_view")) == 3
