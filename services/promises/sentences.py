"""The sentences said to customers, rendered from `templates/{name}.{language}.txt` with days and hours as they are where the order goes.

A sentence is rendered once, when the promise is made, and kept for ever; changing a template changes nothing that was said.
"""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.dates import format_date

from services.promises.dates.domain import Wording
from services.promises.domain import Service
from services.promises.quoting.domain import AwaitingStock, CannotPromise, OrderEnded, Quote

LANGUAGES = ("en", "de")
"""What we speak; anybody else is answered in the first."""

DAY = {"en": "EEEE d MMMM", "de": "EEEE, d. MMMM"}


class Sentences:
    """All templates, read once."""

    def __init__(self, folder: Path = Path(__file__).parent / "templates") -> None:
        self._templates = {path.stem: path.read_text("utf-8").strip() for path in folder.glob("*.txt")}

    def promise(self, quote: Quote, language: str, *, delayed: bool = False) -> Wording:
        """The words that promise the quote's date; with the hour where the service promises one."""
        language = spoken(language)
        name = ("delivery_time" if quote.service is Service.OVERNIGHT else "delivery_date") + ("_delayed" if delayed else "")
        local = quote.due_at.astimezone(ZoneInfo(quote.zone))
        day = format_date(quote.due_on, DAY[language], locale=language)
        return Wording(self._templates[f"{name}.{language}"].format(day=day, time=f"{local:%H:%M}"), language)

    def decline(self, refusal: CannotPromise, language: str, answer_by: datetime, zone: str) -> str:
        """Why there is no date yet, what there can be, and when we say more."""
        language = spoken(language)
        answer_day = format_date(answer_by.astimezone(ZoneInfo(zone)).date(), DAY[language], locale=language)
        name = "date-not-possible" if refusal.instead and refusal.slug != "no-lane" else "no-lane"
        name = refusal.slug if isinstance(refusal, AwaitingStock) else name
        day = format_date(refusal.instead[0].due_on, DAY[language], locale=language) if refusal.instead else ""
        return self._templates[f"{name}.{language}"].format(day=day, answer_day=answer_day)

    def not_dated(self, refusal: CannotPromise, language: str) -> str:
        """Why no date can be promised for a change of an order, and what there can be; nothing of the order changes."""
        language = spoken(language)
        day = format_date(refusal.instead[0].due_on, DAY[language], locale=language) if refusal.instead else ""
        name = "no-lane" if refusal.slug == "no-lane" or not day else "date-not-possible"
        name = refusal.slug if isinstance(refusal, OrderEnded) else name
        return self._templates[f"unchanged_{name}.{language}"].format(day=day)


def spoken(language: str) -> str:
    """The language itself where we speak it, else the first of ours."""
    return language if language in LANGUAGES else LANGUAGES[0]
