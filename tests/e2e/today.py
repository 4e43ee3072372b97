"""One day in a house that stands: what a customer orders and is told, and what the warehouse does, by public interfaces only."""

import html
import re
import sqlite3
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

import msgspec

from demo import day
from demo.audit import Event, read_topics
from demo.crew import Loader, Picker
from demo.driver import Driver
from demo.house import House
from demo.outside import CarrierBot
from demo.shop import Storefront
from services.kit.ids import named_uuid, uuid7

GOODS = ("85123A", "22086")
"""A light holder and a box of paper chains, of the demo's catalogue; the second may fly."""

_TAG, _STYLE = re.compile(r"<[^>]+>"), re.compile(r"<(title|style).*?</\1>", re.DOTALL)
_DAYS_PLANNED, _WEDNESDAY = 8, 3


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody with an account at the shop."""

    reference: str
    name: str = "Zoë O'Brien"
    language: str = "en"

    @property
    def email(self) -> str:
        return f"{self.reference}@customers.example"

    @property
    def id(self) -> UUID:
        return named_uuid("customer", day.CHANNEL, self.reference)


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order as the shop sent it."""

    customer: Customer
    body: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.body["order_id"])


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in the mailbox. `html` is its second part as it came, `read` that part as a reader sees it."""

    number: int
    subject: str
    text: str
    html: str

    @property
    def read(self) -> str:
        return html.unescape(_TAG.sub("", _STYLE.sub("", self.html)))

    @property
    def link(self) -> str:
        """The address of the customer's page."""
        found = re.search(r"https?://\S+/o/\S+", self.text)
        assert found, self.text
        return found.group()


@dataclass
class Today:
    """The day, from nine o'clock on."""

    house: House
    shop: Storefront
    driver: Driver
    pickers: dict[str, Picker] = field(default_factory=dict)

    async def begin(self) -> None:
        """Let the night pass; from then on trucks leave as they are planned and the carrier drives.

        Each day is a Monday, Tuesday or Wednesday, so that no Sunday comes between a truck and the next one's date.
        """
        morning = (self.driver.now.astimezone(day.ZONE) + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)
        while morning.isoweekday() > _WEDNESDAY:
            morning += timedelta(days=1)
        await self.driver.run(until=morning)
        carrier = CarrierBot(self.house, self.driver)
        Loader(self.house, self.driver, carrier.look).plan(range(morning.day, morning.day + _DAYS_PLANNED))

    def at(self, time: str, days: int = 0) -> datetime:
        """A local time at the warehouse, today or so many days later."""
        hour, minute = map(int, time.split(":"))
        return self.driver.now.astimezone(day.ZONE).replace(hour=hour, minute=minute) + timedelta(days=days)

    async def until(self, instant: datetime) -> None:
        await self.driver.run(until=instant)

    async def order(self, customer: Customer, reference: str, **changes: Any) -> Ordered:
        """Two of the second of the goods, said on the shop's topic; returns once everybody has heard it."""
        lines = [{"line": 1, "sku": GOODS[1], "quantity": 2, "unit_price_minor": 295, "description": day.items()[GOODS[1]].description}]
        body = {
            "order_id": str(uuid7()), "channel": day.CHANNEL, "external_ref": reference, "placed_at": self.driver.now.isoformat(),
            "customer": {
                "external_ref": customer.reference, "name": customer.name, "email": customer.email, "phone": None, "language": customer.language,
                "zone": str(day.ZONE),
            },
            "ship_to": {
                "name": customer.name, "line1": "12 Elm St", "line2": None, "city": "Lexington", "region": "KY", "postcode": "40577",
                "country": "US", "po_box": False,
            },
            "currency": "GBP", "lines": lines, "charges": [{"code": "POST", "description": "POSTAGE", "amount_minor": 395}], "total_minor": 985,
            "payment": {"state": "captured", "reference": f"pay-{reference}", "amount_minor": 985},
            "service": "standard", "quote_id": None, "chosen_on": None, "signature_required": False,
        } | changes  # fmt: skip
        await self.shop.say_order(body)
        await self.driver.settle()
        return Ordered(customer, body)

    async def claim(self, picker: str = "picker-1") -> None:
        """This picker takes the next task; the rest of the work is then on the agenda."""
        if picker not in self.pickers:
            self.pickers[picker] = Picker(self.house, self.driver, picker, lambda _: None)
        await self.pickers[picker].next_task()
        await self.driver.settle()

    async def answer(self, order: Ordered) -> bytes:
        """The order as its customer may read it, as it came."""
        customer = self.house.caller("customer", str(order.customer.id))
        return (await customer.get("orders", f"/v1/orders/{order.id}")).content

    async def view(self, order: Ordered) -> dict[str, Any]:
        return dict(msgspec.json.decode(await self.answer(order)))

    async def told(self, order: Ordered) -> list[Event]:
        """Everything that the topics tell of an order, in no order across topics."""
        events = await read_topics(self.house.stack["kafka"], self.house.stack["topic_prefix"])
        return [event for event in events if event.data.get("order_id") == order.id]

    async def mails(self, customer: Customer) -> list[Mail]:
        """What the customer was sent, the oldest first."""
        listed = (await self.house.http.get(f"{self.mailbox}/messages")).json()["messages"]
        numbers = [mail["number"] for mail in listed if mail["to"] == customer.email]
        found = [(await self.house.http.get(f"{self.mailbox}/messages/{number}")).json() for number in numbers]
        return [Mail(mail["number"], mail["subject"], mail["text"], mail["html"]) for mail in found]

    async def available(self, sku: str) -> int:
        """Units that nobody has been promised."""
        books = (await self.house.caller("planner", "planner-1").get("fulfilment", f"/v1/stock/{sku}?site={day.SITE}")).json()
        return int(books["sites"][0]["available"])

    async def label(self, order: Ordered) -> dict[str, Any]:
        """What the carrier was asked for this order's parcel, and its tracking number, from the carrier's own books."""
        parcel = next(event.data["parcel_id"] for event in await self.told(order) if event.name == "ParcelLabelled")
        with sqlite3.connect(self.house.var / "carrier" / "books.sqlite") as books:
            row = books.execute("select request, tracking_number from labels where reference like ?", (f"%{parcel}%",)).fetchone()
        return {**msgspec.json.decode(row[0]), "tracking_number": row[1]}

    @cached_property
    def mailbox(self) -> str:
        return str(self.house.stack["demo"]["mailbox"])
