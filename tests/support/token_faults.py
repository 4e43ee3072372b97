"""Every way a bearer token may be wrong that we know of: each by its name, made from a token that is good but for it."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import OKPAlgorithm

from services.kit import tokens
from services.kit.clock import record_now
from services.kit.settings import KitSettings

_FOREIGN = Ed25519PrivateKey.generate()
_JWK = json.loads(OKPAlgorithm.to_jwk(_FOREIGN.public_key()))


@dataclass(frozen=True, slots=True)
class Forge:
    """Makes tokens with the key that the services trust, and says in them what it is told."""

    kid: str
    key: Ed25519PrivateKey
    claims: Mapping[str, Any]

    def good(self, headers: Mapping[str, Any] | None = None, without: str = "", **changes: Any) -> str:
        """A token of ours but for these changes, with our signature."""
        return self.signed(self.header(**(headers or {})), self.payload(without, **changes))

    def header(self, **changes: Any) -> bytes:
        return _json({"alg": "EdDSA", "kid": self.kid, "typ": "at+jwt"} | changes)

    def payload(self, without: str = "", **changes: Any) -> bytes:
        return _json({name: value for name, value in (self.claims | changes).items() if name != without})

    def signed(self, header: bytes, payload: bytes, sign: Callable[[bytes], bytes] | None = None) -> str:
        """Any bytes at all, signed by our key or by what is given."""
        told = f"{_text(header)}.{_text(payload)}"
        return f"{told}.{_text((sign or self.key.sign)(told.encode()))}"

    def public(self, encoding: Encoding, format: PublicFormat) -> bytes:
        return self.key.public_key().public_bytes(encoding, format)


def forge(settings: KitSettings, role: str, subject: str = "s-1") -> Forge:
    """For the key in the settings' folder."""
    kid, key = tokens.signing_key(Path(settings.var) / "keys")
    told = tokens.claims(role, issuer=settings.token_issuer, audience=settings.token_audience, subject=subject)
    return Forge(kid, key, {name: value.timestamp() if hasattr(value, "timestamp") else value for name, value in told.items()})


Fault = Callable[[Forge], str | None]
"""What stands in the header Authorization; None where there is none."""


def _bearer(make: Callable[[Forge], str]) -> Fault:
    return lambda forge: f"Bearer {make(forge)}"


def _claim(without: str = "", **changes: Any) -> Fault:
    return _bearer(lambda forge: forge.good(without=without, **changes))


def _header(**changes: Any) -> Fault:
    return _bearer(lambda forge: forge.good(headers=changes))


def _raw_header(text: str) -> Fault:
    """`text` with the name of our key put in for KID."""
    return _bearer(lambda forge: forge.signed(text.replace("KID", forge.kid).encode(), forge.payload()))


def _raw_claim(name: str, text: str) -> Fault:
    """A claim whose value is written as it is, where no JSON writer would write it."""
    return _bearer(lambda forge: forge.signed(forge.header(), forge.payload(without=name)[:-1] + f',"{name}":{text}}}'.encode()))


def _hmac(encoding: Encoding, format: PublicFormat) -> Fault:
    return _bearer(lambda forge: _by_hmac(forge, forge.public(encoding, format)))


def _by_hmac(forge: Forge, secret: bytes) -> str:
    return forge.signed(forge.header(alg="HS256"), forge.payload(), lambda told: hmac.digest(secret, told, "sha256"))


def _by(algorithm: str, key: Any) -> Fault:
    return _bearer(lambda forge: jwt.encode(dict(forge.claims), key, algorithm=algorithm, headers={"kid": forge.kid, "typ": "at+jwt"}))


def _id_token(forge: Forge) -> str:
    return forge.good(headers={"typ": "JWT"}, without="role", nonce="n-1", email="a@example.org", aud="kept")


def _seconds(seconds: float) -> float:
    return (record_now() + timedelta(seconds=seconds)).timestamp()


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _flipped(token: str) -> str:
    head, _, signature = token.rpartition(".")
    return f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


def _swapped(forge: Forge) -> str:
    """The payload of one token under the signature of another."""
    header, _, signature = forge.good().split(".")
    return f"{header}.{_text(forge.payload(role='admin', sub='another'))}.{signature}"


FAULTS: dict[str, Fault] = {
    # nothing, or nothing that is a token
    "no header": lambda _: None,
    "no token": lambda _: "Bearer",
    "an empty token": lambda _: "Bearer ",
    "another scheme": lambda _: "Basic YTpi",
    "no scheme": lambda forge: forge.good(),
    "a space more": lambda forge: f"Bearer  {forge.good()}",
    "two tokens in one header": lambda forge: f"Bearer {forge.good()}, Bearer {forge.good()}",
    "not base64": lambda _: "Bearer a.b.c",
    "dots": lambda _: "Bearer ..",
    "latin letters": lambda _: "Bearer \xff",
    "100 KB of letters": lambda _: "Bearer " + "a" * 100_000,
    "100 KB well signed": _claim(padding="x" * 75_000),
    "longer than a token is, well signed": _claim(padding="x" * 9_000),
    "two parts": _bearer(lambda forge: forge.good().rpartition(".")[0]),
    "four parts": _bearer(lambda forge: forge.good() + ".e30"),
    "five parts, as if encrypted": _bearer(lambda forge: "e30." + forge.good() + ".e30"),
    "JSON instead of dots": _bearer(lambda forge: json.dumps(dict(zip(("protected", "payload", "signature"), forge.good().split("."), strict=True)))),
    # when it holds
    "expired": _claim(exp=_seconds(-60), iat=_seconds(-600), nbf=_seconds(-600)),
    "expired a second ago": _bearer(lambda forge: forge.good(exp=_seconds(-1))),
    "not yet valid": _bearer(lambda forge: forge.good(nbf=_seconds(300))),
    "issued in the future": _bearer(lambda forge: forge.good(iat=_seconds(300))),
    "expires in words": _claim(exp="tomorrow"),
    "expires in digits as text": _claim(exp="99999999999"),
    "expires never": _raw_claim("exp", "1e400"),
    "expires at no number": _raw_claim("exp", "NaN"),
    "expires at null": _claim(exp=None),
    "issued at true": _claim(iat=True),
    "valid from a list": _claim(nbf=[0]),
    # for whom, from whom, about whom
    "another audience": _claim(aud="another"),
    "other audiences": _claim(aud=["another", "kept.invalid"]),
    "no audience in a list": _claim(aud=[]),
    "the audience in capitals": _claim(aud="KEPT"),
    "another issuer": _claim(iss="https://another.invalid"),
    "our issuer and more": _claim(iss="https://issuer.kept.invalid/"),
    "issuers in a list": _claim(iss=["https://issuer.kept.invalid"]),
    **{f"without {name}": _claim(without=name) for name in ("iss", "aud", "exp", "nbf", "iat", "sub", "role")},
    "a role that is none": _claim(role="emperor"),
    "roles in a list": _claim(role=["admin"]),
    "roles in words": _claim(role="care admin"),
    "a role in capitals": _claim(role="ADMIN"),
    "nobody": _claim(sub=""),
    "a number for a subject": _claim(sub=7),
    "a line break in the subject": _claim(sub="s-1\nadmin"),
    "NUL in the subject": _claim(sub="s-1\0"),
    "a subject without end": _claim(sub="s" * 300),
    "a number for a site": _claim(site=7),
    "a list for a channel": _claim(channel=["web"]),
    "a role said twice": _raw_claim("role", '"storefront","role":"admin"'),
    # what it says of itself
    "an ID token": _bearer(_id_token),
    "an ID token that calls itself an access token": _bearer(lambda forge: forge.good(without="role", nonce="n-1")),
    "type JWT": _header(typ="JWT"),
    "no type": _header(typ=None),
    "type of a refresh token": _header(typ="rt+jwt"),
    "an unknown key": _header(kid="unknown"),
    "the key's name in capitals": _bearer(lambda forge: forge.good(headers={"kid": forge.kid.upper() + "X"})),
    "no name of a key": _raw_header('{"alg":"EdDSA","typ":"at+jwt"}'),
    "an empty name of a key": _header(kid=""),
    "a number for a key": _header(kid=0),
    "a path for a key": _header(kid="../../../../dev/null"),
    "a key named twice": _raw_header('{"alg":"EdDSA","typ":"at+jwt","kid":"other","kid":"KID"}'),
    "keys at an address": _header(jku="https://evil.invalid/jwks.json"),
    "a chain at an address": _header(x5u="https://evil.invalid/chain.pem"),
    "a chain inside": _header(x5c=["MIIB"]),
    "a key inside, signed by it": _bearer(lambda forge: forge.signed(forge.header(jwk=_JWK), forge.payload(), _FOREIGN.sign)),
    "a key inside, signed by ours": _header(jwk=_JWK),
    "unknown demands": _header(crit=["kept"], kept=True),
    "demands of none": _header(crit=[]),
    "a payload that is not encoded": _header(crit=["b64"], b64=False),
    "a compressed payload": _header(zip="DEF"),
    "a token inside a token": _header(cty="JWT"),
    # how it is signed
    "alg none": _bearer(lambda forge: forge.signed(forge.header(alg="none"), forge.payload(), lambda _: b"")),
    "alg none with a signature": _header(alg="none"),
    "alg None": _header(alg="None"),
    "alg nOnE": _header(alg="nOnE"),
    "alg in small letters": _header(alg="eddsa"),
    "no alg": _raw_header('{"kid":"KID","typ":"at+jwt"}'),
    "a list of algs": _header(alg=["EdDSA"]),
    "HS256 with the public key": _hmac(Encoding.Raw, PublicFormat.Raw),
    "HS256 with the public key as PEM": _hmac(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    "HS256 with the public key as DER": _hmac(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    "HS256 with nothing": _bearer(lambda forge: _by_hmac(forge, b"")),
    "RS256": _by("RS256", rsa.generate_private_key(65537, 2048)),
    "ES256": _by("ES256", ec.generate_private_key(ec.SECP256R1())),
    "another key under our key's name": _bearer(lambda forge: forge.signed(forge.header(), forge.payload(), _FOREIGN.sign)),
    "a signature with a wrong letter": _bearer(lambda forge: _flipped(forge.good())),
    "no signature": _bearer(lambda forge: forge.good().rpartition(".")[0] + "."),
    "half a signature": _bearer(lambda forge: forge.good()[:-40]),
    "a signature of zeros": _bearer(lambda forge: forge.signed(forge.header(), forge.payload(), lambda _: bytes(64))),
    "another payload": _bearer(_swapped),
    "padding": _bearer(lambda forge: forge.good() + "=="),
    "rubbish after the signature": _bearer(lambda forge: forge.good() + "!!"),
    # what is inside
    "a payload that is a list": _bearer(lambda forge: forge.signed(forge.header(), b"[]")),
    "a payload that is no JSON": _bearer(lambda forge: forge.signed(forge.header(), b"{")),
    "a payload that is no text": _bearer(lambda forge: forge.signed(forge.header(), b'{"sub":"\xff"}')),
    "a payload nested deep": _raw_claim("x", "[" * 2_000 + "]" * 2_000),
    "a header that is a list": _raw_header("[]"),
    "a header that is no JSON": _raw_header("{"),
}  # fmt: skip
