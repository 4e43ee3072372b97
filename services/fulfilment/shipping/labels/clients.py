"""Carriers over HTTP. A call that ends without a readable answer raises CarrierAway: what the carrier did is then asked, never guessed."""

from typing import Any

import httpx
import msgspec

from services.fulfilment.shipping.labels.domain import BoughtLabel, LabelRequest
from services.fulfilment.shipping.labels.ports import CarrierAway, CarrierRefused, ManifestRequest
from services.kit.failpoints import ARMED, hit
from services.kit.values import Money

_REFUSALS = frozenset({400, 404, 409, 410, 422})


class LabelWire(msgspec.Struct):
    """A bought label in the demo carrier's words."""

    tracking_number: str
    barcode: str
    zpl: str
    price_minor: int
    currency: str


class ConfirmationWire(msgspec.Struct):
    """The demo carrier's answer to a manifest."""

    confirmation: str


class ProblemWire(msgspec.Struct):
    """Why the carrier refuses."""

    detail: str = "no reason given"


class KeptCarrier:
    """The demo carrier's protocol: JSON, an API key, and the reference in the address, so that a repeated call is the same call."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def buy(self, request: LabelRequest) -> BoughtLabel:
        if ARMED:
            hit("label.asking", request.reference)
        answer = await self._call("POST", "/labels", msgspec.to_builtins(request))
        if ARMED:
            hit("label.answered", request.reference)
        return _label(_refusing(answer))

    async def find(self, reference: str) -> BoughtLabel | None:
        answer = await self._call("GET", f"/labels/{reference}")
        return None if answer.status_code == 404 else _label(_refusing(answer))

    async def void(self, reference: str) -> None:
        if ARMED:
            hit("void.asking", reference)
        answer = await self._call("DELETE", f"/labels/{reference}")
        if ARMED:
            hit("void.answered", reference)
        if answer.status_code != 404:
            _refusing(answer)

    async def transmit(self, manifest: ManifestRequest) -> str:
        if ARMED:
            hit("manifest.asking")
        answer = await self._call("POST", "/manifests", msgspec.to_builtins(manifest))
        if ARMED:
            hit("manifest.answered")
        return str(_read(_refusing(answer), ConfirmationWire).confirmation)

    async def _call(self, method: str, path: str, body: object = None) -> httpx.Response:
        try:
            answer = await self._client.request(method, path, json=body) if body else await self._client.request(method, path)
        except httpx.HTTPError as error:
            raise CarrierAway(f"{method} {path}: {type(error).__name__}") from error
        if answer.status_code >= 300 and answer.status_code not in _REFUSALS:
            raise CarrierAway(f"{method} {path} was answered {answer.status_code}")
        return answer


def kept_carrier(url: str, api_key: str, timeout_seconds: float, transport: httpx.AsyncBaseTransport | None = None) -> KeptCarrier:
    """An account with a carrier that speaks the demo carrier's protocol."""
    headers = {"authorization": f"Bearer {api_key}"}
    client = httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout_seconds, transport=transport, follow_redirects=False)
    return KeptCarrier(client)


def _refusing(answer: httpx.Response) -> httpx.Response:
    if answer.status_code in _REFUSALS:
        raise CarrierRefused(_read(answer, ProblemWire).detail[:200])
    return answer


def _label(answer: httpx.Response) -> BoughtLabel:
    read = _read(answer, LabelWire)
    return BoughtLabel(read.tracking_number, read.barcode, read.zpl, Money(read.price_minor, read.currency))


def _read(answer: httpx.Response, wire: type[Any]) -> Any:
    try:
        return msgspec.json.decode(answer.content, type=wire)
    except msgspec.MsgspecError as error:
        raise CarrierAway(f"the answer {answer.status_code} cannot be read") from error
