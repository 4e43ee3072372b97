"""Who knows the secret gets a token that says what they are; who does not learns nothing, and soon may not try any more."""

import json
from pathlib import Path
from typing import Any

import httpx
import jwt
import psycopg
import pytest

from services.issuer.hashing import Hashing
from services.kit.database import Database, service_url
from services.kit.http.keys import keys_in
from services.kit.settings import KitSettings
from tests.support.api import Api

PIN = "482916"


async def _put(api: Api, path: str, **body: Any) -> httpx.Response:
    return await api.call("PUT", path, content=json.dumps(body).encode())


async def _staff(api: Api, badge: str = "badge-7", role: str = "picker", pin: str | None = PIN, **more: Any) -> None:
    assert (await _put(api, f"/v1/staff/{badge}", name="Ann", role=role, **more)).status_code == 200
    if pin:
        assert (await _put(api, f"/v1/staff/{badge}/pin", pin=pin)).json() == {"badge": badge}


async def _client(api: Api) -> str:
    await _put(api, "/v1/clients/shop", channel="retail")
    made = await api.call("POST", "/v1/clients/shop/secret")
    assert made.status_code == 201
    return str(made.json()["client_secret"])


async def _token(api: Api, **body: str) -> httpx.Response:
    return await api.call("POST", "/oauth/token", role=None, content=json.dumps(body).encode())


async def _by_badge(api: Api, badge: str = "badge-7", pin: str = PIN) -> httpx.Response:
    return await _token(api, grant_type="badge", badge=badge, pin=pin)


async def _claims(api: Api, token: str) -> dict[str, Any]:
    """What the token says, checked with the keys that the issuer publishes."""
    published = await api.client.get("/.well-known/jwks.json")
    assert published.headers["content-type"] == "application/json"
    key = keys_in(published.content)[jwt.get_unverified_header(token)["kid"]]
    settings = KitSettings()
    return dict(jwt.decode(token, key, algorithms=["EdDSA"], audience=settings.token_audience, issuer=settings.token_issuer))


async def test_a_person_signs_in_by_badge_and_pin_for_a_shift(api: Api) -> None:
    await _staff(api, site="SDF1")
    given = await _by_badge(api)
    told = given.json()
    assert (given.status_code, given.headers["cache-control"]) == (200, "no-store")
    assert {name: told[name] for name in ("token_type", "expires_in", "role", "subject", "site")} == {
        "token_type": "Bearer", "expires_in": 12 * 3600, "role": "picker", "subject": "badge-7", "site": "SDF1",
    }  # fmt: skip
    claims = await _claims(api, told["access_token"])
    assert (claims["sub"], claims["role"], claims["site"], claims["exp"] - claims["iat"]) == ("badge-7", "picker", "SDF1", 12 * 3600)
    assert "channel" not in claims


async def test_a_storefront_signs_in_by_client_and_secret_for_an_hour(api: Api) -> None:
    secret = await _client(api)
    told = (await _token(api, grant_type="client_credentials", client_id="shop", client_secret=secret)).json()
    assert (told["expires_in"], told["role"], told["channel"]) == (3600, "storefront", "retail")
    claims = await _claims(api, told["access_token"])
    assert (claims["sub"], claims["role"], claims["channel"]) == ("shop", "storefront", "retail")


async def test_a_token_of_an_administrators_badge_opens_the_administrators_routes(api: Api) -> None:
    await _staff(api, "boss", "admin")
    token = (await _by_badge(api, "boss")).json()["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    assert (await api.client.get("/v1/staff", headers=headers)).status_code == 200


@pytest.mark.parametrize("case", ["wrong", "unknown", "no pin", "disabled", "a client's name"])
async def test_whoever_may_not_sign_in_gets_one_answer(api: Api, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await _client(api)
    await _staff(api)
    await _staff(api, "no-pin", pin=None)
    await _staff(api, "gone")
    await _put(api, "/v1/staff/gone", name="Ann", role="picker", active=False)
    checked: list[bool] = []
    fits = Hashing.fits

    async def counted(self: Hashing, stored: str | None, secret: str) -> bool:
        checked.append(stored is not None)
        return await fits(self, stored, secret)

    monkeypatch.setattr(Hashing, "fits", counted)
    badges = {"wrong": "badge-7", "unknown": "nobody", "no pin": "no-pin", "disabled": "gone", "a client's name": "shop"}
    badge, pin = badges[case], "000000" if case == "wrong" else PIN
    refused = await _by_badge(api, badge, pin)
    assert (refused.status_code, refused.headers["www-authenticate"], refused.headers["content-type"]) == (401, "Bearer", "application/problem+json")
    assert {name: value for name, value in refused.json().items() if name != "instance"} == {
        "type": "urn:kept:problem:not-signed-in", "title": "Not signed in", "status": 401,
        "detail": "The two do not fit together: try again, or ask an administrator for a new PIN or secret.",
    }  # fmt: skip
    assert checked == [case == "wrong"]


async def test_the_work_for_nobody_is_the_work_for_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    from services.issuer import hashing

    done: list[str] = []
    fits = hashing._fits
    monkeypatch.setattr(hashing, "_fits", lambda stored, secret: done.append(stored.rpartition("$")[0].rpartition("$")[0]) or fits(stored, secret))
    ours = Hashing()
    assert await ours.fits(await ours.hash(PIN), PIN)
    assert not await ours.fits(None, PIN)
    assert done[0] == done[1], "the same parameters of the hash"


async def test_after_five_wrong_tries_the_right_pin_waits_too(api: Api) -> None:
    await _staff(api)
    for badge in ("badge-7", "nobody"):
        assert [(await _by_badge(api, badge, "000000")).status_code for _ in range(6)] == [401] * 5 + [429]
    waits = await _by_badge(api)
    assert waits.status_code == 429
    assert 0 < int(waits.headers["retry-after"]) <= 900
    await _staff(api, "badge-8")
    assert (await _by_badge(api, "badge-8")).status_code == 200


async def test_a_right_pin_takes_back_the_wrong_tries_before_it(api: Api) -> None:
    await _staff(api)
    for _ in range(3):
        assert [(await _by_badge(api, pin=pin)).status_code for pin in ("000000", "111111", PIN)] == [401, 401, 200]


async def test_an_address_has_its_limit_whatever_badges_it_tries(api: Api, database: Database) -> None:
    await _by_badge(api, "nobody")
    await database.pool.execute("update guesses set count = 600 where purpose = 'sign-in address'")
    assert (await _by_badge(api, "another")).status_code == 429


async def test_without_a_counter_nobody_signs_in(api: Api, database: Database, database_url: str) -> None:
    await _staff(api)
    with psycopg.connect(service_url(database_url, "issuer"), options="-c search_path=issuer") as connection:
        connection.execute("alter table guesses rename to away")
    refused = await _by_badge(api)
    assert (refused.status_code, "retry-after" in refused.headers) == (503, True)


@pytest.mark.parametrize(
    "body",
    [
        {"grant_type": "badge", "badge": "badge-7"},
        {"grant_type": "badge", "client_id": "shop", "client_secret": "x"},
        {"grant_type": "badge", "badge": "badge-7", "pin": PIN, "client_id": "shop"},
        {"grant_type": "client_credentials", "badge": "badge-7", "pin": PIN},
        {"grant_type": "password", "badge": "badge-7", "pin": PIN},
        {"grant_type": "badge", "badge": "badge-7", "pin": PIN, "role": "admin"},
        {"grant_type": "badge", "badge": "badge\u200b-7", "pin": PIN},
        {"grant_type": "badge", "badge": "badge-7", "pin": "9" * 129},
    ],
)
async def test_what_is_no_request_for_a_token_is_422_and_is_not_echoed(api: Api, body: dict[str, str]) -> None:
    refused = await _token(api, **body)
    assert refused.status_code == 422
    assert PIN not in refused.text


async def test_keys_in_the_folder_are_the_keys_that_are_published(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "keys" / "jwks.json"
    assert (await api.client.get("/.well-known/jwks.json")).content == file.read_bytes()
