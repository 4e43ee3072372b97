"""The errand that sends: a few messages at a time, each marked before its first byte leaves and settled by the server's answer.

SMTP has no idempotency, so a message found `sending` at the start of a pass, or one whose answer never came, is `unknown`: listed for a person,
never sent again by itself.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog

from services.kit.database import Database
from services.kit.failpoints import ARMED, hit
from services.kit.stage import Errand
from services.kit.values import Cause
from services.notifications.attempts import Attempt, Ended, Waiting, give_up, mark
from services.notifications.clients import UNREACHABLE, Mailer, mint_links
from services.notifications.domain import Intent, Settled, State, language_of, later
from services.notifications.rendering import Unsendable, address, letter, mail, money, render
from services.notifications.settings import Settings
from services.notifications.telling import offering, outgoing
from services.notifications.telling.domain import Telling

_SIDE_BY_SIDE = 8
log = structlog.get_logger(__name__)

_DOUBT = """
update messages set state = 'unknown', reason = 'interrupted', settled_at = $1 where state = 'sending' returning message_id"""
# One message per order at a time, in the order they were recorded; none before we know whom to write to. What is earlier is looked for by its order:
# by its plain state PostgreSQL walks over all that wait, for each of them.
_WAITING = """
select m.message_id, m.order_id, o.customer_id, m.intent, m.promise_version, m.channel, m.attempts, m.cause_id, m.correlation_id, m.traceparent,
       o.order_ref, o.language, c.email, c.name, coalesce(a.undone, p.words) as words, coalesce(p.answer, false) as answer, a.total_minor, a.currency
from messages m join orders_view o using (order_id) join contacts_view c on c.customer_id = o.customer_id left join promises_view p using (promise_id)
left join amendments_view a on a.amendment_id = m.amendment_id
where m.state = 'waiting' and m.next_try_at <= clock_timestamp() and c.email is not null
  and not exists (select from messages earlier where earlier.order_id = m.order_id and earlier.state || '' = 'waiting' and earlier.seq < m.seq)
order by m.seq limit 100"""


class Sending:
    """Sends what waits. Not to be run beside itself: the worker that leads runs it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def run(self, database: Database) -> int:
        """How many messages were dealt with. Raises what is in `UNREACHABLE` while orders or the mail server is away; no message is lost then."""
        await _doubt_leftovers(database)
        await offering.decide(self._settings, database)
        waiting = [_waiting(row) for row in await database.pool.fetch(_WAITING)] + await outgoing.waiting(database)
        if not waiting:
            return 0
        mailer = await Mailer.connect(self._settings)  # first of all: no links for nothing while the mail server is away
        try:
            links = await mint_links(self._settings, {message.order_id for message in waiting if message.order_id})
        except BaseException:
            await mailer.close()
            raise
        await _Pass(self._settings, database, links, waiting).run(mailer)
        return len(waiting)


class _Pass:
    """What waits goes out in rounds of a few, side by side. A commit begins a round, and settles the one before it."""

    def __init__(self, settings: Settings, database: Database, links: Mapping[UUID, str], waiting: Sequence[Waiting]) -> None:
        self._settings, self._database, self._links, self._waiting = settings, database, links, deque(waiting)
        self._most, self._mailers, self._ended = _SIDE_BY_SIDE, list[Mailer](), list[Ended]()

    async def run(self, mailer: Mailer) -> None:
        """Where the worker stops, what is in hand is sent and settled first: it must not be taken for a leftover. Whether that succeeds or not, who
        asked it to stop sees it stop: an error in the place of that would be tried again, by one who leads no more."""
        self._mailers.append(mailer)
        rounds = asyncio.ensure_future(self._rounds())
        try:
            await asyncio.shield(rounds)
        except asyncio.CancelledError:
            self._waiting.clear()
            await asyncio.gather(rounds, return_exceptions=True)
            raise

    async def _rounds(self) -> None:
        try:
            while self._waiting:
                await self._connect()
                await self._round([self._waiting.popleft() for _ in self._mailers if self._waiting])
        finally:
            try:
                await self._mark([])
            finally:
                await asyncio.gather(*(mailer.close() for mailer in self._mailers))

    async def _round(self, messages: Sequence[Waiting]) -> None:
        written = [(attempt, text) for attempt in map(Attempt, messages) if (text := await self._written(attempt)) is not None]
        numbers = await self._mark([attempt for attempt, _ in written])
        begun = [(attempt, text, numbers[id]) for attempt, text in written if (id := attempt.message.message_id) in numbers]
        sent = (self._send(mailer, *each) for mailer, each in zip(self._mailers, begun, strict=False))
        answered = await asyncio.gather(*sent, return_exceptions=True)
        self._ended = [each for each in answered if isinstance(each, Ended)]
        if bugs := [each for each in answered if isinstance(each, BaseException)]:
            raise bugs[0]

    async def _written(self, attempt: Attempt) -> bytes | None:
        """The mail, with the link to its order's page, which a promise may do without; None where it cannot be written, which is settled."""
        message = attempt.message
        path = self._links.get(message.order_id) if message.order_id else None
        if path is None and message.about is None:
            await give_up(self._database, attempt, later("no-link", message.attempts + 1))
            return None
        try:
            return self._mail(message, path)
        except Unsendable as error:
            await give_up(self._database, attempt, Settled(State.FAILED, error.reason))
            return None

    def _mail(self, message: Waiting, path: str | None) -> bytes:
        """Raises Unsendable."""
        if isinstance(message.intent, Telling) and message.words is None:
            raise Unsendable("words-erased")
        filled = letter(
            self._settings, name=message.name, order_ref=message.order_ref, words=message.words, path=path, answer=message.answer,
            beside=message.beside, total=message.total,
        )  # fmt: skip
        rendered = render(message.intent, message.language, filled)
        return mail(rendered, self._settings, to=message.email, message_id=message.message_id, at=self._database.clock.now())

    async def _connect(self) -> None:
        """A connection for each message of the next round. Where the mail server takes fewer, rounds are smaller; where it takes none, raises what is
        in `UNREACHABLE`."""
        self._mailers = [mailer for mailer in self._mailers if mailer.usable]
        missing = min(self._most, len(self._waiting)) - len(self._mailers)
        if missing <= 0:
            return
        await self._mark([])  # what ended must not wait for a server that is slow to answer
        made = await asyncio.gather(*(Mailer.connect(self._settings) for _ in range(missing)), return_exceptions=True)
        self._mailers += [each for each in made if isinstance(each, Mailer)]
        refused = [each for each in made if isinstance(each, BaseException)]
        if refused and not (self._mailers and all(isinstance(each, UNREACHABLE) for each in refused)):
            raise refused[0]
        self._most -= len(refused)

    async def _send(self, mailer: Mailer, attempt: Attempt, written: bytes, number: int) -> Ended:
        if ARMED:
            hit("mail.begun", attempt.message.message_id)
        sender, recipient = address(self._settings.mail_from), address(attempt.message.email)
        settled = await mailer.send(written, sender, recipient, number)
        if ARMED:
            hit("mail.answered", attempt.message.message_id)
        return Ended(attempt, number, settled)

    async def _mark(self, begins: Sequence[Attempt]) -> dict[UUID, int]:
        """Settle what ended, and begin these. What could not be settled is settled by the next mark: its answer is known, and must not become a
        doubt because another message's mark failed."""
        if not begins and not self._ended:
            return {}
        numbers = await mark(self._database, begins, self._ended)
        self._ended = []
        return numbers


def errands(settings: Settings) -> tuple[Errand, ...]:
    """What the worker runs outside transactions."""
    return (Errand("mail", Sending(settings).run, UNREACHABLE, gather_seconds=0.25),)


async def _doubt_leftovers(database: Database) -> None:
    for (message_id,) in await database.pool.fetch(_DOUBT, database.clock.now()):
        log.warning("a message was being sent when its sender stopped: nobody knows whether it arrived", message_id=str(message_id))


def _waiting(row: Any) -> Waiting:
    told = dict(row)
    cause = Cause(told.pop("cause_id"), told.pop("correlation_id"), told.pop("traceparent"))
    minor, currency, language = told.pop("total_minor"), told.pop("currency"), language_of(told["language"])
    total = money(minor, currency, language) if minor is not None else None
    return Waiting(**told | {"intent": Intent(told["intent"]), "language": language, "cause": cause, "total": total})
