"""Counts wrong tries at a secret in the service's database: one count for all processes, by the database's clock.

A count that cannot be taken refuses (503): what guards a secret never opens because something is away. The table is unlogged, so a crash of the
database forgets what was counted, and nothing else.
"""

import asyncio
import hashlib
from datetime import timedelta

from services.kit.database import Database
from services.kit.http.problems import Problem
from services.kit.transient import MAY_PASS

_PATIENCE_SECONDS = 2.0
_COUNT = """
insert into guesses (purpose, key, ends_at, count) values ($1, $2, now() + $3, 1)
on conflict (purpose, key) do update set
    count = case when guesses.ends_at <= now() then 1 else least(guesses.count, $4) + 1 end,
    ends_at = case when guesses.ends_at <= now() then excluded.ends_at else guesses.ends_at end
returning count, ceil(extract(epoch from ends_at - now()))::int"""
_SWEEP = "delete from guesses where (purpose, key) in (select purpose, key from guesses where ends_at <= now() limit 100 for update skip locked)"
_FORGET = "delete from guesses where purpose = $1 and key = $2"


class Guesses:
    """So many tries at one secret per window, which begins with the first. `purpose` keeps apart what is counted under the same key."""

    def __init__(self, purpose: str, limit: int, window_seconds: float, sentence: str = "") -> None:
        self._purpose, self._limit, self._window, self._sentence = purpose, limit, timedelta(seconds=window_seconds), sentence

    async def count(self, database: Database, key: str) -> None:
        """Note one try; of two at once each has its own number. Raises Problem: 429 with Retry-After (and the sentence, where one was given) above
        the limit, 503 while it cannot be counted.

        Where a right answer costs its sender nothing (a link of 160 bits), call it after a miss. Where the answers are few (a PIN), call it before
        looking, and `forget` after a right one.
        """
        digest, pool = _digest(key), database.pool
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                count, seconds = await pool.fetchrow(_COUNT, self._purpose, digest, self._window, self._limit)
                if count == 1:
                    await pool.execute(_SWEEP)
        except MAY_PASS:
            raise Problem(503, headers={"retry-after": "1"}) from None
        if count > self._limit:
            raise Problem(429, detail=self._sentence, headers={"retry-after": str(max(1, seconds))})

    async def forget(self, database: Database, key: str) -> None:
        """The secret was known: its wrong tries no longer count."""
        await database.pool.execute(_FORGET, self._purpose, _digest(key))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
