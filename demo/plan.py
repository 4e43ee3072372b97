"""What the shop does that day, besides what its customers really ordered: who pays late, who flies by choice, what is repeated, what is cancelled."""

from dataclasses import dataclass
from typing import Any

from demo import day

REPEATS = 10
_CANCELS_BEFORE, _CANCELS_AFTER = 3, 2


@dataclass(frozen=True, slots=True)
class Order:
    """One invoice as the shop sends it. `by_http`: posted with a quote, else said on the topic. `pays_later`: its payment comes two minutes after.
    `repeated`: sent twice. `cancelled`: `before` or `after` somebody claimed the pick, or not at all."""

    invoice: day.Invoice
    body: dict[str, Any]
    by_http: bool
    pays_later: bool
    repeated: bool
    cancelled: str | None


def orders() -> list[Order]:
    """Every order of the day, mistakes included, in the order of their times."""
    invoices = [invoice for invoice in day.invoices() if not invoice.is_cancellation]
    good = [invoice.number for invoice in invoices if not invoice.mistaken and day.submission(invoice)["lines"]]
    repeated, later = set(good[5::13][:REPEATS]), set(good[3::20])
    cancelled = dict.fromkeys(good[12::25][:_CANCELS_BEFORE], "before") | dict.fromkeys(good[20::40][:_CANCELS_AFTER], "after")
    overnight = set(good[9::25])
    return [
        Order(
            invoice,
            day.submission(
                invoice,
                service="overnight" if invoice.number in overnight and number % 2 else "standard",
                payment="pending" if invoice.number in later else "captured",
            ),
            by_http=number % 2 == 1,
            pays_later=invoice.number in later,
            repeated=invoice.number in repeated,
            cancelled=cancelled.get(invoice.number),
        )
        for number, invoice in enumerate(invoices)
    ]


def cancellations() -> list[day.Invoice]:
    """The day's C invoices: cancels of orders that were placed elsewhere or long ago."""
    return [invoice for invoice in day.invoices() if invoice.is_cancellation]
