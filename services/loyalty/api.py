"""Loyalty over HTTP: tiers for those who serve customers, rules, budget and upgrades for those who plan them.

A customer may learn the tier and nothing else. No route says a word of upgrades to a customer, a storefront or a carrier.
"""

from datetime import date
from typing import Annotated, cast
from uuid import UUID

from fastapi import Header, Query, Request
from pydantic import Field
from starlette.responses import Response

from services.kit.database import Database
from services.kit.http import Caller, Currency, MoneyMinor, PageSize, Parsed, Problem, Routes, Strict, answer, operation
from services.kit.http.routing import Access
from services.kit.values import Money, NotFound
from services.loyalty import queries, store
from services.loyalty.domain import Rules, RulesStale
from services.loyalty.history.domain import TierStep, check_tiers
from services.loyalty.tables import current_rules

_CUSTOMER = {"customer_id": "customer"}
_PLANNERS: Access = {"planner": "all", "admin": "all"}
_TIER_READERS: Access = {"customer": "own", "care": "all", "planner": "all", "admin": "all", "service": "all"}


class TierStepBody(Strict):
    """From how many orders on a customer has the tier, and whether it is surprised."""

    tier: Annotated[str, Field(pattern="^[a-z][a-z0-9-]{0,15}$")]
    from_orders: Annotated[int, Field(ge=1, le=1_000_000)]
    upgraded: bool


class MoneyBody(Strict):
    amount_minor: MoneyMinor
    currency: Currency


class RulesBody(Strict):
    """The tier table from the lowest up, the day's limit, the days between two surprises of a customer, and the share held out."""

    tiers: Annotated[list[TierStepBody], Field(max_length=10)]
    daily_limit: MoneyBody
    days_between: Annotated[int, Field(ge=0, le=3650)]
    holdout_percent: Annotated[int, Field(ge=0, le=100)]


class HistoryBody(Strict):
    """How many orders the customer had completed before Kept took over."""

    orders_before: Annotated[int, Field(ge=0, le=1_000_000)]


router = Routes()


@router.get("/v1/customers/{customer_id}/tier", **operation(access=_TIER_READERS, owner=_CUSTOMER))
async def get_tier(request: Request, customer_id: UUID, caller: Caller) -> Response:
    if caller.scope == "own" and caller.subject != str(customer_id):
        raise NotFound
    async with database_of(request).transaction() as work:
        view = await queries.tier(work.connection, customer_id)
    return answer({"customer_id": view.customer_id, "tier": view.tier} if caller.scope == "own" else view)


@router.put("/v1/customers/{customer_id}/history", **operation(access=_PLANNERS, owner=_CUSTOMER, body=HistoryBody))
async def put_customer_history(request: Request, customer_id: UUID, body: Annotated[HistoryBody, Parsed(HistoryBody)]) -> Response:
    """Set, not added to: sent again, it changes nothing."""
    async with database_of(request).transaction() as work:
        await store.put_history(work, customer_id, body.orders_before)
        return answer(await queries.tier(work.connection, customer_id))


@router.get("/v1/upgrade-rules", **operation(access=_PLANNERS))
async def get_rules(request: Request) -> Response:
    async with database_of(request).transaction() as work:
        return _rules_answer(await current_rules(work.connection))


@router.put("/v1/upgrade-rules", **operation(access=_PLANNERS, body=RulesBody))
async def put_upgrade_rules(
    request: Request, body: Annotated[RulesBody, Parsed(RulesBody)], caller: Caller, if_match: Annotated[str | None, Header()] = None
) -> Response:
    if if_match is None:
        raise Problem(428, "if-match", "Say which version you change: read the rules, and send their ETag in the header If-Match.")
    async with database_of(request).transaction() as work:
        await work.connection.execute("lock table rules in share row exclusive mode")
        current = await current_rules(work.connection)
        if if_match != _etag(current):
            raise RulesStale("The rules were changed in between: read them again, and change what they are now.", version=current.version)
        rules = _rules(body, current.version + 1)
        check_tiers(rules.tiers)
        await store.put_rules(work, rules, caller.subject)
    return _rules_answer(rules)


@router.get("/v1/upgrade-budget", **operation(access=_PLANNERS))
async def get_budget(request: Request, on: Annotated[date, Query()]) -> Response:
    async with database_of(request).transaction() as work:
        return answer(await queries.budget(work.connection, on))


@router.get("/v1/upgrades", **operation(access=_PLANNERS))
async def get_upgrades(request: Request, on: Annotated[date, Query()], limit: PageSize = 50, before: UUID | None = None) -> Response:
    async with database_of(request).transaction() as work:
        return answer(await queries.upgrades(work.connection, on, before, limit))


def database_of(request: Request) -> Database:
    """The process's database, which the application's lifespan opens."""
    return cast(Database, request.app.state.database)


def _rules(body: RulesBody, version: int) -> Rules:
    steps = tuple(TierStep(step.tier, step.from_orders, step.upgraded) for step in body.tiers)
    return Rules(version, steps, Money(body.daily_limit.amount_minor, body.daily_limit.currency), body.days_between, body.holdout_percent)


def _rules_answer(rules: Rules) -> Response:
    return answer(rules, etag=_etag(rules))


def _etag(rules: Rules) -> str:
    return f'"{rules.version}"'
