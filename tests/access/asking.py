"""Asks an application in process, as anybody, and says what class of answer came."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI

from services.kit import tokens
from services.kit.settings import KitSettings

_NEW = re.compile(r'name="(?:claim|scan|report|parcel|load_list)_id" value="[0-9a-f-]{36}"|(?:picker|loader|driver)-\d+')
SITE = {"mine": "SDF1", "theirs": "CGN1", "missing": "NONE1"}
CHANNEL = {"mine": "web", "theirs": "phone", "missing": "fax"}


@dataclass(frozen=True)
class Ask:
    """One request. `shows` is what a successful answer to it must hold where there is something to show."""

    path: str
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    shows: str = ""


Example = Callable[[str, str], Awaitable[Ask]]
"""Makes what is asked for: mine, theirs or missing, of this subject; a new one at each call, where asking uses it up."""


class Asking:
    """An application over a database of its own. Whoever asks carries everything a token can name: the channel `web`, the site `SDF1`."""

    def __init__(self, app: FastAPI, client: httpx.AsyncClient, settings: KitSettings) -> None:
        self.app, self.client, self._settings = app, client, settings

    def token(self, role: str, subject: str, site: str | None = SITE["mine"], channel: str | None = CHANNEL["mine"]) -> str:
        issuer, audience = self._settings.token_issuer, self._settings.token_audience
        folder = self._settings.var / "keys"
        return tokens.token(folder, role, issuer=issuer, audience=audience, subject=subject, channel=channel, site=site)

    async def send(
        self, operation: str, ask: Ask, role: str, subject: str, *, unread: bool = False, site: str | None = SITE["mine"]
    ) -> httpx.Response:
        """The answer. With `unread` the test fails where a byte of the body is read."""
        headers = dict(ask.headers)
        if role != "none":
            headers["authorization"] = f"Bearer {self.token(role, subject, site)}"
        content: Any = None
        if ask.body is not None:
            headers.setdefault("content-type", "application/json")
            content = _never_read() if unread else ask.body if isinstance(ask.body, bytes) else json.dumps(ask.body, default=str).encode()
        return await self.client.request(operation.split()[0], ask.path, content=content, headers=headers)

    async def done(self, operation: str, ask: Ask, role: str, subject: str, **how: Any) -> Any:
        """What a request answered that must succeed: a step of an example."""
        answered = await self.send(operation, ask, role, subject, **how)
        assert answered.status_code < 400, (operation, ask, answered.text)
        return answered.json() if answered.content else None


async def _never_read() -> AsyncIterator[bytes]:
    raise AssertionError("the body was read")
    yield b""


@asynccontextmanager
async def asking(app: FastAPI, settings: KitSettings) -> AsyncIterator[Asking]:
    tokens.signing_key(settings.var / "keys")
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://access") as client:
        yield Asking(app, client, settings)


def class_of(answered: httpx.Response, ask: Ask) -> str:
    """As the matrix writes it: `2xx`, `3xx`, `nothing`, or the status of a refusal."""
    if answered.status_code >= 400:
        return str(answered.status_code)
    if answered.is_success and ask.shows and ask.shows not in answered.text:
        return "nothing"
    return f"{answered.status_code // 100}xx"


def words(answered: httpx.Response) -> object:
    """The answer but for what differs in every one: the instance of a problem, the reference on a page, who reads it, the ids of what
    its forms would do."""
    if "json" not in answered.headers.get("content-type", ""):
        return _NEW.sub("", answered.text.replace(answered.headers["x-request-id"], ""))
    told = answered.json()
    return {name: value for name, value in told.items() if name != "instance"} if isinstance(told, dict) else told
