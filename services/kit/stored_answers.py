"""Answers kept for repeated commands (`services.kit.http.once`) are forgotten after a while; workers do it, so this imports no web framework."""

from services.kit.database import Database

_FORGET = "delete from idempotency_keys where created_at < clock_timestamp() - interval '7 days'"


async def forget_answers(database: Database) -> int:
    """Delete what is older than seven days, longer than any client of ours retries. Returns how many; may run twice, and beside itself."""
    return int((await database.pool.execute(_FORGET)).rsplit(" ", 1)[1])
