"""What is owed back once a change of an order is decided becomes a promise in the ledger, like any other refund: kept by whoever pays it, or broken.

The errand asks under the id that was made with the change, so that asked again it is the same promise.
"""

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import structlog

from services.kit.calling import Away, call
from services.kit.database import Database
from services.kit.failpoints import ARMED, hit
from services.kit.settings import KitSettings
from services.kit.stage import Errand
from services.orders.settings import Settings

if TYPE_CHECKING:
    import httpx

log = structlog.get_logger(__name__)
_WITHIN_DAYS = 5
"""Working days, counted from the day on which it was decided. Source: `within_days` of the ledger's tariff."""
_AT_ONCE = 20
_REFUSED = (400, 409, 422)
_OWED = """
select a.amendment_id, a.refund_id, a.refund_minor, a.decided_at, o.order_id, o.customer_id, o.currency, o.language, o.zone, o.paid_minor
from amendments a join orders o using (order_id)
where a.refund_minor > 0 and a.promised_at is null and a.not_promised is null order by a.decided_at limit $1"""
_OURS = "select exists (select from amendments where refund_id = $1::text::uuid)"
_ALIKE = "looks-like-duplicate"
_PROMISED = "update amendments set promised_at = $2, not_promised = $3 where amendment_id = $1"


async def promise_refunds(database: Database, settings: KitSettings | None = None, transport: "httpx.AsyncBaseTransport | None" = None) -> int:
    """Have the ledger promise what is owed, a few at a time. Returns how many it answered. Raises Away while it does not."""
    owed = await database.pool.fetch(_OWED, _AT_ONCE)
    for row in owed:
        refusal = await _promise(row, database, settings or Settings(), transport)
        if refusal:
            log.error("a refund that an amendment owes was not promised: a person must see to it", id=str(row["amendment_id"]), reason=refusal)
        await database.pool.execute(_PROMISED, row["amendment_id"], None if refusal else database.clock.now(), refusal)
    return len(owed)


async def _promise(row: Any, database: Database, settings: KitSettings, transport: "httpx.AsyncBaseTransport | None") -> str | None:
    """Why the ledger will never promise it; None where it has. Two changes of an order may owe the same: what looks like another change's refund is
    told to be another one, under a key of its own. Raises Away."""
    body, key = _refund(row), f"amendment-{row['amendment_id']}"
    refusal, alike = await _ask(row["amendment_id"], body, key, settings, transport)
    while refusal == _ALIKE and alike and alike != body.get("distinct_from") and await database.pool.fetchval(_OURS, alike):
        body["distinct_from"] = alike
        refusal, alike = await _ask(row["amendment_id"], body, f"{key}-beside-{alike}", settings, transport)
    return refusal


def _refund(row: Any) -> dict[str, Any]:
    """The promise, as the ledger is asked for it."""
    return {
        "promise_id": row["refund_id"],
        "customer_id": row["customer_id"],
        "order_id": row["order_id"],
        "kind": "refund",
        "language": row["language"],
        "due": {"said": _due(row["decided_at"].astimezone(ZoneInfo(row["zone"])).date()).isoformat(), "zone": row["zone"]},
        "amount_minor": row["refund_minor"],
        "currency": row["currency"],
        "order_minor": row["paid_minor"],
    }


async def _ask(
    amendment_id: UUID, body: dict[str, Any], key: str, settings: KitSettings, transport: "httpx.AsyncBaseTransport | None"
) -> tuple[str | None, str | None]:
    """Why the ledger does not promise it, None where it does; and the promise that it looks like. Raises Away."""
    if ARMED:
        hit("owed.asking", amendment_id)
    answered = await call(settings, "orders", "POST", f"{settings.promises_url}/v1/promises", body, transport, key=key)
    if ARMED:
        hit("owed.answered", amendment_id)
    if answered.is_success:
        return None, None
    if answered.status_code not in _REFUSED:
        raise Away(f"the ledger answered {answered.status_code}")
    told: dict[str, Any] = msgspec.json.decode(answered.content)
    return str(told.get("type", "refused")).rpartition(":")[2][:64] or "refused", told.get("promise_id")


def _due(decided_on: date) -> date:
    """The last of so many working days after this one."""
    day, left = decided_on, _WITHIN_DAYS
    while left:
        day += timedelta(days=1)
        left -= day.isoweekday() <= 5
    return day


OWING = Errand("amendment refunds", promise_refunds)
