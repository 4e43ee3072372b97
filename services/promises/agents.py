"""What the promises service listens to, and what falls due.

Locks are taken in one order: carrier services and queues (by name), then the ledger's head; so nobody waits in a circle.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from services.kit.database import Transaction
from services.kit.ids import uuid7
from services.kit.stage import Errand, Stage, Timer
from services.kit.values import Heard
from services.promises.dates.handlers import on_due, on_events, on_look
from services.promises.dates.ports import Promising
from services.promises.dates.store import DatesStore
from services.promises.domain import Schedule
from services.promises.messages import HEARD_TOPICS, HEARS
from services.promises.quoting.handlers import on_capacity
from services.promises.quoting.store import QuotingStore
from services.promises.sentences import Sentences
from services.promises.settings import policy


async def handle(work: Transaction, batch: Sequence[Heard[Any]]) -> None:
    """One batch in one transaction: first what can be done now, then what is promised by it."""
    await on_capacity(batch, QuotingStore(work))
    ledger = DatesStore(work)
    await ledger.look_again(sorted({each.data.carrier_service for each in batch if isinstance(each.data, Schedule)}))
    await on_events(batch, ledger, promising())


async def break_due(work: Transaction) -> int:
    """Give the verdict on promises whose due instant passed without evidence."""
    return await on_due(DatesStore(work))


async def follow_up(work: Transaction) -> int:
    """Look again at what was declined: when more was to be said, or a carrier now goes there."""
    return await on_look(DatesStore(work), promising())


@cache
def promising() -> Promising:
    """By what this process promises."""
    return Promising(Sentences(), policy(), uuid7)


STAGE = Stage(service="promises", topics=HEARD_TOPICS, hears=HEARS, handle=handle)
TIMERS: tuple[Timer, ...] = (Timer("promises-due", break_due), Timer("promises-declined", follow_up))
ERRANDS: tuple[Errand, ...] = ()
