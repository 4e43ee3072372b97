"""The errand that sends: one message after the other, each marked before its first byte leaves and settled by the server's answer.

SMTP has no idempotency, so a message found `sending` at the start of a pass, or one whose answer never came, is `unknown`: listed for a person,
never sent again by itself.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from services.kit.database import Database
from services.kit.failpoints import ARMED, hit
from services.kit.group_commit import GroupCommit
from services.kit.stage import Errand
from services.kit.values import Cause
from services.notifications.attempts import Attempt, Ended, Mark, Waiting, give_up, mark
from services.notifications.clients import UNREACHABLE, Mailer, mint_links
from services.notifications.domain import Intent, Settled, State, language_of, later
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
        mailer = await Mailer.connect(self._settings)  # first of all: no links for nothing while the mail server is away
        try:
            links = await mint_links(self._settings, {message.order_id for message in waiting})
        except BaseException:
            await mailer.close()
            raise
        await _Pass(self._settings, database, links, waiting).run(mailer)
        return len(waiting)


class _Pass:
    """One round over what waits: a few lanes side by side, whose marks are committed together."""

    def __init__(self, settings: Settings, database: Database, links: Mapping[UUID, str], waiting: Sequence[Waiting]) -> None:
        self.settings, self.database, self.links, self._queue = settings, database, links, iter(waiting)
        self.marks = GroupCommit(partial(mark, database))

    async def run(self, mailer: Mailer) -> None:
        """Every lane ends before the pass does: a message of another lane that is on its way must not be taken for a leftover. Where the worker
        stops, what is in hand is sent and settled first."""
        lanes = asyncio.gather(*(_Lane(self, mailer if lane == 0 else None).run() for lane in range(_LANES)), return_exceptions=True)
        try:
            ended = await asyncio.shield(lanes)
        except asyncio.CancelledError:
            self._queue = iter(())
            await lanes
            raise
        for error in ended:
            if error is not None:
                raise error

    def next(self) -> Waiting | None:
        """The next message to send; None when there is no more."""
        return next(self._queue, None)

    def written(self, message: Waiting, path: str) -> bytes:
        """The mail, with the link to its order's page. Raises Unsendable."""
        filled = letter(self.settings, name=message.name, order_ref=message.order_ref, words=message.words, answer=message.answer, path=path)
        now, to = self.database.clock.now(), message.email
        return mail(render(message.intent, message.language, filled), self.settings, to=to, message_id=message.message_id, at=now)


class _Lane:
    """Takes one message after the other over one connection, which is made when first needed and again when it was lost. A message is settled by
    the commit that begins the next one."""

    def __init__(self, it: _Pass, mailer: Mailer | None) -> None:
        self._pass, self._mailer = it, mailer
        self._ended: Ended | None = None

    async def run(self) -> None:
        try:
            while (message := self._pass.next()) is not None:
                await self._deliver(message)
        finally:
            try:
                await self._mark()
            finally:
                if self._mailer is not None:
                    await self._mailer.close()

    async def _deliver(self, message: Waiting) -> None:
        attempt, path = Attempt(message), self._pass.links.get(message.order_id)
        if path is None:
            return await self._give_up(attempt, later("no-link", message.attempts + 1))
        try:
            written = self._pass.written(message, path)
        except Unsendable as error:
            return await self._give_up(attempt, Settled(State.FAILED, error.reason))
        mailer = await self._connected()
        number = await self._mark(attempt)
        if number is not None:
            if ARMED:
                hit("mail.begun", message.message_id)
            sender, recipient = address(self._pass.settings.mail_from), address(message.email)
            self._ended = Ended(attempt, number, await mailer.send(written, sender, recipient, number))
            if ARMED:
                hit("mail.answered", message.message_id)
        return None

    async def _connected(self) -> Mailer:
        if self._mailer is None or not self._mailer.usable:
            await self._mark()  # what ended must not wait for a server that is slow to answer
            self._mailer = await Mailer.connect(self._pass.settings)
        return self._mailer

    async def _give_up(self, attempt: Attempt, settled: Settled) -> None:
        await self._mark()
        await give_up(self._pass.database, attempt, settled)

    async def _mark(self, begins: Attempt | None = None) -> int | None:
        """Settle what ended, and begin the next; the number of that attempt. What could not be settled is settled by the next mark: its answer is
        known, and must not become a doubt because another message's mark failed."""
        ended = self._ended
        number = await self._pass.marks.ask(Mark(ended, begins)) if ended or begins else None
        self._ended = None
        return number


def errands(settings: Settings) -> tuple[Errand, ...]:
    """What the worker runs outside transactions."""
    return (Errand("mail", Sending(settings).run, UNREACHABLE, gather_seconds=0.25),)


async def _doubt_leftovers(database: Database) -> None:
    for (message_id,) in await database.pool.fetch(_DOUBT, database.clock.now()):
        log.warning("a message was being sent when its sender stopped: nobody knows whether it arrived", message_id=str(message_id))


def _waiting(row: Any) -> Waiting:
    told = dict(row)
    cause = Cause(told.pop("cause_id"), told.pop("correlation_id"), told.pop("traceparent"))
    return Waiting(**told | {"intent": Intent(told["intent"]), "language": language_of(told["language"]), "cause": cause})
