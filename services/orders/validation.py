"""Whether a shop's order can be taken: every reason against it at once, each with what to do. Pure; asks nothing but the items it is given."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from uuid import UUID
from zoneinfo import available_timezones

from services.kit.values import Refusal
from services.orders.codes import CURRENCIES, LANGUAGES
from services.orders.events import Address, Line, Reason

MOST_LINES = 500
MOST_UNITS = 1_000_000
MOST_MINOR = 1_000_000_000_000
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(days=1)
_FARTHEST = timedelta(days=366)
_EMAIL = re.compile(r"^[^@\s\"(),:;<>\[\]\\]{1,64}@(?=.{1,253}$)([^\W_]([\w-]{0,61}[^\W_])?\.)+[^\W\d_][^\W_-]{1,62}$")
_POSTCODES = {
    "US": (re.compile(r"^\d{5}(-\d{4})?$"), "five digits, or five and four (40202, 40202-1234)"),
    "GB": (re.compile(r"^(GIR ?0AA|[A-Z]{1,2}\d[A-Z\d]? ?\d[ABD-HJLNP-UW-Z]{2})$", re.IGNORECASE), "a UK postcode (SW1A 1AA)"),
}
# The same that the edge refuses: what cannot be seen, and what turns the direction of writing.
_HIDDEN = frozenset("\u00ad\u061c\u180e\u200b\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff")


@dataclass(frozen=True, slots=True)
class Charge:
    """A line that is no goods: postage, tax, discount. Of either sign."""

    code: str
    description: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Payment:
    """What the shop says of the payment."""

    state: str
    reference: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who ordered. `external_ref` is the shop's name for a customer; a guest has none, and an id per order."""

    customer_id: UUID
    external_ref: str | None
    name: str
    email: str
    phone: str | None
    language: str
    zone: str


@dataclass(frozen=True, slots=True)
class Submission:
    """An order as the shop sent it, not yet judged. `body` is its canonical form: equal bodies are the same order."""

    order_id: UUID
    channel: str
    external_ref: str
    placed_at: datetime
    buyer: Buyer
    ship_to: Address
    currency: str
    lines: tuple[Line, ...]
    charges: tuple[Charge, ...]
    total_minor: int
    payment: Payment
    service: str
    quote_id: UUID | None
    chosen_on: date | None
    signature_required: bool
    body: bytes
    fingerprint: bytes

    @property
    def goods_minor(self) -> int:
        return sum(line.quantity * line.unit_price_minor for line in self.lines)

    @property
    def charges_minor(self) -> int:
        return sum(charge.amount_minor for charge in self.charges)


@dataclass(frozen=True, slots=True)
class Item:
    """An item of the catalogue, as far as taking an order needs it."""

    sku: str
    withdrawn: bool


class OrderInvalid(Refusal):
    """The order cannot be taken as it is; `reasons` says everything that stands against it."""

    slug = "order-invalid"
    status = 422

    def __init__(self, reasons: tuple[Reason, ...], what: str = "order") -> None:
        super().__init__(f"The {what} was not taken: mend what the reasons name, then send it again.", reasons=reasons)
        self.reasons = reasons


@dataclass(frozen=True, slots=True)
class Verdict:
    """What stands against an order. `unknown` are SKUs that no item was listed for: they may still come."""

    reasons: tuple[Reason, ...]
    unknown: tuple[str, ...]


def judge(order: Submission, items: Mapping[str, Item], now: datetime) -> Verdict:
    """Everything that stands against the order at this instant; nothing when it can be taken."""
    reasons = (*_lines(order, items), *_money(order), *_customer(order), *_place(order), *_dates(order, now), *_texts(order))
    unknown = tuple(dict.fromkeys(line.sku for line in order.lines if line.sku not in items))
    return Verdict(reasons, unknown)


def unknown_items(order: Submission, unknown: tuple[str, ...]) -> tuple[Reason, ...]:
    """The reasons of an order whose items never came."""
    said = "Line {} names an item that is not listed: list it, then send the order again."
    return tuple(Reason("unknown-sku", said.format(line.line)) for line in order.lines if line.sku in unknown)


def _lines(order: Submission, items: Mapping[str, Item]) -> Iterator[Reason]:
    if not 1 <= len(order.lines) <= MOST_LINES:
        yield Reason("line-count", f"The order has {len(order.lines)} lines: send 1 to {MOST_LINES}, the rest as a further order.")
    for number, times in Counter(line.line for line in order.lines).items():
        if times > 1:
            yield Reason("line-number", f"Line number {number} stands {times} times: number each line once.")
    for line in order.lines:
        if line.sku in items and items[line.sku].withdrawn:
            yield Reason("withdrawn-sku", f"Line {line.line} names an item that was withdrawn: offer the customer another.")
        if not 1 <= line.quantity <= MOST_UNITS:
            yield Reason("quantity", f"Line {line.line} asks for {_figure(line.quantity)} units: send 1 to {MOST_UNITS}.")
        if line.unit_price_minor == 0:
            yield Reason("zero-price", f"Line {line.line} has no price: send the order again with the price the customer saw.")
        elif not 0 < line.unit_price_minor <= MOST_MINOR:
            yield Reason("price", f"Line {line.line} has the price {_figure(line.unit_price_minor)}: send the price the customer saw, above zero.")
        if not 1 <= line.line <= MOST_UNITS:
            yield Reason("line-number", f"Line number {_figure(line.line)} is not between 1 and {MOST_UNITS}: number the lines from 1.")


def _money(order: Submission) -> Iterator[Reason]:
    if order.currency not in CURRENCIES:
        yield Reason("currency", "The currency is not in use: send an ISO 4217 code.")
    sums = order.goods_minor + order.charges_minor
    if sums != order.total_minor:
        yield Reason("total", f"Goods and charges add up to {_figure(sums)}, the total says {_figure(order.total_minor)}: send what adds up.")
    if not 0 <= order.total_minor <= MOST_MINOR:
        yield Reason("total", f"The total is {_figure(order.total_minor)}: send an order of 0 to {MOST_MINOR}.")
    if abs(order.charges_minor) > MOST_MINOR or any(abs(charge.amount_minor) > MOST_MINOR for charge in order.charges):
        yield Reason("charge", f"A charge is larger than {MOST_MINOR}: send amounts in minor units.")
    if order.payment.amount_minor != order.total_minor:
        yield Reason(
            "payment-amount",
            f"The payment of {_figure(order.payment.amount_minor)} is not the total of {_figure(order.total_minor)}: send them equal.",
        )


def _customer(order: Submission) -> Iterator[Reason]:
    if not _EMAIL.fullmatch(order.buyer.email):
        yield Reason("email", "The e-mail address cannot receive mail: send it as name@example.com.")
    if order.buyer.language not in LANGUAGES:
        yield Reason("language", "The language is not known: send an ISO 639-1 code such as en.")
    if order.buyer.zone not in _zones():
        yield Reason("zone", "The customer's time zone is not known: send a name of the IANA database such as America/New_York.")


def _place(order: Submission) -> Iterator[Reason]:
    shape = _POSTCODES.get(order.ship_to.country)
    if shape and not shape[0].fullmatch(order.ship_to.postcode):
        yield Reason("postcode", f"The postcode does not fit {order.ship_to.country}: send {shape[1]}.")


def _dates(order: Submission, now: datetime) -> Iterator[Reason]:
    if not _EARLIEST <= order.placed_at <= now + _AHEAD:
        yield Reason("placed-at", "The order was placed in the future or before 2000: send the instant the customer pressed the button.")
    if order.chosen_on and not now.date() - _AHEAD <= order.chosen_on <= now.date() + _FARTHEST:
        yield Reason("chosen-on", "The chosen day is past or more than a year away: ask the customer for another.")


def _texts(order: Submission) -> Iterator[Reason]:
    """Control characters and marks that turn the direction of writing would break a label, a mail header or a line on a screen."""
    said = {
        "external_ref": (order.external_ref, order.buyer.external_ref),
        "customer": (order.buyer.name, order.buyer.email, order.buyer.phone),
        "ship_to": (order.ship_to.name, order.ship_to.line1, order.ship_to.line2, order.ship_to.city, order.ship_to.region, order.ship_to.postcode),
        "lines": tuple(text for line in order.lines for text in (line.sku, line.description)),
        "charges": tuple(text for charge in order.charges for text in (charge.code, charge.description)),
        "payment": (order.payment.reference,),
    }
    for name, texts in said.items():
        if any(_unprintable(text) for text in texts if text):
            yield Reason("characters", f"A text of {name} holds control characters or marks that turn the writing: send plain text.")
    if not order.ship_to.name.strip() or not order.buyer.name.strip():
        yield Reason("name", "A name is blank: send the name that stands on the parcel.")


def _unprintable(text: str) -> bool:
    if text.isascii():
        return not text.isprintable()
    return any(character in _HIDDEN or unicodedata.category(character) in ("Cc", "Cs") for character in text)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _figure(number: int) -> str:
    """A number in a sentence, short whatever was sent."""
    return str(number) if abs(number) < 10**15 else "more than 15 digits"
