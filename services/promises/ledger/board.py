"""What every department's view told of itself, beside the ledger: who holds the same, who is behind or silent, and what differed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.kit.clock import record_now
from services.kit.database import Database
from services.kit.merkle import Frontier

VIEWS = ("fulfilment", "loyalty", "notifications", "orders")
"""Who holds a view. One that never told of itself is missing, and counts as such."""

SILENT_AFTER = timedelta(seconds=35)
"""A view tells of itself every ten seconds: after three that were left out it counts as silent."""

_HASH = 32
_MOST_FOUND = 20
_HEAD = "select size, recorded_at, hashes from ledger_head"
_VIEWS = """
select v.view, v.position, v.count, v.root, v.agrees, v.reported_at, v.witnessed_size, v.altered, lacks.recorded_at as lacks_since,
       m.mended, m.last_promise_id, m.last_at
from ledger_views v left join ledger_entries lacks on lacks.position = v.position + 1 left join lateral (
    select count(*) as mended, (array_agg(promise_id order by id desc))[1] as last_promise_id, max(mended_at) as last_at
    from ledger_mended where view = v.view) m on true"""
_FOUND = "select view, promise_id, position, mended_at from ledger_mended order by id desc limit $1"


@dataclass(frozen=True, slots=True)
class ViewStanding:
    """One department. `state`: agrees, differs, behind (by `lag` entries, the oldest of them `lag_seconds` ago in business time), silent (nothing
    told for a while, or ever). `root` is in hexadecimal; `witnessed` the size of the ledger that its keeper last saw signed. `altered`:
    promises of which its work says something else, which is to differ, and is mended by no machine."""

    view: str
    state: str = "silent"
    position: int | None = None
    lag: int | None = None
    lag_seconds: float | None = None
    count: int | None = None
    root: str | None = None
    witnessed: int | None = None
    reported_at: datetime | None = None
    mended: int = 0
    last_mended: UUID | None = None
    last_mended_at: datetime | None = None
    altered: Sequence[UUID] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A promise that a view held differently at `position`, and put anew."""

    view: str
    promise_id: UUID
    position: int
    mended_at: datetime


@dataclass(frozen=True, slots=True)
class Board:
    """The ledger, `size` entries long with this root, every view beside it, and what differed last, the newest first. `now` is record time."""

    size: int
    recorded_at: datetime
    root: str
    views: tuple[ViewStanding, ...]
    found: tuple[Found, ...]
    now: datetime

    @property
    def agree(self) -> bool:
        """Whether every view told of itself lately, and holds all that the ledger holds."""
        return all(each.state == "agrees" for each in self.views)


async def board(database: Database) -> Board:
    """How the views stand now."""
    async with database.transaction() as work:
        ((size, recorded_at, hashes),) = await work.connection.fetch(_HEAD)
        told = {row["view"]: row for row in await work.connection.fetch(_VIEWS)}
        found = await work.connection.fetch(_FOUND, _MOST_FOUND)
    now = record_now()
    views = tuple(_standing(told[view], size, now, work.now) if view in told else ViewStanding(view) for view in VIEWS)
    return Board(size, recorded_at, _root(size, hashes), views, tuple(Found(*row) for row in found), now)


def named(board: Board, view: ViewStanding) -> Sequence[UUID]:
    """The promises in which this view differed from the ledger when it told of itself last."""
    return [each.promise_id for each in board.found if view.state == "differs" and (each.view, each.position) == (view.view, view.position)]


def _standing(row: Any, size: int, now: datetime, business_now: datetime) -> ViewStanding:
    lag = max(0, size - row["position"])
    silent = now - row["reported_at"] > SILENT_AFTER
    return ViewStanding(
        view=row["view"],
        state="silent" if silent else "differs" if row["altered"] or not row["agrees"] else "behind" if lag else "agrees",
        position=row["position"],
        lag=lag,
        lag_seconds=max(0.0, (business_now - row["lacks_since"]).total_seconds()) if row["lacks_since"] else 0.0,
        count=row["count"],
        root=row["root"].hex(),
        witnessed=row["witnessed_size"],
        reported_at=row["reported_at"],
        mended=row["mended"],
        last_mended=row["last_promise_id"],
        last_mended_at=row["last_at"],
        altered=row["altered"],
    )


def _root(size: int, hashes: bytes) -> str:
    return Frontier(size, tuple(hashes[at : at + _HASH] for at in range(0, len(hashes), _HASH))).root().hex()
