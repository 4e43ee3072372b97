"""Who is let in: only a token that our key signed for us, whatever the token says of itself."""

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.kit import tokens
from services.kit.clock import record_now
from services.kit.http.keys import FileKeys
from services.kit.settings import KitSettings
from tests.support.polling import poll_until

Forge = Callable[..., str]


@pytest.fixture
def forge(settings: KitSettings) -> Forge:
    """A token with our key's signature, but for what is given."""

    def make(headers: dict[str, Any] | None = None, without: str = "", key: Any = None, algorithm: str = "EdDSA", **changes: Any) -> str:
        kid, ours = tokens.signing_key(settings.var / "keys")
        told = tokens.claims("care", issuer=settings.token_issuer, audience=settings.token_audience, subject="s-1") | changes
        told.pop(without, None)
        return jwt.encode(told, key if key is not None else ours, algorithm=algorithm, headers={"kid": kid, "typ": "at+jwt", **(headers or {})})

    return make


async def _until_looked_at() -> None:
    """Long enough for the file to be looked at again by the next who asks."""
    await asyncio.sleep(FileKeys.pause_seconds * 1.5)


async def _status(client: httpx.AsyncClient, authorization: str) -> httpx.Response:
    return await client.get("/v1/things", headers={"authorization": authorization})


async def test_a_token_of_ours_is_let_in(client: httpx.AsyncClient, forge: Forge) -> None:
    assert (await _status(client, f"Bearer {forge()}")).status_code == 200


async def test_without_a_token_the_answer_says_how_to_sign_in(client: httpx.AsyncClient) -> None:
    refused = await client.get("/v1/things")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": record_now() - timedelta(seconds=60)},
        {"nbf": record_now() + timedelta(days=1)},
        {"iat": record_now() + timedelta(days=1)},
        {"aud": "another"},
        {"iss": "https://another.invalid"},
        {"role": "emperor"},
        {"role": ["care"]},
        {"sub": ""},
        {"site": 7},
        {"without": "exp"},
        {"without": "nbf"},
        {"without": "iat"},
        {"without": "aud"},
        {"without": "iss"},
        {"without": "sub"},
        {"without": "role"},
        {"headers": {"typ": "JWT"}},
        {"headers": {"typ": None}},
        {"headers": {"kid": "unknown"}},
        {"headers": {"kid": ""}},
        {"headers": {"jku": "https://evil.invalid/jwks.json"}},
        {"headers": {"x5u": "https://evil.invalid/chain.pem"}},
        {"headers": {"crit": ["b64"], "b64": True}},
        {"key": Ed25519PrivateKey.generate()},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_a_token_that_is_not_for_us_now_is_refused(client: httpx.AsyncClient, forge: Forge, changes: dict[str, Any]) -> None:
    refused = await _status(client, f"Bearer {forge(**changes)}")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_a_key_that_the_token_brings_itself_is_not_used(client: httpx.AsyncClient, forge: Forge) -> None:
    key = Ed25519PrivateKey.generate()
    jwk = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key()))
    assert (await _status(client, f"Bearer {forge(key=key, headers={'jwk': jwk})}")).status_code == 401


async def test_an_unsigned_token_is_refused(client: httpx.AsyncClient, forge: Forge) -> None:
    assert (await _status(client, f"Bearer {forge(key='', algorithm='none')}")).status_code == 401
    header, payload, _ = forge().split(".")
    assert (await _status(client, f"Bearer {header}.{payload}.")).status_code == 401
    unsigned = urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
    assert (await _status(client, f"Bearer {unsigned}.{payload}.")).status_code == 401


async def test_our_public_key_is_no_shared_secret(client: httpx.AsyncClient, settings: KitSettings, forge: Forge) -> None:
    _, key = tokens.signing_key(settings.var / "keys")
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert (await _status(client, f"Bearer {forge(key=public, algorithm='HS256')}")).status_code == 401


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer ", "Basic YTpi", "Bearer a.b.c", "Bearer ...", "Bearer \xff", "Bearer " + "a" * 100_000])
async def test_what_is_no_token_is_refused(client: httpx.AsyncClient, authorization: str) -> None:
    refused = await client.get("/v1/things", headers=[(b"authorization", authorization.encode("latin-1"))])
    assert refused.status_code == 401


async def test_a_long_token_is_refused_before_it_is_checked(client: httpx.AsyncClient, forge: Forge) -> None:
    assert (await _status(client, f"Bearer {forge(padding='x' * 9_000)}")).status_code == 401


async def test_two_tokens_are_one_too_many(client: httpx.AsyncClient, forge: Forge) -> None:
    twice = [("authorization", f"Bearer {forge()}")] * 2
    assert (await client.get("/v1/things", headers=twice)).status_code == 400


async def test_a_new_key_is_known_once_it_stands_in_the_file(client: httpx.AsyncClient, settings: KitSettings, forge: Forge) -> None:
    assert (await _status(client, f"Bearer {forge()}")).status_code == 200
    key = Ed25519PrivateKey.generate()
    theirs = f"Bearer {forge(key=key, headers={'kid': 'next'})}"
    assert (await _status(client, theirs)).status_code == 401
    _write_keys(settings.jwks_path, next=key)
    await _until_looked_at()
    assert (await _status(client, theirs)).status_code == 200
    assert (await _status(client, f"Bearer {forge()}")).status_code == 401


async def test_without_keys_nobody_is_let_in_and_the_answer_says_try_again(client: httpx.AsyncClient, settings: KitSettings, forge: Forge) -> None:
    token = f"Bearer {forge()}"
    settings.jwks_path.unlink()
    refused = await _status(client, token)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")


async def test_two_keys_of_one_name_are_no_keys(client: httpx.AsyncClient, settings: KitSettings, forge: Forge) -> None:
    content = json.loads(settings.jwks_path.read_text())
    settings.jwks_path.write_text(json.dumps({"keys": content["keys"] * 2}))
    assert (await _status(client, f"Bearer {forge()}")).status_code == 503


async def test_keys_that_were_read_last_while_the_file_is_away(client: httpx.AsyncClient, settings: KitSettings, forge: Forge) -> None:
    token = f"Bearer {forge()}"
    assert (await _status(client, token)).status_code == 200
    settings.jwks_path.unlink()
    assert (await _status(client, token)).status_code == 200


def test_the_private_key_is_its_owners_alone(settings: KitSettings, tmp_path: Path) -> None:
    first, _ = tokens.signing_key(tmp_path / "keys")
    again, _ = tokens.signing_key(tmp_path / "keys")
    assert first == again
    assert (tmp_path / "keys" / "signing.pem").stat().st_mode & 0o777 == 0o600
    assert "d" not in json.loads((tmp_path / "keys" / "jwks.json").read_text())["keys"][0]


def _write_keys(path: Path, **keys: Ed25519PrivateKey) -> None:
    named = [json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key())) | {"kid": kid} for kid, key in keys.items()]
    path.write_text(json.dumps({"keys": named}))


async def test_a_token_that_was_let_in_is_refused_once_it_expires(client: httpx.AsyncClient, forge: Forge) -> None:
    token = f"Bearer {forge(exp=record_now() + timedelta(seconds=2))}"
    assert (await _status(client, token)).status_code == 200

    async def refused() -> bool:
        return (await _status(client, token)).status_code == 401

    await poll_until(refused, 10)


async def test_a_token_that_was_let_in_is_refused_once_its_key_is_another(client: httpx.AsyncClient, forge: Forge, settings: KitSettings) -> None:
    token = f"Bearer {forge()}"
    assert (await _status(client, token)).status_code == 200
    other = json.loads(settings.jwks_path.read_text())
    other["keys"][0]["x"] = urlsafe_b64encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode().rstrip("=")
    settings.jwks_path.write_text(json.dumps(other))
    await _until_looked_at()
    assert (await _status(client, token)).status_code == 401
    settings.jwks_path.write_text(json.dumps({"keys": [{**other["keys"][0], "kid": "another"}]}))
    assert (await _status(client, token)).status_code == 401
