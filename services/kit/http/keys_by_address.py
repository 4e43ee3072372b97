"""The public keys of an OpenID provider, fetched from its JWKS address while it rotates them.

Fetched again when they are a minute old, or when a token names a key that is not known; at most once in 10 s, whoever asks.
"""

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import httpx

from services.kit.http.keys import GOOD_SECONDS, UNREADABLE, keys_in
from services.kit.http.problems import Problem
from services.kit.http.reread import Reread

_FRESH_SECONDS = 60.0
_SIZE_LIMIT = 65_536


class AddressKeys:
    """The keys at this address. One set is in use until a later one was read whole: a set that is not taken changes nothing."""

    def __init__(self, address: str, *, transport: httpx.AsyncBaseTransport | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self._address, self._transport = address, transport
        expects = (OSError, httpx.HTTPError, httpx.InvalidURL, *UNREADABLE)
        self._set = Reread("keys", self._fetch, fresh_seconds=_FRESH_SECONDS, good_seconds=GOOD_SECONDS, expects=expects, now=now)

    async def get(self, kid: str) -> Any | None:
        keys = await self._set.get()
        if kid not in keys:
            keys = await self._set.again()
        if kid not in keys and self._set.in_doubt:
            raise Problem(503, headers={"retry-after": str(round(self._set.pause_seconds))})
        return keys.get(kid)

    async def _fetch(self) -> dict[str, Any]:
        client = httpx.AsyncClient(transport=self._transport, timeout=self._set.patience_seconds, follow_redirects=False, verify=_tls())
        async with client, client.stream("GET", self._address, headers={"accept": "application/json", "accept-encoding": "identity"}) as response:
            if response.status_code != 200 or "content-encoding" in response.headers:
                raise ValueError("the address answers with something else than keys")
            content = b""
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > _SIZE_LIMIT:
                    raise ValueError("the answer is longer than a set of keys")
            return keys_in(content)


@cache
def _tls() -> Any:
    """Made once: it reads every certificate there is."""
    return httpx.create_ssl_context()
