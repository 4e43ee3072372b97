"""Do all departments hold the same promises? Views tell what they hold, and find what differs; people look at the board."""

from typing import Annotated, Literal, cast
from uuid import UUID

from fastapi import Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from services.kit.clock import record_now
from services.kit.database import Database
from services.kit.http import Parsed, Problem, Routes, Strict, answer, operation
from services.kit.promise.agreement import BUCKETS, IN_GROUP, MOST_MENDED, Buckets, Held
from services.promises.ledger.agreement import LedgerBuckets, Report, note
from services.promises.ledger.board import board
from services.promises.ledger.bodies import Digest

Position = Annotated[int, Query(ge=0, le=2**62)]

router = Routes()


class ReportBody(Strict):
    """What a view holds at a position, which promises it had to put anew since it told the last time, how much of the ledger its keeper has seen
    signed, and of which promises its work says something else."""

    view: Literal["fulfilment", "loyalty", "notifications", "orders"]
    position: Annotated[int, Field(ge=0, le=2**62)]
    count: Annotated[int, Field(ge=0, le=2**62)]
    root: Digest
    mended: Annotated[tuple[UUID, ...], Field(max_length=MOST_MENDED)] = ()
    witnessed: Annotated[int, Field(ge=0, le=2**62)] = 0
    altered: Annotated[tuple[UUID, ...], Field(max_length=MOST_MENDED)] = ()


@router.post("/v1/agreement/reports", **operation(access={"service": "all"}, body=ReportBody, answers={200: "Whether the ledger holds the same."}))
async def post_report(request: Request, body: Annotated[ReportBody, Parsed(ReportBody)]) -> Response:
    report = Report(body.view, body.position, body.count, bytes.fromhex(body.root), body.mended, body.witnessed, body.altered)
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
    held: list[Held] = await _buckets(request).held(bucket, position)
    return answer({"promises": held})


@router.get("/v1/agreement", **operation(access={"care": "all", "planner": "all", "admin": "all", "service": "all"}))
async def get_agreement(request: Request) -> Response:
    """The board: each department that holds a view, how far it is, and whether it agrees."""
    told = await board(_database(request))
    return answer({"position": told.size, "recorded_at": told.recorded_at, "agree": told.agree, "views": told.views})


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
