"""Badges and clients; everybody may try to sign in, and only who knows the secret gets a token."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from services.issuer.hashing import Hashing
from services.issuer.main import application
from services.kit.clock import FixedClock
from services.kit.database import Database, service_url
from services.kit.settings import KitSettings
from tests.access.asking import Ask, Asking, Example, asking
from tests.unit.orders.samples import NOW

_PIN = "204060"
_STAFF = {"name": "Ann", "role": "picker", "site": "SDF1"}


class Desk:
    """Makes badges and clients. What is mine and what is another's differ in signing in alone: one knows one's own PIN."""

    def __init__(self, asking: Asking) -> None:
        self._asking, self._numbers = asking, count(1)

    async def prepare(self) -> None:
        await self._asking.done("PUT", Ask("/v1/staff/ann", _STAFF), "admin", "s")
        await self._asking.done("PUT", Ask("/v1/staff/ann/pin", {"pin": _PIN}), "admin", "s")

    async def badge(self, whose: str) -> str:
        badge = f"badge-{next(self._numbers)}"
        if whose != "missing":
            await self._asking.done("PUT", Ask(f"/v1/staff/{badge}", _STAFF), "admin", "s")
        return badge

    async def client(self, whose: str) -> str:
        client = f"client-{next(self._numbers)}"
        if whose != "missing":
            await self._asking.done("PUT", Ask(f"/v1/clients/{client}", {"channel": "web"}), "admin", "s")
        return client

    async def keys(self, whose: str, who: str) -> Ask:
        return Ask("/.well-known/jwks.json")

    async def token(self, whose: str, who: str) -> Ask:
        badge = "ann" if whose == "mine" else await self.badge(whose)
        return Ask("/oauth/token", {"grant_type": "badge", "badge": badge, "pin": _PIN})

    async def staff(self, whose: str, who: str) -> Ask:
        return Ask("/v1/staff")

    async def put_staff(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/staff/{await self.badge(whose)}", _STAFF)

    async def pin(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/staff/{await self.badge(whose)}/pin", {"pin": _PIN})

    async def clients(self, whose: str, who: str) -> Ask:
        return Ask("/v1/clients")

    async def put_client(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/clients/{await self.client(whose)}", {"channel": "web"})

    async def secret(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/clients/{await self.client(whose)}/secret")

    async def revocation(self, whose: str, who: str) -> Ask:
        return Ask("/v1/revocations", {"subject": await self.badge(whose)})

    def examples(self) -> Mapping[str, Example]:
        return {
            "GET /.well-known/jwks.json": self.keys,
            "POST /oauth/token": self.token,
            "GET /v1/staff": self.staff,
            "PUT /v1/staff/{badge}": self.put_staff,
            "PUT /v1/staff/{badge}/pin": self.pin,
            "GET /v1/clients": self.clients,
            "PUT /v1/clients/{client_id}": self.put_client,
            "POST /v1/clients/{client_id}/secret": self.secret,
            "POST /v1/revocations": self.revocation,
        }


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[tuple[Asking, Mapping[str, Example], str]]:
    settings = KitSettings(var=folder)
    database = await Database.connect(service_url(url, "issuer"), "issuer", FixedClock(NOW), size=10)
    app = application(settings)
    app.state.database, app.state.hashing = database, Hashing()
    async with asking(app, settings) as asks:
        desk = Desk(asks)
        await desk.prepare()
        yield asks, desk.examples(), "customer"
    await database.close()
