"""The real application of one service over a database of its own, and its operations as its own description tells them."""

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.kit import tokens
from services.kit.http.app import describe
from services.kit.settings import KitSettings
from services.kit.tokens import ROLES
from tests.support.apps import APPLICATIONS

ID = "019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a01"
_FORMATS = {"uuid": ID, "date": "2026-11-22", "date-time": "2026-11-22T08:00:00Z", "time": "08:00:00"}
_MATCHING = ("a", "US", "en", "GBP", "SDF1", "08:00", "402", "a-1")


@dataclass(frozen=True)
class Operation:
    """One method of one address."""

    method: str
    path: str
    told: Mapping[str, Any]
    schemas: Mapping[str, Any]

    @property
    def body(self) -> Mapping[str, Any] | None:
        """The schema of its JSON body, None where it takes none."""
        content = self.told.get("requestBody", {}).get("content", {})
        return content["application/json"]["schema"] if content else None

    @property
    def role(self) -> str | None:
        """Who may call it; None where anybody may."""
        access = self.told["x-access"]
        return None if access == "public" else next(role for far in ("all", "own") for role in ROLES if access.get(role) == far)

    def address(self, **given: str) -> str:
        """With something that fits wherever the address or the query asks for it, or what is given."""
        path, query = self.path, httpx.QueryParams()
        for each in self.told.get("parameters", []):
            value = given.get(each["name"], str(self.fitting(each["schema"])))
            if each["in"] == "path":
                path = path.replace("{" + each["name"] + "}", value)
            elif each["in"] == "query" and (each.get("required") or each["name"] in given):
                query = query.set(each["name"], value)
        return f"{path}?{query}" if query else path

    def named(self, place: str) -> list[str]:
        return [each["name"] for each in self.told.get("parameters", []) if each["in"] == place]

    def fitting(self, schema: Mapping[str, Any]) -> Any:
        """The plainest value of this schema."""
        if "$ref" in schema:
            return self.fitting(self.schemas[schema["$ref"].rsplit("/", 1)[1]])
        for choice in ("const", "default"):
            if schema.get(choice) is not None:
                return schema[choice]
        for several in ("anyOf", "oneOf", "allOf"):
            if several in schema:
                return self.fitting(schema[several][0])
        if "enum" in schema:
            return schema["enum"][0]
        return self._plain(schema)

    def _plain(self, schema: Mapping[str, Any]) -> Any:
        kind = schema.get("type")
        if kind == "object":
            return {name: self.fitting(each) for name, each in schema.get("properties", {}).items()}
        if kind == "array":
            return [self.fitting(schema["items"])] * max(1, schema.get("minItems", 1)) if "items" in schema else []
        if kind == "string":
            return _FORMATS.get(schema.get("format", ""), _text(schema))
        return {"integer": max(1, schema.get("minimum", 1)), "number": 1.0, "boolean": False}.get(str(kind))

    def places(
        self, schema: Mapping[str, Any] | None = None, path: tuple[str | int, ...] = ()
    ) -> Iterator[tuple[tuple[str | int, ...], Mapping[str, Any]]]:
        """Every place of the body with its schema, objects and lists as well; of a list its first item."""
        schema = self.body if schema is None else schema
        if schema is None:
            return
        if "$ref" in schema:
            schema = self.schemas[schema["$ref"].rsplit("/", 1)[1]]
        yield path, schema
        for several in schema.get("anyOf", ()):
            yield from self.places(several, path)
        for name, each in schema.get("properties", {}).items():
            yield from self.places(each, (*path, name))
        if "items" in schema:
            yield from self.places(schema["items"], (*path, 0))


def _text(schema: Mapping[str, Any]) -> str:
    pattern = schema.get("pattern")
    return next((each for each in _MATCHING if pattern is None or re.search(pattern, each)), "a")


class Site:
    """A service, its operations, and calls to them by whoever may make them."""

    def __init__(self, name: str, client: httpx.AsyncClient, settings: KitSettings, document: Mapping[str, Any]) -> None:
        self.name, self._client, self._settings, self._tokens = name, client, settings, dict[str, str]()
        schemas = document["components"]["schemas"]
        self.operations = [
            Operation(method.upper(), path, told, schemas) for path, methods in document["paths"].items() for method, told in methods.items()
        ]

    async def call(
        self, operation: Operation, address: str | None = None, method: str | None = None, content: Any = None, **headers: str
    ) -> httpx.Response:
        """By a role that may, with a body that fits and a key where one is asked for, but for what is given. Never an error of ours."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if operation.role:
            given["authorization"] = f"Bearer {self._token(operation.role)}"
        if operation.told.get("x-idempotent"):
            given.setdefault("idempotency-key", "k-1")
        if operation.body is not None:
            given.setdefault("content-type", "application/json")
            content = json.dumps(operation.fitting(operation.body)).encode() if content is None else content
        request = self._client.build_request(
            method or operation.method,
            f"http://{self.name}{address or operation.address()}",  # whole: `//a/b` alone would be read as the address /b of a host named a
            content=content,
            headers=[(name, value.encode("latin-1")) for name, value in given.items()],
        )
        answer = await self._client.send(request)
        assert answer.status_code < 500, (operation.path, answer.text)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json", (operation.path, answer.status_code)
            assert answer.json()["instance"] == f"urn:uuid:{answer.headers['x-request-id']}"
        return answer

    def _token(self, role: str) -> str:
        if role in self._tokens:
            return self._tokens[role]
        told = {"issuer": self._settings.token_issuer, "audience": self._settings.token_audience}
        self._tokens[role] = tokens.token(self._settings.var / "keys", role, subject="s-1", channel="web", site="SDF1", **told)
        return self._tokens[role]


@asynccontextmanager
async def site_of(service: str, database_url: str, folder: Path) -> AsyncIterator[Site]:
    app = APPLICATIONS[service](folder, DATABASE_URL=database_url)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{service}") as client:
            yield Site(service, client, KitSettings(var=folder), describe(app))


@pytest.fixture(params=sorted(APPLICATIONS))
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def services(service: str) -> tuple[str, ...]:
    return (service,)


@pytest.fixture
async def site(service: str, database_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    async with site_of(service, database_url, tmp_path) as opened:
        yield opened
