"""Orders and what befalls them, as the handlers hear it; and the same as it stands on the wire."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.kit.envelope import Reader, encode_data, headers_of
from services.kit.ids import uuid7
from services.kit.values import Cause, Heard
from services.promises.messages import HEARS

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ORDER = UUID("019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a01")
CUSTOMER = UUID("019ab2c4-7d11-7a20-8b1e-5c9e44d0aa02")
PLACED_AT = datetime(2026, 11, 22, 4, 58, tzinfo=UTC)
"""Saturday 23:58 in New York."""
DUE_AT = datetime(2026, 11, 27, 4, 59, 59, tzinfo=UTC)
HAND_OVER = datetime(2026, 11, 22, 23, tzinfo=UTC)

PLACED: dict[str, Any] = {
    "order_id": str(ORDER), "order_ref": "VCMR-R6G1", "channel": "web", "external_ref": "536365", "customer_id": str(CUSTOMER),
    "address_id": "019ab2c4-7d12-7f00-9d2c-aa01bb02cc03", "guest": False, "site": "SDF1", "placed_at": "2026-11-22T04:58:00Z",
    "currency": "GBP", "goods_minor": 1530, "charges_minor": 395, "total_minor": 1925,
    "lines": [{"line": 1, "sku": "85123A", "quantity": 6, "unit_price_minor": 255, "description": "WHITE HANGING HEART T-LIGHT HOLDER"}],
    "service": "standard", "quote_id": None, "chosen_on": None, "signature_required": False, "po_box": False,
    "destination": {"country": "US", "postcode_prefix": "402", "zone": "America/New_York"}, "language": "en",
}  # fmt: skip
CANCELLED: dict[str, Any] = {
    "order_id": str(ORDER), "customer_id": str(CUSTOMER), "request_id": "019ab2c4-7f40-7e55-8a7b-00112233aa07", "reason": "changed my mind",
    "cancelled_at": "2026-11-22T05:02:12Z",
}  # fmt: skip
DELIVERED: dict[str, Any] = {
    "order_id": str(ORDER), "parcel_id": "019ab2c5-9160-7a77-8c9d-0123456789a9", "delivered_at": "2026-11-23T12:58:00Z", "evidence_id": "evt_8812",
    "last": True,
}  # fmt: skip
DELAYED: dict[str, Any] = {
    "order_id": str(ORDER), "slack_seconds": -840, "hand_over_by": "2026-11-22T23:00:00Z", "next_hand_over_by": "2026-11-23T23:00:00Z",
    "cause": "queue", "foreseen_at": "2026-11-22T20:31:00Z",
}  # fmt: skip
HELD: dict[str, Any] = {
    "order_id": str(ORDER), "hold_id": "019ab2c4-7e30-7d44-9b6a-99aabbccdd06", "reason": "stock", "owner": "fulfilment",
    "held_at": "2026-11-22T04:58:02Z",
}  # fmt: skip
LIFTED: dict[str, Any] = {"order_id": str(ORDER), "hold_id": HELD["hold_id"], "reason": "stock", "lifted_at": "2026-11-22T06:10:00Z"}
GROUND: dict[str, Any] = {
    "carrier_service": "ground-standard", "carrier": "parcel", "site": "SDF1", "service": "standard", "zone": "America/New_York", "withdrawn": False,
    "by_air": False, "departures": [{"weekday": day, "at": "18:00", "places": None} for day in range(1, 8)], "closed_on": ["2026-12-25"],
    "lanes": [{"country": "US", "postcode_prefix": "402", "transit_days": 4, "deliver_by": "20:00", "delivers_on": [1, 2, 3, 4, 5, 6],
               "destination_zone": "America/New_York", "label_minor": 180, "currency": "GBP"}],
}  # fmt: skip
AIR: dict[str, Any] = GROUND | {
    "carrier_service": "airline-overnight", "service": "overnight", "by_air": True,
    "departures": [{"weekday": day, "at": "01:15", "places": 120} for day in range(1, 8)],
    "lanes": [GROUND["lanes"][0] | {"transit_days": 0, "deliver_by": "08:00", "delivers_on": [1, 2, 3, 4, 5, 6, 7]}],
}  # fmt: skip
QUEUE: dict[str, Any] = {
    "site": "SDF1", "waiting_orders": 12, "waiting_lines": 86, "work_seconds": 1200, "pickers": 4, "measured_at": "2026-11-22T04:50:00Z"}  # fmt: skip

AMENDMENT = "019ab2d0-3f10-7d21-8a44-6b7c8d9e0f11"
REQUESTED: dict[str, Any] = {
    **{name: PLACED[name] for name in ("order_id", "customer_id", "address_id", "site", "service", "signature_required", "po_box", "destination")},
    "language": "en", "quote_id": None, "chosen_on": None, "currency": "GBP", "goods_minor": 2040, "charges_minor": 395, "total_minor": 2435,
    "amendment_id": AMENDMENT, "lines": [PLACED["lines"][0] | {"quantity": 8}], "requested_by": "customer", "requested_at": "2026-11-22T05:20:00Z",
}  # fmt: skip
AMENDED: dict[str, Any] = REQUESTED | {"due_at": None, "hand_over_by": None, "carrier_service": None, "amended_at": "2026-11-22T05:20:01Z"}
UNDONE: dict[str, Any] = {
    "order_id": str(ORDER), "customer_id": str(CUSTOMER), "amendment_id": AMENDMENT, "reason": "not-in-stock", "sentence": "No.",
    "undone_at": "2026-11-22T05:20:01Z",
}  # fmt: skip

TYPES = {
    "AmendmentRequested": "orders", "OrderAmended": "orders", "AmendmentUndone": "orders",
    "OrderPlaced": "orders", "OrderCancelled": "orders", "OrderHeld": "orders", "HoldLifted": "orders",
    "ParcelDelivered": "fulfilment", "DelayForeseen": "fulfilment",
    "CarrierServiceScheduled": "fulfilment", "QueueMeasured": "fulfilment",
}  # fmt: skip
EXAMPLES = {
    "OrderPlaced": PLACED, "OrderCancelled": CANCELLED, "OrderHeld": HELD, "HoldLifted": LIFTED, "ParcelDelivered": DELIVERED,
    "DelayForeseen": DELAYED, "AmendmentRequested": REQUESTED, "OrderAmended": AMENDED, "AmendmentUndone": UNDONE,
    "CarrierServiceScheduled": GROUND, "QueueMeasured": QUEUE,
}  # fmt: skip
_reader = Reader(HEARS)


def heard(name: str, data: dict[str, Any] | bytes | None = None, version: int = 1, **changes: Any) -> Heard[Any]:
    """The event as the worker reads it off the wire: the example (or `data`) with these changes. Raises BadData."""
    type = f"{TYPES[name]}.{name}.v1"
    value = data if isinstance(data, bytes) else encode_data((data or EXAMPLES[name]) | changes)
    id = uuid7()
    headers = headers_of(
        id=id, type=type, source="/test", subject="s", time=PLACED_AT, version=version, cause=Cause(id, id, TRACE), traceparent=TRACE
    )  # fmt: skip
    read = _reader.read(dict(headers), value)
    assert read is not None
    return read
