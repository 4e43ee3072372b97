"""What a change of an order asks for, as it stands on the wire, and the whole order as it would be."""

from datetime import date
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType

from services.orders.messages import AddressWire, ChargeWire, LineWire, OrderSubmittedWire, to_submission
from services.orders.validation import Submission

_decode = msgspec.json.Decoder(OrderSubmittedWire).decode


class ChangeWire(Struct, frozen=True, kw_only=True):
    """What is not sent stays as it is."""

    lines: tuple[LineWire, ...] | UnsetType = UNSET
    charges: tuple[ChargeWire, ...] | UnsetType = UNSET
    ship_to: AddressWire | UnsetType = UNSET
    service: Literal["standard", "overnight"] | UnsetType = UNSET
    quote_id: UUID | UnsetType | None = UNSET
    chosen_on: date | UnsetType | None = UNSET
    total_minor: int


def changed(body: bytes, change: ChangeWire) -> Submission:
    """The order of this body with the change; its payment is told as its total, since what was paid is not the submission's to say any more."""
    order = _decode(body)
    given = {name: value for name in change.__struct_fields__ if (value := getattr(change, name)) is not UNSET}
    payment = msgspec.structs.replace(order.payment, amount_minor=change.total_minor)
    return to_submission(msgspec.structs.replace(order, **given, payment=payment))
