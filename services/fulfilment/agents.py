"""What fulfilment listens to, and the seam between its parts.

One transaction per batch. Locks are always taken in this order, by the worker and by every route, so that nobody waits in a circle:
pick tasks (by order id) -> changes of orders -> stock (by site, sku) -> wants -> shipping's rows (shipments, slots, departures, then parcels) -> the
heads of `WorkLog`, last.
What is written to rows that are locked, or new, is queued and goes with the commit; where a statement builds on it (wants to be tried again, tasks
to be moved), it is written right before that.

Stock and floor decide and record first, shipping after them on the same batch, then the log is flushed. What the parts use of each other:

- shipping calls `floor.store.move_tasks(work, {order_id: hand_over_by})` when an upgrade moves an order to another departure;
- the cancel calls `shipping.store.free_slots(work, order_ids)` for the orders whose cancel it accepted;
- a change (`amending/`) is decided in the same fold as the claim and the cancel: it reads `shipping.store.ShippingStore.open_book` for whether the
  parcel has its label, holds its order through `holds.hold_for_changes` until it is settled, and opens the carton by `shipping.store.drop_parcel`;
  shipping hears `OrderAmended` by itself, behind it;
- the pack calls `shipping.store.add_parcel(work, NewParcel(...))`, the unpack `shipping.store.drop_parcel(work, parcel_id)`: False once labelled.

Shipping's own timers and errands are `TIMERS` and `ERRANDS` in `shipping/agents.py`, what it hears is `HEARS` in `shipping/messages.py`, its
routes are `routers` in `shipping/api.py`.
"""

from collections.abc import Sequence
from typing import Any

from services.fulfilment import handlers, messages
from services.fulfilment.amending.store import AmendSql
from services.fulfilment.duties import agents as duties
from services.fulfilment.floor.projections import measure_queues
from services.fulfilment.floor.store import FloorSql
from services.fulfilment.holds import note
from services.fulfilment.settings import fulfilment_settings
from services.fulfilment.shipping import agents as shipping
from services.fulfilment.shipping.handlers import on_events as ship
from services.fulfilment.shipping.messages import HEARS as SHIPPING_HEARS
from services.fulfilment.shipping.settings import shipping_settings
from services.fulfilment.shipping.store import ShippingStore, free_slots
from services.fulfilment.stock.store import StockSql
from services.fulfilment.work import WorkLog
from services.kit.database import Transaction
from services.kit.ids import uuid7
from services.kit.stage import Stage, Timer
from services.kit.values import Heard


async def handle(work: Transaction, batch: Sequence[Heard[Any]]) -> None:
    """One batch in one transaction."""
    log = WorkLog(work)
    stock, floor, way_out = StockSql(work, log), FloorSql(work, log, fulfilment_settings().lease), ShippingStore(work, log, shipping_settings().rates)
    amends = AmendSql(work, way_out)
    decided = await handlers.on_events(batch, stock, floor, amends, work, uuid7, fulfilment_settings().pace)
    await note(work, batch)
    if decided.cancelled:
        await free_slots(work, decided.cancelled)
    await ship([heard for heard in batch if heard.id not in decided.refused], way_out)
    await log.flush()


async def try_wants(work: Transaction) -> int:
    """The orders for whose items units came are tried again, oldest first."""
    log = WorkLog(work)
    stock = StockSql(work, log)
    ripe = await stock.ripe()
    if ripe:
        await handlers.try_wants(ripe, stock, FloorSql(work, log, fulfilment_settings().lease), fulfilment_settings().pace)
        await log.flush()
    return len(ripe)


STAGE = Stage(
    service="fulfilment",
    topics=(messages.ORDER_TOPIC, messages.CUSTOMER_TOPIC, messages.ITEM_TOPIC, messages.UPGRADE_TOPIC),
    hears={**messages.HEARS, **SHIPPING_HEARS},
    handle=handle,
    views_promises=True,
    duties=duties.DUTIES,
)
TIMERS = (Timer("wants", try_wants), Timer("queues", measure_queues), *shipping.TIMERS)
ERRANDS = (*shipping.ERRANDS, *duties.ERRANDS)
