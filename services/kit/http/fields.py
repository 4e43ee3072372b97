"""What a body may hold: strict models, and field types that mean the same in every service."""

import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, field_validator

_JOINERS = "\u200c\u200d"
_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_INVISIBLE = frozenset("\u00ad\u180e\u200b\u2028\u2029\u2060\ufeff" + _BIDI)
_FIRST_YEAR, _LAST_YEAR = 2000, 2100


def clean_text(text: str) -> str:
    """The text in NFC. Raises ValueError where a character cannot be seen, printed or stored: controls, bidi overrides, zero-width, surrogates.

    Joiners stay where they shape writing (emoji families, Persian), which is between two characters that are not ASCII.
    """
    if text.isascii() and text.isprintable():
        return text
    for place, character in enumerate(text):
        if character in _INVISIBLE or unicodedata.category(character) in ("Cc", "Cs"):
            raise ValueError("a character here cannot be seen or printed: leave it out")
        if character in _JOINERS and text[place - 1 : place].isascii() | text[place + 1 : place + 2].isascii():
            raise ValueError("a joiner stands here where it joins nothing: leave it out")
    return unicodedata.normalize("NFC", text)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list | tuple | set | frozenset):
        return type(value)(_clean(each) for each in value)
    if isinstance(value, dict):
        return {_clean(key): _clean(each) for key, each in value.items()}
    return value


class Strict(BaseModel):
    """The base of every request body: no type is bent, no field is ignored, no text hides a character."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)

    @field_validator("*", mode="after")
    @classmethod
    def _text_is_clean(cls, value: Any) -> Any:
        return _clean(value)


_IN_USE = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF
DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW
KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP
PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU
UZS VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
CURRENCIES = frozenset(_IN_USE.split())
"""ISO 4217 codes that are legal tender somewhere. Source: CLDR, by way of babel 2.18, whose table takes 0.4 s to load: a test compares."""


def _known_currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError("no such currency: send its ISO 4217 code, as GBP")
    return code


def plausible(instant: datetime) -> datetime:
    """The instant in UTC. Raises ValueError where nothing of ours can have happened then."""
    if not _FIRST_YEAR <= instant.year < _LAST_YEAR:
        raise ValueError(f"an instant lies between the years {_FIRST_YEAR} and {_LAST_YEAR}")
    return instant.astimezone(UTC)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("a text here has at least one character that is not a space")
    return text


MoneyMinor = Annotated[int, Field(ge=0, le=1_000_000_000_000)]
"""An amount in minor units: pence, cents, yen."""

Quantity = Annotated[int, Field(ge=1, le=100_000)]

Currency = Annotated[str, Field(min_length=3, max_length=3), AfterValidator(_known_currency)]
"""An ISO 4217 code that is in use."""

Sku = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_not_blank)]

ShortText = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_not_blank)]

Instant = Annotated[AwareDatetime, AfterValidator(plausible)]
"""An instant with its offset, handed on in UTC."""

PageSize = Annotated[int, Query(ge=1, le=100)]
"""How many rows a list answers at most."""
