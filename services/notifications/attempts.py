"""The two marks of a message on its way: begun before its first byte leaves, settled by the mail server's answer. Many in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services.kit.database import Database, Transaction
from services.kit.ids import uuid7
from services.kit.values import Cause
from services.notifications.domain import Intent, Settled, State, pause_seconds
from services.notifications.messages import FAILED, SENT, TOPIC, MessageHeld, MessageSent

# Whoever writes several messages locks them in id order, here and in the store: a deadlock would leave mails in doubt.
_LOCKED = "with locked as (select message_id from messages where message_id = any($1::uuid[]) order by message_id for update)"
_BEGIN = f"""{_LOCKED}
update messages m set state = 'sending', attempt_id = b.attempt_id, attempts = attempts + 1, reason = null, language = b.language
from locked join unnest($1::uuid[], $2::uuid[], $3::text[]) b (message_id, attempt_id, language) using (message_id)
where m.message_id = b.message_id and m.state = 'waiting' returning m.message_id, m.attempts"""  # noqa: S608  # our statement
# An answer that comes after all settles an attempt in doubt; a stranger's attempt is not ours to settle.
_SETTLE = f"""{_LOCKED}
update messages m set state = s.state, reason = s.reason, settled_at = s.at, next_try_at = clock_timestamp() + make_interval(secs => s.pause)
from locked join unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::float[])
    s (message_id, attempt_id, state, reason, at, pause) using (message_id)
where m.message_id = s.message_id and m.attempt_id = s.attempt_id and m.state in ('sending', 'unknown')
returning m.message_id, case when m.state in ('sent', 'failed') then nextval('message_versions') end as version"""  # noqa: S608  # our statement


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message with all that is needed to write it. No word of who carries the order."""

    message_id: UUID
    order_id: UUID
    customer_id: UUID
    intent: Intent
    promise_version: int
    channel: str
    attempts: int
    cause: Cause
    order_ref: str
    language: str
    email: str
    name: str
    words: str | None
    answer: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """One message on its way to the mail server."""

    message: Waiting
    id: UUID = field(default_factory=uuid7)


async def begin(database: Database, asked: Sequence[Attempt]) -> list[int | None]:
    """The number of each attempt; None where the message waits no longer."""
    async with database.transaction() as work:
        begun = await _mark(work, asked)
    return [begun.get(attempt.message.message_id) for attempt in asked]


async def settle(database: Database, asked: Sequence[tuple[Attempt, int, Settled]]) -> list[None]:
    async with database.transaction() as work:
        await _record(work, asked)
    return [None] * len(asked)


async def give_up(database: Database, attempt: Attempt, settled: Settled) -> None:
    """Settle without having spoken to the mail server."""
    async with database.transaction() as work:
        for attempts in (await _mark(work, [attempt])).values():
            await _record(work, [(attempt, attempts, settled)])


async def _mark(work: Transaction, asked: Sequence[Attempt]) -> dict[UUID, int]:
    """The numbers of the attempts that begin, by message."""
    rows = [(attempt.message.message_id, attempt.id, attempt.message.language) for attempt in asked]
    return dict(await work.connection.fetch(_BEGIN, *zip(*rows, strict=True)))


async def _record(work: Transaction, asked: Sequence[tuple[Attempt, int, Settled]]) -> None:
    rows = []
    for attempt, attempts, settled in asked:
        at = None if settled.state is State.WAITING else work.now
        rows.append((attempt.message.message_id, attempt.id, settled.state, settled.reason, at, pause_seconds(attempts)))
    versions = dict(await work.connection.fetch(_SETTLE, *zip(*rows, strict=True)))
    for attempt, _, settled in asked:
        version = versions.get(attempt.message.message_id)
        if version is not None:
            _say(work, attempt.message, settled, version)


def _say(work: Transaction, message: Waiting, settled: Settled, version: int) -> None:
    what: dict[str, Any] = {
        name: getattr(message, name) for name in ("message_id", "order_id", "customer_id", "intent", "promise_version", "channel", "language")
    }
    sent = settled.state is State.SENT
    data = MessageSent(**what, sent_at=work.now) if sent else MessageHeld(**what, reason=settled.reason or "")
    work.say(TOPIC, SENT if sent else FAILED, data, key=str(message.customer_id), cause=message.cause, version=version)
