"""Ids, and secrets that stand in links. Ids are UUIDv7 and carry the record's time; secrets are random and are stored hashed."""

import hashlib
import os
import secrets
import time
from datetime import date, timedelta
from functools import lru_cache
from uuid import UUID, uuid5

from asyncpg.pgproto import pgproto

_new: type[UUID] = pgproto.UUID
"""What asyncpg reads and writes: equal to uuid.UUID and an instance of it, but in C, and made from text or from 16 bytes."""

_NAMESPACE = UUID("6d1f9c3e-6f0c-5a44-9a1b-6b6570740001")
NO_DAY = date(1970, 1, 1)
"""The day of ids that carry no plausible one."""

_MILLISECONDS_OF_A_DAY = 86_400_000
_PLAUSIBLE_DAYS = range((date(2020, 1, 1) - NO_DAY).days, (date(2100, 1, 1) - NO_DAY).days)


def uuid7() -> UUID:
    """A new UUIDv7: 48 bits of milliseconds, 74 random bits (RFC 9562)."""
    random = bytearray(_ten_random_bytes())
    random[0] = 0x70 | random[0] & 0x0F
    random[2] = 0x80 | random[2] & 0x3F
    return _new((time.time_ns() // 1_000_000).to_bytes(6, "big") + random)  # type: ignore[arg-type]  # see _new


_random: list[bytes] = []
os.register_at_fork(after_in_child=_random.clear)


def _ten_random_bytes() -> bytes:
    """From a store that is filled 256 ids at a time: a system call for each would let Python's other threads in, once per event."""
    try:
        return _random.pop()
    except IndexError:
        block = os.urandom(2560)
        _random.extend(block[at : at + 10] for at in range(10, len(block), 10))
        return block[:10]


def read_uuid(text: str) -> UUID:
    """The UUID in any of the forms that `uuid.UUID` reads. Raises ValueError."""
    try:
        return _new(text)
    except ValueError:
        return UUID(text)


def named_uuid(*parts: str) -> UUID:
    """The same UUID for the same parts, always: for ids that outsiders give as free text, and for things that may exist once only."""
    return uuid5(_NAMESPACE, "\x1f".join(parts))


def day_of(value: UUID) -> date:
    """The day inside a UUIDv7, UTC; `NO_DAY` for other ids and implausible days. The same id always answers the same."""
    bits = value.int
    is_version_7 = bits >> 76 & 0xF == 7 and bits >> 62 & 0b11 == 0b10
    return _day((bits >> 80) // _MILLISECONDS_OF_A_DAY) if is_version_7 else NO_DAY


@lru_cache(maxsize=64)
def _day(number: int) -> date:
    """The day with this number since 1970 where that is plausible."""
    return NO_DAY + timedelta(days=number) if number in _PLAUSIBLE_DAYS else NO_DAY


def new_secret() -> str:
    """A secret for a link: 160 random bits, URL-safe."""
    return secrets.token_urlsafe(20)


def hash_secret(secret: str) -> bytes:
    """What is stored of a secret. SHA-256 is enough, since the secret itself is random and long."""
    return hashlib.sha256(secret.encode()).digest()
