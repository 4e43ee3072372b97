"""What staff may read of messages: which, to whom, why, and what became of them. No text, no address."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_SELECT = """
select m.message_id, coalesce(m.order_id, v.order_id) as order_id, coalesce(m.customer_id, o.customer_id) as customer_id, m.intent,
       m.promise_version, coalesce(m.about, m.promise_id) as promise_id, m.channel, coalesce(m.language, o.language) as language,
       m.state, m.reason, m.attempts, m.recorded_at, m.settled_at, m.cause_id
from messages m left join orders_view o using (order_id) left join promise_view v on v.promise_id = m.about"""
_ABOUT_ORDER = "m.order_id = $1 or m.about = any (array (select promise_id from promise_view where order_id = $1))"
_OF_ORDER = f"{_SELECT} where {_ABOUT_ORDER} order by m.seq limit 100"
_IN_STATE = f"{_SELECT} where m.state = $1 order by m.seq desc limit $2"
_ONE = f"{_SELECT} where m.message_id = $1"


@dataclass(frozen=True, slots=True)
class MessageView:
    """One message. `cause_id`: the event, or the ledger's promise, that it tells of; `customer_id` and `language` are known once the order is."""

    message_id: UUID
    order_id: UUID | None
    customer_id: UUID | None
    intent: str
    promise_version: int
    promise_id: UUID | None
    channel: str
    language: str | None
    state: str
    reason: str | None
    attempts: int
    recorded_at: datetime
    settled_at: datetime | None
    cause_id: UUID


async def of_order(sql: Connection, order_id: UUID) -> list[MessageView]:
    """In the order in which they were recorded."""
    return [MessageView(*row) for row in await sql.fetch(_OF_ORDER, order_id)]


async def in_state(sql: Connection, state: str, limit: int) -> list[MessageView]:
    """The newest first."""
    return [MessageView(*row) for row in await sql.fetch(_IN_STATE, state, limit)]


async def one(sql: Connection, message_id: UUID) -> MessageView | None:
    row = await sql.fetchrow(_ONE, message_id)
    return MessageView(*row) if row else None
