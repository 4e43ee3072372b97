"""What agents gave away, before they grant and the day after: nobody has to approve it, somebody looks at what went beyond the budget."""

from datetime import date
from typing import Annotated, cast
from uuid import UUID

from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response

from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.http import Caller, Parsed, Problem, Routes, Strict, answer, operation
from services.kit.values import NotFound
from services.promises.ledger import goodwill
from services.promises.ledger.domain.goodwill import given
from services.promises.ledger.sayings import goodwill_budgets

Day = Annotated[str, Query(pattern=r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}$")]

router = Routes()


class ReviewBody(Strict):
    """What whoever looked at it has to say."""

    remark: Annotated[str, Field(min_length=1, max_length=280)]


@router.get("/v1/goodwill", **operation(access={"care": "own", "planner": "all", "admin": "all"}))
async def get_goodwill(request: Request, caller: Caller, day: Day | None = None) -> Response:
    """By agent and currency what was granted on a day (UTC; today where none is named), what of the budget is left, and what went beyond it and
    nobody has looked at. An agent sees their own."""
    on = _read(day) if day else _clock(request).now().date()
    async with _database(request).pool.acquire() as sql:
        found = given(await goodwill.grants_of(sql, on, caller.subject if caller.scope == "own" else None), goodwill_budgets())
        seen = await goodwill.reviewed(sql, [id for each in found for id in each.above])
    to_review = [id for each in found for id in each.above if id not in seen]
    return answer({"day": on, "budgets": goodwill_budgets(), "given": found, "to_review": to_review})


@router.post(
    "/v1/goodwill/{promise_id}/review", **operation(access={"planner": "all", "admin": "all"}, owner={"promise_id": "promise"}, body=ReviewBody)
)
async def post_review(request: Request, promise_id: UUID, body: Annotated[ReviewBody, Parsed(ReviewBody)], caller: Caller) -> Response:
    """Somebody has looked at the grant, which stands. The first look counts: sent again, it is answered with that one."""
    async with _database(request).pool.acquire() as sql:
        noted = await goodwill.review(sql, promise_id, caller.subject, _clock(request).now(), body.remark)
    if noted is None:
        raise NotFound
    return answer({"promise_id": promise_id, **noted})


def _read(day: str) -> date:
    try:
        return date.fromisoformat(day)
    except ValueError:
        raise Problem(422, "no-such-day", "The calendar has no such day: send one that it has, as 2026-11-29.") from None


def _database(request: Request) -> Database:
    return cast(Database, request.app.state.database)


def _clock(request: Request) -> Clock:
    return cast(Clock, request.app.state.clock)
