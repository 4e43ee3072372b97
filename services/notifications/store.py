"""What customers were told, in PostgreSQL: a batch's orders locked in id order, and messages that the index lets in once."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from services.kit.database import Transaction
from services.kit.values import Cause
from services.notifications.domain import (
    Amended,
    Amendment,
    Contact,
    Erased,
    Intent,
    Message,
    Order,
    Placed,
    Undone,
    language_of,
    superseded,
)
from services.notifications.messages import SUPPRESSED, TOPIC, MessageHeld
from services.notifications.ports import State
from services.notifications.telling.store import suppress_erased
from services.notifications.turns import take_turns

_NEW_ORDERS = "insert into orders_view (order_id) select unnest($1::uuid[]) on conflict do nothing"
_ORDERS = "select * from orders_view where order_id = any($1::uuid[]) order by order_id for update"
_PROMISES = "select order_id, promise_id, answer from promises_view where order_id = any($1::uuid[]) order by number"
_TOLD = """
select order_id, intent, bool_or(state in ('waiting', 'sending')) as open from messages where order_id = any($1::uuid[]) group by order_id, intent"""
_PUT_ORDERS = """
update orders_view set customer_id = o.customer_id, order_ref = o.order_ref, language = o.language
from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) o (order_id, customer_id, order_ref, language)
where orders_view.order_id = o.order_id"""
_PUT_PROMISES = "insert into promises_view select * from unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::bool[])"
_AMENDMENTS = "select * from amendments_view where order_id = any($1::uuid[])"
_PUT_AMENDMENTS = """
insert into amendments_view
select * from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::bool[], $6::text[], $7::uuid[])
on conflict (amendment_id) do update set total_minor = excluded.total_minor, currency = excluded.currency, dated = excluded.dated,
    undone = excluded.undone, promise_id = excluded.promise_id"""
_PUT_MESSAGES = """
insert into messages (message_id, order_id, intent, promise_version, channel, promise_id, amendment_id, cause_id, correlation_id, traceparent,
    recorded_at)
select *, $11::timestamptz from unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::text[], $6::uuid[], $7::uuid[], $8::uuid[], $9::uuid[],
    $10::text[])
on conflict do nothing"""
_PUT_CONTACTS = """
insert into contacts_view select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[])
on conflict (customer_id) do update set version = excluded.version, email = excluded.email, name = excluded.name, language = excluded.language,
    zone = excluded.zone where excluded.version > contacts_view.version"""
_ERASE_CONTACT = """
insert into contacts_view (customer_id, version) values ($1, $2)
on conflict (customer_id) do update set version = greatest(contacts_view.version, excluded.version), email = null, name = null, language = null,
    zone = null"""
_SUPPRESS = """
with locked as (
    select m.message_id from messages m join orders_view o using (order_id)
    where m.state = 'waiting' and {which} order by m.message_id for update of m)
update messages m set state = 'suppressed', reason = $2, settled_at = $3, language = o.language
from locked, orders_view o where m.message_id = locked.message_id and o.order_id = m.order_id and m.state = 'waiting'
returning m.message_id, m.order_id, o.customer_id, m.intent, m.promise_version, m.channel, coalesce(o.language, 'en') as language,
          m.cause_id, m.correlation_id, m.traceparent, nextval('message_versions')"""
_SUPPRESS_ERASED = _SUPPRESS.format(which="o.customer_id = $1")
_SUPPRESS_SUPERSEDED = _SUPPRESS.format(
    which="(m.order_id, m.intent) in (select * from unnest($1::uuid[], $4::text[])) and o.customer_id is not null"
)


class PostgresStore:
    """The handlers' store over one transaction."""

    def __init__(self, work: Transaction) -> None:
        self._work, self._sql = work, work.connection
        self._placed: dict[UUID, Placed | None] = {}
        self._amendments: dict[UUID, Amendment] = {}
        self._open: set[tuple[UUID, str]] = set()

    async def load(self, order_ids: Collection[UUID]) -> State:
        ids = sorted(order_ids)
        if not ids:
            return State({})
        await self._sql.execute(_NEW_ORDERS, ids)
        orders = {row["order_id"]: _order(row) for row in await self._sql.fetch(_ORDERS, ids)}
        said, recorded, changes = await self._work.read((_PROMISES, (ids,)), (_TOLD, (ids,)), (_AMENDMENTS, (ids,)))
        promises, answers, told = dict[UUID, list[UUID]](), set[UUID](), dict[UUID, set[Intent]]()
        for row in said:
            promises.setdefault(row["order_id"], []).append(row["promise_id"])
            answers |= {row["promise_id"]} if row["answer"] else set()
        for row in recorded:
            told.setdefault(row["order_id"], set()).add(Intent(row["intent"]))
        amendments = dict[UUID, dict[UUID, Amendment]]()
        for row in changes:
            amendments.setdefault(row["order_id"], {})[row["amendment_id"]] = _amendment(row)
        self._amendments = {id: amendment for of_order in amendments.values() for id, amendment in of_order.items()}
        self._placed, self._open = orders, {(row["order_id"], row["intent"]) for row in recorded if row["open"]}
        known = {id: _known(id, placed, promises.get(id, ()), answers, told.get(id, ())) for id, placed in orders.items()}
        return State({id: replace(order, amendments=amendments.get(id, {})) for id, order in known.items()})

    async def record(self, state: State) -> None:
        numbers = {promise_id: number for order in state.orders.values() for number, promise_id in enumerate(order.promises, start=1)}
        placed = [order.placed for order in state.orders.values() if order.placed and order.placed != self._placed[order.order_id]]
        self._put(_PUT_ORDERS, [(o.order_id, o.customer_id, o.order_ref, o.language) for o in placed])
        self._put(_PUT_PROMISES, [(s.id, s.order_id, numbers[s.id], s.words, s.answer) for s in state.said])
        changes = [(order.order_id, each) for order in state.orders.values() for each in order.amendments.values()]
        new = [_amendment_row(*change) for change in changes if change[1] != self._amendments.get(change[1].amendment_id)]
        self._put(_PUT_AMENDMENTS, new)
        self._put(_PUT_MESSAGES, [_message_row(message) for message in state.messages], self._work.now)
        await self._hold_back_superseded(state.orders, self._open | {(message.order_id, message.intent) for message in state.messages})
        await self._record_contacts(state.contacts)

    async def _hold_back_superseded(self, orders: Mapping[UUID, Order], open: Collection[tuple[UUID, str]]) -> None:
        lost = [(order.order_id, intent) for order in orders.values() for intent in superseded(order) if (order.order_id, intent) in open]
        if lost:
            order_ids, intents = zip(*lost, strict=True)
            await self._work.write_now()  # the message may be of this batch
            await take_turns(self._work, (placed.customer_id for id in order_ids if (placed := orders[id].placed)))
            for row in await self._sql.fetch(_SUPPRESS_SUPERSEDED, order_ids, "superseded", self._work.now, intents):
                self._say_suppressed(row, "superseded", Cause(row["cause_id"], row["correlation_id"], row["traceparent"]))

    def _put(self, statement: str, rows: Iterable[Sequence[object]], *more: object) -> None:
        columns = [list(column) for column in zip(*rows, strict=True)]
        if columns:
            self._work.write(statement, *columns, *more)

    async def _record_contacts(self, contacts: Sequence[tuple[Contact | Erased, int, Cause]]) -> None:
        """The newest word on each customer, one after the other only where somebody is to be forgotten."""
        newest: dict[UUID, tuple[Contact, int]] = {}
        for contact, version, cause in contacts:
            if isinstance(contact, Contact):
                if version > newest.get(contact.customer_id, (contact, -1))[1]:
                    newest[contact.customer_id] = (contact, version)
                continue
            self._put(_PUT_CONTACTS, [_contact_row(*each) for each in newest.values()])
            newest.clear()
            await self._erase(contact, version, cause)
        self._put(_PUT_CONTACTS, [_contact_row(*each) for each in newest.values()])

    async def _erase(self, erased: Erased, version: int, cause: Cause) -> None:
        await self._work.write_now()
        await take_turns(self._work, (erased.customer_id,))
        await self._sql.execute(_ERASE_CONTACT, erased.customer_id, version)
        for row in await self._sql.fetch(_SUPPRESS_ERASED, erased.customer_id, "erased", self._work.now):
            self._say_suppressed(row, "erased", cause)
        await suppress_erased(self._work, erased.customer_id, cause)

    def _say_suppressed(self, row: Any, reason: str, cause: Cause) -> None:
        what = (row["intent"], row["promise_version"], row["channel"], language_of(row["language"]), reason)
        held = MessageHeld(row["message_id"], row["order_id"], row["customer_id"], *what)
        self._work.say(TOPIC, SUPPRESSED, held, key=str(held.customer_id), cause=cause, version=row["nextval"])


def _order(row: Any) -> Placed | None:
    return Placed(row["order_id"], row["customer_id"], row["order_ref"], row["language"]) if row["customer_id"] else None


def _known(id: UUID, placed: Placed | None, promises: Collection[UUID], answers: Collection[UUID], told: Collection[Intent]) -> Order:
    return Order(id, placed, tuple(promises), frozenset(answers).intersection(promises), frozenset(told))


def _amendment(row: Any) -> Amendment:
    id, order_id, undone = row["amendment_id"], row["order_id"], row["undone"]
    amended = Amended(order_id, id, row["total_minor"], row["currency"], row["dated"]) if row["total_minor"] is not None else None
    return Amendment(id, Undone(order_id, id, undone) if undone else amended, row["promise_id"])


def _amendment_row(order_id: UUID, amendment: Amendment) -> tuple[object, ...]:
    news = amendment.news
    amended = (news.total_minor, news.currency, news.dated) if isinstance(news, Amended) else (None, None, None)
    return (amendment.amendment_id, order_id, *amended, news.words if isinstance(news, Undone) else None, amendment.promise_id)


def _contact_row(contact: Contact, version: int) -> tuple[object, ...]:
    return (contact.customer_id, version, contact.email, contact.name, contact.language, contact.zone)


def _message_row(message: Message) -> tuple[object, ...]:
    cause = message.cause
    what = (message.message_id, message.order_id, message.intent, message.promise_version, message.channel, message.promise_id, message.amendment_id)
    return (*what, cause.id, cause.correlation_id, cause.traceparent)
