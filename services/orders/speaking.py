"""Says instants and money to one customer, in their language and zone, with the words of the language's catalogue."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.core import get_global
from babel.dates import format_datetime, get_timezone_name
from babel.numbers import format_currency, get_currency_precision

Words = Mapping[str, Any]
_WORDS = Path(__file__).parent / "words"
LANGUAGES = ("en", "de")
_COMMON: Mapping[str, str] = get_global("meta_zones")
_METAZONES = {**{zone: _COMMON[old] for old, zone in get_global("zone_aliases").items() if old in _COMMON}, **_COMMON}
"""The common name's key of each zone. Of some zones, Louisville's among them, babel keeps it under the zone's old name only."""


@cache
def words_of(language: str) -> Words:
    """The catalogue of a language."""
    return tomllib.loads((_WORDS / f"{language}.toml").read_text())


@dataclass(frozen=True, slots=True)
class Speaker:
    """Says instants and money to one customer."""

    language: str
    zone: str

    @property
    def words(self) -> Words:
        return words_of(self.language)

    @property
    def place(self) -> str:
        """The zone's name, such as `Eastern Time`."""
        named = Locale.parse(self.language).meta_zones.get(_METAZONES.get(self.zone, ""), {}).get("long", {})
        return str(named.get("generic") or get_timezone_name(ZoneInfo(self.zone), locale=self.language))

    def time(self, at: datetime) -> str:
        """An instant as the customer's clock and calendar show it."""
        pattern = "EEEE d MMMM, HH:mm" if self.language == "en" else "EEEE, d. MMMM, HH:mm"
        return format_datetime(at, pattern, tzinfo=ZoneInfo(self.zone), locale=self.language)

    def money(self, minor: int, currency: str) -> str:
        amount = Decimal(minor).scaleb(-get_currency_precision(currency))
        return format_currency(amount, currency, locale=Locale.parse(self.language))
