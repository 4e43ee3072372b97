"""Mails about promises in PostgreSQL: recorded in the transaction that hears that they may be told, held back in the one that hears the contrary."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from services.kit.database import Transaction
from services.kit.ids import uuid7
from services.kit.promise.duties import Bound, Duties, Report, What, report
from services.kit.promise.state import Department, Promise
from services.kit.promise.view import rows_of
from services.kit.trace import child_of
from services.kit.values import Cause, NotFound
from services.notifications.domain import Channel, language_of
from services.notifications.messages import PROMISE_SUPPRESSED, TOPIC, PromiseMessageHeld
from services.notifications.telling.domain import (
    CHANNEL,
    News,
    Telling,
    earlier_of,
    held_until,
    in_order,
    is_to_be_told,
    may_send,
    news_of,
    offers_a_day,
)
from services.notifications.turns import take_turns

_ZONES = "select customer_id, zone from contacts_view where customer_id = any ($1::uuid[]) and zone is not null"
_HAS_ADDRESS = "select exists (select from contacts_view where customer_id = $1 and email is not null)"
_PUT = """
insert into messages (message_id, about, customer_id, earlier, intent, risk, date_wanted, held_until, subject, body, correlation_id, traceparent,
    cause_id, promise_version, channel, recorded_at)
select message_id, about, customer_id, earlier, intent, risk, date_wanted, held_until, subject, body, correlation_id, traceparent,
    about, 0, $13, $14::timestamptz
from unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::boolean[], $8::timestamptz[], $9::text[], $10::text[],
    $11::uuid[], $12::text[])
    m (message_id, about, customer_id, earlier, intent, risk, date_wanted, held_until, subject, body, correlation_id, traceparent)
on conflict do nothing"""
_SUPPRESS = """
with locked as (select message_id from messages where state = 'waiting' and {which} order by message_id for update)
update messages m set state = 'suppressed', reason = $2, settled_at = $3 from locked where m.message_id = locked.message_id and m.state = 'waiting'
returning m.message_id, m.about, m.customer_id, m.intent, m.channel, m.cause_id, m.correlation_id, m.traceparent, nextval('message_versions'),
          coalesce((select made::json ->> 'language' from promise_view where promise_id = m.about), 'en') as language"""
_SUPPRESS_LOST = _SUPPRESS.format(which="(about, intent, coalesce(risk, '')) in (select * from unnest($1::uuid[], $4::text[], $5::text[]))")
_SUPPRESS_ERASED = _SUPPRESS.format(which="customer_id = $1 and about is not null")
_FORGET = "update messages set subject = null, body = null where customer_id = $1 and about is not null and body is not null"
_WAKE = """
with over as (
    select message_id from messages where held_until <= $1 and state = 'waiting' order by held_until limit 250 for update skip locked)
update messages m set held_until = null from over where m.message_id = over.message_id"""


async def take(work: Transaction, changed: Sequence[Bound]) -> None:
    """Have the ledger note what is to be told; record what it has noted, and hold back what is true no longer."""
    told = [bound.promise.promise_id for bound in changed if is_to_be_told(*bound)]
    report(work, [Report(promise_id, Department.MESSAGES, What.TOLD, channel=CHANNEL) for promise_id in told])
    await _record(work, [(bound.promise, each) for bound in changed if bound.words is not None for each in in_order(_news(bound) - _known(bound))])
    await _hold_back(work, [(bound.promise, each) for bound in changed for each in _known(bound) - _news(bound)])


DUTIES = Duties(frozenset({Department.MESSAGES}), take, watches=True)


async def record_information(work: Transaction, promise_id: UUID, subject: str, body: str) -> UUID:
    """The mail that gives the information that was promised; its id. Raises NotFound, NothingToSend or NoAddress."""
    row = (await rows_of(work.connection, [promise_id])).get(promise_id)
    if row is None:
        raise NotFound
    may_send(row.promise, has_address=await work.connection.fetchval(_HAS_ADDRESS, row.promise.said.customer_id))
    message_id, *more = _message(work, row.promise, News(Telling.INFORMATION), {}, subject, body)
    _put(work, [(message_id, *more)])
    return UUID(str(message_id))


async def wake(work: Transaction) -> int:
    """Let go of what was kept through the night. Returns how many."""
    return int((await work.connection.execute(_WAKE, work.now)).rsplit(" ", 1)[1])


async def suppress_erased(work: Transaction, customer_id: UUID, cause: Cause) -> None:
    """Nothing more is told to this customer, and what was written to them is forgotten. It is their turn already."""
    for row in await work.connection.fetch(_SUPPRESS_ERASED, customer_id, "erased", work.now):
        _say_suppressed(work, row, "erased", cause)
    await work.connection.execute(_FORGET, customer_id)


def _news(bound: Bound) -> frozenset[News]:
    return news_of(bound.promise)


def _known(bound: Bound) -> frozenset[News]:
    return news_of(bound.before) if bound.before else frozenset()


async def _record(work: Transaction, news: Collection[tuple[Promise, News]]) -> None:
    if news:
        rows = await work.connection.fetch(_ZONES, list({promise.said.customer_id for promise, _ in news}))
        zones = {row["customer_id"]: row["zone"] for row in rows}
        _put(work, [_message(work, promise, each, zones) for promise, each in news])


def _message(
    work: Transaction, promise: Promise, news: News, zones: dict[UUID, str], subject: str | None = None, body: str | None = None
) -> tuple[Any, ...]:
    """A row of `_PUT`. Of a customer whose zone is not known, the night is where the promise is kept."""
    said, (intent, reason) = promise.said, news
    held = held_until(intent, work.now, zones.get(said.customer_id, said.due.zone))
    story, wanted = said.order_id or promise.promise_id, offers_a_day(said, news)
    return (uuid7(), promise.promise_id, said.customer_id, earlier_of(said), intent, reason, wanted, held, subject, body, story, child_of(None))


def _put(work: Transaction, rows: Iterable[tuple[Any, ...]]) -> None:
    work.write(_PUT, *(list(column) for column in zip(*rows, strict=True)), Channel.EMAIL, work.now)


async def _hold_back(work: Transaction, lost: Sequence[tuple[Promise, News]]) -> None:
    if not lost:
        return
    await work.write_now()  # nothing of this batch is lost, but what is read next must see it
    await take_turns(work, (promise.said.customer_id for promise, _ in lost))
    ids, intents, risks = zip(*((promise.promise_id, each.intent, each.reason or "") for promise, each in lost), strict=True)
    for row in await work.connection.fetch(_SUPPRESS_LOST, ids, "superseded", work.now, intents, risks):
        _say_suppressed(work, row, "superseded", Cause(row["cause_id"], row["correlation_id"], row["traceparent"]))


def _say_suppressed(work: Transaction, row: Any, reason: str, cause: Cause) -> None:
    what = (row["intent"], row["channel"], language_of(row["language"]), reason)
    held = PromiseMessageHeld(row["message_id"], row["about"], row["customer_id"], *what)
    work.say(TOPIC, PROMISE_SUPPRESSED, held, key=str(held.customer_id), cause=cause, version=row["nextval"])
