"""Calling a service's API in process, as any role."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from fastapi import APIRouter

from services.kit import tokens
from services.kit.database import Database
from services.kit.http import create_app
from services.kit.settings import KitSettings


class Api:
    """A service's routes over a database; every call is made as somebody."""

    def __init__(self, client: httpx.AsyncClient, settings: KitSettings) -> None:
        self.client, self._settings = client, settings

    async def call(
        self, method: str, path: str, *, role: str | None = "admin", subject: str = "s-1", content: bytes | None = None, **headers: str
    ) -> httpx.Response:
        """Header names are written with underscores. `role=None` sends no token; `content` goes as JSON unless a content_type says otherwise."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if role is not None:
            given["authorization"] = f"Bearer {self.token(role, subject)}"
        if content is not None:
            given.setdefault("content-type", "application/json")
        return await self.client.request(method, path, content=content, headers=given)

    def token(self, role: str, subject: str) -> str:
        issuer, audience = self._settings.token_issuer, self._settings.token_audience
        return tokens.token(self._settings.var / "keys", role, issuer=issuer, audience=audience, subject=subject)


@asynccontextmanager
async def api_of(service: str, routers: Sequence[APIRouter], database: Database, folder: Path, **state: object) -> AsyncIterator[Api]:
    """The service's application over this database, its keys in the folder; `state` is what else its lifespan would put into `app.state`."""
    settings = KitSettings(var=folder)
    tokens.signing_key(folder / "keys")
    app = create_app(service, routers, settings)
    for name, value in {"database": database, **state}.items():
        setattr(app.state, name, value)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{service}") as client:
        yield Api(client, settings)
