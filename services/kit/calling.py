"""One of our own services asked by another over HTTP, signed in as a service. Nothing here is tried again: whoever asks knows whether it may be."""

from functools import cache
from typing import TYPE_CHECKING

import msgspec

from services.kit import tokens
from services.kit.settings import KitSettings

if TYPE_CHECKING:
    import ssl

    import httpx

_SECONDS = 10.0


class Away(ConnectionError):
    """No answer, or one that says nothing: whether it was done is not known."""


async def call(
    settings: KitSettings, caller: str, method: str, url: str, body: object = None, transport: "httpx.AsyncBaseTransport | None" = None,
    key: str | None = None,
) -> "httpx.Response":  # fmt: skip
    """The answer, whatever its status below 500; under an Idempotency-Key, where one is given. Raises Away."""
    import httpx  # a process that never asks does without

    headers, content = signed(settings, caller), msgspec.json.encode(body) if body is not None else b""
    if key is not None:
        headers["idempotency-key"] = key
    try:
        async with httpx.AsyncClient(timeout=_SECONDS, trust_env=False, transport=transport, verify=_certificates()) as client:
            answered = await client.request(method, url, headers=headers, content=content)
    except httpx.HTTPError as error:
        raise Away(f"{method} {url}: {type(error).__name__}") from error
    if answered.status_code >= 500:
        raise Away(f"{method} {url} was answered {answered.status_code}")
    return answered


def signed(settings: KitSettings, caller: str) -> dict[str, str]:
    """The headers of a request with a JSON body by this service."""
    return {"authorization": f"Bearer {tokens.service_token(settings, caller)}", "content-type": "application/json"}


@cache
def _certificates() -> "ssl.SSLContext":
    """Read once: reading them takes longer than asking."""
    import httpx

    return httpx.create_ssl_context(trust_env=False)
