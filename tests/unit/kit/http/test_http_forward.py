"""Operations that another process does: bytes there and back, the policy on both sides, and a word that is true where it does not answer."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from services.kit import tokens
from services.kit.http import create_app
from services.kit.http.app import describe
from services.kit.http.forward import forwarding
from services.kit.http.near import Through
from services.kit.settings import KitSettings
from tests.unit.kit.http.conftest import MINE, routes

Handle = Callable[[httpx.Request], httpx.Response]


class Front:
    """An application that forwards all of it to whoever `handle` plays."""

    def __init__(self, folder: Path, handle: Handle) -> None:
        self._settings = KitSettings(var=folder)
        tokens.signing_key(folder / "keys")
        self.app = create_app("toy", [forwarding(routes(), Through(httpx.MockTransport(handle), "http://behind"))], self._settings)
        self.plain = create_app("toy", [routes()], self._settings)

    async def ask(self, method: str, path: str, role: str | None = "care", **headers: str) -> httpx.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if role:
            issuer, audience = self._settings.token_issuer, self._settings.token_audience
            signed = tokens.token(self._settings.var / "keys", role, issuer=issuer, audience=audience, subject="s-1")
            given["authorization"] = f"Bearer {signed}"
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app, raise_app_exceptions=False), base_url="http://front") as client:
            return await client.request(method, path, headers=given, content=b'{"a": 1}' if method == "POST" else None)


async def test_what_was_sent_and_what_was_answered_come_through_as_they_are(tmp_path: Path) -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(
            201, headers={"etag": '"3"', "idempotency-replayed": "true", "x-secret": "1", "content-type": "application/json"}, content=b"{}"
        )

    front = Front(tmp_path, handle)
    answered = await front.ask("POST", "/v1/keyed?a=%20b", "storefront", idempotency_key="k-1", content_type="application/json", cookie="c=1")
    assert (answered.status_code, answered.content, answered.headers["etag"], answered.headers["idempotency-replayed"]) == (201, b"{}", '"3"', "true")
    assert "x-secret" not in answered.headers
    (request,) = seen
    assert (request.method, str(request.url), request.content) == ("POST", "http://behind/v1/keyed?a=%20b", b'{"a": 1}')
    assert request.headers["idempotency-key"] == "k-1"
    assert request.headers["authorization"].startswith("Bearer ")
    assert "cookie" not in request.headers


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [(httpx.ConnectError, 503, "unavailable"), (httpx.ReadTimeout, 504, "timed-out"), (httpx.RemoteProtocolError, 504, "timed-out")],
)
async def test_whoever_is_not_answered_learns_whether_anything_may_have_been_done(
    tmp_path: Path, error: type[httpx.TransportError], status: int, slug: str
) -> None:
    def handle(_: httpx.Request) -> httpx.Response:
        raise error("away")

    answered = await Front(tmp_path, handle).ask("GET", f"/v1/things/{MINE}")
    assert (answered.status_code, answered.json()["type"]) == (status, f"urn:kept:problem:{slug}")
    assert answered.headers["retry-after"] == "1"


async def test_nobody_gets_through_whom_the_policy_stops(tmp_path: Path) -> None:
    def handle(_: httpx.Request) -> httpx.Response:
        raise AssertionError("it came through")

    front = Front(tmp_path, handle)
    assert (await front.ask("GET", f"/v1/things/{MINE}", None)).status_code == 401
    assert (await front.ask("GET", f"/v1/things/{MINE}", "picker")).status_code == 403
    assert (await front.ask("POST", "/v1/keyed", "storefront")).status_code == 400


def test_it_is_described_as_what_it_stands_for(tmp_path: Path) -> None:
    front = Front(tmp_path, lambda _: httpx.Response(200))
    ours, theirs = describe(front.app)["paths"], describe(front.plain)["paths"]
    assert ours.keys() == theirs.keys()
    for path, operations in theirs.items():
        for method, told in operations.items():
            assert ours[path][method]["x-access"] == told["x-access"], path
            assert ours[path][method].get("requestBody") == told.get("requestBody"), path
            assert {each["name"] for each in ours[path][method].get("parameters", ()) if each["in"] == "path"} == {
                each["name"] for each in told.get("parameters", ()) if each["in"] == "path"
            }, path
