"""The carrier over HTTP, and its voice: signed webhooks, sent again until they are taken."""

import asyncio
import hmac
import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

import httpx
import msgspec
from standardwebhooks.webhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.carrier.books import Books, Differs, Refused
from demo.carrier.rounds import Scan, Terms, rounds
from services.kit.clock import Clock, record_now

_TRIES = 5
_PAUSE_SECONDS = 0.2


class ToWire(msgspec.Struct):
    """Where a parcel goes."""

    name: str
    line1: str
    city: str
    postcode: str
    country: str
    line2: str | None = None
    region: str | None = None


class LabelWire(msgspec.Struct, forbid_unknown_fields=True):
    """A label as it is asked for. There is no field for a mail address: this carrier tells recipients nothing."""

    reference: str
    carrier: str
    carrier_service: str
    site: str
    weight_grams: int
    to: ToWire
    terms: dict[str, Any]
    closed_on: list[str]


class ManifestWire(msgspec.Struct, forbid_unknown_fields=True):
    """What is taken along."""

    manifest_id: str
    site: str
    ship_on: str
    tracking_numbers: list[str]


class Depot:
    """The carrier: its books, its accounts, the address of its customer's webhooks, and the business clock."""

    def __init__(self, books: Books, accounts: Mapping[str, Any], customer: httpx.AsyncClient, clock: Clock) -> None:
        self.books, self._accounts, self._customer, self._clock = books, accounts, customer, clock
        self._telling = asyncio.Lock()

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/labels", self._buy, methods=["POST"]),
                Route("/labels/{reference}", self._find, methods=["GET"]),
                Route("/labels/{reference}", self._void, methods=["DELETE"]),
                Route("/manifests", self._manifest, methods=["POST"]),
                Route("/tick", self._tick, methods=["POST"]),
                Route("/books", self._counts, methods=["GET"]),
                Route("/livez", _alive, methods=["GET"]),
            ],
            exception_handlers={
                Refused: _conflict,
                Differs: _conflict,
                msgspec.MsgspecError: _unreadable,
                KeyError: _unreadable,
                ValueError: _unreadable,
            },
        )

    async def tell(self, now: datetime) -> str | None:
        """Tell all that happened up to now. Returns when there is more to tell: a past instant where the customer did not take it."""
        async with self._telling:
            while due := self.books.due(now):
                for scan in due:
                    if not await self._taken(scan):
                        return self.books.next_at()
                    self.books.told(scan["event_id"])
            return self.books.next_at()

    async def _taken(self, scan: Mapping[str, Any]) -> bool:
        event = {"event_id": scan["event_id"], "tracking_number": scan["tracking_number"], "kind": scan["kind"], "occurred_at": scan["at"]}
        body, id = json.dumps(event), f"msg_{scan['event_id']}"
        secret = self._accounts["accounts"][scan["carrier"]]["webhook_secrets"][0]
        for tries in range(_TRIES):
            at = record_now()
            headers = {
                "content-type": "application/json", "webhook-id": id, "webhook-timestamp": str(int(at.timestamp())),
                "webhook-signature": Webhook(secret).sign(id, at, body),
            }  # fmt: skip
            try:
                answer = await self._customer.post(f"/v1/webhooks/carriers/{scan['carrier']}", content=body, headers=headers)
                if answer.is_success:
                    return True
            except httpx.HTTPError:
                pass  # told again below: a carrier does not know why its customer is away
            await asyncio.sleep(_PAUSE_SECONDS * 2**tries)
        return False

    async def _buy(self, request: Request) -> Response:
        carrier = self._carrier(request)
        if carrier is None:
            return _forbidden()
        wanted = msgspec.json.decode(await request.body(), type=LabelWire)
        msgspec.convert(wanted.terms, Terms)
        if wanted.weight_grams < 1 or wanted.terms["label"]["amount_minor"] < 0:
            return JSONResponse({"detail": "the weight or the price is none"}, 422)
        return JSONResponse(self.books.buy(carrier, wanted.reference, msgspec.to_builtins(wanted)))

    async def _find(self, request: Request) -> Response:
        carrier = self._carrier(request)
        if carrier is None:
            return _forbidden()
        label = self.books.find(carrier, request.path_params["reference"])
        return JSONResponse(label) if label else JSONResponse({"detail": "no such label"}, 404)

    async def _void(self, request: Request) -> Response:
        carrier = self._carrier(request)
        if carrier is None:
            return _forbidden()
        return Response(status_code=204 if self.books.void(carrier, request.path_params["reference"]) else 404)

    async def _manifest(self, request: Request) -> Response:
        carrier = self._carrier(request)
        if carrier is None:
            return _forbidden()
        given = msgspec.json.decode(await request.body(), type=ManifestWire)
        now, ship_on = self._clock.now(), date.fromisoformat(given.ship_on)
        sold = self.books.requests(carrier, given.tracking_numbers)
        scans = [(number, scan.kind, scan.at) for number, label in sold.items() for scan in _rounds(label, ship_on, now)]
        return JSONResponse({"confirmation": self.books.manifest(carrier, given.manifest_id, msgspec.to_builtins(given), now, scans)})

    async def _tick(self, request: Request) -> Response:
        """For whoever moves the clock: tells all up to `now`, and answers when there is more."""
        if not _is_key(request, self._accounts["admin_key"]):
            return _forbidden()
        now = datetime.fromisoformat(json.loads(await request.body())["now"])
        return JSONResponse({"next_at": await self.tell(now)})

    async def _counts(self, request: Request) -> Response:
        return JSONResponse(self.books.counts()) if _is_key(request, self._accounts["admin_key"]) else _forbidden()

    def _carrier(self, request: Request) -> str | None:
        """Whose account the key in the request is for."""
        return next((name for name, granted in self._accounts["accounts"].items() if _is_key(request, granted["api_key"])), None)


def _is_key(request: Request, key: str) -> bool:
    return hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {key}".encode())


def _forbidden() -> Response:
    return JSONResponse({"detail": "no account has this key"}, 401)


def _rounds(label: Mapping[str, Any], ship_on: date, taken_at: datetime) -> Iterator[Scan]:
    door = f"{label['to']['line1']} {label['to']['postcode']}"
    return rounds(door, msgspec.convert(label["terms"], Terms), msgspec.convert(label["closed_on"], list[date]), ship_on, taken_at)


async def _alive(_: Request) -> Response:
    return JSONResponse({"alive": True})


async def _conflict(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 409)


async def _unreadable(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": "the request cannot be read"}, 422)
