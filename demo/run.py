"""The day itself: everybody's agenda, minute by minute, until the last parcel is at the door."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from demo import audit, day, opening, plan
from demo.crew import Crew, Loader
from demo.driver import Driver
from demo.house import House
from demo.outside import CarrierBot
from demo.progress import Progress
from demo.quiet import Quiet
from demo.shop import Storefront
from services.kit.clock import FileClockDriver

PICKERS = 6
PAYS_LATER, CANCELS_AFTER = timedelta(minutes=2), timedelta(minutes=4)
LAST_DEPARTURES = range(22, 26)


@dataclass(slots=True)
class Journal:
    """What the shop said and was answered: the other side of the books."""

    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    repeats: list[tuple[str, str]] = field(default_factory=list)
    cancels: list[tuple[UUID, str]] = field(default_factory=list)
    unknown_cancels: int = 0


async def live_the_day(var: Path, clock: FileClockDriver) -> dict[str, Any]:
    """The day's figures, as `var/demo.json` holds them."""
    house = House.at(var)
    journal = Journal()
    async with house.http, Quiet(house.stack) as quiet, Storefront(house) as shop:
        with Progress(clock.instant) as progress:
            driver = Driver(clock, quiet, progress.at)
            await opening.open_the_house(house, shop)
            await driver.settle()
            await opening.fill_shelves(house)
            await opening.remember_customers(house)
            await driver.settle()
            carrier = CarrierBot(house, driver)
            crew = Crew(house, driver, PICKERS)
            Loader(house, driver, carrier.look).plan(LAST_DEPARTURES)
            Shopping(driver, shop, crew, journal, progress.placed).put_down()
            driver.at(day.local(22, "14:30"), _restock(house, crew))
            await driver.run()
        return await audit.balance(house, journal, scans=crew.scans)


@dataclass(slots=True)
class Shopping:
    """The shop's day on the agenda."""

    driver: Driver
    shop: Storefront
    crew: Crew
    journal: Journal
    placed: Callable[[], None]

    def put_down(self) -> None:
        for order in plan.orders():
            self._plan(order)
        for invoice in plan.cancellations():
            self.driver.at(invoice.placed_at, self._cancel_unknown(invoice))

    def _plan(self, order: plan.Order) -> None:
        at = order.invoice.placed_at
        self.driver.at(at, self._place(order))
        if order.pays_later:
            self.driver.at(at + PAYS_LATER, self._pay(order, at + PAYS_LATER))
        if order.repeated:
            self.driver.at(at + timedelta(minutes=1), self._repeat(order))
        if order.cancelled == "before":
            self.driver.at(at, self._cancel(order, at))
        elif order.cancelled == "after":
            self.driver.at(at + CANCELS_AFTER, self._cancel(order, at + CANCELS_AFTER))
        self.driver.at(at + (PAYS_LATER if order.pays_later else timedelta()), self.crew.wake)

    def _place(self, order: plan.Order) -> Callable[[], Any]:
        async def place() -> None:
            id = str(day.order_id(order.invoice))
            self.journal.sent.add(id)
            if order.by_http:
                await self._quote(order)
                status, _ = await self.shop.post_order(order.body)
                (self.journal.acknowledged if status == 201 else self.journal.refused).add(id)
            else:
                await self.shop.say_order(order.body)
            await self.driver.settle()
            self.placed()

        return place

    async def _quote(self, order: plan.Order) -> None:
        """The date that the customer is shown; without one, the other service."""
        if order.invoice.mistaken or not order.body["lines"]:
            return
        quote = await self.shop.quote(order.body)
        if quote is None:
            order.body["service"] = "standard"
            quote = await self.shop.quote(order.body)
        order.body["quote_id"] = quote["quote_id"] if quote else None

    def _repeat(self, order: plan.Order) -> Callable[[], Any]:
        async def repeat() -> None:
            id = answered = str(day.order_id(order.invoice))
            if order.by_http:
                answered = (await self.shop.post_order(order.body))[1]["order_id"]
            else:
                await self.shop.say_order(order.body)
            self.journal.repeats.append((id, answered))

        return repeat

    def _pay(self, order: plan.Order, at: datetime) -> Callable[[], Any]:
        async def pay() -> None:
            await self.shop.say_payment(order.body, at)
            await self.driver.settle()

        return pay

    def _cancel(self, order: plan.Order, at: datetime) -> Callable[[], Any]:
        async def cancel() -> None:
            id = day.order_id(order.invoice)
            self.journal.cancels.append((id, str(order.cancelled)))
            if order.by_http:
                await self.shop.post_cancel(id, "changed my mind")
            else:
                await self.shop.say_cancel(order.invoice.number, "changed my mind", at)
            await self.driver.settle()

        return cancel

    def _cancel_unknown(self, invoice: day.Invoice) -> Callable[[], Any]:
        async def cancel() -> None:
            self.journal.unknown_cancels += 1
            await self.shop.say_cancel(invoice.number, "returned", invoice.placed_at)
            self.driver.at(invoice.placed_at + timedelta(minutes=1), self.driver.settle)

        return cancel


def _restock(house: House, crew: Crew) -> Callable[[], Any]:
    async def restock() -> None:
        await opening.receive(house, opening.short_items())
        await crew.wake()

    return restock
