"""Ids, and secrets that stand in links. Ids are UUIDv7 and carry the record's time; secrets are random and are stored hashed."""

import hashlib
import os
import secrets
import time
from datetime import UTC, date, datetime
from uuid import UUID, uuid5

_NAMESPACE = UUID("6d1f9c3e-6f0c-5a44-9a1b-6b6570740001")
NO_DAY = date(1970, 1, 1)
"""The day of ids that carry no plausible one."""

_PLAUSIBLE = range(2020, 2100)


def uuid7() -> UUID:
    """A new UUIDv7: 48 bits of milliseconds, 74 random bits (RFC 9562)."""
    random = int.from_bytes(os.urandom(10), "big")
    milliseconds = time.time_ns() // 1_000_000
    return UUID(int=milliseconds << 80 | 0x7 << 76 | (random >> 68 & 0xFFF) << 64 | 0x2 << 62 | random & ((1 << 62) - 1))


def named_uuid(*parts: str) -> UUID:
    """The same UUID for the same parts, always: for ids that outsiders give as free text, and for things that may exist once only."""
    return uuid5(_NAMESPACE, "\x1f".join(parts))


def day_of(value: UUID) -> date:
    """The day inside a UUIDv7, UTC; `NO_DAY` for other ids and implausible days. The same id always answers the same."""
    if value.version != 7:
        return NO_DAY
    day = datetime.fromtimestamp((value.int >> 80) / 1000, UTC).date() if value.int >> 80 < 4_102_444_800_000 else NO_DAY
    return day if day.year in _PLAUSIBLE else NO_DAY


def new_secret() -> str:
    """A secret for a link: 160 random bits, URL-safe."""
    return secrets.token_urlsafe(20)


def hash_secret(secret: str) -> bytes:
    """What is stored of a secret. SHA-256 is enough, since the secret itself is random and long."""
    return hashlib.sha256(secret.encode()).digest()
