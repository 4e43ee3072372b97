"""How the bots reach the services: one HTTP client, the addresses of a running stack, and a token per role. Nothing but public interfaces."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from services.kit.settings import KitSettings
from services.kit.tokens import token


class BotStopped(RuntimeError):
    """An answer that the bots' day does not foresee: what was asked, and what was answered."""


@dataclass(frozen=True, slots=True)
class House:
    """A running stack, as its description tells."""

    var: Path
    stack: dict[str, Any]
    http: httpx.AsyncClient

    @classmethod
    def at(cls, var: Path) -> "House":
        """Raises FileNotFoundError where no stack runs in that folder."""
        return cls(var, json.loads((var / "stack.json").read_text()), httpx.AsyncClient(timeout=30))

    def url(self, service: str, path: str) -> str:
        return f"{self.stack['services'][service]['api']}{path}"

    def caller(self, role: str, subject: str, *, channel: str | None = None, site: str | None = None) -> "Caller":
        """Somebody who is signed in."""
        settings = KitSettings()
        signed = token(
            self.var / "keys", role, issuer=settings.token_issuer, audience=settings.token_audience, subject=subject, channel=channel, site=site
        )
        return Caller(self, {"authorization": f"Bearer {signed}"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Speaks with the services as one person or system."""

    house: House
    headers: dict[str, str]

    async def ask(self, method: str, service: str, path: str, body: object = None, *, expect: tuple[int, ...], **headers: str) -> httpx.Response:
        """The answer. Raises BotStopped when its status is none of those expected."""
        told = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        answer = await self.house.http.request(method, self.house.url(service, path), json=body, headers=told)
        if answer.status_code not in expect:
            raise BotStopped(f"{method} {service} {path} was answered {answer.status_code}: {answer.text[:500]}")
        return answer

    async def post(self, service: str, path: str, body: object = None, *, expect: tuple[int, ...] = (200, 201), **headers: str) -> httpx.Response:
        return await self.ask("POST", service, path, body, expect=expect, **headers)

    async def get(self, service: str, path: str, *, expect: tuple[int, ...] = (200,)) -> httpx.Response:
        return await self.ask("GET", service, path, expect=expect)
