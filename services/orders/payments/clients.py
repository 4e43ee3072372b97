"""The payment provider over HTTP. A call that ends without a readable answer raises ProviderAway: what was done is then asked, never guessed."""

from typing import Any
from uuid import UUID

import httpx
import msgspec

from services.kit.failpoints import ARMED, hit
from services.kit.values import Money
from services.orders.payments.ports import ProviderAway, ProviderRefused, Refunded

_REFUSALS = frozenset({400, 409, 410, 422})
_NOTHING = 404
"""There is no such refund. Of a payment it would only say that we ask at a wrong address."""


class RefundWire(msgspec.Struct):
    """A refund in the provider's words."""

    refund_id: str
    amount_minor: int
    currency: str


class ProblemWire(msgspec.Struct):
    """Why the provider refuses."""

    detail: str = "no reason given"


class HttpProvider:
    """The demo provider's protocol: JSON, an API key, and our key in the body and the address, so that a repeated call is the same call."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def refund(self, key: UUID, payment_reference: str, amount: Money) -> Refunded:
        if ARMED:
            hit("refund.asking", str(key))
        body = {"key": str(key), "payment_reference": payment_reference, "amount_minor": amount.amount_minor, "currency": amount.currency}
        answer = await self._call("POST", "/refunds", body)
        if ARMED:
            hit("refund.answered", str(key))
        if answer.status_code in _REFUSALS:
            raise ProviderRefused(_read(answer, ProblemWire).detail[:200])
        return _refunded(answer)

    async def find(self, key: UUID) -> Refunded | None:
        answer = await self._call("GET", f"/refunds/{key}")
        return None if answer.status_code == _NOTHING else _refunded(answer)

    async def close(self) -> None:
        await self._client.aclose()

    async def _call(self, method: str, path: str, body: object = None) -> httpx.Response:
        try:
            answer = await self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise ProviderAway(f"{method} {path}: {type(error).__name__}") from error
        if not (answer.is_success or answer.status_code in _REFUSALS or (method, answer.status_code) == ("GET", _NOTHING)):
            raise ProviderAway(f"{method} {path} was answered {answer.status_code}")
        return answer


def http_provider(url: str, api_key: str, timeout_seconds: float, transport: httpx.AsyncBaseTransport | None = None) -> HttpProvider:
    """An account with a provider that speaks the demo provider's protocol."""
    headers = {"authorization": f"Bearer {api_key}"}
    client = httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout_seconds, transport=transport, follow_redirects=False, trust_env=False)
    return HttpProvider(client)


def _refunded(answer: httpx.Response) -> Refunded:
    read = _read(answer, RefundWire)
    return Refunded(read.refund_id, Money(read.amount_minor, read.currency))


def _read(answer: httpx.Response, wire: type[Any]) -> Any:
    try:
        return msgspec.json.decode(answer.content, type=wire)
    except msgspec.MsgspecError as error:
        raise ProviderAway(f"the answer {answer.status_code} cannot be read") from error
