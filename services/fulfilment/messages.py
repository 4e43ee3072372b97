"""What fulfilment hears from orders and from the catalogue. Shipping's own reading is in `shipping/messages.py`; `agents.py` joins the two."""

from services.fulfilment.domain import (
    AmendmentRequested,
    AmendmentUndone,
    CancelRequested,
    ItemListed,
    OrderAmended,
    OrderCancelled,
    OrderPlaced,
    OrderReleased,
)
from services.kit.envelope import Hears, Reads

ORDER_TOPIC = "orders.order.v1"
CUSTOMER_TOPIC = "orders.customer.v1"
ITEM_TOPIC = "storefront.item.v1"
UPGRADE_TOPIC = "loyalty.upgrade.v1"

HEARS: Hears = {
    "orders.OrderPlaced.v1": OrderPlaced,
    "orders.OrderReleased.v1": OrderReleased,
    "orders.CancelRequested.v1": CancelRequested,
    "orders.OrderCancelled.v1": OrderCancelled,
    "orders.AmendmentRequested.v1": AmendmentRequested,
    "orders.OrderAmended.v1": OrderAmended,
    "orders.AmendmentUndone.v1": AmendmentUndone,
    "storefront.ItemListed.v1": Reads(ItemListed, lambda item: item, strict=True),
}
