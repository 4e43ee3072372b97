"""PINs and secrets as hashes: Argon2id, 19 MiB and two passes each, two at once, so that a crowd of guesses does not take the machine's memory."""

import asyncio
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


class Hashing:
    """One per process."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(2)
        self._nobodys = _hasher.hash(secrets.token_urlsafe())

    async def hash(self, secret: str) -> str:
        async with self._turns:
            return await asyncio.to_thread(_hasher.hash, secret)

    async def fits(self, stored: str | None, secret: str) -> bool:
        """Whether the secret is the one behind the hash. Where there is none, the same work is done for nothing."""
        async with self._turns:
            fits = await asyncio.to_thread(_fits, stored or self._nobodys, secret)
        return fits and stored is not None


def _fits(stored: str, secret: str) -> bool:
    try:
        return _hasher.verify(stored, secret)
    except VerifyMismatchError:
        return False
