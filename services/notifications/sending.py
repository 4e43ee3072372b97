"""The errand that sends: one message after the other, each marked before its first byte leaves and settled by the server's answer.

SMTP has no idempotency, so a message found `sending` at the start of a pass, or one whose answer never came, is `unknown`: listed for a person,
never sent again by itself.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from services.kit.database import Database, Transaction
from services.kit.ids import uuid7
from services.kit.stage import Errand
from services.kit.values import Cause
from services.notifications.clients import UNREACHABLE, Links, Mailer, NoLink
from services.notifications.domain import Intent, Settled, State, language_of, later, pause_seconds
from services.notifications.messages import FAILED, SENT, TOPIC, MessageHeld, MessageSent
from services.notifications.rendering import Unsendable, address, letter, mail, render
from services.notifications.settings import Settings

_LANES = 4
log = structlog.get_logger(__name__)

_DOUBT = """
update messages set state = 'unknown', reason = 'interrupted', settled_at = $1 where state = 'sending' returning message_id"""
# One message per order at a time, in the order they were recorded; none before we know whom to write to.
_WAITING = """
select m.message_id, m.order_id, o.customer_id, m.intent, m.promise_version, m.channel, m.attempts, m.cause_id, m.correlation_id, m.traceparent,
       o.order_ref, o.language, c.email, c.name, p.words, coalesce(p.answer, false) as answer
from messages m join orders_view o using (order_id) join contacts_view c on c.customer_id = o.customer_id left join promises_view p using (promise_id)
where m.state = 'waiting' and m.next_try_at <= clock_timestamp() and c.email is not null
  and not exists (select from messages earlier where earlier.order_id = m.order_id and earlier.state = 'waiting' and earlier.seq < m.seq)
order by m.seq limit 50"""
_BEGIN = """
update messages set state = 'sending', attempt_id = $2, attempts = attempts + 1, reason = null, language = $3
where message_id = $1 and state = 'waiting' returning attempts"""
# An answer that comes after all settles an attempt in doubt; a stranger's attempt is not ours to settle.
_SETTLE = """
update messages set state = $3, reason = $4, settled_at = $5, next_try_at = clock_timestamp() + make_interval(secs => $6)
where message_id = $1 and attempt_id = $2 and state in ('sending', 'unknown') returning 1"""


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


class Sending:
    """Sends what waits. Not to be run beside itself: the worker that leads runs it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def run(self, database: Database) -> int:
        """How many messages were dealt with. Raises what is in `UNREACHABLE` while orders or the mail server is away; no message is lost then."""
        await _doubt_leftovers(database)
        waiting = [_waiting(row) for row in await database.pool.fetch(_WAITING)]
        if not waiting:
            return 0
        links, queue = Links(self._settings), iter(waiting)
        try:
            # Every lane ends before the pass does: a message of another lane that is on its way must not be taken for a leftover.
            ended = await asyncio.gather(*(self._lane(database, links, queue) for _ in range(_LANES)), return_exceptions=True)
        finally:
            await links.close()
        for error in ended:
            if error is not None:
                raise error
        return len(waiting)

    async def _lane(self, database: Database, links: Links, queue: Iterator[Waiting]) -> None:
        """Take one message after the other, over one connection, until none is left."""
        post = _Post(self._settings)
        try:
            for message in queue:
                await self._deliver(database, links, post, message)
        finally:
            await post.close()

    async def _deliver(self, database: Database, links: Links, post: "_Post", message: Waiting) -> None:
        try:
            path = await links.mint(message.order_id)
            filled = letter(self._settings, name=message.name, order_ref=message.order_ref, words=message.words, answer=message.answer, path=path)
            now = database.clock.now()
            written = mail(render(message.intent, message.language, filled), self._settings, to=message.email, message_id=message.message_id, at=now)
        except NoLink:
            return await _give_up(database, message, later("no-link", message.attempts + 1))
        except Unsendable as error:
            return await _give_up(database, message, Settled(State.FAILED, error.reason))
        mailer = await post.mailer()
        attempt = uuid7()
        attempts = await _begin(database, message, attempt)
        if attempts is not None:
            settled = await mailer.send(written, address(self._settings.mail_from), address(message.email), attempts)
            await _settle(database, message, attempt, attempts, settled)
        return None


class _Post:
    """The connection to the mail server: made when first needed, and again when it was lost."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._mailer: Mailer | None = None

    async def mailer(self) -> Mailer:
        if self._mailer is None or not self._mailer.usable:
            self._mailer = await Mailer.connect(self._settings)
        return self._mailer

    async def close(self) -> None:
        if self._mailer is not None:
            await self._mailer.close()


def errands(settings: Settings) -> tuple[Errand, ...]:
    """What the worker runs outside transactions."""
    return (Errand("mail", Sending(settings).run, UNREACHABLE, gather_seconds=0.25),)


async def _doubt_leftovers(database: Database) -> None:
    for (message_id,) in await database.pool.fetch(_DOUBT, database.clock.now()):
        log.warning("a message was being sent when its sender stopped: nobody knows whether it arrived", message_id=str(message_id))


async def _begin(database: Database, message: Waiting, attempt: UUID) -> int | None:
    """The number of this attempt; None where the message waits no longer."""
    async with database.transaction() as work:
        attempts: int | None = await work.connection.fetchval(_BEGIN, message.message_id, attempt, message.language)
    return attempts


async def _give_up(database: Database, message: Waiting, settled: Settled) -> None:
    """Settle without having spoken to the mail server."""
    attempt = uuid7()
    async with database.transaction() as work:
        attempts = await work.connection.fetchval(_BEGIN, message.message_id, attempt, message.language)
        if attempts is not None:
            await _record(work, message, attempt, attempts, settled)


async def _settle(database: Database, message: Waiting, attempt: UUID, attempts: int, settled: Settled) -> None:
    async with database.transaction() as work:
        await _record(work, message, attempt, attempts, settled)


async def _record(work: Transaction, message: Waiting, attempt: UUID, attempts: int, settled: Settled) -> None:
    at = None if settled.state is State.WAITING else work.now
    row = (message.message_id, attempt, settled.state, settled.reason, at, pause_seconds(attempts))
    if await work.connection.fetchval(_SETTLE, *row) and settled.state in (State.SENT, State.FAILED):
        await _say(work, message, settled)


async def _say(work: Transaction, message: Waiting, settled: Settled) -> None:
    what: dict[str, Any] = {
        name: getattr(message, name) for name in ("message_id", "order_id", "customer_id", "intent", "promise_version", "channel", "language")
    }
    sent = settled.state is State.SENT
    data = MessageSent(**what, sent_at=work.now) if sent else MessageHeld(**what, reason=settled.reason or "")
    version = await work.connection.fetchval("select nextval('message_versions')")
    work.say(TOPIC, SENT if sent else FAILED, data, key=str(message.customer_id), cause=message.cause, version=version)


def _waiting(row: Any) -> Waiting:
    told = dict(row)
    cause = Cause(told.pop("cause_id"), told.pop("correlation_id"), told.pop("traceparent"))
    return Waiting(**told | {"intent": Intent(told["intent"]), "language": language_of(told["language"]), "cause": cause})
