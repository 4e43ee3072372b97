"""Fulfilment's schema in a database of the test's own, carriers that can be made to fail, and shipping's routes as the loader sees them."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from standardwebhooks.webhooks import Webhook

from services.fulfilment.shipping.api import routers
from services.fulfilment.shipping.handlers import on_events
from services.fulfilment.shipping.labels.domain import BoughtLabel, LabelRequest
from services.fulfilment.shipping.labels.ports import CarrierAway, CarrierRefused, ManifestRequest
from services.fulfilment.shipping.messages import CustomerSeen
from services.fulfilment.shipping.store import NewParcel, ShippingStore, add_parcel
from services.fulfilment.work import WorkLog
from services.kit import tokens
from services.kit.clock import FixedClock, record_now
from services.kit.database import Database, Transaction, service_url
from services.kit.http import create_app
from services.kit.settings import KitSettings
from services.kit.values import Heard, Money
from tests.unit.fulfilment_shipping.build import NOW, heard, placed, released, uuid

SCHEMAS = Path(__file__).parents[3] / "schemas" / "fulfilment"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ADDRESS = {
    "address_id": str(uuid(7001)), "name": "Ada Byron", "line1": "12 Analytical Way", "line2": None, "city": "Louisville", "region": "KY",
    "postcode": "40202", "country": "US",
}  # fmt: skip


class FakeCarrier:
    """A carrier account that can lose its answer, be away, or refuse. `bought`, `void` and `manifests` are the carrier's own books."""

    def __init__(self) -> None:
        self.bought: dict[str, BoughtLabel] = {}
        self.void_references: set[str] = set()
        self.manifests: dict[UUID, ManifestRequest] = {}
        self.requests: list[LabelRequest] = []
        self.loses_answers = self.is_away = False
        self.refuses = ""

    async def buy(self, request: LabelRequest) -> BoughtLabel:
        self._reachable()
        self.requests.append(request)
        number = f"1Z{len(self.bought):06d}"
        label = self.bought.setdefault(request.reference, BoughtLabel(number, f"BAR{number}", "^XA^XZ", Money(412, "GBP")))
        self._answer()
        return label

    async def find(self, reference: str) -> BoughtLabel | None:
        self._reachable()
        self._answer()
        return self.bought.get(reference)

    async def void(self, reference: str) -> None:
        self._reachable()
        self.void_references.add(reference)
        self._answer()

    async def transmit(self, manifest: ManifestRequest) -> str:
        self._reachable()
        known = self.manifests.setdefault(manifest.manifest_id, manifest)
        assert known == manifest, "a manifest was amended"
        self._answer()
        return f"OK-{manifest.manifest_id}"

    def _reachable(self) -> None:
        if self.is_away:
            raise CarrierAway("the line is dead")
        if self.refuses:
            raise CarrierRefused(self.refuses)

    def _answer(self) -> None:
        """Whatever was done before stays done."""
        if self.loses_answers:
            raise CarrierAway("no answer within 5 s")


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("fulfilment",)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
async def database(database_url: str, clock: FixedClock) -> AsyncIterator[Database]:
    opened = await Database.connect(service_url(database_url, "fulfilment"), "fulfilment", clock, size=10)
    yield opened
    await opened.close()


@pytest.fixture
def carrier() -> FakeCarrier:
    return FakeCarrier()


class Shipping:
    """The part over a database: batches as the worker hands them over, requests as people send them, and what was said."""

    def __init__(self, database: Database, clock: FixedClock, client: httpx.AsyncClient, token: Callable[..., str]) -> None:
        self.database, self.clock, self.client, self._token = database, clock, client, token

    async def hear(self, *batch: Heard[Any]) -> list[str]:
        """Handle one batch. Returns the reasons of what was set aside."""
        async with self.database.transaction() as work:
            log = WorkLog(work)
            await on_events(batch, ShippingStore(work, log))
            await log.flush()
            return [refused.reason for refused in work.refused]

    async def fire(self, timer: Callable[[Transaction], Any]) -> int:
        async with self.database.transaction() as work:
            return int(await timer(work))

    async def release(self, *orders: int, **changes: Any) -> None:
        for order in orders:
            await self.hear(heard(placed(order), 1), heard(released(order, **changes), 2))

    async def address(self, version: int = 1, *addresses: Any) -> None:
        await self.hear(heard(CustomerSeen(uuid(7000), addresses or (ADDRESS,)), version))

    async def pack(self, order: int) -> UUID:
        """The order is in its carton. Returns the parcel's id."""
        async with self.database.transaction() as work:
            await add_parcel(work, NewParcel(uuid(order + 10_000), uuid(order), "SDF1", "S2", 180))
        return uuid(order + 10_000)

    async def ready(self, *orders: int) -> list[UUID]:
        """Released, addressed, packed and labelled."""
        await self.release(*orders)
        await self.address(1)
        parcels = [await self.pack(order) for order in orders]
        for parcel in parcels:
            assert (await self.call("POST", f"/v1/parcels/{parcel}/label", "picker")).status_code == 200
        return parcels

    async def call(self, method: str, path: str, role: str | None = "loader", body: object = None, site: str | None = None, **headers: str) -> Any:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if role:
            given["authorization"] = f"Bearer {self._token(role, site)}"
        content = body if isinstance(body, bytes) else json.dumps(body, default=str).encode() if body is not None else None
        if content is not None:
            given.setdefault("content-type", "application/json")
        return await self.client.request(method, path, content=content, headers=given)

    async def plan(self, code: str = "airline-overnight", **changes: Any) -> Any:
        return await self.call("PUT", f"/v1/carrier-services/{code}", "planner", (OVERNIGHT if code == "airline-overnight" else GROUND) | changes)

    async def webhook(self, event: object, *, id: str = "msg_1", carrier: str = "ground", at: datetime | None = None, secret: str = SECRET) -> Any:
        raw = event if isinstance(event, bytes) else json.dumps(event, default=str).encode()
        at = at or record_now()
        headers = {
            "webhook-id": id, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": Webhook(secret).sign(id, at, raw.decode("latin-1")),
        }  # fmt: skip
        return await self.client.post(f"/v1/webhooks/carriers/{carrier}", content=raw, headers=headers | {"content-type": "application/json"})

    async def rows(self, sql: str, *arguments: object) -> Sequence[Any]:
        async with self.database.pool.acquire() as connection:
            return [tuple(row) for row in await connection.fetch(sql, *arguments)]

    async def value(self, sql: str, *arguments: object) -> Any:
        return (await self.rows(sql, *arguments))[0][0]

    async def said(self, *names: str) -> list[tuple[str, dict[str, Any]]]:
        """What is in the outbox, in order: the event's name and its data; only these names where some are given."""
        rows = await self.rows("select type, payload from outbox order by id")
        told = [(type.split(".")[1], msgspec.json.decode(payload)) for type, payload in rows]
        return [(name, data) for name, data in told if not names or name in names]


ITEM = """
insert into items (sku, description, weight_grams, length_mm, width_mm, height_mm, may_fly, withdrawn, version)
values ('85123A', '', 1, 1, 1, 1, true, false, 1)"""
LANE = {
    "country": "US", "postcode_prefix": "402", "transit_days": 0, "deliver_by": "08:00", "delivers_on": [1, 2, 3, 4, 5, 6, 7],
    "destination_zone": "America/New_York", "label_minor": 412, "currency": "GBP",
}  # fmt: skip
OVERNIGHT = {
    "carrier": "airline", "site": "SDF1", "service": "overnight", "zone": "America/New_York", "by_air": True,
    "departures": [{"weekday": day, "at": "01:15", "places": 5} for day in range(1, 8)], "closed_on": ["2026-12-25"], "lanes": [LANE],
}  # fmt: skip
GROUND = OVERNIGHT | {
    "carrier": "ground", "service": "standard", "by_air": False,
    "departures": [{"weekday": day, "at": "18:00"} for day in range(1, 8)], "lanes": [LANE | {"transit_days": 3}],
}  # fmt: skip


@pytest.fixture
async def shipping(database: Database, clock: FixedClock, carrier: FakeCarrier, tmp_path: Path) -> AsyncIterator[Shipping]:
    settings = KitSettings(var=tmp_path)
    app = create_app("fulfilment", routers, settings)
    app.state.database, app.state.carrier_account, app.state.webhook_secrets = database, lambda _: carrier, {"ground": [SECRET], "airline": [SECRET]}

    def token(role: str, site: str | None) -> str:
        issuer, audience = settings.token_issuer, settings.token_audience
        return tokens.token(tmp_path / "keys", role, issuer=issuer, audience=audience, subject=f"{role}-1", site=site)

    tokens.signing_key(tmp_path / "keys")
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://fulfilment") as client:
        made = Shipping(database, clock, client, token)
        await made.rows(ITEM)
        for code in ("airline-overnight", "ground-standard"):
            assert (await made.plan(code)).status_code == 201
        yield made
        for name, data in await made.said():
            schema = json.loads((SCHEMAS / f"{name}.v1.json").read_text())
            Draft202012Validator(schema | {"additionalProperties": False}, format_checker=FormatChecker()).validate(data)


def event(kind: str, number: str = "1Z000000", id: str = "evt_1", at: datetime | None = None) -> dict[str, object]:
    """A carrier's event as it stands in a webhook."""
    when = at or datetime(2026, 11, 24, 13, 2, tzinfo=UTC)
    return {"event_id": id, "tracking_number": number, "kind": kind, "occurred_at": when.isoformat()}
