"""The holds of each order, as orders says them: while one stands, its task is claimed by nobody anew and its parcel goes no further.

What somebody has in hand may be picked and packed. A hold for want of stock is our own doing, and is not kept. A change of the order holds it as
well, from when it is prepared until it is settled: then nobody has it in hand, and it is taken out of no carton.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.fulfilment.shipping.messages import HoldLifted, OrderHeld
from services.kit.database import Transaction
from services.kit.values import Heard, Refusal

_HOLD = """
insert into order_holds (order_id, hold_id, reason, owner) select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[])
on conflict do nothing"""
_LIFT = "delete from order_holds where (order_id, hold_id) in (select * from unnest($1::uuid[], $2::uuid[]))"
_STANDING = "select reason, owner from order_holds where order_id = $1 order by hold_id limit 1"
_CHANGING = "select reason, owner from order_holds where order_id = $1 and reason = 'amendment'"
_HELD_IN = """
select distinct on (parcel_id) parcel_id, reason, owner from parcels join order_holds using (order_id) where load_list_id = $1
order by parcel_id, hold_id"""


AMENDMENT = "amendment"
"""The reason of a hold by a change of the order; its id is the change's."""


class OrderStopped(Refusal):
    slug = "order-held"


async def note(work: Transaction, batch: Sequence[Heard[Any]]) -> None:
    """Keep the holds of this batch, the last word on each. The tasks of these orders are locked."""
    said = [heard.data for heard in batch if isinstance(heard.data, OrderHeld | HoldLifted) and heard.data.reason != "stock"]
    last = {(each.order_id, each.hold_id): each for each in said}
    held = [(*key, each.reason, each.owner) for key, each in last.items() if isinstance(each, OrderHeld)]
    lifted = [key for key, each in last.items() if isinstance(each, HoldLifted)]
    if held:
        work.write(_HOLD, *(list(column) for column in zip(*held, strict=True)))
    if lifted:
        work.write(_LIFT, *(list(column) for column in zip(*lifted, strict=True)))


def hold_for_changes(work: Transaction, changes: Sequence[tuple[UUID, UUID]]) -> None:
    """These changes (order id, amendment id) are prepared: nobody works on their orders."""
    if changes:
        rows = [(*change, AMENDMENT, "orders") for change in changes]
        work.write(_HOLD, *(list(column) for column in zip(*rows, strict=True)))


def settle_changes(work: Transaction, changes: Sequence[tuple[UUID, UUID]]) -> None:
    """These changes are settled, and hold their orders no longer."""
    if changes:
        work.write(_LIFT, *(list(column) for column in zip(*changes, strict=True)))


async def refuse_changing(work: Transaction, order_id: UUID) -> None:
    """Raises OrderStopped while a change of the order is not settled."""
    row = await work.connection.fetchrow(_CHANGING, order_id)
    if row:
        raise OrderStopped(_sentence(row), reason=row["reason"], owner=row["owner"])


async def refuse_held(work: Transaction, order_id: UUID) -> None:
    """Raises OrderStopped while a hold stands on the order."""
    row = await work.connection.fetchrow(_STANDING, order_id)
    if row:
        raise OrderStopped(_sentence(row), reason=row["reason"], owner=row["owner"])


async def refuse_held_load(work: Transaction, load_list_id: UUID) -> None:
    """Raises OrderStopped, with the parcels to be unloaded, while a hold stands on the order of one in this trailer."""
    rows = await work.connection.fetch(_HELD_IN, load_list_id)
    if rows:
        parcels = [row["parcel_id"] for row in rows]
        sentence = f"{_sentence(rows[0])} Unload first: {', '.join(map(str, parcels))}."
        raise OrderStopped(sentence, reason=rows[0]["reason"], owner=rows[0]["owner"], parcels=parcels)


async def is_held(work: Transaction, order_id: UUID) -> bool:
    """Whether a hold stands on the order."""
    return await work.connection.fetchrow(_STANDING, order_id) is not None


def _sentence(hold: Any) -> str:
    if hold["reason"] == AMENDMENT:
        return "The order is being changed: set it aside until that is settled, and take the next one."
    return f"The order is held by {hold['owner']} ({hold['reason']}): set it aside until they lift the hold."
