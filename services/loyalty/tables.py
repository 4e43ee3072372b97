"""What the tables hold that both commands and reads need: the rules in force. The migrations make the tables."""

from typing import TypeAlias

import asyncpg

from services.kit.values import Money
from services.loyalty.domain import Rules
from services.loyalty.history.domain import TierStep

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_RULES = "select * from rules order by version desc limit 1"


async def current_rules(sql: Connection) -> Rules:
    """The rules in force. There is always a version: the first migration writes one."""
    row = await sql.fetchrow(_RULES)
    assert row is not None, "the table rules is empty; run `kept migrate`"
    limit = Money(row["limit_minor"], row["currency"])
    return Rules(row["version"], tuple(TierStep(**step) for step in row["tiers"]), limit, row["days_between"], row["holdout_percent"])
