"""An entry as it is kept, hashed and exported: one line of canonical JSON.

The same bytes are the leaf of the tree, the row in the table and the line of an export: there is no second form that could differ.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType
from uuid import UUID

import msgspec

from services.kit.canonical import canonical
from services.kit.promise.state import (
    Acknowledged,
    AtRisk,
    Broken,
    Corrected,
    Erased,
    Evidenced,
    Fact,
    Made,
    Promise,
    Released,
    Standing,
    Told,
    Voided,
)

NAMES: MappingProxyType[type, str] = MappingProxyType(
    {
        Made: "made",
        Acknowledged: "acknowledged",
        Evidenced: "evidenced",
        AtRisk: "at_risk",
        Told: "told",
        Broken: "broken",
        Released: "released",
        Voided: "voided",
        Corrected: "corrected",
        Erased: "erased",
    }
)
"""What an entry of each kind is called in its line."""

_NOT_ERASED = b'"erased":false,'
"""No text can hold it: there the quotes would be escaped."""

_SHOWN = b'{"promise_id":%b,"said":%b,"seq":%d,"stands":%b}'
"""The canonical JSON of a promise, member by member."""

_BODIES: dict[str, msgspec.json.Decoder[Fact]] = {name: msgspec.json.Decoder(fact) for fact, name in NAMES.items()}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who said it: a person or a system, for a department, by a channel. `id` is the subject of a token, never a name."""

    id: str
    department: str
    channel: str


class Line(msgspec.Struct, frozen=True):
    """One entry. `fingerprint`, `state_digest`: 32 bytes; `scope` is tenant, calling system and operation; `body` the fact as JSON."""

    position: int
    promise_id: UUID
    seq: int
    kind: str
    body: msgspec.Raw
    occurred_at: datetime
    recorded_at: datetime
    actor: Actor
    scope: str
    key: str
    fingerprint: bytes
    state_digest: bytes

    def fact(self) -> Fact:
        """What it says of its promise. Raises ValueError where the body is none."""
        return fact_of(self.kind, self.body)


def fact_of(kind: str, body: msgspec.Raw) -> Fact:
    """What the body of an entry of this kind says of its promise. Raises ValueError where it says nothing."""
    decoder = _BODIES.get(kind)
    if decoder is None:
        raise ValueError(f"no entry is of the kind {kind}")
    fact: Fact = decoder.decode(body)
    return fact


read_line = msgspec.json.Decoder(Line).decode
"""The entry that a line tells. Raises msgspec.DecodeError."""

_read_standing = msgspec.json.Decoder(Standing).decode


def body_of(fact: Fact) -> bytes:
    """The fact as it stands in a line."""
    return canonical(fact)


def digest_of(promise: Promise, said: bytes | None = None) -> bytes:
    """SHA-256 over the canonical JSON of all that is shown of a promise: whoever has the same state has the same digest. `said` is `body_of` what was
    said, where that is at hand."""
    return digest_over(promise.promise_id, said or body_of(promise.said), promise.seq, canonical(promise.stands))


def digest_over(promise_id: UUID | str, said: bytes, seq: int, stands: bytes) -> bytes:
    """The same of a promise whose parts are at hand as canonical JSON, and its id perhaps as text. `erased` is left out until it is true: what was
    written before there was erasure has the digest that it had."""
    return sha256(_SHOWN % (canonical(promise_id), said, seq, stands.replace(_NOT_ERASED, b"", 1))).digest()


def standing_of(promise: Promise) -> str:
    """How it stands, as it is kept: canonical JSON."""
    return canonical(promise.stands).decode()


def promise_of(first: Line, seq: int, standing: str) -> Promise:
    """The promise that its first entry, its last seq and its standing tell."""
    said = first.fact()
    assert isinstance(said, Made), "the first entry of a promise makes it"
    return Promise(first.promise_id, seq, said, _read_standing(standing))


def commitment(salt: bytes, text: str) -> bytes:
    """What stands in the log for a text that may have to be erased: with the salt gone, nobody can guess it."""
    return sha256(salt + text.encode()).digest()
