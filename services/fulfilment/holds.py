"""The holds of each order, as orders says them: while one stands, its task is claimed by nobody anew and its parcel goes no further.

What somebody has in hand may be picked and packed. A hold for want of stock is our own doing, and is not kept.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.fulfilment.shipping.messages import HoldLifted, OrderHeld
from services.kit.database import Transaction
from services.kit.values import Heard, Refusal

_HOLD = "insert into order_holds (order_id, hold_id, reason, owner) values ($1, $2, $3, $4) on conflict do nothing"
_LIFT = "delete from order_holds where order_id = $1 and hold_id = $2"
_STANDING = "select reason, owner from order_holds where order_id = $1 order by hold_id limit 1"


class OrderStopped(Refusal):
    slug = "order-held"


async def note(work: Transaction, batch: Sequence[Heard[Any]]) -> None:
    """Keep the holds of this batch, in order. The tasks of these orders are locked."""
    for said in (heard.data for heard in batch):
        if isinstance(said, OrderHeld) and said.reason != "stock":
            await work.connection.execute(_HOLD, said.order_id, said.hold_id, said.reason, said.owner)
        elif isinstance(said, HoldLifted):
            await work.connection.execute(_LIFT, said.order_id, said.hold_id)


async def refuse_held(work: Transaction, order_id: UUID) -> None:
    """Raises OrderStopped while a hold stands on the order."""
    row = await work.connection.fetchrow(_STANDING, order_id)
    if row:
        sentence = f"The order is held by {row['owner']} ({row['reason']}): set it aside until they lift the hold."
        raise OrderStopped(sentence, reason=row["reason"], owner=row["owner"])
