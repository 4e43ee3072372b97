"""Who is calling: a bearer token, signed with Ed25519 by a key we were given, and nothing a token says about itself decides how it is checked."""

import re
from dataclasses import dataclass
from typing import Any, Literal

import jwt
from fastapi import Request
from jwt.utils import base64url_decode

from services.kit.envelope import refuse_ambiguous
from services.kit.http.keys import Keys
from services.kit.http.problems import Problem
from services.kit.http.revoked import Revoked
from services.kit.tokens import ROLES

Scope = Literal["own", "all"]
_HEADER = frozenset({"alg", "kid", "typ"})
_REQUIRED = ["iss", "aud", "exp", "nbf", "iat", "sub", "role"]
_TOKEN_LIMIT = 8_192
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls. `scope` is how far the route lets this role see: its own things, or all; a query carries it."""

    subject: str
    role: str
    channel: str | None = None
    site: str | None = None
    scope: Scope = "own"


class SignIn:
    """Checks bearer tokens of one issuer for one audience."""

    def __init__(self, keys: Keys, issuer: str, audience: str, revoked: Revoked) -> None:
        self._keys, self._issuer, self._audience, self._revoked = keys, issuer, audience, revoked

    async def principal(self, request: Request) -> Principal:
        """Who sent the request. Raises Problem: 401 with WWW-Authenticate, 403 where the token was revoked, 503 while either cannot be known."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Problem(401, headers={"www-authenticate": "Bearer"})
        try:
            claims = await self._claims(token)
            principal = _principal(claims)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise Problem(401, headers={"www-authenticate": 'Bearer error="invalid_token"'}) from None
        await self._revoked.refuse(principal.subject, claims["iat"])
        return principal

    async def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > _TOKEN_LIMIT or not _COMPACT.fullmatch(token):
            raise ValueError("no signed token in its shortest form")
        for part in token.split(".")[:2]:
            refuse_ambiguous(base64url_decode(part))
        header = jwt.get_unverified_header(token)
        if not header.keys() <= _HEADER or str(header.get("typ")).lower() != "at+jwt":
            raise ValueError("not the header of an access token of ours")
        key = await self._keys.get(str(header.get("kid")))
        if key is None:
            raise ValueError("no such key")
        return jwt.decode(token, key, algorithms=["EdDSA"], audience=self._audience, issuer=self._issuer, options={"require": _REQUIRED})


def _principal(claims: dict[str, Any]) -> Principal:
    subject, role, channel, site = claims["sub"], claims["role"], claims.get("channel"), claims.get("site")
    if any(type(claims[name]) not in (int, float) for name in ("iat", "nbf", "exp")):
        raise ValueError("an instant is no number")
    if role not in ROLES or not _is_name(subject) or not all(each is None or _is_name(each) for each in (channel, site)):
        raise ValueError("not the claims of an access token of ours")
    return Principal(subject, role, channel, site)


def _is_name(claim: object) -> bool:
    """What may go into a query and a log line."""
    return isinstance(claim, str) and 0 < len(claim) <= 255 and claim.isprintable()
