"""What an administrator does with badges and clients, and what it takes back."""

import json
from typing import Any

import httpx
import pytest

from services.kit.clock import record_now
from services.kit.database import Database
from tests.support.api import Api


async def _send(api: Api, method: str, path: str, **body: Any) -> httpx.Response:
    return await api.call(method, path, content=json.dumps(body).encode())


async def _revoked(database: Database) -> list[str]:
    """Whose revocation was said, in order."""
    rows = await database.pool.fetch("select key from outbox where type = 'issuer.SubjectRevoked.v1' order by id")
    return [row["key"].decode() for row in rows]


async def test_badges_are_listed_without_their_pins(api: Api) -> None:
    for badge in ("a-1", "a-2", "a-3"):
        await _send(api, "PUT", f"/v1/staff/{badge}", name="Ann", role="care")
        await _send(api, "PUT", f"/v1/staff/{badge}/pin", pin="482916")
    listed = await api.call("GET", "/v1/staff?limit=2")
    row = {"name": "Ann", "role": "care", "site": None, "active": True}
    assert listed.json() == {"staff": [{"badge": "a-1", **row}, {"badge": "a-2", **row}]}
    assert (await api.call("GET", "/v1/staff?after=a-2")).json() == {"staff": [{"badge": "a-3", **row}]}


async def test_a_secret_is_shown_once_and_stored_as_a_hash(api: Api, database: Database) -> None:
    await _send(api, "PUT", "/v1/clients/shop", channel="retail")
    secret = (await api.call("POST", "/v1/clients/shop/secret")).json()["client_secret"]
    assert len(secret) >= 43
    assert secret not in (await api.call("GET", "/v1/clients")).text
    stored = await database.pool.fetchval("select secret_hash from storefronts")
    assert stored.startswith("$argon2id$")
    assert secret not in json.dumps([dict(row) for row in await database.pool.fetch("select s::text from storefronts s")])


async def test_what_changes_what_somebody_may_revokes_their_tokens_and_nothing_else_does(api: Api, database: Database) -> None:
    steps: list[tuple[str, str, dict[str, Any], bool]] = [
        ("PUT", "/v1/staff/a-1", {"name": "Ann", "role": "picker", "site": "SDF1"}, False),
        ("PUT", "/v1/staff/a-1", {"name": "Anne", "role": "picker", "site": "SDF1"}, False),
        ("PUT", "/v1/staff/a-1", {"name": "Anne", "role": "care", "site": "SDF1"}, True),
        ("PUT", "/v1/staff/a-1", {"name": "Anne", "role": "care"}, True),
        ("PUT", "/v1/staff/a-1/pin", {"pin": "482916"}, True),
        ("PUT", "/v1/staff/a-1", {"name": "Anne", "role": "care", "active": False}, True),
        ("PUT", "/v1/clients/shop", {"channel": "retail"}, False),
        ("PUT", "/v1/clients/shop", {"channel": "retail"}, False),
        ("PUT", "/v1/clients/shop", {"channel": "wholesale"}, True),
        ("POST", "/v1/revocations", {"subject": "customer-1"}, True),
    ]
    for method, path, body, revokes in steps:
        before = len(await _revoked(database))
        assert (await _send(api, method, path, **body)).status_code == 200
        assert len(await _revoked(database)) - before == revokes, (path, body)
    assert await _revoked(database) == ["a-1"] * 4 + ["shop", "customer-1"]


async def test_a_revocation_tells_the_instant_and_says_it_to_all_with_a_rising_version(api: Api, database: Database) -> None:
    first, second = [(await _send(api, "POST", "/v1/revocations", subject="badge-9")).json() for _ in range(2)]
    assert first["subject"] == "badge-9"
    assert first["not_before"] <= second["not_before"]
    assert first["not_before"].endswith("Z") and "." not in first["not_before"]
    row = await database.pool.fetchrow("select topic, payload from outbox order by id desc limit 1")
    assert row is not None
    assert (row["topic"], json.loads(row["payload"])) == ("issuer.revocation.v1", second)
    assert await database.pool.fetchval("select version from subjects") == 2


async def test_who_signs_in_right_after_a_revocation_is_not_born_revoked(api: Api) -> None:
    await _send(api, "PUT", "/v1/staff/a-1", name="Ann", role="picker")
    await _send(api, "PUT", "/v1/staff/a-1/pin", pin="482916")
    not_before = (await _send(api, "POST", "/v1/revocations", subject="a-1")).json()["not_before"]
    body = json.dumps({"grant_type": "badge", "badge": "a-1", "pin": "482916"}).encode()
    assert (await api.call("POST", "/oauth/token", role=None, content=body)).status_code == 200
    assert record_now().isoformat() >= not_before.removesuffix("Z")


async def test_nobody_takes_themselves_out(api: Api) -> None:
    for body in ({"role": "admin", "active": False}, {"role": "picker"}):
        refused = await api.call("PUT", "/v1/staff/s-1", subject="s-1", content=json.dumps({"name": "Ann", **body}).encode())
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:kept:problem:own-badge")


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/v1/staff/nobody/pin"), ("POST", "/v1/clients/nobody/secret"), ("PUT", "/v1/staff/a b"), ("PUT", "/v1/staff/-")]
)
async def test_what_is_not_there_is_404(api: Api, database: Database, method: str, path: str) -> None:
    body = {"pin": "482916"} if path.endswith("pin") else {"name": "Ann", "role": "care"}
    assert (await _send(api, method, path, **body)).status_code == 404
    assert await _revoked(database) == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/staff/a-1", {"name": "Ann", "role": "storefront"}),
        ("/v1/staff/a-1", {"name": "Ann", "role": "service"}),
        ("/v1/staff/a-1", {"name": "Ann", "role": "care", "pin_hash": "x"}),
        ("/v1/staff/a-1", {"name": "Ann", "role": "care", "site": "'; drop table staff"}),
        ("/v1/staff/a-1/pin", {"pin": "12345"}),
        ("/v1/staff/a-1/pin", {"pin": "secret"}),
        ("/v1/staff/a-1/pin", {"pin": 482916}),
        ("/v1/clients/shop", {"channel": "Retail!"}),
    ],
)
async def test_what_does_not_fit_is_422(api: Api, path: str, body: dict[str, Any]) -> None:
    assert (await _send(api, "PUT", path, **body)).status_code == 422


@pytest.mark.parametrize("role", ["customer", "storefront", "picker", "loader", "driver", "care", "planner", "carrier", "service"])
async def test_only_an_administrator_administers(api: Api, role: str) -> None:
    routes = [
        ("GET", "/v1/staff"), ("PUT", "/v1/staff/a-1"), ("PUT", "/v1/staff/a-1/pin"), ("GET", "/v1/clients"), ("PUT", "/v1/clients/shop"),
        ("POST", "/v1/clients/shop/secret"), ("POST", "/v1/revocations"),
    ]  # fmt: skip
    assert {(await api.call(method, path, role=role)).status_code for method, path in routes} == {403}
    assert {(await api.call(method, path, role=None)).status_code for method, path in routes} == {401}
