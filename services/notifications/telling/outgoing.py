"""The mails about promises that wait to be sent, each with all that is needed to write it. The words are read from the view of the promises as they
are sent, so that what was erased is gone.
"""

from typing import Any

import msgspec

from services.kit.database import Database
from services.kit.promise.state import Made, Risk, Verdict
from services.kit.values import Cause
from services.notifications.attempts import Waiting
from services.notifications.domain import language_of
from services.notifications.rendering import Beside, due_of
from services.notifications.telling.domain import Telling

_read_made = msgspec.json.Decoder(Made).decode
# One mail of a customer at a time, in the order they were recorded; what waits for the morning holds up nothing.
TURN = """
where m.about is not null and m.state = 'waiting' and m.held_until is null and m.next_try_at <= clock_timestamp() and c.email is not null
  and not exists (
    select from messages earlier where earlier.customer_id = m.customer_id and earlier.about is not null and earlier.state = 'waiting'
      and earlier.held_until is null and earlier.seq < m.seq)"""
"""Of messages `m` about promises, and their customers `c`: those whose turn it is."""

_WAITING = f"""
select m.message_id, m.about, v.order_id, m.customer_id, m.intent, m.channel, m.attempts, m.cause_id, m.correlation_id, m.traceparent, m.risk,
       m.subject, m.body, m.offered, v.made, v.words, o.order_ref, c.email, c.name, e.words as earlier, e.verdict
from messages m join contacts_view c using (customer_id) join promise_view v on v.promise_id = m.about
left join orders_view o on o.order_id = v.order_id left join promise_view e on e.promise_id = m.earlier {TURN} and not m.date_wanted
order by m.seq limit 100"""  # noqa: S608  # our statements


async def waiting(database: Database) -> list[Waiting]:
    """Those whose turn it is."""
    return [_waiting(row) for row in await database.pool.fetch(_WAITING)]


def _waiting(row: Any) -> Waiting:
    made = _read_made(row["made"])
    language = language_of(made.language)
    beside = Beside(
        due=due_of(made.due, language), earlier=row["earlier"], stands=row["verdict"] == Verdict.OPEN, late=row["risk"] == Risk.LATE,
        subject=row["subject"], body=row["body"], offered=row["offered"],
    )  # fmt: skip
    return Waiting(
        row["message_id"], row["order_id"], row["customer_id"], Telling(row["intent"]), 0, row["channel"], row["attempts"],
        Cause(row["cause_id"], row["correlation_id"], row["traceparent"]), row["order_ref"], language, row["email"], row["name"], row["words"],
        about=row["about"], beside=beside,
    )  # fmt: skip
