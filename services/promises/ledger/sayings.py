"""The sentences that the ledger says, rendered once from `templates/{name}.{language}.txt` and kept for ever; and the tariff they rest on."""

import tomllib
from datetime import datetime
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, get_currency_precision

from services.kit.promise.state import Due
from services.promises.ledger.domain.due import is_day
from services.promises.ledger.domain.tariff import Tariff
from services.promises.sentences import DAY, spoken

_HERE = Path(__file__).parent
_REMEMBERED = 4_096
"""Days and amounts as they are written: Babel takes longer over each than everything else that makes a promise."""
_TIME = {"en": "EEEE d MMMM, HH:mm", "de": "EEEE, d. MMMM, HH:mm 'Uhr'"}


def say(name: str, language: str, due: Due, *, thing: str | None = None, amount_minor: int = 0, currency: str | None = None) -> str:
    """The sentence of this name in the language, or in English where we do not speak it; the day or time as it is where it is kept."""
    language = spoken(language)
    amount = money(amount_minor, currency, language) if currency else ""
    return _templates()[f"{name}.{language}"].format(due=_when(due, language), thing=thing, amount=amount)


@cache
def tariffs() -> tuple[Tariff, ...]:
    """All that ever were in force."""
    told = tomllib.loads((_HERE / "tariff.toml").read_text("utf-8"))
    return tuple(msgspec.convert(told["tariffs"], list[Tariff]))


@cache
def goodwill_budgets() -> dict[str, int]:
    """What an agent grants on a day without anybody looking at it, in minor units by currency."""
    return dict(tomllib.loads((_HERE / "tariff.toml").read_text("utf-8"))["goodwill"])


@cache
def _templates() -> dict[str, str]:
    return {path.stem: path.read_text("utf-8").strip() for path in (_HERE / "templates").glob("*.txt")}


@lru_cache(_REMEMBERED)
def _when(due: Due, language: str) -> str:
    if is_day(due.said):
        return format_date(datetime.fromisoformat(due.said), DAY[language], locale=language)
    return format_datetime(due.at, _TIME[language], tzinfo=ZoneInfo(due.zone), locale=language)


@lru_cache(_REMEMBERED)
def money(minor: int, currency: str, language: str) -> str:
    """An amount in minor units as the language writes it."""
    return format_currency(Decimal(minor).scaleb(-get_currency_precision(currency)), currency, locale=language)
