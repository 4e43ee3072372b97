"""Asks the warehouse on which other day it can bring what may not come as promised: once for each mail that may say so, before it is written. What
was decided stands, so that a mail that is tried again says the same.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import structlog

from services.kit.calling import Away, call
from services.kit.database import Database
from services.kit.promise.state import Made
from services.notifications.domain import language_of
from services.notifications.rendering import day_of
from services.notifications.settings import Settings
from services.notifications.telling.domain import is_later
from services.notifications.telling.outgoing import TURN

_PATIENCE_SECONDS = 2.0
"""A mail goes without a day rather than late."""

_WANTED = f"""
select m.message_id, v.order_id, v.made, c.zone
from messages m join contacts_view c using (customer_id) join promise_view v on v.promise_id = m.about {TURN} and m.date_wanted
order by m.seq limit 100"""  # noqa: S608  # our statements
_DECIDED = """
with locked as (
    select message_id from messages where message_id = any($1::uuid[]) and state = 'waiting' and date_wanted order by message_id for update)
update messages m set date_wanted = false, offered = d.offered
from locked join unnest($1::uuid[], $2::text[]) d (message_id, offered) using (message_id)
where m.message_id = locked.message_id"""

_read_made = msgspec.json.Decoder(Made).decode
log = structlog.get_logger(__name__)


class _Day(msgspec.Struct):
    expected_at: datetime


class _Dates(msgspec.Struct):
    dates: list[_Day]


_read_dates = msgspec.json.Decoder(_Dates).decode


async def decide(settings: Settings, database: Database) -> None:
    """Every mail whose turn it is knows which day it offers, or that it offers none."""
    rows = await database.pool.fetch(_WANTED)
    if not rows:
        return
    soonest = await _soonest(settings, {row["order_id"] for row in rows})
    offered = [_offered(row, soonest.get(row["order_id"])) for row in rows]
    await database.pool.execute(_DECIDED, [row["message_id"] for row in rows], offered)


def _offered(row: Any, expected_at: datetime | None) -> str | None:
    """The day as the mail says it, where the customer is, or where it was promised while that is not known."""
    said = _read_made(row["made"])
    if expected_at is None or not is_later(said, expected_at):
        return None
    return day_of(expected_at, row["zone"] or said.due.zone, language_of(said.language))


async def _soonest(settings: Settings, order_ids: Iterable[UUID]) -> dict[UUID, datetime]:
    """By order, when it can next be at the door; nothing where there is no such day, nor of those that are left once nobody answers."""
    found: dict[UUID, datetime] = {}
    try:
        for order_id in order_ids:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                answered = await call(settings, "notifications", "GET", f"{settings.fulfilment_url}/v1/orders/{order_id}/dates?limit=1")
            if answered.status_code == 200 and (days := _read_dates(answered.content).dates):
                found[order_id] = days[0].expected_at
    except (Away, TimeoutError) as error:
        log.warning("the warehouse does not say which day is next: mails go out without one", error=repr(error))
    return found
