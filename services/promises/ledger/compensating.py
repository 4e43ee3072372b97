"""What is promised in the same commit that records a break: by tariff, unasked, once per broken promise.

The first compensation that is broken itself is compensated once more; after that a person sees to it.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

from services.kit.canonical import canonical
from services.kit.ids import named_uuid
from services.kit.promise.line import Actor
from services.kit.promise.state import Kind, Made
from services.promises.ledger import queries
from services.promises.ledger.asking import due_of, salted
from services.promises.ledger.batch import Asked
from services.promises.ledger.domain.commands import Make
from services.promises.ledger.domain.due import days_later
from services.promises.ledger.domain.kinds import SHAPES, duties_of
from services.promises.ledger.domain.tariff import Owed, Tariff, in_force, owed
from services.promises.ledger.sayings import say

if TYPE_CHECKING:
    import asyncpg

LEDGER = Actor("ledger", "ledger", "ledger")
"""Who acts where nobody asked."""

SCOPE = "ledger compensate"
_PERSON_WITHIN_DAYS = 1


def compensation(promise_id: UUID, said: Made, cause: Made | None, tariffs: Sequence[Tariff], now: datetime) -> Asked | None:
    """The command that makes good for a broken promise; None where nothing is owed. `cause` is what was promised by the promise that this one already
    made good for."""
    if said.tariff is None:
        return None
    twice = cause is not None and cause.cause is not None
    pays = Owed(Kind.FOLLOW_UP, 0, "", _PERSON_WITHIN_DAYS) if twice else owed(said, tariffs)
    if pays is None:
        return None
    due = due_of(days_later(now.astimezone(ZoneInfo(said.due.zone)).date(), pays.within_days), said.due.zone)
    currency = pays.currency or None
    words, text_hash = salted(say(f"broken_{pays.kind.value}", said.language, due, amount_minor=pays.amount_minor, currency=currency))
    made = Made(
        customer_id=said.customer_id, order_id=said.order_id, kind=pays.kind, words=text_hash, language=said.language, due=due,
        kept_by=SHAPES[pays.kind].kept_by, quantity=1, amount_minor=pays.amount_minor, currency=currency, order_minor=said.order_minor,
        tariff=None if twice else in_force(tariffs, now).version, extra=None, cause=promise_id, replaces=None, rides_with=None,
        duties=duties_of(pays.kind, amount_minor=pays.amount_minor or None),
    )  # fmt: skip
    told = canonical(["compensate", str(promise_id)])
    return Asked(SCOPE, f"compensation|{promise_id}", compensation_id(promise_id), Make(made), LEDGER, now, told, words)


async def compensations(
    sql: "asyncpg.Connection[asyncpg.Record]", ids: Collection[UUID], tariffs: Sequence[Tariff], now: datetime
) -> dict[UUID, Asked | None]:
    """The same for those of these promises that there are."""
    said = await queries.said_of(sql, ids) if ids else {}
    causes = {made.cause for made in said.values() if made.cause}
    known = await queries.said_of(sql, causes) if causes else {}
    return {id: compensation(id, made, known.get(made.cause) if made.cause else None, tariffs, now) for id, made in said.items()}


def compensation_id(promise_id: UUID) -> UUID:
    """The promise that makes good for this one: there is one at most."""
    return named_uuid("compensation", str(promise_id))
