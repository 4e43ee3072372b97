"""Whose tokens are not taken any more, as the service's own table has it: one query per process every ten seconds, while somebody asks."""

import time
from collections.abc import Callable, Mapping

from services.kit.database import Database
from services.kit.http.problems import Problem
from services.kit.http.reread import Reread
from services.kit.transient import MAY_PASS

_ALL = "select subject, extract(epoch from not_before)::float as not_before from revocations"


class Revoked:
    """The table `revocations`. While it cannot be read, what was read last is good for a minute; after that nobody is let in (503)."""

    fresh_seconds, good_seconds = 10.0, 60.0

    def __init__(self, database: Callable[[], Database | None], now: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._known = Reread("revocations", self._read, fresh_seconds=self.fresh_seconds, good_seconds=self.good_seconds, expects=MAY_PASS, now=now)

    async def refuse(self, subject: str, issued_at: float) -> None:
        """Raises Problem: 403 where the subject's tokens of that instant (seconds since 1970) were revoked, 503 while that cannot be known."""
        not_before = (await self._known.get()).get(subject)
        if not_before is not None and issued_at < not_before:
            raise Problem(403, "revoked", "This sign-in was taken back: sign in again, or ask who manages your badge.")

    async def _read(self) -> Mapping[str, float]:
        database = self._database()
        if database is None:  # an application without a service around it
            return {}
        return {row["subject"]: row["not_before"] for row in await database.pool.fetch(_ALL)}
