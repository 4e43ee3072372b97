"""What the orders service listens to, and what falls due in it."""

from collections.abc import Sequence
from typing import Any

from services.kit.database import Transaction
from services.kit.promise.duties import Bound, Duties
from services.kit.stage import Stage, Timer
from services.kit.values import Heard
from services.orders.appointments import agree_days
from services.orders.handlers import on_events, on_time
from services.orders.messages import HEARS
from services.orders.owing import OWING
from services.orders.payments import agents as payments
from services.orders.store import PostgresStore

TOPICS = ("storefront.order.v1", "storefront.item.v1", "fulfilment.work.v1", "promises.promise.v1")


async def handle(work: Transaction, batch: Sequence[Heard[Any]]) -> None:
    """One batch in one transaction."""
    await on_events(batch, PostgresStore(work))


async def end_waiting(work: Transaction) -> int:
    """Orders that wait for their items, and events that wait for their order."""
    return await on_time(PostgresStore(work))


async def take(work: Transaction, changed: Sequence[Bound]) -> None:
    """What is owed by promise, and days that were agreed."""
    owed = [bound for bound in changed if payments.DUTIES.bind(bound.promise)]
    if owed:
        await payments.DUTIES.take(work, owed)
    await agree_days(work, changed)


DUTIES = Duties(payments.DUTIES.departments, take, watches=True, differing=payments.DUTIES.differing)
STAGE = Stage(service="orders", topics=TOPICS, hears=HEARS, handle=handle, views_promises=True, duties=DUTIES)
TIMERS = (Timer("end-waiting", end_waiting),)
ERRANDS = (*payments.ERRANDS, OWING)
