"""Holds goods and places for promises, confirms and frees them. Locks: tasks, the holds that are there, shelves, then shipping's rows, as everywhere
here; a hold that is new is made alone by its promise's id."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.fulfilment.duties.domain import (
    AlreadyPicked,
    GivenUp,
    Hold,
    HoldState,
    NoPlace,
    NotInStock,
    Offer,
    OtherHold,
    Wanted,
    by_itself,
    can_be_freed,
    dates_told,
    is_picked,
    next_line,
    offers,
    refuse_goods,
    refuse_place,
    take_place,
    with_line,
    with_room,
    without_line,
)
from services.fulfilment.duties.ports import House
from services.fulfilment.floor.domain.task import Task
from services.fulfilment.floor.handlers import spots
from services.fulfilment.shipping.domain import Shipment, promised_anew
from services.fulfilment.shipping.ports import Book
from services.fulfilment.stock.domain import Line
from services.fulfilment.stock.handlers import add, drop, free_at
from services.kit.values import Cause


async def hold(house: House, wanted: Wanted, request: Cause) -> Hold:
    """Hold it, once however often it is asked for. Raises a Refusal that says what can be promised instead."""
    known = await house.holds.find(wanted.promise_id)
    if known is None:
        known = await (_hold_goods(house, wanted, request) if wanted.sku else _hold_place(house, wanted))
        await house.holds.add(known)
    if known.state is HoldState.FREED:
        raise GivenUp("What was held for this promise was given up: make a new promise_id, and ask again.")
    if known.wanted != wanted:
        raise OtherHold("Something else is held for this promise: make a new promise_id.")
    return known


async def confirm(house: House, holds: Sequence[Hold]) -> None:
    """These were promised: the goods stay, and the order leaves with the departure whose place it has."""
    new = [each for each in holds if each.state is HoldState.HELD]
    house.holds.put([each.wanted.promise_id for each in new], HoldState.CONFIRMED)
    placed = {each.wanted.order_id: each for each in new if each.departs_at}
    if placed:
        await house.floor.of_orders([], also=placed)
        book = await house.shipping.open_book(list(placed), [])
        for order_id, each in placed.items():
            if order_id in book.shipments:
                due_at = each.wanted.due_at
                book.shipments[order_id] = promised_anew(book.shipments[order_id], each.carrier_service, each.departs_at, due_at)
                book.aimed.add(order_id)
        await house.shipping.record(book)


async def free(house: House, holds: Sequence[Hold], request: Cause) -> None:
    """These are not promised, or no longer: what still lies on the shelf is free, and so is the place. May run twice."""
    live = [each for each in holds if each.state is not HoldState.FREED]
    house.holds.put([each.wanted.promise_id for each in live], HoldState.FREED)
    await _free_goods(house, [each for each in live if each.line is not None], request)
    await house.give_back([(each.carrier_service, each.departs_at) for each in live if each.carrier_service and each.departs_at])


async def _hold_goods(house: House, wanted: Wanted, request: Cause) -> Hold:
    assert wanted.sku is not None
    site = await house.holds.site_of(wanted.order_id)
    task = (await house.floor.of_orders([wanted.order_id])).get(wanted.order_id)
    books = await house.stock.open([wanted.order_id], {(site, wanted.sku)} if site else ())
    want = refuse_goods(books.wants.get(wanted.order_id))
    if is_picked(want, task):
        raise await _already_picked(house, wanted, want.site, free_at(books, want.site, wanted.sku))
    line = Line(next_line(want), wanted.sku, wanted.quantity)
    parts = add(books, want, line, Cause(request.id, want.cause.correlation_id, want.cause.traceparent))
    if not parts:
        there = free_at(books, want.site, wanted.sku)
        raise NotInStock(
            f"Of {wanted.sku} {there} are free and {wanted.quantity} are wanted: promise a substitute, a date on which it comes, or a credit.",
            sku=wanted.sku, available=there, **await house.holds.instead(want.site, wanted.sku, wanted.quantity, house.floor.now),
        )  # fmt: skip
    await house.stock.record(books)
    if task:
        await house.floor.save([with_line(task, spots(parts), house.pace)])
    return Hold(wanted, HoldState.HELD, line.line)


async def _already_picked(house: House, wanted: Wanted, site: str, there: int) -> AlreadyPicked:
    """Why it cannot go along, and what can be promised instead: an order of its own, by these days where there are units; what is as good; when
    more comes."""
    assert wanted.sku is not None
    book = await house.shipping.open_book([wanted.order_id], [])
    shipment = book.shipments.get(wanted.order_id)
    days = dates_told(await _free_places(house, book, by_itself(shipment), house.floor.now)) if shipment and there >= wanted.quantity else []
    return AlreadyPicked(
        "The order is picked, and its carton is not opened again: promise it with an order of its own, or what needs no goods.",
        sku=wanted.sku, available=there, dates=days, **await house.holds.instead(site, wanted.sku, wanted.quantity, house.floor.now),
    )  # fmt: skip


async def _hold_place(house: House, wanted: Wanted) -> Hold:
    book = await house.shipping.open_book([wanted.order_id], [])
    shipment = refuse_place(book.shipments.get(wanted.order_id))
    goods_at = await house.holds.goods_at(wanted.order_id, shipment.site)
    if goods_at is None:
        raise NoPlace("It lacks goods, and nobody said when they come: note what is expected, or promise an answer by a day instead.", dates=[])
    taken = take_place(await _free_places(house, book, shipment, goods_at), wanted.due_at)
    key = taken.carrier_service, taken.departs_at
    if key in book.places:
        book.places[key] = replace(book.places[key], taken=book.places[key].taken + 1)
    await house.shipping.record(book)
    return Hold(wanted, HoldState.HELD, carrier_service=taken.carrier_service, departs_at=taken.departs_at)


async def _free_places(house: House, book: Book, shipment: Shipment, goods_at: datetime) -> list[Offer]:
    """The departures with a place left that it can make from then on; their places stay what they are until the end of this work."""
    possible = offers(shipment, book.services.values(), goods_at, house.shipping.rates)
    counted = {(each.carrier_service, each.departs_at): each.places_left for each in possible if each.places_left is not None}
    await house.shipping.lock_places(book, counted)
    return with_room(possible, {key: places.taken for key, places in book.places.items()})


async def _free_goods(house: House, holds: Sequence[Hold], request: Cause) -> None:
    if not holds:
        return
    orders: list[UUID] = sorted({each.wanted.order_id for each in holds})
    tasks = await house.floor.of_orders(orders)
    changed: dict[UUID, Task] = {}
    books = await house.stock.open(orders)
    for each in holds:
        order_id, line = each.wanted.order_id, each.line
        want, task = books.wants.get(order_id), changed.get(order_id) or tasks.get(order_id)
        if want and line is not None and can_be_freed(want, task, line):
            drop(books, want, line, Cause(request.id, want.cause.correlation_id, want.cause.traceparent))
            if task:
                changed[order_id] = without_line(task, line, house.pace)
    await house.stock.record(books)
    await house.floor.save(list(changed.values()))
