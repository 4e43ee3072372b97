"""Keys that an OpenID provider publishes: fetched once for many, anew while it rotates them, and closed where they cannot be known."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from services.kit import tokens
from services.kit.http import create_app
from services.kit.http.keys_by_address import AddressKeys
from services.kit.http.problems import Problem
from services.kit.http.revoked import Revoked
from services.kit.http.signin import SignIn
from services.kit.settings import KitSettings
from tests.unit.kit.http.conftest import routes

ADDRESS = "https://issuer.example/jwks.json"
FIRST, SECOND = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def _jwk(kid: str, key: Ed25519PrivateKey = FIRST) -> dict[str, Any]:
    return json.loads(OKPAlgorithm.to_jwk(key.public_key())) | {"kid": kid, "use": "sig", "alg": "EdDSA"}


def _set(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


class Provider:
    """Answers with `answer`, and counts; while `gate` is closed nobody is answered."""

    def __init__(self) -> None:
        self.answer: Callable[[], httpx.Response] = lambda: httpx.Response(200, content=_set(_jwk("first")))
        self.gate, self.asked, self.seconds = asyncio.Event(), 0, 1_000.0
        self.gate.set()
        self.keys = AddressKeys(ADDRESS, transport=httpx.MockTransport(self._handle), now=lambda: self.seconds)

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        assert str(request.url) == ADDRESS
        self.asked += 1
        await self.gate.wait()
        return self.answer()

    def says(self, *keys: dict[str, Any]) -> None:
        self.answer = lambda: httpx.Response(200, content=_set(*keys))

    def is_away(self) -> None:
        def refuse() -> httpx.Response:
            raise httpx.ConnectError("away")

        self.answer = refuse


@pytest.fixture
async def provider() -> Provider:
    return Provider()


async def test_one_fetch_serves_all_who_come(provider: Provider) -> None:
    provider.gate.clear()
    waiting = [asyncio.create_task(provider.keys.get("first")) for _ in range(50)]
    await asyncio.sleep(0)
    provider.gate.set()
    assert None not in await asyncio.gather(*waiting)
    assert provider.asked == 1
    provider.seconds += 59
    assert await provider.keys.get("first") is not None
    assert provider.asked == 1


async def test_a_new_key_is_fetched_when_a_token_names_it_and_an_old_one_is_gone(provider: Provider) -> None:
    await provider.keys.get("first")
    provider.says(_jwk("second", SECOND))
    provider.seconds += 10
    assert await provider.keys.get("second") is not None
    assert await provider.keys.get("first") is None
    assert provider.asked == 2


async def test_names_that_nobody_knows_make_one_fetch_in_ten_seconds(provider: Provider) -> None:
    await provider.keys.get("first")
    provider.seconds += 10
    for number in range(100):
        assert await provider.keys.get(f"made-up-{number}") is None
        provider.seconds += 0.0999
    assert provider.asked == 2
    provider.seconds += 0.1
    assert await provider.keys.get("made-up") is None
    assert provider.asked == 3


async def test_who_names_a_known_key_does_not_wait_for_the_fetch_that_another_began(provider: Provider) -> None:
    await provider.keys.get("first")
    provider.seconds += 61
    provider.gate.clear()
    began = asyncio.create_task(provider.keys.get("first"))
    unknown = asyncio.create_task(provider.keys.get("second"))
    await asyncio.sleep(0)
    assert await provider.keys.get("first") is not None
    assert not began.done() and not unknown.done()
    provider.says(_jwk("first"), _jwk("second", SECOND))
    provider.gate.set()
    assert await began is not None
    assert await unknown is not None
    assert provider.asked == 2


async def test_a_caller_who_leaves_does_not_take_the_fetch_along(provider: Provider) -> None:
    provider.gate.clear()
    leaves, stays = (asyncio.create_task(provider.keys.get("first")) for _ in range(2))
    await asyncio.sleep(0)
    leaves.cancel()
    await asyncio.wait({leaves})
    provider.gate.set()
    assert await stays is not None
    assert provider.asked == 1


async def test_keys_that_cannot_be_fetched_are_good_for_ten_minutes_and_then_nobody_is_let_in(provider: Provider) -> None:
    await provider.keys.get("first")
    provider.is_away()
    provider.seconds += 600
    assert await provider.keys.get("first") is not None
    provider.seconds += 1
    for _ in range(3):
        with pytest.raises(Problem) as closed:
            await provider.keys.get("first")
        assert (closed.value.status, closed.value.headers) == (503, {"retry-after": "9"})
    provider.says(_jwk("first"))
    provider.seconds += 9
    assert await provider.keys.get("first") is not None


async def test_a_key_that_may_be_new_is_in_doubt_while_the_provider_is_away(provider: Provider) -> None:
    await provider.keys.get("first")
    provider.is_away()
    provider.seconds += 10
    with pytest.raises(Problem) as doubted:
        await provider.keys.get("second")
    assert doubted.value.status == 503
    assert await provider.keys.get("first") is not None


def _redirect() -> httpx.Response:
    return httpx.Response(302, headers={"location": "https://elsewhere.example/jwks.json"})


async def _endless() -> AsyncIterator[bytes]:
    yield b'{"keys": ['
    while True:
        yield b" " * 10_000


_RSA = json.loads(RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048).public_key())) | {"kid": "rsa"}
_PRIVATE = json.loads(OKPAlgorithm.to_jwk(SECOND)) | {"kid": "private"}
REFUSED: dict[str, Callable[[], httpx.Response]] = {
    "a key named twice": lambda: httpx.Response(200, content=_set(_jwk("second"), _jwk("second", SECOND))),
    "a private part": lambda: httpx.Response(200, content=_set(_jwk("second"), _PRIVATE)),
    "a key of another kind": lambda: httpx.Response(200, content=_set(_jwk("second"), _RSA)),
    "a shared secret": lambda: httpx.Response(200, content=_set({"kty": "oct", "kid": "second", "k": "c2VjcmV0"})),
    "a key for encryption": lambda: httpx.Response(200, content=_set(_jwk("second") | {"use": "enc"})),
    "another curve": lambda: httpx.Response(200, content=_set(_jwk("second") | {"crv": "Ed448"})),
    "half a key": lambda: httpx.Response(200, content=_set(_jwk("second") | {"x": "AAAA"})),
    "no name": lambda: httpx.Response(200, content=_set(_jwk(""))),
    "a number for a name": lambda: httpx.Response(200, content=_set(_jwk("second") | {"kid": 2})),
    "no key": lambda: httpx.Response(200, content=_set()),
    "too many keys": lambda: httpx.Response(200, content=_set(*(_jwk(f"key-{number}") for number in range(101)))),
    "a set said twice": lambda: httpx.Response(200, content=b'{"keys":[],' + _set(_jwk("second"))[1:]),
    "a page": lambda: httpx.Response(200, html="<p>Sign in to the network.</p>"),
    "nested deep": lambda: httpx.Response(200, content=b"[" * 60_000),
    "a redirect": _redirect,
    "an error": lambda: httpx.Response(500, content=_set(_jwk("second"))),
    "a packed set": lambda: httpx.Response(200, headers={"content-encoding": "gzip"}, content=gzip.compress(_set(_jwk("second")))),
    "nothing": lambda: httpx.Response(204),
    "more than a set": lambda: httpx.Response(200, content=_set(_jwk("second")) + b" " * 65_536),
    "a set without end": lambda: httpx.Response(200, content=_endless()),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_set_that_is_not_ours_to_trust_is_refused_whole_and_the_old_one_kept(provider: Provider, case: str) -> None:
    await provider.keys.get("first")
    provider.answer = REFUSED[case]
    provider.seconds += 10
    with pytest.raises(Problem) as doubted:
        await provider.keys.get("second")
    assert (doubted.value.status, provider.asked) == (503, 2)
    assert await provider.keys.get("first") is not None


async def test_a_provider_that_never_answers_is_given_up(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.kit.http.reread.Reread.patience_seconds", 0.01)
    provider.gate.clear()
    with pytest.raises(Problem) as closed:
        await provider.keys.get("first")
    assert closed.value.status == 503


@pytest.fixture
def app(settings: KitSettings, provider: Provider) -> FastAPI:
    kid, ours = tokens.signing_key(settings.var / "keys")
    provider.says(_jwk(kid, ours))
    app = create_app("toy", [routes()], settings)
    app.state.signin = SignIn(provider.keys, settings.token_issuer, settings.token_audience, Revoked(lambda: None))
    return app


async def test_no_request_is_let_in_once_the_keys_are_too_old(client: httpx.AsyncClient, bearer: Callable[[], Any], provider: Provider) -> None:
    assert (await client.get("/v1/things", headers=bearer())).status_code == 200
    provider.is_away()
    provider.seconds += 300
    assert (await client.get("/v1/things", headers=bearer())).status_code == 200
    provider.seconds += 301
    refused = await client.get("/v1/things", headers=bearer())
    assert (refused.status_code, refused.headers["retry-after"], refused.headers["content-type"]) == (503, "10", "application/problem+json")


async def test_the_settings_name_an_address_in_place_of_the_file(settings: KitSettings, bearer: Callable[[], Any]) -> None:
    kid, ours = tokens.signing_key(settings.var / "keys")
    settings.jwks_path.unlink()
    content = _set(_jwk(kid, ours))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(content) + content)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
        app = create_app("toy", [routes()], settings.model_copy(update={"jwks_url": address}))
        given = bearer()
        settings.jwks_path.unlink()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://toy") as client:
            assert (await client.get("/v1/things", headers=given)).status_code == 200
