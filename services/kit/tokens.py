"""Bearer tokens of the embedded stack: a key made once and kept in the stack's folder, its public half beside it for those who check.

Elsewhere an OpenID provider signs people in, and nothing here is used.
"""

import json
import os
import time
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from services.kit.clock import record_now
from services.kit.ids import uuid7
from services.kit.key_files import key_in

if TYPE_CHECKING:
    from services.kit.settings import KitSettings

ROLES = ("customer", "storefront", "picker", "loader", "driver", "care", "planner", "admin", "carrier", "service")
"""Who a token may be for; `service` is one of our own processes."""

LIFETIME = timedelta(hours=12)
_SAME_SECONDS = 10.0
"""How long a service shows the same token: whoever checks it remembers it."""


def signing_key(folder: Path) -> tuple[str, Ed25519PrivateKey]:
    """The key's id and the key, made where there is none yet; `jwks.json` beside it is written with it. May run twice, and beside itself."""
    key = key_in(folder / "signing.pem")
    kid = key.public_key().public_bytes_raw().hex()[:16]
    public = folder / "jwks.json"
    if not public.exists():
        jwk = json.loads(OKPAlgorithm.to_jwk(key.public_key())) | {"kid": kid, "use": "sig", "alg": "EdDSA"}
        _replace(public, json.dumps({"keys": [jwk]}, indent=2).encode())
    return kid, key


def token(folder: Path, role: str, *, issuer: str, audience: str, subject: str, channel: str | None = None, site: str | None = None) -> str:
    """An access token for this role, signed with the folder's key, valid from now on."""
    kid, key = signing_key(folder)
    return sign(key, kid, claims(role, issuer=issuer, audience=audience, subject=subject, channel=channel, site=site))


def service_token(settings: "KitSettings", subject: str) -> str:
    """The token by which one of our own processes calls another service. Raises OSError where its file cannot be read."""
    if settings.service_token_file is not None:
        return settings.service_token_file.read_text().strip()
    this_while = int(time.monotonic() // _SAME_SECONDS)
    return _signed_once(settings.var / "keys", settings.token_issuer, settings.token_audience, subject, this_while)


@lru_cache(64)
def _signed_once(folder: Path, issuer: str, audience: str, subject: str, _: int) -> str:
    """Signing and checking a signature cost more than most of what is asked with it."""
    return token(folder, "service", issuer=issuer, audience=audience, subject=subject)


def claims(
    role: str, *, issuer: str, audience: str, subject: str, channel: str | None = None, site: str | None = None, lifetime: timedelta = LIFETIME
) -> dict[str, object]:
    """The claims of an access token; what is None is left out."""
    now = record_now()
    told = {"iss": issuer, "aud": audience, "sub": subject, "role": role, "channel": channel, "site": site}
    times = {"iat": now, "nbf": now, "exp": now + lifetime, "jti": str(uuid7())}
    return {name: value for name, value in told.items() if value is not None} | times


def sign(key: Ed25519PrivateKey, kid: str, told: Mapping[str, object]) -> str:
    """The token that says this."""
    return jwt.encode(dict(told), key, algorithm="EdDSA", headers={"kid": kid, "typ": "at+jwt"})


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_bytes(content)
    beside.rename(path)
