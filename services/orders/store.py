"""One transaction's state in PostgreSQL: locked in one order for all, then read in one round trip, written back in another.

Locks, always in this order: the advisory ones (references, new order ids, customers), orders by id, promises by id, then what only timers take.
An advisory lock stands for a row that may not be there yet, so that fifty who submit the same order at once make one. Rows travel as one JSON
parameter, which the table's own row type takes apart: fields are columns.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import msgspec

from services.kit.database import DeadLetter, Transaction, decode_headers
from services.kit.envelope import Reader
from services.kit.failpoints import ARMED, hit
from services.kit.inbox import bury_late
from services.kit.values import Cause, Heard
from services.orders.book import Book, Early, Promise, Reference, Standing, Waiting, Wanted
from services.orders.capture import Customer, reference_candidates
from services.orders.domain import Amendment, Check, Hold, HoldReason, Order, State, Status, order_of
from services.orders.events import Address, CustomerSeen
from services.orders.messages import CUSTOMER_TOPIC, HEARS, ORDER_TOPIC, from_body
from services.orders.settings import site
from services.orders.validation import Item

Row: TypeAlias = dict[str, Any]
_COLUMNS = tuple(field.name for field in fields(Order) if field.name not in ("holds", "amendment"))
_CHANGING = _COLUMNS[_COLUMNS.index("payment_state") :]
_AMENDED = (*_COLUMNS, "amended")
_OF_AMENDMENT = tuple(field.name for field in fields(Amendment) if field.name not in ("wanted", "before"))
_LOCK = "select pg_advisory_xact_lock(key) from unnest($1::bigint[]) key"
_ORDERS = f"""
select {", ".join(_COLUMNS)} from orders where order_id = any(array(
    select unnest($1::uuid[])
    union select o.order_id from unnest($2::text[], $3::text[]) r (channel, external_ref) join orders o using (channel, external_ref)))
order by order_id for update"""  # noqa: S608  # the columns are the fields of a dataclass
_STANDINGS = "select channel, external_ref, order_id, fingerprint, body, amended from orders where order_id = any($1)"
_HOLDS = "select order_id, hold_id, reason, owner, note, held_at from holds where order_id = any($1) and lifted_at is null order by held_at, hold_id"
_AMENDMENTS = "select * from amendments where order_id = any($1) and status = 'pending'"
_CUSTOMERS = "select * from customers where customer_id = any($1)"
_ADDRESSES = "select * from addresses where customer_id = any($1) order by customer_id, position"
_ITEMS = "select sku, withdrawn from items where sku = any($1)"
_PROMISES = "select * from promises_view where promise_id = any($1) order by promise_id for update"
_REFUSED = "select order_id, max(version) from refusals where order_id = any($1) group by 1"
_REFUSED_BODIES = "select fingerprint from refusals where fingerprint = any($1)"
_TAKEN = "select order_ref from orders where order_ref = any($1)"
_EARLY = """
select e.* from early_events e join unnest($1::text[], $2::text[]) r (channel, external_ref) using (channel, external_ref)
order by event_id for update of e"""
_LATE = "select channel, external_ref from early_events where until_at <= $1 order by until_at limit $2"
_DUE = """
select o.channel, o.external_ref, o.body from waiting_orders w join orders o using (order_id)
where w.until_at <= $1 or not exists (select from unnest(w.skus) s (sku) where not exists (select from items i where i.sku = s.sku))
order by w.until_at limit $2"""
_WAITING = "select * from waiting_orders where order_id = any($1)"

_PUT_ORDERS = "insert into orders select * from json_populate_recordset(null::orders, $1)"
_CHANGE_ORDERS = f"""
update orders o set {", ".join(f"{name} = c.{name}" for name in _CHANGING)}
from json_populate_recordset(null::orders, $1) c where o.order_id = c.order_id"""  # noqa: S608  # columns of ours
_AMEND_ORDERS = f"""
update orders o set {", ".join(f"{name} = c.{name}" for name in _AMENDED)}
from json_populate_recordset(null::orders, $1) c where o.order_id = c.order_id"""  # noqa: S608  # columns of ours
_PUT_AMENDMENTS = """
insert into amendments select * from json_populate_recordset(null::amendments, $1)
on conflict (amendment_id) do update set status = excluded.status, prepared = excluded.prepared, dated = excluded.dated, due_at = excluded.due_at,
    hand_over_by = excluded.hand_over_by, carrier_service = excluded.carrier_service, refusal = excluded.refusal, sentence = excluded.sentence,
    decided_at = excluded.decided_at, refund_minor = excluded.refund_minor, instead = excluded.instead"""
_DROP_ORDERS = "delete from orders where order_id = any($1)"
_PUT_HOLDS = "insert into holds select * from json_populate_recordset(null::holds, $1)"
_LIFT_HOLDS = "update holds set lifted_at = $2 where hold_id = any($1)"
_PUT_CUSTOMERS = """
insert into customers select * from json_populate_recordset(null::customers, $1)
on conflict (customer_id) do update set version = excluded.version, name = excluded.name, email = excluded.email, phone = excluded.phone,
    language = excluded.language, zone = excluded.zone"""
_PUT_ADDRESSES = """
insert into addresses select * from json_populate_recordset(null::addresses, $1)
on conflict (address_id) do update set position = excluded.position"""
_PUT_ITEMS = """
insert into items select * from json_populate_recordset(null::items, $1)
on conflict (sku) do update set withdrawn = excluded.withdrawn, version = excluded.version where excluded.version >= items.version"""
_PUT_PROMISES = """
insert into promises_view select * from json_populate_recordset(null::promises_view, $1)
on conflict (promise_id) do update set verdict = excluded.verdict, verdict_at = excluded.verdict_at"""
_PUT_REFUSALS = "insert into refusals select * from json_populate_recordset(null::refusals, $1)"
_PUT_WAITING = "insert into waiting_orders select * from json_populate_recordset(null::waiting_orders, $1)"
_PUT_EARLY = """
insert into early_events select * from unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[],
    $5::text[], $6::int[], $7::bigint[], $8::bytea[], $9::text[], $10::bytea[], $11::bytea[]) on conflict do nothing"""
_PUT_LINKS = """
insert into links select l.secret_hash, order_id, $3 from unnest($1::bytea[], $2::uuid[]) l (secret_hash, order_id) join orders o using (order_id)
order by order_id for key share of o returning order_id"""
_DROP_WAITING = "delete from waiting_orders where order_id = any($1)"
_DROP_EARLY = "delete from early_events where event_id = any($1)"

_read = Reader(HEARS).read


class PostgresStore:
    """The handlers' store over one transaction."""

    def __init__(self, work: Transaction) -> None:
        self._work, self._sql = work, work.connection
        self._letters: dict[UUID, DeadLetter] = {}
        """The messages behind the early events that were loaded."""

    @property
    def now(self) -> datetime:
        return self._work.now

    async def load(self, wanted: Wanted) -> Book:
        book = Book(site())
        await self._load_known(book, await self._lock(wanted), wanted.promise_ids)
        if wanted.references or wanted.skus or wanted.customer_ids:
            await self._load_entrance(book, wanted)
        return book

    async def load_waiting(self, limit: int) -> Book:
        due, late = await self._work.read((_DUE, (self.now, limit)), (_LATE, (self.now, limit)))
        if not due and not late:
            return Book(site())
        wanted = Wanted({_reference(row) for row in (*due, *late)})
        for row in due:
            wanted.enter(from_body(row["body"].encode()))
        book = await self.load(wanted)
        (waiting,) = await self._work.read((_WAITING, (list(book.orders),)))
        book.waiting = {row["order_id"]: _waiting(row) for row in waiting}
        return book

    async def _lock(self, wanted: Wanted) -> list[asyncpg.Record]:
        """The orders. What stands for those that may not be there is locked by a statement before, so that they are seen."""
        names = [f"reference {channel} {external_ref}" for channel, external_ref in wanted.references]
        names += [f"order {order_id}" for order_id in wanted.entering] + [f"customer {customer_id}" for customer_id in wanted.customer_ids]
        if names:
            await self._sql.execute(_LOCK, sorted(_lock_key(name) for name in names))
        if not wanted.order_ids and not wanted.references:
            return []
        return list(await self._sql.fetch(_ORDERS, list(wanted.order_ids), *_columns(wanted.references, 2)))

    async def _load_known(self, book: Book, orders: Sequence[asyncpg.Record], promise_ids: set[UUID]) -> None:
        if not orders and not promise_ids:
            return
        ids = [row["order_id"] for row in orders]
        held, pending, promises = await self._work.read((_HOLDS, (ids,)), (_AMENDMENTS, (ids,)), (_PROMISES, (list(promise_ids),)))
        holds: dict[UUID, list[Hold]] = {}
        for row in held:
            holds.setdefault(row["order_id"], []).append(_hold(row))
        amendments = {row["order_id"]: _amendment(row) for row in pending}
        book.orders = {row["order_id"]: _order(row, holds.get(row["order_id"], ()), amendments.get(row["order_id"])) for row in orders}
        book.before = dict(book.orders)
        book.promises = {row["promise_id"]: Promise(**row) for row in promises}

    async def _load_entrance(self, book: Book, wanted: Wanted) -> None:
        """What stands under the references or waits for them, and what matters only to an order that may be taken."""
        customer_ids, entering = list(wanted.customer_ids), list(wanted.entering)
        candidates = [reference for order_id in entering for reference in reference_candidates(order_id)]
        standings, early, items, addresses, customers, refused, bodies, taken = await self._work.read(
            (_STANDINGS, (list(book.orders),)),
            (_EARLY, _columns(wanted.references, 2)),
            (_ITEMS, (list(wanted.skus),)),
            (_ADDRESSES, (customer_ids,)),
            (_CUSTOMERS, (customer_ids,)),
            (_REFUSED, (entering,)),
            (_REFUSED_BODIES, (list(wanted.fingerprints),)),
            (_TAKEN, (candidates,)),
        )
        book.standings = {_reference(row): _standing(row) for row in standings}
        for row in early:
            self._letters[row["event_id"]] = _letter(row)
            book.early.setdefault(_reference(row), []).append(_early(row))
        book.items = {row["sku"]: Item(**row) for row in items}
        known: dict[UUID, list[Address]] = {}
        for row in addresses:
            known.setdefault(row["customer_id"], []).append(_address(row))
        book.customers = {row["customer_id"]: Customer(**row, addresses=tuple(known.get(row["customer_id"], ()))) for row in customers}
        book.refused_versions = {row["order_id"]: row["max"] for row in refused}
        book.refused_bodies = {row["fingerprint"] for row in bodies}
        book.order_refs = {row["order_ref"] for row in taken}

    async def record(self, book: Book) -> None:
        self._record_customers(book)
        self._record_orders(book)
        self._put(_PUT_ITEMS, [_with(item, version=book.item_versions[item.sku]) for item in book.changed(book.items, book.item_versions)])
        self._put(_PUT_PROMISES, book.changed(book.promises, book.changed_promises))
        self._put(_PUT_REFUSALS, [_refusal_row(refused, self.now) for refused in book.refused])
        self._put(_PUT_WAITING, [_waiting_row(waiting) for waiting in book.waiting.values() if waiting.order_id not in book.before])
        self._write_ids(_DROP_WAITING, book.done_waiting)
        await self._record_early(book)
        for said in book.said:
            topic = CUSTOMER_TOPIC if isinstance(said.event, CustomerSeen) else ORDER_TOPIC
            type = f"orders.{said.event.__class__.__name__}.v1"
            self._work.say(topic, type, said.event, key=str(said.key), cause=said.cause, version=said.version)

    def _record_orders(self, book: Book) -> None:
        bodies = {standing.order_id: standing for standing in book.standings.values()}
        new = [order for id, order in book.orders.items() if id not in book.before]
        self._put(_PUT_ORDERS, [_new_row(order, bodies[order.order_id]) for order in new])
        changed = [order for id, order in book.orders.items() if id in book.before and order != book.before[id]]
        kept = [order for order in changed if order.order_id not in book.dropped_orders]
        self._put(_CHANGE_ORDERS, [_changed_row(order) for order in kept if not _is_agreed(order)])
        self._put(_AMEND_ORDERS, [_amended_row(order) for order in kept if _is_agreed(order)])
        told = [order for order in kept if order.amendment != book.before[order.order_id].amendment]
        self._put(_PUT_AMENDMENTS, [_amendment_row(order) for order in told])
        if ARMED and any(order.amendment and not order.amending for order in told):
            hit("amendment.decided", *(order.order_id for order in told))
        placed, lifted = [], []
        for order in (*new, *changed):
            before = book.before[order.order_id].holds if order.order_id in book.before else ()
            placed += [_with(hold, order_id=order.order_id) for hold in order.holds if hold not in before]
            lifted += [hold.hold_id for hold in before if hold not in order.holds]
        self._put(_PUT_HOLDS, placed)
        self._write_ids(_LIFT_HOLDS, lifted, self.now)
        self._write_ids(_DROP_ORDERS, book.dropped_orders)

    def _record_customers(self, book: Book) -> None:
        customers = book.changed(book.customers, book.changed_customers)
        self._put(_PUT_CUSTOMERS, customers)
        rows = [_with(each, customer_id=c.customer_id, position=place) for c in customers for place, each in enumerate(c.addresses)]
        self._put(_PUT_ADDRESSES, rows)

    async def _record_early(self, book: Book) -> None:
        gone = {early.heard.id for early in book.settled_early} | {early.heard.id for early, _, _ in book.buried_early}
        for early in book.arrived_early:
            self._letters[early.heard.id] = self._work.letter_of(early.heard)
        kept = [_early_row(early, self._letters[early.heard.id]) for early in book.arrived_early if early.heard.id not in gone]
        if kept:
            self._work.write(_PUT_EARLY, *_columns(kept, 11))
        self._write_ids(_DROP_EARLY, gone)
        if book.buried_early:
            buried = [replace(self._letters[early.heard.id], reason=reason, detail=detail) for early, reason, detail in book.buried_early]
            await bury_late(self._sql, buried)

    def _put(self, statement: str, rows: Iterable[object]) -> None:
        told = list(rows)
        if told:
            self._work.write(statement, msgspec.json.encode(told).decode())

    def _write_ids(self, statement: str, ids: Collection[UUID], *more: object) -> None:
        if ids:
            self._work.write(statement, list(ids), *more)

    async def add_links(self, hashes: Mapping[UUID, bytes]) -> set[UUID]:
        """A further link to the page of each order, by the hash of its secret. Returns those orders that there are."""
        return {row[0] for row in await self._sql.fetch(_PUT_LINKS, list(hashes.values()), list(hashes), self.now)}

    def set_aside(self, heard: Heard[Any], reason: str, sentence: str) -> None:
        self._work.set_aside(heard, reason, sentence)


def _lock_key(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


def _columns(rows: Iterable[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _with(row: object, **more: object) -> dict[str, Any]:
    return {**msgspec.to_builtins(row), **more}


def _new_row(order: Order, standing: Standing) -> dict[str, Any]:
    return _with(order, fingerprint=_hex(standing.fingerprint), body=standing.body.decode())


def _changed_row(order: Order) -> dict[str, Any]:
    return {"order_id": order.order_id} | {name: getattr(order, name) for name in _CHANGING}


def _is_agreed(order: Order) -> bool:
    """Whether the order became another one in this transaction."""
    return order.amendment is not None and order.amendment.status is Status.AGREED


def _amended_row(order: Order) -> dict[str, Any]:
    assert order.amendment is not None
    return {**{name: getattr(order, name) for name in _COLUMNS}, "amended": order.amendment.wanted.body.decode()}


def _amendment_row(order: Order) -> dict[str, Any]:
    assert order.amendment is not None, "an amendment is decided, never forgotten"
    told = {name: getattr(order.amendment, name) for name in _OF_AMENDMENT}
    return {**told, "order_id": order.order_id, "body": order.amendment.wanted.body.decode(), "before": order.amendment.before.decode()}


def _amendment(row: Row) -> Amendment:
    told = {name: row[name] for name in _OF_AMENDMENT}
    return Amendment(**{**told, "status": Status(row["status"])}, wanted=from_body(row["body"].encode()), before=row["before"].encode())


def _standing(row: Row) -> Standing:
    amended = row["amended"]
    return Standing(row["order_id"], row["fingerprint"], row["body"].encode(), amended.encode() if amended else None)


def _refusal_row(refused: Any, now: datetime) -> dict[str, Any]:
    sent = refused.submission
    return {
        "order_id": sent.order_id,
        "version": refused.version,
        "channel": sent.channel,
        "external_ref": sent.external_ref,
        "reasons": refused.reasons,
        "refused_at": now,
        "fingerprint": _hex(sent.fingerprint),
    }


def _waiting_row(waiting: Waiting) -> dict[str, Any]:
    cause = waiting.cause
    more = {"cause_id": cause.id, "correlation_id": cause.correlation_id, "traceparent": cause.traceparent}
    return {"order_id": waiting.order_id, "skus": waiting.skus, "until_at": waiting.until_at, **more}


def _waiting(row: Row) -> Waiting:
    cause = Cause(row["cause_id"], row["correlation_id"], row["traceparent"])
    return Waiting(row["order_id"], tuple(row["skus"]), row["until_at"], cause)


def _reference(row: Row) -> Reference:
    return row["channel"], row["external_ref"]


def _order(row: asyncpg.Record, holds: Iterable[Hold], amendment: Amendment | None) -> Order:
    return order_of(dict(row, state=State(row["state"]), checks=frozenset(map(Check, row["checks"])), holds=tuple(holds), amendment=amendment))


def _hold(row: Row) -> Hold:
    return Hold(row["hold_id"], HoldReason(row["reason"]), row["owner"], row["note"], row["held_at"])


def _address(row: Row) -> Address:
    return Address(**{name: value for name, value in row.items() if name not in ("customer_id", "position")})


def _letter(row: Row) -> DeadLetter:
    place = row["topic"], row["partition"], row["offset"], row["key"]
    return DeadLetter(*place, row["type"], row["event_id"], "refused", "", "", row["value"], row["headers"])


def _early(row: Row) -> Early:
    heard = _read({name: value or b"" for name, value in decode_headers(row["headers"])}, row["value"])
    assert heard is not None, "only events that were read once wait here"
    return Early(heard, _reference(row), row["until_at"])


def _early_row(early: Early, letter: DeadLetter) -> tuple[Any, ...]:
    message = letter.topic, letter.partition, letter.offset, letter.key, letter.type, letter.value, letter.headers
    return early.heard.id, *early.reference, early.until_at, *message


def _hex(value: bytes) -> str:
    return f"\\x{value.hex()}"
