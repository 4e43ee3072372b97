"""The public keys that tokens are checked with, from a file or from an address: a JWKS of Ed25519 keys, taken whole or not at all.

Without keys nobody is let in: 503, never 200.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import jwt
import msgspec
from jwt.algorithms import OKPAlgorithm

from services.kit.envelope import refuse_ambiguous
from services.kit.http.problems import Problem
from services.kit.settings import KitSettings

GOOD_SECONDS = 600.0
"""How long keys that were read last are good while they cannot be read."""

MOST_KEYS = 100

UNREADABLE = (ValueError, RecursionError, msgspec.MsgspecError, jwt.PyJWTError)
"""What `keys_in` raises for what is no set of keys of ours."""


class Keys(Protocol):
    async def get(self, kid: str) -> Any | None:
        """The key of this id, None where there is none. Raises Problem (503) while there are no keys to check with."""


class _Jwk(msgspec.Struct):
    kid: str
    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    use: Literal["sig"] = "sig"
    alg: Literal["EdDSA", "Ed25519"] = "EdDSA"
    d: Any = None


class _Jwks(msgspec.Struct):
    keys: list[_Jwk]


_decode = msgspec.json.Decoder(_Jwks).decode


def keys_in(content: bytes) -> dict[str, Any]:
    """The keys of a JWKS by their `kid`. Raises one of UNREADABLE unless every one is a public Ed25519 key with an id of its own."""
    refuse_ambiguous(content)
    found = _decode(content).keys
    if not 0 < len(found) <= MOST_KEYS:
        raise ValueError(f"a set of keys holds 1 to {MOST_KEYS}")
    if len({each.kid for each in found}) < len(found):
        raise ValueError("two keys have the same kid")
    if any(each.d is not None or not each.kid for each in found):
        raise ValueError("a key has a private part, or no kid")
    return {each.kid: OKPAlgorithm.from_jwk({"kty": each.kty, "crv": each.crv, "x": each.x}) for each in found}


class FileKeys:
    """The keys of a file, read again when it has changed; whether it has is looked at when somebody asks, and not again for a moment."""

    pause_seconds = 0.05

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._keys: Mapping[str, Any] = {}
        self._read_at = 0.0

    async def get(self, kid: str) -> Any | None:
        if time.monotonic() - self._read_at > self.pause_seconds:
            self._look()
        return self._keys.get(kid)

    def _look(self) -> None:
        try:
            stat = os.stat(self._path)  # noqa: PTH116  # at every request: half the time of Path's
            state = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if state != self._seen:
                self._keys, self._seen = keys_in(self._path.read_bytes()), state
            self._read_at = time.monotonic()
        except (OSError, *UNREADABLE):
            if self._seen is None or time.monotonic() - self._read_at > GOOD_SECONDS:
                raise Problem(503, headers={"retry-after": "5"}) from None


def keys_of(settings: KitSettings) -> Keys:
    """The keys that the settings name: at an address where they name one, else in the file."""
    if settings.jwks_url is None:
        return FileKeys(settings.jwks_path)
    from services.kit.http.keys_by_address import AddressKeys  # what an API without an address need not load

    return AddressKeys(settings.jwks_url)
