"""What the customer's page says of the promises that the ledger holds for this order: each in its very words, when it is due, what became of it, and
what was promised to make good for it. Pure: rows of the service's own view and an instant go in."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.kit.durations import two_units
from services.kit.promise.line import commitment
from services.kit.promise.state import Fulfilment, Kind, Promise, Risk, Verdict
from services.kit.promise.view import Row
from services.orders.speaking import Speaker, Words

Card = dict[str, Any]
_TOLD = (Risk.SHORT, Risk.LATE)
"""Why a promise may break, as far as customers are told, the worse first."""
_ENDED = (Verdict.RELEASED, Verdict.VOID)


def cards(held: Sequence[Row], say: Speaker, now: datetime) -> tuple[list[Card], list[Card]]:
    """The open promises, the soonest due first, and those that were settled, the last settled first. What makes good for another one is told with
    it, and while it is open by itself as well."""
    shown = [row for row in held if row.words is not None and not _is_void(row)]
    good = {row.promise.said.cause: row for row in shown if row.promise.said.cause}
    known = {row.promise.promise_id for row in shown}
    opened = sorted((row for row in shown if _is_open(row)), key=lambda row: row.promise.said.due.at)
    settled = [row for row in shown if not _is_open(row) and row.promise.said.cause not in known]
    settled.sort(key=lambda row: _settled_at(row.promise), reverse=True)
    return [_card(row, good, say, now) for row in opened], [_card(row, good, say, now) for row in settled]


def agreed_day(held: Sequence[Row], say: Speaker, now: datetime) -> Card | None:
    """The day that a person agreed with the customer: the last one that was promised and still counts."""
    days = [row for row in held if row.promise.said.kind is Kind.DELIVERY_DATE and row.promise.stands.verdict not in _ENDED]
    return _card(max(days, key=lambda row: row.promise.promise_id), {}, say, now) if days else None


def untold(held: Sequence[Row]) -> list[UUID]:
    """Those whose sentence stands on the page though the ledger has not noted yet that their customer is told."""
    return [row.promise.promise_id for row in held if not row.promise.stands.told and not _is_void(row) and _is_ours(row)]


def _card(row: Row, good: Mapping[Any, Row], say: Speaker, now: datetime) -> Card:
    promise, words = row.promise, say.words["promised"]
    made_good = good.get(promise.promise_id)
    return {
        "verdict": _state(promise),
        "word": words[_word(promise)],
        "customer_text": row.words if _is_ours(row) else "",
        "language": promise.said.language,
        "facts": _facts(promise, say, now),
        "good": _card(made_good, good, say, now) if made_good else None,
    }


def _state(promise: Promise) -> str:
    verdict = promise.stands.verdict
    return "risk" if verdict is Verdict.OPEN and _risk(promise) else str(verdict.value)


def _word(promise: Promise) -> str:
    risk = _risk(promise)
    return risk.value if promise.stands.verdict is Verdict.OPEN and risk else str(promise.stands.verdict.value)


def _risk(promise: Promise) -> Risk | None:
    return next((risk for risk in _TOLD if risk in promise.stands.at_risk), None)


def _facts(promise: Promise, say: Speaker, now: datetime) -> list[str]:
    """When it is or was due, when it was done, and how much of it, as clocks show it where it is due."""
    words, due, there = say.words["promised"], promise.said.due.at, Speaker(say.language, promise.said.due.zone)

    def at(word: str, instant: datetime) -> str:
        return str(words[word]).format(time=there.time(instant), zone=there.place)

    match promise.stands.verdict:
        case Verdict.OPEN:
            return [f"{at('due', due)} ({_left(due, words, now)})", *_so_far(promise, words)]
        case Verdict.BROKEN:
            return [at("was_due", due), *_so_far(promise, words), say.words["stays"]]
        case Verdict.KEPT:
            return [at("done", _settled_at(promise))]
        case _:
            return [at("ended", _settled_at(promise))]


def _left(due: datetime, words: Words, now: datetime) -> str:
    """How long there is left, in one piece: no line ends inside it."""
    left = words["left"].format(duration=two_units(due - now, words["units"])) if due > now else str(words["now"])
    return left.replace(" ", "\u00a0")


def _so_far(promise: Promise, words: Words) -> list[str]:
    """What was done of it though it is not kept."""
    done = {Fulfilment.PART: words["part"], Fulfilment.DONE: words["done_later"]}.get(promise.stands.fulfilment)
    return [done] if done else []


def _is_void(row: Row) -> bool:
    return row.promise.stands.verdict is Verdict.VOID


def _is_open(row: Row) -> bool:
    return row.promise.stands.verdict is Verdict.OPEN


def _settled_at(promise: Promise) -> datetime:
    return promise.stands.settled_at or promise.said.due.at


def _is_ours(row: Row) -> bool:
    """Whether the sentence is the one that the ledger committed to: another one is never shown."""
    return row.salt is not None and row.words is not None and commitment(row.salt, row.words) == row.promise.said.words
