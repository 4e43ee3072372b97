"""Do all departments hold the same promises? Views tell what they hold, and find what differs; people look at the board."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal, cast
from uuid import UUID

from fastapi import Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from services.kit.clock import record_now
from services.kit.database import Database
from services.kit.http import Parsed, Problem, Routes, Strict, answer, operation
from services.kit.promise.agreement import BUCKETS, IN_GROUP, MOST_MENDED, Buckets, Held
from services.promises.ledger import queries
from services.promises.ledger.agreement import VIEWS, LedgerBuckets, Report, board, note
from services.promises.ledger.bodies import Digest

SILENT_AFTER = timedelta(seconds=35)
"""A view tells of itself every ten seconds: after three that were left out it counts as silent."""

Position = Annotated[int, Query(ge=0, le=2**62)]

router = Routes()


class ReportBody(Strict):
    """What a view holds at a position, which promises it had to put anew since it told the last time, and of which its work says something else."""

    view: Literal["fulfilment", "loyalty", "notifications", "orders"]
    position: Annotated[int, Field(ge=0, le=2**62)]
    count: Annotated[int, Field(ge=0, le=2**62)]
    root: Digest
    mended: Annotated[tuple[UUID, ...], Field(max_length=MOST_MENDED)] = ()
    altered: Annotated[tuple[UUID, ...], Field(max_length=MOST_MENDED)] = ()


@dataclass(frozen=True, slots=True)
class ViewStanding:
    """One department. `state`: agrees, differs, behind (with how many entries), silent (nothing told for a while, or ever). `altered`: promises of
    which its work says something else, which is to differ, and is mended by no machine."""

    view: str
    state: str
    position: int | None
    lag: int | None
    count: int | None
    reported_at: datetime | None
    mended: int
    last_mended: UUID | None
    last_mended_at: datetime | None
    altered: Sequence[UUID]


@router.post("/v1/agreement/reports", **operation(access={"service": "all"}, body=ReportBody, answers={200: "Whether the ledger holds the same."}))
async def post_report(request: Request, body: Annotated[ReportBody, Parsed(ReportBody)]) -> Response:
    report = Report(body.view, body.position, body.count, bytes.fromhex(body.root), body.mended, body.altered)
    buckets = await _buckets(request).at(report.position)
    root, count = (buckets.root(), buckets.count) if buckets else (b"", 0)
    agrees = (root, count) == (report.root, report.count)
    await note(_database(request), report, agrees, record_now())
    return answer({"agrees": agrees, "root": root.hex(), "count": count})


@router.get("/v1/agreement/groups", **operation(access={"service": "all", "admin": "all"}))
async def get_groups(request: Request, position: Position) -> Response:
    """The hashes of all groups of buckets at this position."""
    return answer({"hashes": _hexadecimal((await _at(request, position)).groups())})


@router.get("/v1/agreement/groups/{group}", **operation(access={"service": "all", "admin": "all"}))
async def get_group(request: Request, group: Annotated[int, Path(ge=0, lt=BUCKETS // IN_GROUP)], position: Position) -> Response:
    """The hashes of the buckets of one group."""
    return answer({"hashes": _hexadecimal((await _at(request, position)).of_group(group))})


@router.get("/v1/agreement/buckets/{bucket}", **operation(access={"service": "all", "admin": "all"}))
async def get_bucket(request: Request, bucket: Annotated[int, Path(ge=0, lt=BUCKETS)], position: Position) -> Response:
    """The promises of one bucket, each with its digest."""
    held: list[Held] = await _buckets(request).held([bucket], position)
    return answer({"promises": held})


@router.get("/v1/agreement", **operation(access={"care": "all", "planner": "all", "admin": "all", "service": "all"}))
async def get_agreement(request: Request) -> Response:
    """The board: each department that holds a view, how far it is, and whether it agrees."""
    async with _database(request).transaction() as work:
        size, recorded_at = await queries.head(work.connection)
    told = {row["view"]: row for row in await board(_database(request))}
    views = [_standing(view, told.get(view), size, record_now()) for view in VIEWS]
    return answer({"position": size, "recorded_at": recorded_at, "agree": all(each.state == "agrees" for each in views), "views": views})


def _standing(view: str, row: object, size: int, now: datetime) -> ViewStanding:
    if row is None:
        return ViewStanding(view, "silent", None, None, None, None, 0, None, None, ())
    told = cast("dict[str, object]", row)
    position, reported_at = cast(int, told["position"]), cast(datetime, told["reported_at"])
    lag, altered = max(0, size - position), cast("Sequence[UUID]", told["altered"])
    state = "silent" if now - reported_at > SILENT_AFTER else "differs" if altered or not told["agrees"] else "behind" if lag else "agrees"
    return ViewStanding(
        view, state, position, lag, cast(int, told["count"]), reported_at, cast(int, told["mended"]), cast("UUID | None", told["last_promise_id"]),
        cast("datetime | None", told["last_at"]), altered,
    )  # fmt: skip


def _hexadecimal(hashes: object) -> dict[int, str]:
    return {number: hashed.hex() for number, hashed in cast("dict[int, bytes]", hashes).items()}


async def _at(request: Request, position: int) -> Buckets:
    """Raises Problem where the ledger is not that long."""
    buckets = await _buckets(request).at(position)
    if buckets is None:
        raise Problem(404, "not-that-long", "The ledger is not that long: ask within its size.")
    return buckets


def _buckets(request: Request) -> LedgerBuckets:
    return cast(LedgerBuckets, request.app.state.buckets)


def _database(request: Request) -> Database:
    return cast(Database, request.app.state.database)
