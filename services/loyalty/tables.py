"""What the tables hold that both commands and reads need: the rules in force. The migrations make the tables."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import asyncpg
import msgspec

from services.kit.values import Money
from services.loyalty.domain import Rules
from services.loyalty.history.domain import TierStep

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

RULES = "select version, tiers::text, limit_minor, currency, days_between, holdout_percent from rules order by version desc limit 1"


async def current_rules(sql: Connection) -> Rules:
    """The rules in force."""
    return rules_of(await sql.fetch(RULES))


def rules_of(rows: Sequence[Mapping[str, Any]]) -> Rules:
    """What `RULES` found. There is always a version: the first migration writes one."""
    assert rows, "the table rules is empty; run `kept migrate`"
    (row,) = rows
    tiers = msgspec.json.decode(row["tiers"], type=tuple[TierStep, ...])
    return Rules(row["version"], tiers, Money(row["limit_minor"], row["currency"]), row["days_between"], row["holdout_percent"])
