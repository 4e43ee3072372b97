"""The orders' store in the fake PostgreSQL: the same locks, in the same order, as the one in SQL."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from services.kit.database import DeadLetter, Transaction
from services.kit.inbox import bury_late
from services.kit.values import Heard
from services.orders.book import Book, Early, Wanted
from services.orders.capture import reference_candidates
from services.orders.events import CustomerSeen
from services.orders.messages import CUSTOMER_TOPIC, ORDER_TOPIC, from_body
from services.orders.settings import site
from simulation.postgres import Session


class SimulatedOrders:
    """The handlers' store over one transaction."""

    def __init__(self, work: Transaction) -> None:
        self._work, self._connection = work, work.connection
        self._letters: dict[UUID, DeadLetter] = {}

    @property
    def now(self) -> datetime:
        return self._work.now

    async def load(self, wanted: Wanted) -> Book:
        book: Book = await self._run(_load, wanted, self._letters)
        return book

    async def load_waiting(self, limit: int) -> Book:
        wanted: Wanted = await self._run(_due, self.now, limit)
        if not wanted.references:
            return Book(site())
        book = await self.load(wanted)
        book.waiting = await self._run(_waiting, list(book.orders))
        return book

    async def record(self, book: Book) -> None:
        gone = {early.heard.id for early in book.settled_early} | {early.heard.id for early, _, _ in book.buried_early}
        for early in book.arrived_early:
            self._letters[early.heard.id] = self._work.letter_of(early.heard)
        kept = [(early, self._letters[early.heard.id]) for early in book.arrived_early if early.heard.id not in gone]
        await self._run(_record, book, kept, gone)
        if book.buried_early:
            buried = [replace(self._letters[early.heard.id], reason=reason, detail=detail) for early, reason, detail in book.buried_early]
            await bury_late(self._connection, buried)
        for said in book.said:
            topic = CUSTOMER_TOPIC if isinstance(said.event, CustomerSeen) else ORDER_TOPIC
            type = f"orders.{said.event.__class__.__name__}.v1"
            self._work.say(topic, type, said.event, key=str(said.key), cause=said.cause, version=said.version)

    def set_aside(self, heard: Heard[Any], reason: str, sentence: str) -> None:
        self._work.set_aside(heard, reason, sentence)

    async def _run(self, function: Any, *arguments: Any) -> Any:
        connection: Any = self._connection
        return await connection.run(function, *arguments)


async def _load(to: Session, wanted: Wanted, letters: dict[UUID, DeadLetter]) -> Book:
    names = [f"reference {channel} {external_ref}" for channel, external_ref in wanted.references]
    names += [f"order {order_id}" for order_id in wanted.entering] + [f"customer {customer_id}" for customer_id in wanted.customer_ids]
    await to.lock("advisory", sorted(names))
    ids = {id for id, order in to.scan("orders") if id in wanted.order_ids or (order.channel, order.external_ref) in wanted.references}
    book = Book(site())
    for id in sorted(ids):
        order = await to.select_for_update("orders", id)
        if order is not None:
            book.orders[id] = book.before[id] = order
    for id in sorted(wanted.promise_ids):
        promise = await to.select_for_update("promises", id)
        if promise is not None:
            book.promises[id] = promise
    if wanted.references or wanted.skus:
        await _load_entrance(to, book, wanted, letters)
    return book


async def _load_entrance(to: Session, book: Book, wanted: Wanted, letters: dict[UUID, DeadLetter]) -> None:
    candidates = {reference for order_id in wanted.entering for reference in reference_candidates(order_id)}
    for order in book.orders.values():
        book.standings[order.channel, order.external_ref] = to.get("standings", order.order_id)
    for id, (early, letter) in sorted(to.scan("early"), key=_first):
        if early.reference in wanted.references and await to.select_for_update("early", id):
            letters[id] = letter
            book.early.setdefault(early.reference, []).append(early)
    book.items = {sku: row[0] for sku in sorted(wanted.skus) if (row := to.get("items", sku))}
    book.customers = {id: customer for id in sorted(wanted.customer_ids) if (customer := to.get("customers", id))}
    for (order_id, version), _ in to.scan("refusals"):
        if order_id in wanted.entering:
            book.refused_versions[order_id] = max(version, book.refused_versions.get(order_id, 0))
    book.refused_bodies = {body for body in wanted.fingerprints if to.get("refused bodies", body)}
    book.order_refs = {order.order_ref for _, order in to.scan("orders") if order.order_ref in candidates}


async def _due(to: Session, now: datetime, limit: int) -> Wanted:
    """Orders whose items are all listed or whose time is out; references whose early events waited too long."""
    due = [waiting for _, waiting in to.scan("waiting") if waiting.until_at <= now or all(to.get("items", sku) for sku in waiting.skus)]
    late = [early for _, (early, _) in to.scan("early") if early.until_at <= now]
    orders = [to.get("orders", waiting.order_id) for waiting in sorted(due, key=_until)[:limit]]
    wanted = Wanted({(order.channel, order.external_ref) for order in orders} | {early.reference for early in sorted(late, key=_until)[:limit]})
    for order in orders:
        wanted.enter(from_body(to.get("standings", order.order_id).body))
    return wanted


async def _waiting(to: Session, ids: list[UUID]) -> dict[UUID, Any]:
    return {id: waiting for id in ids if (waiting := to.get("waiting", id))}


async def _record(to: Session, book: Book, kept: list[tuple[Early, DeadLetter]], gone: Iterable[UUID]) -> None:
    for id in sorted(book.changed_customers):
        await to.put("customers", id, book.customers[id])
    for id, order in book.orders.items():
        if id in book.dropped_orders:
            await to.delete("orders", id)
            await to.delete("standings", id)
        elif id not in book.before:
            assert await to.insert("orders", id, order), "a new order's key is locked before it is looked for"
            await to.put("standings", id, book.standings[order.channel, order.external_ref])
        elif order != book.before[id]:
            await to.put("orders", id, order)
    for sku, version in sorted(book.item_versions.items()):
        await to.lock("items", [sku])
        if version >= (to.get("items", sku) or (None, 0))[1]:
            await to.put("items", sku, (book.items[sku], version))
    for id in sorted(book.changed_promises):
        await to.put("promises", id, book.promises[id])
    for refused in book.refused:
        sent = refused.submission
        await to.put("refusals", (sent.order_id, refused.version), sent.external_ref)
        await to.put("refused bodies", sent.fingerprint, True)
    for id, waiting in book.waiting.items():
        if id not in book.before:
            await to.put("waiting", id, waiting)
    for id in sorted(book.done_waiting):
        await to.delete("waiting", id)
    for early, letter in kept:
        await to.insert("early", early.heard.id, (early, letter))
    for id in sorted(gone):
        await to.delete("early", id)


def _first(pair: tuple[Any, Any]) -> Any:
    return pair[0]


def _until(waits: Any) -> tuple[datetime, str]:
    return waits.until_at, str(getattr(waits, "order_id", ""))
