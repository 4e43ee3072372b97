"""What no operation of any service may fall for. Each test is named as its row; `tests/bad_input/rows.py` says where the other rows are held."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.bad_input.conftest import Operation, Site
from tests.bad_input.hostile import TEXTS

POSITION = 2**62
"""The largest of a position in the ledger, which is no size of anything that is answered."""

LARGE = b"[" + b"1," * 200_000 + b"1]"
NOT_PLAIN = {
    "nested deep": b'{"a":' * 40_000,
    "a list nested deep": b"[" * 100_000,
    "an integer of 5,000 digits": b'{"a": ' + b"1" * 5_000 + b"}",
    "NaN": b'{"a": NaN}',
    "1e400": b'{"a": 1e400}',
    "a key twice": b'{"a": 1, "a": 2}',
    "a lone surrogate": b'{"a": "\\ud800"}',
    "NUL": b'{"a": "\\u0000"}',
    "not UTF-8": b'{"a": "\xff"}',
    "cut": b'{"a": ',
    "nothing": b"",
}
SOME = TEXTS[::9]


def with_body(site: Site) -> list[Operation]:
    return [each for each in site.operations if each.body is not None]


def refusals(operation: Operation, *statuses: int) -> set[int]:
    """A webhook answers whoever signs nothing 401, and after many of them 429."""
    return {*statuses, 401, 429} if operation.role is None else set(statuses)


async def test_wrong_method(site: Site) -> None:
    for operation in site.operations:
        others = {each.method for each in site.operations if each.path == operation.path}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - others:
            answer = await site.call(operation, method=method)
            if answer.status_code == 405:
                assert others <= set(answer.headers["allow"].split(", ")) and method not in answer.headers["allow"].split(", ")
            else:  # another route fits the address too, and takes the method
                assert answer.status_code in (400, 401, 403, 404, 415, 422), (operation.path, method)


@pytest.mark.parametrize(
    "media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=latin-1", "*/*", ""]
)
async def test_wrong_media_type(site: Site, media: str) -> None:
    for operation in with_body(site):
        assert (await site.call(operation, content_type=media)).status_code in refusals(operation, 415)
        assert (await site.call(operation, content_encoding="gzip")).status_code in refusals(operation, 415)


async def test_wrong_accept(site: Site) -> None:
    for operation in site.operations:
        for accept in ("image/png", "text/html", "application/json;q=0"):
            assert (await site.call(operation, accept=accept)).status_code == 406


async def test_body_over_256_kb_announced_or_not(site: Site) -> None:
    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield LARGE[:100_000]

    for operation in with_body(site):
        assert (await site.call(operation, content=LARGE)).status_code == 413
        assert (await site.call(operation, content=unannounced())).status_code == 413


async def test_url_or_headers_too_long(site: Site) -> None:
    for operation in site.operations:
        address = operation.address()
        assert (await site.call(operation, f"{address}{'&' if '?' in address else '?'}x={'x' * 5_000}")).status_code == 414
        assert (await site.call(operation, x_more="x" * 20_000)).status_code == 431


async def test_what_two_readers_would_read_differently(site: Site) -> None:
    for operation in with_body(site):
        for name, content in NOT_PLAIN.items():
            answer = await site.call(operation, content=content)
            assert answer.status_code in refusals(operation, 400, 422), (operation.path, name)


async def test_mass_assignment(site: Site) -> None:
    """A field that is not in the description is refused, in the body and in each object inside it."""
    for operation in with_body(site):
        assert operation.body is not None
        for path, schema in operation.places():
            if "properties" not in schema:
                continue
            for name in ("status", "state", "customer_id", "price", "role", "id", "__proto__"):
                if name in schema["properties"]:
                    continue
                answer = await site.call(operation, content=_changed(operation, (*path, name), "delivered"))
                assert answer.status_code in refusals(operation, 422), (operation.path, path, name)
                assert "delivered" not in answer.text


async def test_duplicate_parameters_and_path_tricks(site: Site) -> None:
    for operation in site.operations:
        address = operation.address()
        path, _, query = address.partition("?")
        tricks = ("/{}", "{};a=b", "{}/%2e%2e", "{}/%2e%2e/x", "/%2e{}", "{}%00", "{}%0a", "{}%0d%0ax", "{}\\x", "{}%5cx", "{}%2f", "{}/")
        for trick in (each.format(path) for each in tricks):
            assert (await site.call(operation, trick)).status_code in (400, 404), trick
        again = query or "a=1"
        assert (await site.call(operation, f"{path}?{again}&{again}")).status_code == 400


async def test_hostile_texts_in_addresses_and_queries(site: Site) -> None:
    for operation in site.operations:
        for name in (*operation.named("path"), *operation.named("query")):
            for text in SOME:
                quoted = "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))
                address = operation.address(**{name: quoted}) if name in operation.named("path") else _queried(operation, name, quoted)
                answer = await site.call(operation, address)
                assert answer.status_code < 300 or answer.status_code in (400, 401, 404, 414, 422, 429), (operation.path, name, text)
                assert len(text) < 12 or answer.status_code < 300 or text not in answer.text


async def test_hostile_texts_in_bodies(site: Site) -> None:
    for operation in with_body(site):
        for path, schema in operation.places():
            if schema.get("type") != "string" or not path:
                continue
            for text in SOME:
                answer = await site.call(operation, content=_changed(operation, path, text))
                assert answer.status_code < 300 or answer.status_code in refusals(operation, 400, 403, 404, 409, 412, 422), (path, text, answer.text)
                assert len(text) < 12 or answer.status_code < 300 or text not in answer.text


@pytest.mark.parametrize("wrong", [None, True, 7, -1, 1.5, 10**30, [], {}, "", [[]], {"a": 1}], ids=str)
async def test_another_kind_of_value_in_every_place(site: Site, wrong: Any) -> None:
    for operation in with_body(site):
        for path, _ in operation.places():
            answer = await site.call(operation, content=_changed(operation, path, wrong))
            assert answer.status_code < 300 or answer.status_code in refusals(operation, 400, 403, 404, 409, 412, 422), (path, answer.text)


async def test_batches_pages_and_texts_have_a_largest_size(site: Site) -> None:
    for operation in site.operations:
        for path, schema in operation.places():
            if schema.get("type") == "array":
                assert schema.get("maxItems", 10**9) <= 2_000, (operation.path, path)
            if schema.get("type") == "string":
                assert {"maxLength", "pattern", "format", "enum", "const"} & schema.keys(), (operation.path, path)
        for each in operation.told.get("parameters", []):
            if each["schema"].get("type") == "integer" and each["schema"].get("maximum") != POSITION:
                answer = await site.call(operation, _queried(operation, each["name"], "1000000"))
                assert answer.status_code == 422 if each["in"] == "query" else 404
                assert each["in"] == "path" or each["schema"]["maximum"] == 100


async def test_idempotency_key_missing_or_malformed(site: Site) -> None:
    for operation in (each for each in site.operations if each.told.get("x-idempotent")):
        for key in ("", " ", "k" * 256, "a b", '"', '"a', "Ä", "a\x7f"):
            assert (await site.call(operation, idempotency_key=key)).status_code == 400, key


def _queried(operation: Operation, name: str, value: str) -> str:
    path, _, query = operation.address().partition("?")
    others = [each for each in query.split("&") if each and not each.startswith(f"{name}=")]
    return f"{path}?{'&'.join([*others, f'{name}={value}'])}"


def _changed(operation: Operation, path: tuple[str | int, ...], value: object) -> bytes:
    """A body that fits but for this place."""
    assert operation.body is not None
    body = [json.loads(json.dumps(operation.fitting(operation.body)))]
    place: Any = body
    for part, following in zip((0, *path), path, strict=False):
        if not isinstance(place[part], dict | list) or place[part] == []:
            place[part] = {} if isinstance(following, str) else [None]
        place = place[part]
    place[path[-1] if path else 0] = value
    return json.dumps(body[0]).encode()


def test_a_change_stands_where_it_is_wanted() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object", "properties": {"b": {"type": "string"}}}}}}
    told = {"requestBody": {"content": {"application/json": {"schema": schema}}}}
    operation = Operation("POST", "/", told, {})
    assert json.loads(_changed(operation, ("a", 0, "b"), 7)) == {"a": [{"b": 7}]}
    assert json.loads(_changed(operation, (), 7)) == 7
    assert [path for path, _ in operation.places()] == [(), ("a",), ("a", 0), ("a", 0, "b")]
