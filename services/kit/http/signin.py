"""Who is calling: a bearer token, in a page's case out of the browser's cookie, signed with Ed25519 by a key we were given. Nothing that a token says
about itself decides how it is checked."""

import re
from dataclasses import dataclass
from typing import Any, Literal

import jwt
from fastapi import Request
from jwt.utils import base64url_decode

from services.kit.clock import record_now
from services.kit.envelope import refuse_ambiguous
from services.kit.http.cookies import cookie_of
from services.kit.http.headers import header
from services.kit.http.keys import Keys
from services.kit.http.problems import Problem
from services.kit.http.revoked import Revoked
from services.kit.tokens import ROLES

Scope = Literal["own", "all"]
_HEADER = frozenset({"alg", "kid", "typ"})
_REQUIRED = ["iss", "aud", "exp", "nbf", "iat", "sub", "role"]
_TOKEN_LIMIT = 8_192
_MOST_REMEMBERED = 1_000
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls. `scope` is how far the route lets this role see: its own things, or all; a query carries it."""

    subject: str
    role: str
    channel: str | None = None
    site: str | None = None
    scope: Scope = "own"


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token whose signature was found right, and the key that it was found right with. Instants are seconds since 1970."""

    principal: Principal
    issued_at: float
    expires_at: float
    kid: str
    key: Any


class SignIn:
    """Checks bearer tokens of one issuer for one audience."""

    def __init__(self, keys: Keys, issuer: str, audience: str, revoked: Revoked) -> None:
        self._keys, self._issuer, self._audience, self._revoked = keys, issuer, audience, revoked
        self._verified: dict[str, _Verified] = {}

    async def principal(self, request: Request, *, by_cookie: bool = False) -> Principal:
        """Who sent the request; `by_cookie`, the browser's cookie may say it where no header does.

        Raises Problem: 401 with WWW-Authenticate, 403 where the token was revoked or another site uses the cookie, 503 while either cannot be known.
        """
        given = header(request, b"authorization")
        if by_cookie and given is None:
            scheme, token = "bearer", cookie_of(request)
        else:
            scheme, _, token = (given or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Problem(401, headers={"www-authenticate": "Bearer"})
        try:
            verified = await self._verify_once(token)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise Problem(401, headers={"www-authenticate": 'Bearer error="invalid_token"'}) from None
        await self._revoked.refuse(verified.principal.subject, verified.issued_at)
        return verified.principal

    async def _verify_once(self, token: str) -> _Verified:
        """The signature is looked at the first time, the key and the time each time: a key that is gone or changed takes its tokens along."""
        known = self._verified.get(token)
        if known is not None and await self._keys.get(known.kid) is known.key and record_now().timestamp() < known.expires_at:
            return known
        verified = await self._verify(token)
        if len(self._verified) >= _MOST_REMEMBERED:
            self._verified.clear()
        self._verified[token] = verified
        return verified

    async def _verify(self, token: str) -> _Verified:
        if len(token) > _TOKEN_LIMIT or not _COMPACT.fullmatch(token):
            raise ValueError("no signed token in its shortest form")
        for part in token.split(".")[:2]:
            refuse_ambiguous(base64url_decode(part))
        told = jwt.get_unverified_header(token)
        if not told.keys() <= _HEADER or str(told.get("typ")).lower() != "at+jwt":
            raise ValueError("not the header of an access token of ours")
        kid = str(told.get("kid"))
        key = await self._keys.get(kid)
        if key is None:
            raise ValueError("no such key")
        claims = jwt.decode(token, key, algorithms=["EdDSA"], audience=self._audience, issuer=self._issuer, options={"require": _REQUIRED})
        return _Verified(_principal(claims), claims["iat"], claims["exp"], kid, key)


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
