"""One real day of a retailer as orders: what was bought, at what price, at what time of the day; who and where is made up, and always the same."""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

DATA = Path(__file__).parent / "data"
SITE, CHANNEL, CURRENCY = "SDF1", "retail", "GBP"
ZONE = ZoneInfo("America/Kentucky/Louisville")
CHARGES = {"POST", "DOT", "M", "C2"}
"""Stock codes that are no goods: postage, dotcom postage, manual, carriage."""

_FIRST = ("Ada", "Ben", "Chloë", "David", "Emre", "Fatima", "Grace", "Hugo", "Ingrid", "Jürgen", "Keiko", "Liam", "Maria", "Noor", "O'Brien", "Zoë")
_LAST = ("Abel", "Brown", "Čapek", "Díaz", "Evans", "Fischer", "Garcia", "Hughes", "Ito", "Jones", "Kaya", "Lund", "Müller", "Novak", "Smith")
_STREETS = ("Elm St", "Main St", "Bardstown Rd", "Oak Ave", "Frankfort Ave", "Maple Dr", "2nd St", "Market St")
_ZONES = {"IL": "America/Chicago", "TN": "America/Chicago", "MO": "America/Chicago", "WI": "America/Chicago", "TX": "America/Chicago",
          "CO": "America/Denver", "CA": "America/Los_Angeles", "WA": "America/Los_Angeles"}  # fmt: skip
_GROUNDED = ("CANDLE", "LIGHTER", "MATCHES", "BATTERY", "AEROSOL", "SPRAY", "PERFUME", "INCENSE", "T-LIGHT")


@dataclass(frozen=True, slots=True)
class Invoice:
    """One invoice: an order, or (with a leading C) a cancellation. `placed_at` is business time; `guest` where the shop knew no customer."""

    number: str
    placed_at: datetime
    customer: str
    country: str
    rows: tuple[dict[str, str], ...]

    @property
    def is_cancellation(self) -> bool:
        return self.number.startswith("C")

    @property
    def mistaken(self) -> bool:
        """A price or quantity that nobody can order: the shop's mistake, to be refused."""
        return any(int(row["quantity"]) <= 0 or Decimal(row["unit_price"]) <= 0 for row in self.rows)


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the catalogue, with sizes made up from its code."""

    sku: str
    description: str
    weight_grams: int
    may_fly: bool

    @property
    def barcode(self) -> str:
        return f"50{int(_digest(self.sku)[:12], 16) % 10**11:011d}"

    def listed(self) -> dict[str, Any]:
        """The data of storefront.ItemListed.v1."""
        side = max(20, round(self.weight_grams ** (1 / 3) * 18))
        sizes = {"length_mm": side, "width_mm": side, "height_mm": side}
        return {
            "sku": self.sku, "description": self.description, "barcode": self.barcode, "weight_grams": self.weight_grams,
            **sizes, "may_fly": self.may_fly, "withdrawn": False,
        }  # fmt: skip


@cache
def invoices() -> tuple[Invoice, ...]:
    """The day's invoices in the order of their times, then numbers."""
    rows = list(_rows("online_retail_2011-11-22.csv"))
    found = [_invoice(number, tuple(group)) for number, group in groupby(rows, key=lambda row: row["invoice_no"])]
    return tuple(sorted(found, key=lambda invoice: (invoice.placed_at, invoice.number)))


@cache
def items() -> dict[str, Item]:
    """Every item that somebody ordered that day, by SKU."""
    named = {row["stock_code"]: row["description"] for invoice in invoices() if not invoice.mistaken for row in invoice.rows}
    return {sku: Item(sku, name, 8 + int(_digest(sku)[:4], 16) % 76, _flies(name)) for sku, name in sorted(named.items()) if sku not in CHARGES}


def history() -> Iterator[tuple[str, int, int]]:
    """For each customer of the day: reference, orders before it, money before it (minor units)."""
    for row in _rows("history.csv"):
        yield row["customer_id"], int(row["orders_before"]), int(row["spent_before_minor"])


def submission(invoice: Invoice, *, service: str = "standard", payment: str = "captured") -> dict[str, Any]:
    """The data of storefront.OrderSubmitted.v1 for an invoice, mistakes and all."""
    goods = [row for row in invoice.rows if row["stock_code"] not in CHARGES]
    extra = [row for row in invoice.rows if row["stock_code"] in CHARGES]
    lines = [_line(number, row) for number, row in enumerate(goods, 1)]
    charges = [{"code": row["stock_code"], "description": row["description"], "amount_minor": _amount(row)} for row in extra]
    total = sum(_amount(row) for row in invoice.rows)
    name, ship_to, zone = _person(invoice)
    customer = {
        "external_ref": invoice.customer or None, "name": name, "email": f"{invoice.customer or 'guest-' + invoice.number}@customers.example",
        "phone": None, "language": "de" if invoice.country == "Germany" else "en", "zone": zone,
    }  # fmt: skip
    return {
        "order_id": str(order_id(invoice)), "channel": CHANNEL, "external_ref": invoice.number, "placed_at": invoice.placed_at.isoformat(),
        "customer": customer, "ship_to": ship_to, "currency": CURRENCY, "lines": lines, "charges": charges, "total_minor": total,
        "payment": {"state": payment, "reference": f"pay-{invoice.number}", "amount_minor": total},
        "service": service, "quote_id": None, "chosen_on": None, "signature_required": False,
    }  # fmt: skip


def order_id(invoice: Invoice) -> UUID:
    """A UUIDv7 of the order's time, the same in every run."""
    tail = int(_digest("order", invoice.number)[:19], 16) & ((1 << 74) - 1)
    milliseconds = int(invoice.placed_at.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | (tail >> 62) << 64 | 0x2 << 62 | tail & ((1 << 62) - 1))


def demand() -> dict[str, int]:
    """Units of each SKU that the day's good orders ask for."""
    wanted: dict[str, int] = {}
    for invoice in invoices():
        if not invoice.is_cancellation and not invoice.mistaken:
            for row in invoice.rows:
                if row["stock_code"] not in CHARGES:
                    wanted[row["stock_code"]] = wanted.get(row["stock_code"], 0) + int(row["quantity"])
    return wanted


def local(day: int, time: str) -> datetime:
    """An instant of November 2011 at the warehouse."""
    hour, minute = time.split(":")
    return datetime(2011, 11, day, int(hour), int(minute), tzinfo=ZONE)


def _invoice(number: str, rows: tuple[dict[str, str], ...]) -> Invoice:
    placed_at = datetime.fromisoformat(rows[0]["ts"]).replace(tzinfo=ZONE)
    return Invoice(number, placed_at, rows[0]["customer_id"], rows[0]["country"], rows)


def _person(invoice: Invoice) -> tuple[str, dict[str, Any], str]:
    seed = _digest("person", invoice.customer or invoice.number)
    pick = [int(seed[at : at + 4], 16) for at in range(0, 20, 4)]
    name = f"{_FIRST[pick[0] % len(_FIRST)]} {_LAST[pick[1] % len(_LAST)]}"
    place = _places()[pick[2] % len(_places())]
    ship_to = {
        "name": name, "line1": f"{pick[3] % 900 + 1} {_STREETS[pick[4] % len(_STREETS)]}", "line2": None, "city": place["city"],
        "region": place["state"], "postcode": place["zip"], "country": "US", "po_box": pick[3] % 25 == 0,
    }  # fmt: skip
    return name, ship_to, _ZONES.get(place["state"], "America/New_York")


@cache
def _places() -> tuple[dict[str, str], ...]:
    return tuple(_rows("postcodes.csv"))


def places() -> tuple[dict[str, str], ...]:
    """Where the made-up customers live: zip, city, state, lat, lng."""
    return _places()


def zone_of(state: str) -> str:
    """The time zone of a US state of the demo."""
    return _ZONES.get(state, "America/New_York")


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (DATA / name).open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _flies(description: str) -> bool:
    return not any(word in description.upper() for word in _GROUNDED)


def _line(number: int, row: dict[str, str]) -> dict[str, Any]:
    price = _minor(row["unit_price"])
    return {"line": number, "sku": row["stock_code"], "quantity": int(row["quantity"]), "unit_price_minor": price, "description": row["description"]}


def _amount(row: dict[str, str]) -> int:
    return int(row["quantity"]) * _minor(row["unit_price"])


def _minor(price: str) -> int:
    return int((Decimal(price) * 100).to_integral_value())


def _digest(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()


MINUTE = timedelta(minutes=1)
