"""What notifications listens to."""

from collections.abc import Sequence
from typing import Any

from services.kit.database import Transaction
from services.kit.ids import uuid7
from services.kit.stage import Stage, Timer
from services.kit.values import Heard
from services.notifications.handlers import on_events
from services.notifications.messages import HEARD_TOPICS, HEARS
from services.notifications.store import PostgresStore
from services.notifications.telling.store import DUTIES, wake


async def handle(work: Transaction, batch: Sequence[Heard[Any]]) -> None:
    """One batch in one transaction."""
    await on_events(batch, PostgresStore(work), uuid7)


STAGE = Stage(service="notifications", topics=HEARD_TOPICS, hears=HEARS, handle=handle, gather_seconds=0.5, views_promises=True, duties=DUTIES)
TIMERS = (Timer("mornings", wake),)
