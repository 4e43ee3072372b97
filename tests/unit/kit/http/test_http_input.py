"""Rubbish in, a problem out: the right status, nothing of it said back, and never a 500."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from babel.core import get_global

from services.kit.http.fields import CURRENCIES
from services.kit.http.problems import validation_problem
from tests.unit.kit.http.conftest import CANARY

Bearer = Callable[..., dict[str, str]]
Thing = dict[str, Any]
JSON = {"content-type": "application/json"}
LINE = {"sku": "85123A", "quantity": 2}


async def _post(client: httpx.AsyncClient, bearer: Bearer, body: bytes, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post("/v1/things", content=body, headers=JSON | bearer() | named)


def _is_problem(response: httpx.Response, status: int) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    assert response.status_code == status, body
    assert response.headers["content-type"] == "application/problem+json"
    assert body["status"] == status
    assert body["type"].startswith("urn:kept:problem:")
    assert body["title"] and body["detail"]
    assert body["instance"] == f"urn:uuid:{response.headers['x-request-id']}"
    assert CANARY not in response.text
    return body


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"name": 7}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": "  "}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"name": CANARY + "\x07"}, "/name"),
        ({"name": CANARY + "\u202e"}, "/name"),
        ({"name": CANARY + "\u200b"}, "/name"),
        ({"name": CANARY + "\u200d"}, "/name"),
        ({"name": f"{CANARY}\r\nBcc: all"}, "/name"),
        ({"name": CANARY + "\u2028"}, "/name"),
        ({"name": None}, "/name"),
        ({"price_minor": "1299"}, "/price_minor"),
        ({"price_minor": 12.99}, "/price_minor"),
        ({"price_minor": 1299.0}, "/price_minor"),
        ({"price_minor": True}, "/price_minor"),
        ({"price_minor": -1}, "/price_minor"),
        ({"price_minor": 10**18}, "/price_minor"),
        ({"price_minor": 10**30}, "/price_minor"),
        ({"currency": "XXQ"}, "/currency"),
        ({"currency": "gbp"}, "/currency"),
        ({"currency": "DEM"}, "/currency"),
        ({"currency": "GBPP"}, "/currency"),
        ({"wanted_at": "2026-11-22T08:00:00"}, "/wanted_at"),
        ({"wanted_at": "0001-01-01T00:00:00Z"}, "/wanted_at"),
        ({"wanted_at": "9999-12-31T23:59:59Z"}, "/wanted_at"),
        ({"wanted_at": "9999-12-31T23:59:59-12:00"}, "/wanted_at"),
        ({"wanted_at": "2026-02-31T00:00:00Z"}, "/wanted_at"),
        ({"wanted_at": "2026-11-22T08:00:00+25:00"}, "/wanted_at"),
        ({"wanted_at": CANARY}, "/wanted_at"),
        ({"lines": {}}, "/lines"),
        ({"lines": [LINE | {"quantity": 0}]}, "/lines/0/quantity"),
        ({"lines": [LINE, LINE | {"quantity": -1}]}, "/lines/1/quantity"),
        ({"lines": [LINE | {"quantity": 1.5}]}, "/lines/0/quantity"),
        ({"lines": [LINE | {"quantity": 10**9}]}, "/lines/0/quantity"),
        ({"lines": [LINE | {"quantity": True}]}, "/lines/0/quantity"),
        ({"lines": [LINE | {CANARY: 1}]}, "/lines/0"),
        ({"status": "delivered"}, ""),
        ({CANARY: CANARY}, ""),
    ],
    ids=str,
)
async def test_a_field_that_does_not_fit_is_named(client: httpx.AsyncClient, bearer: Bearer, thing: Thing, changes: Thing, pointer: str) -> None:
    response = await client.post("/v1/things", json=thing | changes, headers=bearer())
    body = _is_problem(response, 422)
    assert [each["pointer"] for each in body["errors"]] == [pointer]
    assert all(each["detail"].endswith(".") for each in body["errors"])


async def test_a_missing_field_is_named(client: httpx.AsyncClient, bearer: Bearer, thing: Thing) -> None:
    del thing["name"], thing["currency"]
    body = _is_problem(await client.post("/v1/things", json=thing, headers=bearer()), 422)
    assert {each["pointer"] for each in body["errors"]} == {"/name", "/currency"}


@pytest.mark.parametrize(
    "name",
    ["O'Brien", "李", "X", "Zoë", "👨‍👩‍👧 Müller", "محمد", "मनीष", "می‌خواهم", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "'; drop table things; --", "{{7*7}}<script>${jndi:ldap}"],
)
async def test_a_name_as_people_write_it_comes_back_as_it_was(client: httpx.AsyncClient, bearer: Bearer, thing: Thing, name: str) -> None:
    response = await client.post("/v1/things", json=thing | {"name": name}, headers=bearer())
    assert (response.status_code, response.json()["name"]) == (201, name)


async def test_two_spellings_of_one_letter_are_one(client: httpx.AsyncClient, bearer: Bearer, thing: Thing) -> None:
    response = await client.post("/v1/things", json=thing | {"name": "Zoe\u0308"}, headers=bearer())
    assert response.json()["name"] == "Zo\u00eb"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b'{"name": 1, "name": 2}',
        b'{"lines": [{"sku": "a", "sku": "b"}]}',
        b'{"name": "\\u0000"}',
        b'{"name": "\\ud800"}',
        b'{"price_minor": ' + b"9" * 1_500 + b"}",
        b"[" * 900 + b"]" * 900,
        b'{"a":' * 300 + b"1" + b"}" * 300,
        b"{} {}",
        b"{'name': 1}",
        b"null",
        b"[]",
        b'"text"',
        b'{"price_minor": 1e400}',
    ],
    ids=lambda body: str(body[:30]),
)
async def test_what_is_not_plain_json_is_refused(client: httpx.AsyncClient, bearer: Bearer, body: bytes) -> None:
    response = await _post(client, bearer, body)
    _is_problem(response, response.status_code)
    assert response.status_code in (400, 422)


async def test_a_very_long_number_is_refused(app: Any, client: httpx.AsyncClient, bearer: Bearer, settings: Any) -> None:
    from services.kit.http.body import parse
    from services.kit.http.problems import Problem
    from tests.unit.kit.http.conftest import Thing as Model

    for raw in (b'{"price_minor": ' + b"9" * 5_000 + b"}", b"[" * 100_000, b'{"a":' * 100_000):
        with pytest.raises(Problem) as refused:
            parse(Model, raw)
        assert refused.value.status == 400


@pytest.mark.parametrize(
    "media", ["text/plain", "", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=latin1"]
)
async def test_only_json_is_read(client: httpx.AsyncClient, bearer: Bearer, media: str) -> None:
    _is_problem(await client.post("/v1/things", content=b"{}", headers=bearer() | {"content-type": media}), 415)


async def test_a_packed_body_is_not_unpacked(client: httpx.AsyncClient, bearer: Bearer) -> None:
    _is_problem(await _post(client, bearer, b"{}", content_encoding="gzip"), 415)


@pytest.mark.parametrize("told", [{"content-length": "10000000", "expect": "100-continue"}, {"content-length": "100000000"}])
async def test_a_body_that_is_not_worth_reading_is_refused_unread(client: httpx.AsyncClient, bearer: Bearer, told: dict[str, str]) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    _is_problem(await client.post("/v1/things", content=never(), headers=JSON | bearer() | told), 413)


async def test_a_body_without_end_is_read_no_further_than_a_reset_is_worth(client: httpx.AsyncClient, bearer: Bearer) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 2**20
            yield b"x" * 2**20

    _is_problem(await client.post("/v1/things", content=endless(), headers=JSON | bearer()), 413)
    assert sent <= 20 * 2**20


@pytest.mark.parametrize(("method", "allow"), [("PUT", "GET, POST"), ("DELETE", "GET, POST"), ("PATCH", "GET, POST")])
async def test_another_method_is_told_the_right_ones(client: httpx.AsyncClient, bearer: Bearer, method: str, allow: str) -> None:
    response = await client.request(method, "/v1/things", headers=bearer())
    _is_problem(response, 405)
    assert response.headers["allow"] == allow


@pytest.mark.parametrize("accept", ["text/html", "image/png", "application/json;q=0", "*/*;q=0"])
async def test_what_cannot_be_sent_is_not_sent(client: httpx.AsyncClient, bearer: Bearer, accept: str) -> None:
    _is_problem(await client.get("/v1/things", headers=bearer() | {"accept": accept}), 406)


@pytest.mark.parametrize("accept", ["*/*", "application/*", "text/html, application/json;q=0.9", "application/problem+json, */*;q=0.1"])
async def test_what_can_be_sent_is_sent(client: httpx.AsyncClient, bearer: Bearer, accept: str) -> None:
    assert (await client.get("/v1/things", headers=bearer() | {"accept": accept})).status_code == 200


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/v1/things?size=1000000", 422),
        ("/v1/things?size=0", 422),
        ("/v1/things?size=many", 422),
        ("/v1/things?size=5&size=6", 400),
        ("/v1/things?q=%00", 400),
        ("/v1/things?q=%ff", 400),
        ("/v1/things?q=a%0d%0aset-cookie", 400),
        ("/v1/things/%2e%2e/things", 400),
        ("/v1/things/..%2fthings", 400),
        ("/v1//things", 400),
        ("/v1/things;admin", 400),
        ("/v1/things/%5cx", 400),
        ("/v1/things/%00", 400),
        ("/v1/things/%c0%ae", 400),
        ("/v1/things/", 404),
        ("/v1/THINGS", 404),
        (f"/v1/things?q={'x' * 5_000}", 414),
    ],
)
async def test_an_address_that_plays_tricks_is_refused(client: httpx.AsyncClient, bearer: Bearer, address: str, status: int) -> None:
    request = client.build_request("GET", "/v1/things", headers=bearer())
    path, _, query = address.partition("?")
    request.url = httpx.URL("http://toy").copy_with(raw_path=address.encode())
    assert request.url.raw_path == address.encode(), (path, query)
    _is_problem(await client.send(request), status)


async def test_headers_that_are_too_large_are_refused(client: httpx.AsyncClient, bearer: Bearer) -> None:
    _is_problem(await client.get("/v1/things", headers=bearer() | {"x-much": "x" * 20_000}), 431)


@pytest.mark.parametrize("name", ["Idempotency-Key", "Content-Type", "Host"])
async def test_a_header_that_counts_stands_once(client: httpx.AsyncClient, bearer: Bearer, name: str) -> None:
    twice = [*bearer().items(), (name, "a"), (name, "b")]
    _is_problem(await client.get("/v1/things", headers=twice), 400)


@pytest.mark.parametrize("key", ["", " ", "a" * 256, "k\u00e9y", 'a"b', "two words"])
async def test_a_key_that_is_no_key_is_refused(client: httpx.AsyncClient, bearer: Bearer, key: str) -> None:
    headers = [(name.encode(), value.encode()) for name, value in bearer("storefront").items()]
    _is_problem(await client.post("/v1/keyed", headers=[*headers, (b"idempotency-key", key.encode())]), 400)


async def test_a_key_is_demanded_and_may_stand_in_quotes(client: httpx.AsyncClient, bearer: Bearer) -> None:
    assert _is_problem(await client.post("/v1/keyed", headers=bearer("storefront")), 400)["type"].endswith(":idempotency-key")
    for written in ("k-1", '"k-1"'):
        assert (await client.post("/v1/keyed", headers=bearer("storefront") | {"idempotency-key": written})).json() == {"key": "k-1"}


async def test_a_refusal_says_why_with_its_facts(client: httpx.AsyncClient, bearer: Bearer) -> None:
    body = _is_problem(await client.post("/v1/late", headers=bearer()), 409)
    assert (body["type"], body["title"], body["detail"]) == ("urn:kept:problem:too-late", "Too late", "The truck has left: promise the next one.")
    assert body["left_at"] == "08:00"


async def test_a_bug_is_answered_without_its_details(client: httpx.AsyncClient) -> None:
    _is_problem(await client.get("/v1/broken"), 500)


async def test_a_database_that_is_away_asks_to_come_back(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/away")
    _is_problem(response, 503)
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize("addition", ['"name": "Ann"', '"extra": NaN', '"extra": "\\u0000"', '"extra": -Infinity'])
async def test_what_two_readers_would_understand_differently_is_refused_whole(
    client: httpx.AsyncClient, bearer: Bearer, thing: Thing, addition: str
) -> None:
    raw = json.dumps(thing).removesuffix("}") + f", {addition}}}"
    assert _is_problem(await _post(client, bearer, raw.encode()), 400)["type"].endswith(":malformed-json")


def test_what_was_sent_is_not_told_again() -> None:
    error = {"type": "unheard_of", "loc": ("body", "name"), "msg": "the words of a customer", "input": "the words of a customer"}
    told = validation_problem([error], frozenset({"body", "name"})).members("id")
    assert "the words of a customer" not in str(told)


def test_a_place_is_named_without_the_senders_own_words() -> None:
    error = {"type": "string_type", "loc": ("notes", CANARY, 0), "msg": "Input should be a valid string"}
    problem = validation_problem([error], frozenset({"notes"}))
    assert problem.extra["errors"] == [{"pointer": "/notes/*/0", "detail": "Input should be a valid string."}]


def test_the_currencies_are_those_in_use() -> None:
    uses = [use for territory in get_global("territory_currencies").values() for use in territory]
    assert {code for code, _, end, tender in uses if tender and end is None} == CURRENCIES
