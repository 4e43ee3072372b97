"""A token with a fault opens no route of any service, whatever the fault: 401, and the same words for all of them."""

import atexit
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from services.kit import tokens
from services.kit.http.routing import Guarded
from services.kit.settings import KitSettings
from tests.access.asking import words
from tests.support.apps import APPLICATIONS
from tests.support.token_faults import FAULTS, Forge, forge

_VAR = Path(tempfile.mkdtemp(prefix="kept-"))
atexit.register(shutil.rmtree, _VAR)
_SETTINGS = KitSettings(var=_VAR)


def _routes(app: FastAPI) -> Iterator[tuple[str, str, str]]:
    """Method, path and a role that may, of every route that asks who calls."""
    for each in iter_route_contexts(app.routes):
        route = each.original_route
        if isinstance(route, Guarded) and route.access != "public":
            for method in sorted(route.methods or ()):
                yield method, str(each.path), next(iter(route.access or {}))


APPS = {name: make(_VAR) for name, make in APPLICATIONS.items()}
PAGES = ("/liability",)
"""A person reads what these answer."""
ROUTES = [(name, *route) for name, app in APPS.items() for route in _routes(app)]


@pytest.fixture
async def client(service: str) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(APPS[service], raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{service}") as client:
        yield client


async def _ask(client: httpx.AsyncClient, method: str, path: str, authorization: str | None) -> httpx.Response:
    filled = path.replace("{", "").replace("}", "")
    headers = [] if authorization is None else [(b"authorization", authorization.encode("latin-1"))]
    return await client.request(method, filled, headers=headers)


def _is_shut(answer: httpx.Response) -> bool:
    """Refused, or led to where a browser signs in."""
    return answer.status_code == 401 or (answer.status_code == 303 and answer.headers["location"].startswith("/sign-in?next="))


def test_there_is_something_to_test() -> None:
    assert set(APPS) == {"orders", "fulfilment", "promises", "loyalty", "notifications", "issuer"}
    assert len(ROUTES) >= 40
    assert len(FAULTS) >= 40


@pytest.mark.parametrize(("service", "method", "path", "role"), ROUTES, ids=[" ".join(route[:3]) for route in ROUTES])
async def test_no_faulty_token_opens_it(client: httpx.AsyncClient, method: str, path: str, role: str) -> None:
    ours = forge(_SETTINGS, role)
    assert (await _ask(client, method, path, f"Bearer {ours.good()}")).status_code not in (401, 403), "the control: without a fault it opens"
    answers = {name: await _ask(client, method, path, fault(ours)) for name, fault in FAULTS.items()}
    assert {name: answer.status_code for name, answer in answers.items() if not _is_shut(answer)} == {}
    first = next(iter(answers.values()))
    assert {name for name, answer in answers.items() if (answer.status_code, words(answer)) != (first.status_code, words(first))} == set()
    if first.status_code == 401:
        assert {name for name, answer in answers.items() if not answer.headers["www-authenticate"].startswith("Bearer")} == set()
        assert first.headers["content-type"] == ("text/html; charset=utf-8" if path in PAGES else "application/problem+json")


@pytest.mark.parametrize(("service", "method", "path", "role"), ROUTES, ids=[" ".join(route[:3]) for route in ROUTES])
async def test_no_place_but_the_header_takes_a_token(client: httpx.AsyncClient, method: str, path: str, role: str) -> None:
    token = forge(_SETTINGS, role).good()
    client.cookies.set("access_token", token)
    refused = await client.request(method, path.replace("{", "").replace("}", ""), params={"access_token": token})
    assert _is_shut(refused)


@pytest.mark.parametrize("service", APPS)
async def test_without_keys_no_route_opens(service: str, tmp_path: Path) -> None:
    app = APPLICATIONS[service](tmp_path)
    tokens.signing_key(tmp_path / "keys")
    (tmp_path / "keys" / "jwks.json").unlink()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{service}") as client:
        for method, path, role in _routes(app):
            ours: Forge = forge(KitSettings(var=tmp_path), role)
            (tmp_path / "keys" / "jwks.json").unlink(missing_ok=True)
            assert (await _ask(client, method, path, f"Bearer {ours.good()}")).status_code == 503, path
