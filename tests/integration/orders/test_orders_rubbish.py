"""Rubbish on every route and every topic: a problem with the right status or a dead letter, nothing changed, and never a 500."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from services.kit.envelope import BadData, Reader
from services.orders.messages import HEARS
from tests.integration.orders.conftest import ORDER, Api, Orders, example, new_id
from tests.unit.orders.samples import EXAMPLE, body

PATH = f"/v1/orders/{ORDER}"
RAW = json.dumps(EXAMPLE).encode()
DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000

# Bytes that are no order, whatever reads them: name -> (content, status over HTTP).
BYTES: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 400),
    "no JSON": (b"order please", 400),
    "cut": (RAW[:200], 400),
    "a list": (b"[]", 422),
    "null": (b"null", 422),
    "not UTF-8": (RAW.replace(b"Ada Byron", b"\xff\xfe\xfd"), 400),
    "nested deep": (DEEP[:200_000], 400),
    "an integer of 5000 digits": (RAW.replace(b'"total_minor": 1925', b'"total_minor": ' + b"1" * 5000), 400),
    "NaN": (RAW.replace(b'"total_minor": 1925', b'"total_minor": NaN'), 400),
    "1e400": (RAW.replace(b'"total_minor": 1925', b'"total_minor": 1e400'), 422),
    "a key twice": (RAW.replace(b'"currency": "GBP"', b'"currency": "GBP", "currency": "GBP"'), 400),
    "NUL": (RAW.replace(b"Ada Byron", b"Ada\\u0000Byron"), 400),
    "a lone surrogate": (RAW.replace(b"Ada Byron", b"Ada\\ud800"), 400),
    "a float amount": (RAW.replace(b'"total_minor": 1925', b'"total_minor": 1925.0'), 422),
}

# Fields that do not fit: the change; both readers refuse them.
FIELDS: dict[str, dict[str, Any]] = {
    "a quantity as text": {"lines": [{**EXAMPLE["lines"][0], "quantity": "6"}]},
    "a quantity as true": {"lines": [{**EXAMPLE["lines"][0], "quantity": True}]},
    "a quantity of 1.5": {"lines": [{**EXAMPLE["lines"][0], "quantity": 1.5}]},
    "line number 0": {"lines": [{**EXAMPLE["lines"][0], "line": 0}]},
    "1001 lines": {"lines": [EXAMPLE["lines"][0]] * 1001},
    "lines as a map": {"lines": {"1": EXAMPLE["lines"][0]}},
    "an id that is none": {"order_id": "536365"},
    "a naive time": {"placed_at": "2026-11-22T04:58:00"},
    "a time that is none": {"placed_at": "yesterday"},
    "a time as a number": {"placed_at": 1700000000},
    "31 February": {"chosen_on": "2026-02-31"},
    "a lower-case currency": {"currency": "gbp"},
    "a currency of four letters": {"currency": "GBPX"},
    "an unknown service": {"service": "drone"},
    "an unknown payment state": {"payment__state": "promised"},
    "a payment that is none": {"payment": None},
    "an empty name": {"customer__name": ""},
    "a name of 201 letters": {"customer__name": "a" * 201},
    "a channel in capitals": {"channel": "WEB"},
    "an empty reference": {"external_ref": ""},
    "a reference of 65 letters": {"external_ref": "a" * 65},
    "a signature of maybe": {"signature_required": "maybe"},
    "a country as a word": {"ship_to__country": "France"},
    "po_box as 1": {"ship_to__po_box": 1},
}
# What fits the shape and is no order: refused with its reasons.
ORDERS: dict[str, dict[str, Any]] = {
    "no lines": {"lines": [], "charges": [{"code": "M", "description": "", "amount_minor": 1925}]},
    "a negative quantity": {"lines": [{**EXAMPLE["lines"][0], "quantity": -6}]},
    "a quantity of 10^9": {"lines": [{**EXAMPLE["lines"][0], "quantity": 10**9}]},
    "a price of 10^30": {"lines": [{**EXAMPLE["lines"][0], "unit_price_minor": 10**30}]},
    "a charge of 10^30": {"charges": [{"code": "X", "description": "", "amount_minor": 10**30}]},
    "a total of -10^30": {"total_minor": -(10**30)},
    "an unknown currency": {"currency": "XYZ"},
    "an unknown zone": {"customer__zone": "Mars/Olympus"},
    "the year 1": {"placed_at": "0001-01-01T00:00:00+14:00"},
    "the year 9999": {"placed_at": "9999-12-31T23:59:59-14:00"},
    "a chosen day in the year 9999": {"chosen_on": "9999-12-31"},
    "a postcode of the wrong country": {"ship_to__postcode": "SW1A 1AA"},
    "an e-mail with a line break": {"customer__email": "a@b.example\r\nBcc: all@example.com"},
    "a name that turns the writing": {"customer__name": "Ada\u202eByron"},
    "an unknown SKU": {"lines": [{**EXAMPLE["lines"][0], "sku": "NOSUCH"}]},
}


@pytest.mark.parametrize("name", BYTES)
async def test_bytes_that_are_no_order_are_refused(orders: Orders, api: Api, name: str) -> None:
    content, status = BYTES[name]
    before = await orders.snapshot()
    answer = await api.submit(content=content)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert await orders.snapshot() == before
    with pytest.raises(BadData):
        read("storefront.OrderSubmitted.v1", content)


@pytest.mark.parametrize("name", FIELDS)
async def test_fields_that_do_not_fit_are_refused(orders: Orders, api: Api, name: str) -> None:
    data, before = body(**FIELDS[name]), await orders.snapshot()
    answer = await api.submit(data)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), answer.text
    assert await orders.snapshot() == before
    with pytest.raises(BadData):
        read("storefront.OrderSubmitted.v1", json.dumps(data).encode())


@pytest.mark.parametrize("name", ORDERS)
async def test_orders_that_make_no_sense_are_refused(orders: Orders, api: Api, name: str) -> None:
    data, before = body(**ORDERS[name]), await orders.snapshot()
    answer = await api.submit(data)
    assert answer.status_code == 422, answer.text
    assert await orders.snapshot() == before
    try:
        heard = orders.event("storefront.OrderSubmitted.v1", data)
    except BadData:
        return
    assert await orders.hear(heard) == []
    assert not {"OrderPlaced", "OrderReleased"} & set(await orders.names())
    assert await orders.rows("select count(*) from orders where announced") == [(0,)]


async def test_no_answer_repeats_what_was_sent(orders: Orders, api: Api) -> None:
    canary = "Canary7Q"
    line, charge = {**EXAMPLE["lines"][0], "sku": canary, "description": canary}, {**EXAMPLE["charges"][0], "code": canary}
    texts = {f"customer__{name}": canary for name in ("external_ref", "name", "email", "phone", "zone")}
    texts |= {f"ship_to__{name}": canary for name in ("name", "line1", "line2", "city", "region", "postcode")}
    refused = await api.submit(body(lines=[line], charges=[charge], external_ref=canary, payment__reference=canary, **texts))
    assert refused.status_code == 422
    assert canary not in refused.text
    await api.submit()
    reused = await api.submit(body(customer__name=canary, ship_to__city=canary))
    assert reused.status_code == 409
    assert canary not in reused.text


@pytest.mark.parametrize("name", [*EXAMPLE])
async def test_every_required_field_is_required(orders: Orders, api: Api, name: str) -> None:
    data = {key: value for key, value in EXAMPLE.items() if key != name}
    optional = name in ("quote_id", "chosen_on")
    answer = await api.submit(data)
    assert answer.status_code == (201 if optional else 422), answer.text
    if not optional:
        with pytest.raises(BadData):
            read("storefront.OrderSubmitted.v1", json.dumps(data).encode())


@pytest.mark.parametrize("name", ["state", "customer_id", "version", "price", "role", "__proto__"])
async def test_a_field_that_is_not_known_is_refused_over_http(orders: Orders, api: Api, name: str) -> None:
    before = await orders.snapshot()
    answer = await api.submit({**body(), name: "delivered"})
    assert answer.status_code == 422
    assert "delivered" not in answer.text
    assert await orders.snapshot() == before


async def test_what_stands_around_a_body_is_checked_too(orders: Orders, api: Api) -> None:
    before = await orders.snapshot()
    mine: dict[str, Any] = {"role": "storefront", "channel": "web"}
    assert (await api.call("POST", "/v1/orders", data=body(), **mine)).status_code == 400
    assert (await api.call("POST", "/v1/orders", data=body(), idempotency_key="a b", **mine)).status_code == 400
    assert (await api.call("POST", "/v1/orders", content=RAW, content_type="text/plain", idempotency_key="k", **mine)).status_code == 415
    assert (await api.call("POST", "/v1/orders", content=b"x" * 10_000_000, idempotency_key="k", **mine)).status_code == 413
    assert (await api.call("PUT", PATH, data={}, **mine)).status_code == 405
    assert (await api.call("GET", PATH, accept="text/csv", **mine)).status_code == 406
    assert await orders.snapshot() == before
    assert (await api.submit(key="k")).status_code == 201
    assert (await api.submit(body(signature_required=True), key="k")).status_code == 422


CANCELS: list[tuple[bytes, int]] = [
    (b"", 400), (b"{", 400), (b"[]", 422), (b"{}", 422), (b'{"reason": ""}', 422), (b'{"reason": 7}', 422), (b'{"reason": null}', 422),
    (b'{"reason": "' + b"a" * 201 + b'"}', 422), (b'{"reason": "a", "state": "cancelled"}', 422), (b'{"reason": "a\\u0000"}', 400),
    (b'{"reason": "a\\ud800"}', 400), (b'{"reason": "a", "reason": "b"}', 400), (b'{"reason": "a\\u202eb"}', 422), (DEEP[:200_000], 400),
]  # fmt: skip
HOLDS: list[tuple[bytes, int]] = [
    (b"", 400), (b"{}", 422), (b'{"reason": "stock"}', 422), (b'{"reason": "because"}', 422), (b'{"reason": "fraud", "owner": ""}', 422),
    (b'{"reason": "fraud", "note": 1}', 422), (b'{"reason": "fraud", "hold_id": "x"}', 422), (b'{"reason": "fraud", "note": "a\\u0000"}', 400),
    (b'{"reason": "fraud", "note": "' + b"a" * 1001 + b'"}', 422), (b'{"reason": ["fraud"]}', 422),
]  # fmt: skip


@pytest.mark.parametrize(("path", "content", "status"), [("cancel", *each) for each in CANCELS] + [("holds", *each) for each in HOLDS])
async def test_cancels_and_holds_that_are_none_are_refused(orders: Orders, api: Api, path: str, content: bytes, status: int) -> None:
    await orders.hear("storefront.OrderSubmitted.v1")
    before = await orders.snapshot()
    answer = await api.call("POST", f"{PATH}/{path}", role="care", content=content)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert await orders.snapshot() == before


ONE = f'"{ORDER}"'.encode()
LINKS: list[tuple[bytes, int]] = [
    (b"", 400), (b"[]", 422), (b"{}", 422), (b'{"order_ids": null}', 422), (b'{"order_ids": []}', 422), (b'{"order_ids": %b}' % ONE, 422),
    (b'{"order_ids": {"0": %b}}' % ONE, 422), (b'{"order_ids": [%b, %b]}' % (ONE, ONE), 422), (b'{"order_ids": [%b, %b]}' % (ONE, ONE.upper()), 422),
    (b'{"order_ids": [%b, null]}' % ONE, 422), (b'{"order_ids": [%b, 536365]}' % ONE, 422), (b'{"order_ids": [%b, "536365"]}' % ONE, 422),
    (b'{"order_ids": [[%b]]}' % ONE, 422), (b'{"order_ids": [%b], "url": "/o/x"}' % ONE, 422), (b'{"order_ids": [%b], "order_ids": []}' % ONE, 400),
    (b'{"order_ids": [%b, "a\\u0000"]}' % ONE, 400), (json.dumps({"order_ids": [ORDER, *(str(new_id()) for _ in range(200))]}).encode(), 422),
]  # fmt: skip


@pytest.mark.parametrize(("content", "status"), LINKS)
async def test_links_that_are_asked_for_wrongly_are_not_made(orders: Orders, api: Api, content: bytes, status: int) -> None:
    await orders.hear("storefront.OrderSubmitted.v1")
    before = await orders.snapshot()
    for role, told in (("service", status), ("care", 403), (None, 401)):
        answer = await api.call("POST", "/v1/order-links", role=role, content=content)
        assert (answer.status_code, answer.headers["content-type"]) == (told, "application/problem+json"), answer.text
    assert await orders.snapshot() == before


ADDRESSES: list[tuple[str, str, int]] = [
    ("GET", "/v1/orders/536365", 404),
    ("GET", "/v1/orders/", 404),
    ("GET", f"/v1/orders/{ORDER}x", 404),
    ("GET", f"/v1/orders/{new_id()}", 404),
    ("GET", "/v1/orders/%2e%2e/x", 400),
    ("GET", f"{PATH}?wait_for=released&wait_for=packed", 400),
    ("GET", "/v1/orders", 422),
    ("GET", "/v1/orders?channel=web", 422),
    ("GET", f"/v1/orders?channel=web&external_ref={'a' * 65}", 422),
    ("GET", "/v1/orders?channel=web&external_ref=%00", 400),
    ("GET", "/v1/orders?channel=web&external_ref=%ff", 400),
    ("GET", "/v1/orders?channel=' or 1=1 --&external_ref={{7*7}}", 200),
    ("GET", f"/v1/orders?channel=web&external_ref={'a' * 5000}", 414),
    ("DELETE", f"{PATH}/holds/none", 404),
    ("DELETE", f"{PATH}/holds/{new_id()}", 404),
    ("DELETE", f"/v1/orders/{new_id()}/holds/{new_id()}", 404),
    ("PATCH", PATH, 405),
    ("GET", "/v1/order-links", 405),
    ("POST", f"{PATH}/links", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), ADDRESSES)
async def test_addresses_that_name_nothing(orders: Orders, api: Api, method: str, path: str, status: int) -> None:
    await orders.hear("storefront.OrderSubmitted.v1")
    answer = await api.call(method, path)
    assert answer.status_code == status, answer.text


async def test_texts_of_every_kind_are_stored_as_they_came_and_shown_as_text(orders: Orders, api: Api) -> None:
    text = "Zoë O'Brien <script>alert(1)</script> {{7*7}} '; drop table orders; -- 李 🎁"
    line = {**EXAMPLE["lines"][0], "description": text}
    assert (await api.submit(body(lines=[line], customer__name=text))).status_code == 201
    assert (await api.call("GET", PATH)).json()["lines"][0]["description"] == text
    link = await api.link()
    page = (await api.page(link)).text
    assert "<script" not in page
    assert "{{7*7}}" in page


def read(type: str, value: bytes) -> object:
    headers = {"ce_id": str(new_id()).encode(), "ce_type": type.encode(), "ce_source": b"/t", "ce_time": b"2026-11-22T05:00:00Z"}
    return Reader(HEARS).read(headers, value)


def spoiled(type: str) -> Iterator[tuple[str, str, bytes]]:
    """Ways to spoil an event of a type, each of which must be bad data."""
    data = example(type)
    yield type, "no JSON", b"{"
    yield type, "a list", b"[]"
    yield type, "not UTF-8", b'{"a": "\xff"}'
    yield type, "nested deep", DEEP
    for name in ("promise_id", "order_id", "channel", "sku"):
        if name in data:
            yield type, f"{name} missing", json.dumps({key: value for key, value in data.items() if key != name}).encode()
            yield type, f"{name} as a number", json.dumps(data | {name: 7}).encode()
            break


SPOILED = [case for type in HEARS for case in spoiled(type)]
STRICT = [type for type in HEARS if type.startswith("storefront.")]


@pytest.mark.parametrize(("type", "name", "value"), SPOILED, ids=[f"{type} {name}" for type, name, _ in SPOILED])
def test_an_event_that_cannot_be_read_is_bad_data(type: str, name: str, value: bytes) -> None:
    with pytest.raises(BadData):
        read(type, value)


@pytest.mark.parametrize("type", STRICT)
def test_outsiders_may_not_send_what_two_readers_read_differently(type: str) -> None:
    value = json.dumps(example(type)).encode()
    for spoil in (b'{"extra": 1, "extra": 2, ', b'{"extra": NaN, ', b'{"extra": "\\u0000", '):
        with pytest.raises(BadData):
            read(type, value.replace(b"{", spoil, 1))
    assert read(type, value.replace(b"{", b'{"extra": 1, ', 1)) is not None, "unknown fields are tolerated"


STRANGE = [
    ("storefront.PaymentSecured.v1", {"amount_minor": -1}),
    ("storefront.PaymentSecured.v1", {"state": "pending"}),
    ("storefront.PaymentSecured.v1", {"amount_minor": 10**30}),
    ("storefront.OrderCancelRequested.v1", {"reason": ""}),
    ("storefront.OrderCancelRequested.v1", {"reason": "a" * 201}),
    ("storefront.OrderCancelRequested.v1", {"requested_at": "2026-11-22T05:02:11"}),
    ("storefront.ItemListed.v1", {"withdrawn": "no"}),
    ("storefront.ItemListed.v1", {"sku": ""}),
    ("storefront.ItemListed.v1", {"sku": "a" * 65}),
]


@pytest.mark.parametrize(("type", "change"), STRANGE)
def test_an_event_whose_fields_do_not_fit_is_bad_data(type: str, change: dict[str, Any]) -> None:
    with pytest.raises(BadData):
        read(type, json.dumps(example(type) | change).encode())


UNKNOWN = [type for type in HEARS if not type.startswith("storefront.")]


@pytest.mark.parametrize("type", UNKNOWN)
async def test_an_event_about_what_was_never_heard_of_is_set_aside_and_changes_nothing(orders: Orders, type: str) -> None:
    before = await orders.snapshot()
    ((reason, sentence),) = await orders.hear(type)
    assert reason in ("unknown-order", "unknown-promise")
    assert sentence.endswith(".")
    assert await orders.snapshot() == before
