"""From what a caller sent to the command that the writer takes, and to the preview that is looked at before. Reads no clock and no table."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from services.kit.canonical import canonical
from services.kit.promise.line import Actor, commitment
from services.kit.promise.state import Due, Duty, Evidenced, Made
from services.kit.zones import rules_release
from services.promises.ledger.batch import Asked, thing_of
from services.promises.ledger.bodies import EvidenceBody, NewPromiseBody, PromiseBody
from services.promises.ledger.domain.commands import Command, Make
from services.promises.ledger.domain.due import instant_of, readings
from services.promises.ledger.domain.kinds import SHAPES, duties_of
from services.promises.ledger.domain.tariff import Owed, Tariff, in_force, owed
from services.promises.ledger.sayings import say

_SALT_BYTES = 16
NO_CALENDAR = "none"
"""The calendar of a day or time that was said as such: no working day is counted in it."""


@dataclass(frozen=True, slots=True)
class By:
    """Who asks for what in whose name: `system` is the caller whose keys these are, `operation` what is asked for."""

    actor: Actor
    system: str
    now: datetime
    tariffs: tuple[Tariff, ...]

    def scope(self, operation: str) -> str:
        return f"{self.system} {operation}"


@dataclass(frozen=True, slots=True)
class DueView:
    """When it is due, and every instant that the words may mean where clocks change: the first one counts."""

    said: str
    zone: str
    at: datetime
    readings: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be promised, and what a break would cost. `preview` is the digest that a promise names to show that this was looked at."""

    customer_text: str
    language: str
    due: DueView
    duties: tuple[Duty, ...]
    kept_by: str
    compensation: Owed | None
    preview: str


def preview_of(body: PromiseBody, by: By) -> Preview:
    """What the body would promise."""
    said, text = made_of(body, by, b"")
    due = DueView(said.due.said, said.due.zone, said.due.at, readings(said.due.said, said.due.zone))
    return Preview(text, said.language, due, said.duties, said.kept_by, owed(said, by.tariffs), _digest(said, text, by))


def making(body: NewPromiseBody, by: By, key: str, told: object, salt: Callable[[int], bytes] = os.urandom) -> Asked:
    """The command to promise it. `told` is all of the request."""
    words = salt(_SALT_BYTES)
    said, text = made_of(body, by, words, body.replaces)
    command = Make(said, agreed=body.preview, preview=_digest(said, text, by))
    return Asked(
        by.scope("promise"), key, body.promise_id, command, by.actor, by.now, canonical(told), (words, text), said.customer_id, salt(_SALT_BYTES),
        thing_of(command), body.distinct_from,
    )  # fmt: skip


def made_of(body: PromiseBody, by: By, salt: bytes, replaces: UUID | None = None) -> tuple[Made, str]:
    """What is promised, and the sentence."""
    due = due_of(body.due.said, body.due.zone)
    money = {"amount_minor": body.amount_minor or 0, "currency": body.currency}
    text = body.customer_text or say(body.kind.value, body.language, due, thing=body.thing, **money)  # type: ignore[arg-type]  # as they are named
    duties = duties_of(body.kind, sku=body.sku, amount_minor=body.amount_minor, department=body.department)
    said = Made(
        customer_id=body.customer_id, order_id=body.order_id, kind=body.kind, words=commitment(salt, text), language=body.language, due=due,
        kept_by=SHAPES[body.kind].kept_by, quantity=body.quantity, amount_minor=body.amount_minor or 0, currency=body.currency,
        order_minor=body.order_minor, tariff=in_force(by.tariffs, by.now).version, extra=None, cause=None, replaces=replaces,
        rides_with=body.rides_with, duties=duties,
    )  # fmt: skip
    return said, text


def due_of(said: str, zone: str) -> Due:
    """The instant that the words mean, by the rules we have now."""
    return Due(said, zone, NO_CALENDAR, rules_release(), instant_of(said, zone))


def evidence_of(body: EvidenceBody) -> Evidenced:
    """When it happened is told by the device's clock less what it was ahead."""
    return Evidenced(body.type, body.id, body.quantity, body.at - timedelta(milliseconds=body.clock_ahead_ms))


def asking(
    promise_id: UUID, command: Command, by: By, operation: str, key: str, told: object, words: tuple[bytes, str] | None = None,
    if_match: int | None = None, then: Asked | None = None,
) -> Asked:  # fmt: skip
    """Any other command, on a promise that stands."""
    return Asked(by.scope(operation), key, promise_id, command, by.actor, by.now, canonical(told), words, if_match=if_match, then=then)


def salted(text: str) -> tuple[tuple[bytes, str], bytes]:
    """A text that can be erased, with its salt; and what stands in the log for it."""
    salt = os.urandom(_SALT_BYTES)
    return (salt, text), commitment(salt, text)


def _digest(said: Made, text: str, by: By) -> str:
    pays = owed(said, by.tariffs)
    return sha256(canonical([said.kind, text, said.due.at, said.duties, said.quantity, said.amount_minor, said.currency, pays])).hexdigest()
