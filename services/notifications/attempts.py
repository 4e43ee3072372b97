"""The two marks of a message on its way: begun before its first byte leaves, settled by the mail server's answer. Many in one transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from services.kit.database import Database, Transaction
from services.kit.ids import uuid7
from services.kit.promise.duties import Report, What, report
from services.kit.promise.state import Department
from services.kit.values import Cause
from services.notifications.domain import Intent, Settled, State, pause_seconds
from services.notifications.messages import (
    FAILED,
    PROMISE_FAILED,
    PROMISE_SENT,
    SENT,
    TOPIC,
    MessageHeld,
    MessageSent,
    PromiseMessageHeld,
    PromiseMessageSent,
)
from services.notifications.rendering import Beside
from services.notifications.telling.domain import SENT as EVIDENCE
from services.notifications.telling.domain import Telling
from services.notifications.turns import take_turns

# Whoever writes several messages locks them in id order, here and in the store: a deadlock would leave mails in doubt. An answer that comes after all
# settles an attempt in doubt; a stranger's attempt is not ours to settle. Their state is asked of the locked rows: for the table's, PostgreSQL walks
# over all that wait.
_MARK = """
with locked as (select message_id, state, attempt_id from messages where message_id = any($1::uuid[] || $4::uuid[]) order by message_id for update),
begun as (
    update messages m set state = 'sending', attempt_id = b.attempt_id, attempts = attempts + 1, reason = null, language = b.language
    from locked join unnest($1::uuid[], $2::uuid[], $3::text[]) b (message_id, attempt_id, language) using (message_id)
    where m.message_id = b.message_id and locked.state = 'waiting' returning m.message_id, m.attempts),
settled as (
    update messages m set state = s.state, reason = s.reason, settled_at = s.at, next_try_at = clock_timestamp() + make_interval(secs => s.pause)
    from locked join unnest($4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::timestamptz[], $9::float[])
        s (message_id, attempt_id, state, reason, at, pause) using (message_id)
    where m.message_id = s.message_id and locked.attempt_id = s.attempt_id and locked.state in ('sending', 'unknown')
    returning m.message_id, case when m.state in ('sent', 'failed') then nextval('message_versions') end as version)
select message_id, attempts, null as version from begun union all select message_id, null, version from settled"""

_SAID: Mapping[tuple[bool, bool], tuple[str, Callable[..., object]]] = MappingProxyType(
    {
        (False, True): (SENT, MessageSent),
        (False, False): (FAILED, MessageHeld),
        (True, True): (PROMISE_SENT, PromiseMessageSent),
        (True, False): (PROMISE_FAILED, PromiseMessageHeld),
    }
)
"""What is said of a message, by whether it is about a promise of the ledger, and whether it was sent."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message with all that is needed to write it. No word of who carries the order. One about a promise of the ledger (`about`) may be of
    no order, and says more than its words (`beside`)."""

    message_id: UUID
    order_id: UUID | None
    customer_id: UUID
    intent: Intent | Telling
    promise_version: int
    channel: str
    attempts: int
    cause: Cause
    order_ref: str | None
    language: str
    email: str
    name: str
    words: str | None
    answer: bool = False
    about: UUID | None = None
    beside: Beside | None = None
    total: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One message on its way to the mail server."""

    message: Waiting
    id: UUID = field(default_factory=uuid7)


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of an attempt, which was the message's `number`th."""

    attempt: Attempt
    number: int
    settled: Settled


async def mark(database: Database, begins: Sequence[Attempt], ended: Sequence[Ended]) -> dict[UUID, int]:
    """The numbers of the attempts that begin, by message; none where its message waits no longer. What ended is settled in the same transaction."""
    async with database.transaction() as work:
        return await _mark(work, begins, ended)


async def give_up(database: Database, attempt: Attempt, settled: Settled) -> None:
    """Settle without having spoken to the mail server."""
    async with database.transaction() as work:
        for number in (await _mark(work, [attempt], [])).values():
            await _mark(work, [], [Ended(attempt, number, settled)])


async def _mark(work: Transaction, begins: Sequence[Attempt], ended: Sequence[Ended]) -> dict[UUID, int]:
    starts = [(attempt.message.message_id, attempt.id, attempt.message.language) for attempt in begins]
    ends = [_end(each, None if each.settled.state is State.WAITING else work.now) for each in ended]
    await take_turns(work, (each.attempt.message.customer_id for each in ended))
    rows = await work.connection.fetch(_MARK, *_columns(starts, 3), *_columns(ends, 6))
    versions = {row["message_id"]: row["version"] for row in rows if row["version"] is not None}
    counted = [each for each in ended if each.attempt.message.message_id in versions]
    for each in sorted(counted, key=lambda each: versions[each.attempt.message.message_id]):  # versions of one customer rise on the topic
        _say(work, each.attempt.message, each.settled, versions[each.attempt.message.message_id])
    report(work, [_evidence(work, each.attempt.message) for each in counted if _shows_a_promise(each)])
    return {row["message_id"]: row["attempts"] for row in rows if row["attempts"] is not None}


def _end(ended: Ended, at: datetime | None) -> tuple[object, ...]:
    settled = ended.settled
    return (ended.attempt.message.message_id, ended.attempt.id, settled.state, settled.reason, at, pause_seconds(ended.number))


def _columns(rows: Sequence[tuple[object, ...]], count: int) -> list[list[object]]:
    return [[row[column] for row in rows] for column in range(count)]


def _say(work: Transaction, message: Waiting, settled: Settled, version: int) -> None:
    what: dict[str, Any] = {name: getattr(message, name) for name in ("message_id", "customer_id", "intent", "channel", "language")}
    of_promise, sent = message.about is not None, settled.state is State.SENT
    what |= {"promise_id": message.about} if of_promise else {"order_id": message.order_id, "promise_version": message.promise_version}
    what |= {"sent_at": work.now} if sent else {"reason": settled.reason or ""}
    type, shape = _SAID[of_promise, sent]
    work.say(TOPIC, type, shape(**what), key=str(message.customer_id), cause=message.cause, version=version)


def _shows_a_promise(ended: Ended) -> bool:
    return ended.settled.state is State.SENT and ended.attempt.message.intent is Telling.INFORMATION


def _evidence(work: Transaction, message: Waiting) -> Report:
    """Information that was promised went out: the ledger hears of it with the commit that knows."""
    assert message.about is not None, "information is sent for a promise"
    return Report(message.about, Department.MESSAGES, What.EVIDENCE, type=EVIDENCE, id=str(message.message_id), at=work.now)
