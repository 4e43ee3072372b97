"""What fulfilment listens to, and the seam between its three parts.

One transaction per batch. Locks are always taken in this order, by the worker and by every route, so that nobody waits in a circle:
pick tasks (by order id) -> stock (by site, sku) -> wants -> shipping's rows (departures and slots, then parcels) -> the heads of `WorkLog`, last.

The handler locks the pick tasks of every order in the batch, lets stock and floor decide and record, then hands the whole batch to
`shipping.handlers.on_events(batch, ShippingStore(work, log))`, and flushes the log. What the parts use of each other:

- shipping calls `floor.store.move_tasks(work, {order_id: hand_over_by})` when an upgrade moves an order to another departure;
- the cancel calls `shipping.store.free_slots(work, order_ids)` for the orders whose cancel it accepted;
- the pack calls `shipping.store.add_parcel(work, NewParcel(...))`, the unpack `shipping.store.drop_parcel(work, parcel_id)`: False once labelled.

Shipping's own timers and errands are `TIMERS` and `ERRANDS` in `shipping/agents.py`, what it hears is `HEARS` in `shipping/messages.py`, its
routes are `routers` in `shipping/api.py`.
"""
