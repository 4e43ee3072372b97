"""Who is calling: a bearer token, signed with Ed25519 by a key we were given, and nothing a token says about itself decides how it is checked.

Keys come from a JWKS file that is read again when it changes. Without keys nobody is let in: 503, never 200.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jwt
from fastapi import Request
from jwt.algorithms import OKPAlgorithm

from services.kit.http.problems import Problem
from services.kit.tokens import ROLES

Scope = Literal["own", "all"]
_HEADER = frozenset({"alg", "kid", "typ"})
_REQUIRED = ["iss", "aud", "exp", "nbf", "iat", "sub", "role"]
_TOKEN_LIMIT = 8_192
_KEPT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls. `scope` is how far the route lets this role see: its own things, or all; a query carries it."""

    subject: str
    role: str
    channel: str | None = None
    site: str | None = None
    scope: Scope = "own"


class Keys:
    """The public keys of a JWKS file, by their `kid`. Read again when the file changes; kept for ten minutes when it cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, Any] = {}
        self._read_at = 0.0

    def get(self, kid: str) -> Any | None:
        """The key, or None where it is not known. Raises Problem (503) while there are no keys to check with."""
        try:
            stat = self._path.stat()
            state = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if state != self._seen:
                self._keys, self._seen = _read(self._path), state
            self._read_at = time.monotonic()
        except (OSError, ValueError, KeyError, TypeError, jwt.PyJWTError):
            if self._seen is None or time.monotonic() - self._read_at > _KEPT_SECONDS:
                raise Problem(503, headers={"retry-after": "5"}) from None
        return self._keys.get(kid)


def _read(path: Path) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    for entry in json.loads(path.read_text())["keys"]:
        if entry["kid"] in keys:
            raise ValueError(f"the key id {entry['kid']} stands twice in {path}")
        if entry["kty"] != "OKP" or entry["crv"] != "Ed25519" or "d" in entry:
            raise ValueError(f"the key {entry['kid']} in {path} is not a public Ed25519 key")
        keys[entry["kid"]] = OKPAlgorithm.from_jwk(entry)
    return keys


class SignIn:
    """Checks bearer tokens of one issuer for one audience."""

    def __init__(self, keys: Keys, issuer: str, audience: str) -> None:
        self._keys, self._issuer, self._audience = keys, issuer, audience

    def principal(self, request: Request) -> Principal:
        """Who sent the request. Raises Problem (401, with WWW-Authenticate)."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Problem(401, headers={"www-authenticate": "Bearer"})
        try:
            return _principal(self._claims(token))
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise Problem(401, headers={"www-authenticate": 'Bearer error="invalid_token"'}) from None

    def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > _TOKEN_LIMIT:
            raise ValueError("too long")
        header = jwt.get_unverified_header(token)
        if not header.keys() <= _HEADER or str(header.get("typ")).lower() != "at+jwt":
            raise ValueError("not the header of an access token of ours")
        key = self._keys.get(str(header.get("kid")))
        if key is None:
            raise ValueError("no such key")
        return jwt.decode(token, key, algorithms=["EdDSA"], audience=self._audience, issuer=self._issuer, options={"require": _REQUIRED})


def _principal(claims: dict[str, Any]) -> Principal:
    subject, role, channel, site = claims["sub"], claims["role"], claims.get("channel"), claims.get("site")
    if role not in ROLES or not subject or not isinstance(channel, str | None) or not isinstance(site, str | None):
        raise ValueError("not the claims of an access token of ours")
    return Principal(subject, role, channel, site)
