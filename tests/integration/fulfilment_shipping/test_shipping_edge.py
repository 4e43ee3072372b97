"""Carrier services over HTTP, who may call what, and rubbish at every route."""

import json
from typing import Any

import pytest

from services.kit.tokens import ROLES
from tests.integration.fulfilment_shipping.conftest import LANE, OVERNIGHT, Shipping
from tests.integration.fulfilment_shipping.test_shipping_dock import LIST
from tests.unit.fulfilment_shipping.build import GROUND_BY, uuid

PARCEL, MANIFEST = uuid(10_001), uuid(8_100)
SCHEDULE = "/v1/carrier-services/airline-overnight"
STAFF = {"picker", "loader", "care", "planner", "admin"}
ROUTES: dict[tuple[str, str], set[str]] = {
    ("PUT", SCHEDULE): {"planner", "admin"},
    ("GET", SCHEDULE): STAFF | {"driver", "service"},
    ("GET", "/v1/carrier-services"): STAFF | {"driver", "service"},
    ("GET", "/v1/departures?site=SDF1"): STAFF,
    ("GET", f"/v1/parcels/{PARCEL}"): STAFF,
    ("POST", f"/v1/parcels/{PARCEL}/label"): {"picker"},
    ("POST", f"/v1/parcels/{PARCEL}/label/void"): {"picker", "loader"},
    ("POST", f"/v1/parcels/{PARCEL}/stage"): {"picker", "loader"},
    ("POST", "/v1/load-lists"): {"loader"},
    ("GET", f"/v1/load-lists/{LIST}"): STAFF,
    ("POST", f"/v1/load-lists/{LIST}/loads"): {"loader"},
    ("POST", f"/v1/load-lists/{LIST}/unload"): {"loader"},
    ("POST", f"/v1/load-lists/{LIST}/close"): {"loader"},
    ("POST", f"/v1/load-lists/{LIST}/reopen"): {"loader"},
    ("POST", f"/v1/load-lists/{LIST}/hand-over"): {"loader"},
    ("GET", "/v1/manifests?site=SDF1"): STAFF,
    ("GET", "/v1/carrier-events"): {"care", "planner", "admin"},
    ("POST", f"/v1/manifests/{MANIFEST}/close"): {"loader"},
}
SCAN = {"scan_id": str(uuid(1)), "parcel_id": str(PARCEL)}
TRAILER = {"load_list_id": str(LIST), "carrier_service": "ground-standard", "departs_at": GROUND_BY.isoformat()}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("PUT", SCHEDULE): OVERNIGHT,
    ("POST", f"/v1/parcels/{PARCEL}/stage"): {"lane": "L3"},
    ("POST", "/v1/load-lists"): TRAILER,
    ("POST", f"/v1/load-lists/{LIST}/loads"): SCAN,
    ("POST", f"/v1/load-lists/{LIST}/unload"): SCAN,
}
ANY_RUBBISH: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 400), "not JSON": (b"{", 400), "a list": (b"[]", 422), "null": (b"null", 422), "NaN": (b'{"a": NaN}', 400),
    "too large a number": (b'{"a": 1e400}', 422), "a key twice": (b'{"a": 1, "a": 2}', 400), "nested deep": (b"[" * 100_000, 400),
    "not UTF-8": (b'"\xff"', 400), "nothing in it": (b"{}", 422),
}  # fmt: skip
RUBBISH: dict[tuple[str, str], dict[str, dict[str, Any]]] = {
    ("PUT", SCHEDULE): {
        "unknown zone": {"zone": "Mars/Olympus"}, "zone as a path": {"zone": "../../etc/passwd"}, "unknown service": {"service": "teleport"},
        "true as number": {"departures": [{"weekday": True, "at": "01:15"}]}, "weekday 8": {"departures": [{"weekday": 8, "at": "01:15"}]},
        "25 o'clock": {"departures": [{"weekday": 1, "at": "25:00"}]},
        "places below nothing": {"departures": [{"weekday": 1, "at": "01:15", "places": -1}]},
        "a departure twice": {"departures": [{"weekday": 1, "at": "01:15"}, {"weekday": 1, "at": "01:15", "places": 2}]},
        "too many departures": {"departures": [{"weekday": 1, "at": "01:15"}] * 101}, "a lane twice": {"lanes": [LANE, LANE]},
        "no delivery day": {"lanes": [LANE | {"delivers_on": []}]}, "unknown currency": {"lanes": [LANE | {"currency": "XXQ"}]},
        "float money": {"lanes": [LANE | {"label_minor": 4.12}]}, "negative money": {"lanes": [LANE | {"label_minor": -1}]},
        "country in words": {"lanes": [LANE | {"country": "USA"}]},
        "31 February": {"closed_on": ["2026-02-31"]}, "year 1": {"closed_on": ["0001-01-01"]},
        "unknown field": {"version": 7}, "NUL": {"carrier": "a\0"}, "site too long": {"site": "S" * 17},
    },
    ("POST", f"/v1/parcels/{PARCEL}/stage"): {
        "lane too long": {"lane": "L" * 17}, "lane as number": {"lane": 3}, "lane blank": {"lane": ""}, "markup": {"lane": "<script>"},
        "lone surrogate": {"lane": "\ud800"}, "unknown field": {"state": "loaded"},
    },
    ("POST", "/v1/load-lists"): {
        "id in words": {"load_list_id": "one"}, "id as number": {"load_list_id": 7}, "naive time": {"departs_at": "2026-11-21T23:00:00"},
        "time as number": {"departs_at": 1_790_000_000}, "year 9999": {"departs_at": "9999-01-01T00:00:00Z"}, "unknown field": {"site": "LHR1"},
        "SQL": {"carrier_service": "x'; drop table parcels; --"},
    },
    ("POST", f"/v1/load-lists/{LIST}/loads"): {
        "neither parcel nor barcode": {"parcel_id": None}, "both": {"barcode": "BAR"}, "scan id in words": {"scan_id": "x"},
        "barcode too long": {"parcel_id": None, "barcode": "B" * 65}, "NUL": {"parcel_id": None, "barcode": "a\0"}, "unknown field": {"by": "me"},
    },
    ("POST", f"/v1/load-lists/{LIST}/unload"): {"both": {"barcode": "BAR"}, "unknown field": {"state": "packed"}},
}  # fmt: skip
BROKEN_TEXT = ("NUL", "lone surrogate")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: " ".join(route) if isinstance(route, tuple) else str(route))
async def test_each_route_lets_in_its_roles_and_nobody_else(shipping: Shipping, route: tuple[str, str]) -> None:
    admitted = {role for role in sorted(ROLES) if (await shipping.call(*route, role, BODIES.get(route))).status_code != 403}
    assert admitted == ROUTES[route]
    nobody = await shipping.call(*route, None, BODIES.get(route))
    assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, "Bearer")


async def test_rubbish_is_a_problem_and_changes_nothing(shipping: Shipping) -> None:
    before = await shipping.rows("select * from carrier_services")
    for route, good in BODIES.items():
        role = sorted(ROUTES[route])[0]
        for name, (content, status) in ANY_RUBBISH.items():
            await refuses(shipping, route, role, content, status, name)
        for name, change in RUBBISH[route].items():
            await refuses(shipping, route, role, json.dumps(good | change).encode(), 400 if name in BROKEN_TEXT else 422, name)
        await refuses(shipping, route, role, b"x" * 10_000_000, 413, "ten megabytes")
        await refuses(shipping, route, role, json.dumps(good).encode(), 415, "another media type", content_type="text/plain")
    assert await shipping.rows("select * from carrier_services") == before
    assert await shipping.value("select (select count(*) from load_lists) + (select count(*) from load_scans)") == 0


async def refuses(shipping: Shipping, route: tuple[str, str], role: str, content: bytes, status: int, name: str, **headers: str) -> None:
    answer = await shipping.call(*route, role, content, **headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), (route, name, answer.text)
    assert {"type", "title", "status", "detail", "instance"} <= answer.json().keys()


@pytest.mark.parametrize("route", [route for route in ROUTES if "0000" in route[1]], ids=" ".join)
async def test_what_is_not_there_and_an_id_in_words_are_the_same_404(shipping: Shipping, route: tuple[str, str]) -> None:
    method, path = route
    role = sorted(ROUTES[route] & {"loader", "picker"})[0]
    words = path.replace(str(PARCEL), "one").replace(str(LIST), "one").replace(str(MANIFEST), "one")
    answers = [await shipping.call(method, each, role, BODIES.get(route)) for each in (path, words)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() | {"instance": ""} == answers[1].json() | {"instance": ""}


@pytest.mark.parametrize("path", ["/v1/departures", "/v1/departures?site=sdf1", "/v1/manifests?site=", "/v1/carrier-services?site=%27"])
async def test_a_site_that_is_none_is_refused(shipping: Shipping, path: str) -> None:
    assert (await shipping.call("GET", path, "planner")).status_code == 422


async def test_a_carrier_service_is_put_in_read_and_announced(shipping: Shipping) -> None:
    shown = await shipping.call("GET", SCHEDULE, "loader")
    assert (shown.headers["etag"], shown.json()["departures"][0]) == ('"1"', {"weekday": 1, "at": "01:15", "places": 5})
    events = await shipping.said("CarrierServiceScheduled")
    assert [(data["carrier_service"], data["closed_on"]) for _, data in events] == [
        ("airline-overnight", ["2026-12-25"]),
        ("ground-standard", ["2026-12-25"]),
    ]
    assert await shipping.rows("select distinct topic, key from outbox order by key") == [
        ("fulfilment.capacity.v1", b"airline-overnight"),
        ("fulfilment.capacity.v1", b"ground-standard"),
    ]
    listed = (await shipping.call("GET", "/v1/carrier-services?site=SDF1", "planner")).json()
    assert [(each["carrier_service"], each["version"]) for each in listed] == [("airline-overnight", 1), ("ground-standard", 1)]


async def test_the_same_again_says_nothing_and_a_change_is_the_next_version(shipping: Shipping) -> None:
    assert (await shipping.plan()).headers["etag"] == '"1"'
    changed = await shipping.plan(withdrawn=True)
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert [data["withdrawn"] for _, data in await shipping.said("CarrierServiceScheduled")] == [False, False, True]


async def test_a_change_of_what_was_changed_in_between_is_refused(shipping: Shipping) -> None:
    good = await shipping.call("PUT", SCHEDULE, "planner", OVERNIGHT | {"by_air": False}, if_match='"1"')
    assert good.status_code == 200
    for path, tag in ((SCHEDULE, '"1"'), (SCHEDULE, "1"), ("/v1/carrier-services/new-one", '"1"')):
        stale = await shipping.call("PUT", path, "planner", OVERNIGHT, if_match=tag)
        assert (stale.status_code, stale.json()["type"]) == (412, "urn:kept:problem:stale")


async def test_codes_that_are_none_are_not_there(shipping: Shipping) -> None:
    for code in ("Airline", "a_b", "x" * 33, "%C3%A9"):
        assert (await shipping.call("PUT", f"/v1/carrier-services/{code}", "planner", OVERNIGHT)).status_code == 404
    assert (await shipping.call("GET", "/v1/carrier-services/nobody", "planner")).status_code == 404
