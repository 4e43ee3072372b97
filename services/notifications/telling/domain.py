"""Which promises a customer hears of, what of them, and when: what is said follows from how the promise stands, and from nothing else."""

from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from services.kit.promise.state import Duty, Kind, Made, Promise, Risk, Verdict
from services.kit.values import Refusal

WAKES, SLEEPS = time(8), time(21)
"""Between these, where the customer is, they may be told of what they did not ask for."""

CHANNEL = "mail"
"""What the ledger notes as the way in which the customer is told."""

SENT = "sent"
"""The evidence that a mail went out."""


class Telling(StrEnum):
    """A mail about a promise of the ledger."""

    PROMISED = "promised"
    REPLACED = "replaced"
    MADE_GOOD = "made_good"
    AT_RISK = "at_risk"
    INFORMATION = "information"


class News(NamedTuple):
    """One thing to tell of a promise, once. A risk tells its reason."""

    intent: Telling
    reason: Risk | None = None


class NothingToSend(Refusal):
    slug = "nothing-to-send"


class NoAddress(Refusal):
    slug = "no-address"


_UNSAID = frozenset({Verdict.VOID, Verdict.RELEASED})
"""A promise that does not count any more is not told."""
_TOLD_RISKS = (Risk.SHORT, Risk.LATE)
"""The worse first: who heard that there is none is not told later that it will be late."""
_UNASKED = frozenset({Telling.MADE_GOOD, Telling.AT_RISK})
_OFFERS = frozenset({(Kind.DELIVERY_DATE, Risk.LATE), (Kind.DELIVERY_DATE, Risk.SHORT), (Kind.GIFT, Risk.LATE)})
"""What another day is offered for. An order does not wait for a gift that is missing, so that there is no day for it."""


def is_to_be_told(promise: Promise, words: str | None, before: Promise | None) -> bool:
    """Whether the ledger is now to note that the customer is told: that comes before any mail."""
    return before is None and words is not None and not promise.stands.told and promise.stands.verdict not in _UNSAID


def news_of(promise: Promise) -> frozenset[News]:
    """All that its customer is to know of it as it stands: nothing before the ledger has noted that they are told."""
    stands = promise.stands
    if not stands.told or stands.verdict in _UNSAID:
        return frozenset()
    risk = next((risk for risk in _TOLD_RISKS if risk in stands.at_risk), None) if stands.verdict is Verdict.OPEN else None
    return frozenset({News(_first(promise.said)), *([News(Telling.AT_RISK, risk)] if risk else [])})


def in_order(news: frozenset[News]) -> list[News]:
    """What was promised before what may become of it."""
    return sorted(news, key=lambda each: (each.intent is Telling.AT_RISK, each))


def offers_a_day(said: Made, news: News) -> bool:
    """Whether the mail is to say on which other day the order can be brought."""
    return news.intent is Telling.AT_RISK and said.order_id is not None and (said.kind, news.reason) in _OFFERS


def is_later(said: Made, expected_at: datetime) -> bool:
    """Whether what can be brought then is another day, and not what was promised."""
    return expected_at > said.due.at


def earlier_of(said: Made) -> UUID | None:
    """The promise that is told of beside it: the one that it makes good for, or takes the place of."""
    return said.cause or said.replaces


def held_until(intent: Telling, now: datetime, zone: str) -> datetime | None:
    """When the customer may be told: nobody is woken for what they did not ask for. None for now."""
    local = now.astimezone(ZoneInfo(zone))
    if intent not in _UNASKED or WAKES <= local.time() < SLEEPS:
        return None
    day = local.date() + timedelta(days=local.time() >= SLEEPS)
    return datetime.combine(day, WAKES, local.tzinfo).astimezone(UTC)


def may_send(promise: Promise, *, has_address: bool) -> None:
    """Whether information can be sent for it. Raises NothingToSend or NoAddress."""
    if promise.said.kind is not Kind.SEND_INFORMATION or not any(map(_sends, promise.said.duties)):
        raise NothingToSend("It does not promise information: write to the customer for a promise that does.", kind=promise.said.kind.value)
    if promise.stands.verdict in _UNSAID:
        raise NothingToSend(f"It is {promise.stands.verdict}: make a new promise, and send for that.", verdict=promise.stands.verdict.value)
    if not has_address:
        raise NoAddress("No address of this customer is known: reach them by phone.")


def _first(said: Made) -> Telling:
    if said.cause is not None:
        return Telling.MADE_GOOD
    return Telling.PROMISED if said.replaces is None else Telling.REPLACED


def _sends(duty: Duty) -> bool:
    return duty.evidence == SENT
