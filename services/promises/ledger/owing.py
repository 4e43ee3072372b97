"""What the page of liability says: what is promised and not yet paid, by currency, kind, cause and age, and what is to be paid next. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from services.kit.durations import two_units
from services.promises.ledger.presenting import joined
from services.promises.ledger.queries import Owing, ToPay
from services.promises.ledger.sayings import money

AGES: Mapping[str, str] = MappingProxyType({"day": "Within a day", "week": "Within a week", "older": "Earlier"})
KINDS: Mapping[str, str] = MappingProxyType({"refund": "Refund", "credit": "Credit"})
CAUSES: Mapping[bool, str] = MappingProxyType({True: "makes good for a broken promise", False: "agreed with the customer"})


def present(owing: Sequence[Owing], next_due: Sequence[ToPay], size: int, now: datetime) -> dict[str, Any]:
    """Everything the template shows."""
    currencies = sorted({each.currency for each in owing})
    totals = {currency: sum(each.amount_minor for each in owing if each.currency == currency) for currency in currencies}
    return {
        "headline": f"We owe {joined([_amount(total, currency) for currency, total in totals.items()])}." if owing else "Nothing is owed.",
        "explained": _explained(owing, next_due, now),
        "as_of": f"As of #{size:,}",
        "ages": list(AGES.values()),
        "tables": [_table(currency, [each for each in owing if each.currency == currency]) for currency in currencies],
        "next_due": [_next(each, now) for each in next_due],
    }


def _explained(owing: Sequence[Owing], next_due: Sequence[ToPay], now: datetime) -> str:
    if not owing:
        return "No refund and no credit is promised and not yet paid."
    count = sum(each.count for each in owing)
    what = "One refund or credit is" if count == 1 else f"{count:,} refunds and credits are"
    soonest = f" The next one is due {_until(next_due[0], now)}." if next_due else ""
    return f"{what} promised and not yet paid.{soonest}"


def _table(currency: str, owing: Sequence[Owing]) -> dict[str, Any]:
    """One row per kind and cause, one column per age, and totals of both."""
    rows = [
        _row(KINDS[kind], CAUSES[compensation], currency, [each for each in owing if (each.kind, each.compensation) == (kind, compensation)])
        for kind, compensation in sorted({(each.kind, each.compensation) for each in owing}, reverse=True)
    ]
    return {"currency": currency, "rows": rows, "total": _row("Total", "", currency, owing)}


def _row(kind: str, cause: str, currency: str, owing: Sequence[Owing]) -> dict[str, Any]:
    by_age = {age: sum(each.amount_minor for each in owing if each.age == age) for age in AGES}
    return {
        "kind": kind,
        "cause": cause,
        "ages": [(label, _amount(by_age[age], currency)) for age, label in AGES.items()],
        "count": f"{sum(each.count for each in owing):,}",
        "total": _amount(sum(by_age.values()), currency),
    }


def _next(each: ToPay, now: datetime) -> dict[str, Any]:
    return {
        "promise_id": each.promise_id,
        "kind": KINDS[each.kind],
        "amount": _amount(each.amount_minor, each.currency),
        "cause": each.cause,
        "due_at": each.due_at,
        "until": _until(each, now),
        "state": "risk" if each.due_at <= now else "open",
    }


def _until(each: ToPay, now: datetime) -> str:
    return f"in {two_units(each.due_at - now)}" if each.due_at > now else "now"


def _amount(minor: int, currency: str) -> str:
    return money(minor, currency, "en")
